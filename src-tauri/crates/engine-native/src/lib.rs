//! Processes of this machine as a locald engine: servers that are found or fetched, and Postgres from a template.

mod fetch;
mod launch;
pub mod postgres;
pub mod servers;

pub use launch::{Launch, Owner};
