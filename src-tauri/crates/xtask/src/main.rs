//! Development tasks. `cargo xtask run` runs the app with the example project, `cargo xtask test` runs every test; each
//! installs what it lacks.

mod bench;
mod catalog;
mod chaos;
mod conformance;
mod display;
mod engine;
mod example;
mod packages;
mod run;
mod sh;
mod test;
mod ui;

use std::process::ExitCode;

const USAGE: &str =
    "cargo xtask run [--once] [--engine]
                             open the app with the project in examples/shop, or examples/database where no container
                             engine answers (--once: end after the screenshot; --engine: root gets a private Docker engine)
cargo xtask test [--fast]    run every test (--fast: without the end-to-end ones)
cargo xtask bench [NAME]     run the benchmarks, or one of them
cargo xtask chaos [--seed N] [--minutes M] [--keep-going]
                             random acts and faults on real engines, and what locald shows of them
cargo xtask shots            take the pictures in docs/ anew
cargo xtask setup            install what the others need
cargo xtask ui               build the dashboard
cargo xtask bindings         write the dashboard's types anew from the Rust ones";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["run", options @ ..] if options.iter().all(|option| ["--once", "--engine"].contains(option)) => {
            run::run(options.contains(&"--once"), options.contains(&"--engine"))
        }
        ["test"] => test::run(false),
        ["test", "--fast"] => test::run(true),
        ["bench", names @ ..] => bench::run(names),
        ["chaos", args @ ..] => chaos::run(args),
        ["shots"] => bench::shots(),
        ["setup"] => packages::install(packages::ALL),
        ["ui"] => ui::build(),
        ["bindings"] => test::write_bindings(),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            sh::say(&message);
            ExitCode::FAILURE
        }
    }
}
