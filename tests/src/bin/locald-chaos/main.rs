//! `cargo xtask chaos`: real engines, random acts and faults, and the proof that locald's picture stays true.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people who run it by hand"
)]

use std::process::ExitCode;
use std::time::Duration;

use locald_tests::chaos::{self, Options};

const USAGE: &str = "locald-chaos [--seed NUMBER] [--minutes NUMBER] [--acts NUMBER] [--keep-going]";

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}, {:?}", options.seed, options.length);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(chaos::run(options)) {
        Ok(report) => {
            println!("{report}");
            if report.is_good() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        seed: fastrand::u64(1..1_000_000),
        length: Duration::from_secs(300),
        acts: 25,
        keep_going: false,
    };
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<f64, String> {
            let text = arguments.next().unwrap_or_default();
            text.parse().map_err(|_| format!("{argument} needs a number"))
        };
        match argument.as_str() {
            "--seed" => options.seed = number()? as u64,
            "--minutes" => options.length = Duration::from_secs_f64(number()?.clamp(0.0, 10_000.0) * 60.0),
            "--acts" => options.acts = number()? as usize,
            "--keep-going" => options.keep_going = true,
            _ => return Err(format!("what is {argument}?")),
        }
    }
    Ok(options)
}
