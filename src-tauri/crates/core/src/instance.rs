//! What an engine tells of an instance, in locald's own words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    InstanceId, ServiceId,
    snapshot::HealthKind,
    spec::{HealthCheck, Protocol},
};

/// One instance as an engine's list or inspection shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedInstance {
    /// The engine's id of it.
    pub id: InstanceId,
    /// The name the engine shows, without a leading slash. May be empty when the engine gave none.
    pub name: String,
    /// The image it was made from, as people write it. May be empty when the engine gave none.
    pub image: String,
    /// Which compose project and service it belongs to, by compose's labels.
    pub compose: Option<ComposeOrigin>,
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
    /// The health check of its image or of who made it, `None` without one. Lists don't tell.
    pub health_check: Option<HealthCheck>,
    /// What the engine's own run of that check says; `None` where it has none, runs none, or didn't say.
    pub engine_health: Option<HealthKind>,
    /// The engine itself starts it again when it ends. Lists don't tell.
    pub engine_restarts: Option<EngineRestarts>,
}

impl ObservedInstance {
    /// One of which only this much is known.
    #[must_use]
    pub fn new(id: InstanceId, name: &str, run: RunState) -> Self {
        Self {
            id,
            name: name.to_owned(),
            image: String::new(),
            compose: None,
            service: None,
            spec_hash: None,
            run,
            ports: Vec::new(),
            started_at: None,
            tty: false,
            health_check: None,
            engine_health: None,
            engine_restarts: None,
        }
    }
}

/// Where compose says an instance comes from (labels `com.docker.compose.project`, `.service`, `.container-number`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeOrigin {
    /// The compose project.
    pub project: String,
    /// The service in it.
    pub service: String,
    /// Which of several instances of the service, from 1.
    pub number: u32,
    /// Made by `compose run` for one command.
    pub one_off: bool,
}

/// An engine's own restart policy for an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineRestarts {
    /// `always` and `unless-stopped`: after any end that nobody asked for.
    Always,
    /// `on-failure`: after an end with a code other than 0.
    OnFailure {
        /// At most so often in a row; `None` has no limit.
        max: Option<u32>,
    },
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
    /// Its process ended, and the engine is about to start it again by its own restart policy.
    Restarting(ExitFacts),
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
