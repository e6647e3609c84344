//! The dashboard's build.

use std::{fs, process::Command, time::SystemTime};

use crate::sh;

/// Builds the dashboard when something of it is newer than what was built.
pub(crate) fn build() -> Result<(), String> {
    let ui = sh::root().join("ui");
    let built = modified(&ui.join("dist/index.html"));
    let sources = newest(&ui.join("src"))
        .max(modified(&ui.join("index.html")))
        .max(modified(&ui.join("package-lock.json")));
    if built.is_some() && built >= sources {
        return Ok(());
    }
    sh::step("building the dashboard");
    install()?;
    npm(&["run", "build"])
}

/// Checks, lints and tests the dashboard, and builds it.
pub(crate) fn test() -> Result<(), String> {
    sh::step("the dashboard: types, lint, tests, build");
    install()?;
    for task in ["check", "lint", "test", "build"] {
        npm(&["run", task])?;
    }
    Ok(())
}

fn install() -> Result<(), String> {
    if !sh::exists("npm") {
        return Err("npm is needed to build the dashboard: install Node 20.19 or later".to_owned());
    }
    let ui = sh::root().join("ui");
    let lock = modified(&ui.join("package-lock.json"));
    if modified(&ui.join("node_modules/.package-lock.json")) >= lock {
        return Ok(());
    }
    npm(&["ci", "--no-audit", "--no-fund"])
}

fn npm(args: &[&str]) -> Result<(), String> {
    sh::run(Command::new("npm").args(args).current_dir(sh::root().join("ui")))
}

fn modified(path: &std::path::Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn newest(folder: &std::path::Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .filter_map(|entry| {
            if entry.path().is_dir() {
                newest(&entry.path())
            } else {
                modified(&entry.path())
            }
        })
        .max()
}
