//! What an engine tells of an instance, in locald's own words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{InstanceId, ServiceId, spec::Protocol};

/// One instance as an engine's list or inspection shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedInstance {
    /// The engine's id of it.
    pub id: InstanceId,
    /// The name the engine shows, without a leading slash. May be empty when the engine gave none.
    pub name: String,
    /// Which service it belongs to, by its labels; `None` for one that locald did not make.
    pub service: Option<ServiceId>,
    /// The spec hash in its label.
    pub spec_hash: Option<String>,
    /// Is it running?
    pub run: RunState,
    /// Ports as they are published now.
    pub ports: Vec<PublishedPort>,
    /// When it last started, by the engine's clock.
    pub started_at: Option<Timestamp>,
    /// Whether its output is a terminal's (one raw stream) or two framed streams.
    pub tty: bool,
}

/// Whether an instance runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// Made and never started, or its start failed.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Its process ended.
    Exited(ExitFacts),
    /// The engine said something that can't be told as one of the above.
    Unknown(String),
}

impl RunState {
    /// Does a process exist?
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// How a process ended, as the engine tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitFacts {
    /// Exit code, `None` where the engine lost it.
    pub code: Option<i32>,
    /// Ended by the kernel for lack of memory; only when the engine says so.
    pub oom: bool,
    /// When, by the engine's clock.
    pub at: Option<Timestamp>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PublishedPort {
    /// Address on this machine.
    pub host_ip: String,
    /// Port on this machine.
    pub host_port: u16,
    /// Port inside the instance.
    pub port: u16,
    /// Transport.
    pub protocol: Protocol,
}
