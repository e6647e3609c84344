//! The native engine, with real processes.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod conformance;
mod database;
mod ending;
mod managed;
mod support;
mod survival;
