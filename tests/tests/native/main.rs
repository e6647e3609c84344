//! Services as processes of this machine: a real PostgreSQL, with no container engine at all.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

mod choices;
mod credentials;
mod data;
mod faults;
mod moves;
mod newer;
mod plain;
mod ports;
mod stage;
mod storm;
