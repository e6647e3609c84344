//! Services as processes of this machine: a real PostgreSQL, with no container engine at all.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod ports;
mod stage;
mod storm;
