//! The `locald` command: everything the desktop app does, in a terminal.

mod args;
mod ask;
mod commands;
mod connect;
mod environment;
mod exit;
mod format;
mod output;
mod progress;
mod session;
mod target;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{args::Args, exit::Failure};

fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("no threads can be started: {error}")).report(json),
    };
    let result = runtime.block_on(commands::run(args));
    // A log that is followed reads from blocking threads; nothing of it is worth waiting for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}
