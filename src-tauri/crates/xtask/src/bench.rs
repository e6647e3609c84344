//! `cargo xtask bench`: figures, each beside another program's in the same run.

use crate::{packages, sh, ui};

/// Runs the benchmarks of these names, or all.
pub(crate) fn run(names: &[&str]) -> Result<(), String> {
    tool("locald-bench", names)
}

/// Takes the pictures in `docs/`.
pub(crate) fn shots() -> Result<(), String> {
    packages::install(&[&["dunst"]])?;
    tool("locald-shots", &[])
}

fn tool(name: &str, args: &[&str]) -> Result<(), String> {
    packages::install(packages::ALL)?;
    ui::build()?;
    sh::step("building for release");
    sh::run(&mut sh::cargo(&[
        "build",
        "--release",
        "-p",
        "locald-desktop",
        "-p",
        "locald-cli",
        "-p",
        "locald-engine-native",
    ]))?;
    let bin = sh::target().join("release");
    let mut tool = sh::cargo(&["run", "--quiet", "-p", "locald-tests", "--bin", name, "--"]);
    sh::run(
        tool.args(args)
            .env("LOCALD_BIN", bin.join("locald"))
            .env("LOCALD_DESKTOP_BIN", bin.join("locald-desktop")),
    )
}
