//! `cargo xtask test`: all that has to hold before anything lands.

use crate::{catalog, conformance, packages, sh, ui};

/// Runs every test; `fast` leaves out the end-to-end ones.
pub(crate) fn run(fast: bool) -> Result<(), String> {
    packages::install(packages::ALL)?;
    if !sh::exists("cargo-nextest") {
        sh::step("installing cargo-nextest");
        sh::run(&mut sh::cargo(&["install", "cargo-nextest", "--locked"]))?;
    }
    sh::step("formatting");
    sh::run(&mut sh::cargo(&["fmt", "--all", "--check"]))?;
    // Before anything in Rust: the desktop app carries the built dashboard in it.
    ui::test()?;
    sh::step("clippy");
    sh::run(&mut sh::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    sh::step("building the programs that the end-to-end tests run");
    sh::run(&mut sh::cargo(&["build", "--workspace", "--bins"]))?;
    sh::step("tests");
    conformance::forget()?;
    catalog::forget()?;
    let mut nextest = sh::cargo(&["nextest", "run", "--workspace"]);
    if fast {
        nextest.args(["--exclude", "locald-tests"]);
    }
    let bin = sh::target().join("debug");
    let passed = sh::run(
        nextest
            .env("LOCALD_BIN", bin.join("locald"))
            .env("LOCALD_DESKTOP_BIN", bin.join("locald-desktop")),
    );
    // Also after a failure: it shows which engine it was.
    conformance::print();
    if !fast {
        catalog::print();
    }
    passed
}

/// Writes `ui/src/lib/bindings` anew.
pub(crate) fn write_bindings() -> Result<(), String> {
    sh::run(sh::cargo(&["test", "-q", "-p", "locald-core", "bindings"]).env("LOCALD_WRITE_BINDINGS", "1"))
}
