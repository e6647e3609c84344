//! What is kept of a failed test: screen, tray menu, notifications, and the log of every program it started.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The root of the source tree: by what cargo says now, since a shared target folder may hold a build of another checkout.
pub fn workspace() -> PathBuf {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package
        .parent()
        .expect("the package is one folder below the workspace")
        .to_owned()
}

/// The name of the running test: nextest passes it, the standard harness names the thread after it.
pub fn test_name() -> String {
    let mut args = std::env::args().skip_while(|arg| arg != "--exact").skip(1);
    let thread = std::thread::current();
    let name = args
        .next()
        .filter(|name| !name.starts_with('-'))
        .or_else(|| thread.name().map(str::to_owned));
    name.unwrap_or_else(|| "unnamed".to_owned())
}

/// Where the evidence of the running test goes.
pub fn folder() -> PathBuf {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    workspace()
        .join("test-output")
        .join(test_name().replace("::", ".").chars().map(safe).collect::<String>())
}

/// Writes the evidence once, however many guards are dropped on the way out of a failed test.
#[derive(Debug, Default)]
pub struct Evidence {
    written: AtomicBool,
}

impl Evidence {
    /// Call from `Drop`: while a panic unwinds, `collect` fills the folder, and its path is printed.
    pub fn on_panic(&self, collect: impl FnOnce(&Path)) {
        if !std::thread::panicking() || self.written.swap(true, Ordering::SeqCst) {
            return;
        }
        let folder = folder();
        // What an earlier run left would be taken for this one's.
        let _ = fs::remove_dir_all(&folder);
        if let Err(error) = fs::create_dir_all(&folder) {
            eprintln!("cannot keep evidence in {}: {error}", folder.display());
            return;
        }
        collect(&folder);
        eprintln!("\nevidence of {}: {}", test_name(), folder.display());
        for name in contents(&folder) {
            eprintln!("  {name}");
        }
    }
}

/// Copies every file of `from` into `to`; a file that cannot be read is left out.
pub fn copy_logs(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let _ = fs::copy(entry.path(), to.join(entry.file_name()));
    }
}

fn contents(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| {
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            format!("{} ({size} bytes)", entry.file_name().to_string_lossy())
        })
        .collect();
    names.sort();
    names
}
