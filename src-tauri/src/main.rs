//! The locald desktop app: tray, dashboard window and notifications around the host. Adapters only; what they show
//! and what follows from a click is decided in `locald-core`.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod app;
mod bus;
mod commands;
mod display;
mod managed;
mod notify;
mod shell;
mod start;
mod streams;
mod tray;
mod window;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Local services in the desktop tray.
#[derive(Debug, Parser)]
#[command(name = "locald-desktop", version)]
struct Args {
    /// Start with the tray alone, as at login.
    #[arg(long)]
    hidden: bool,
    /// Show this service's log (`project/service`).
    service: Option<locald_core::ServiceId>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("LOCALD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match app::run(args.hidden, args.service) {
        Ok(code) => code,
        Err(message) => {
            tracing::error!("{message}");
            ExitCode::FAILURE
        }
    }
}
