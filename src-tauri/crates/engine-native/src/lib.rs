//! Processes of this machine as a locald engine: servers that are found or fetched, and Postgres from a template.

mod engine;
mod fetch;
pub mod holder;
mod launch;
mod logfile;
mod logs;
pub mod monitor;
pub mod postgres;
mod process;
mod record;
pub mod servers;
mod wire;

pub use engine::{NativeEngine, NativeOptions};
pub use holder::{Holder, holder_of};
pub use launch::{Launch, Owner};
