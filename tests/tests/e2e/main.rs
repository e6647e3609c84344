//! locald as a person uses it: the built programs on a real display, a real bus and a real engine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod chaos;
mod cli;
mod config;
mod crash;
mod databases;
mod desktop_parts;
mod engine_faults;
mod launch;
mod logs;
mod main_job;
mod many;
mod notices;
mod outage;
mod podman;
mod stage;
mod stops;
mod survival;
