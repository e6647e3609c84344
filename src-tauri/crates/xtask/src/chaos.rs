//! `cargo xtask chaos`: random acts and faults on real engines, and what locald shows of them.

use crate::{packages, sh};

/// Runs it with these arguments.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    packages::install(packages::ALL)?;
    sh::step("building");
    sh::run(&mut sh::cargo(&[
        "build",
        "-p",
        "locald-cli",
        "-p",
        "locald-tests",
        "--bins",
    ]))?;
    let bin = sh::target().join("debug");
    let mut chaos = std::process::Command::new(bin.join("locald-chaos"));
    sh::run(chaos.args(args).env("LOCALD_BIN", bin.join("locald")))
}
