//! What goes in and out of an engine.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use locald_core::{
    EngineId, InstanceId, ServiceId, ServiceSpec,
    instance::ExitFacts,
    snapshot::HealthKind,
    spec::{ContainerForm, Signal},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

use crate::EngineError;

/// A family of engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Docker, or what speaks its API and says it is Docker.
    Docker,
    /// Podman, through its Docker API.
    Podman,
    /// Processes of this machine, with no container engine.
    Native,
    /// The fake of the tests.
    Fake,
}

impl EngineKind {
    /// `docker`, as `--json` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Native => "native",
            Self::Fake => "fake",
        }
    }
}

/// Which engine, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineIdentity {
    /// The id by which services name it.
    pub id: EngineId,
    /// Its family as far as is known before it answered.
    pub kind: EngineKind,
    /// Where it is: `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// Where the endpoint was learned from: `from DOCKER_HOST`.
    pub source: String,
}

/// What an engine said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVersion {
    /// The engine's version: `28.2.2`.
    pub version: String,
    /// The API version in use: `1.41`.
    pub api: String,
    /// The family it says it is.
    pub kind: EngineKind,
    /// The same for every path that leads to this engine, and for no other engine; `None` when it doesn't tell.
    pub key: Option<String>,
    /// The engine's clock minus this machine's; zero when they are about the same.
    pub clock_offset: SignedDuration,
}

/// What an engine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Can fetch images.
    pub pull: bool,
    /// Can run a command inside an instance.
    pub exec: bool,
    /// Has numbers on CPU and memory.
    pub stats: bool,
    /// Runs an image's own health check by itself and tells of its result. Where it doesn't, locald does.
    pub health_checks: bool,
}

/// What to run: the declared spec and what the project adds to it.
#[derive(Debug, Clone)]
pub struct InstanceSpec {
    /// The service as declared.
    pub service: Arc<ServiceSpec>,
}

impl InstanceSpec {
    /// `locald-<project>-<service>`.
    #[must_use]
    pub fn instance_name(&self) -> String {
        let id = &self.service.id;
        format!("locald-{}-{}", id.project, id.name)
    }

    /// What a container engine makes of it.
    ///
    /// # Errors
    /// [`EngineError::Unfit`] for what only runs as a process.
    pub fn container(&self, engine: &EngineIdentity) -> Result<ContainerForm, EngineError> {
        self.service.container_form().ok_or_else(|| EngineError::Unfit {
            engine: engine.id.to_string(),
            service: self.service.id.to_string(),
            detail: "it is a process of this machine and has no image".to_owned(),
        })
    }

    /// The project's network: `locald-<project>`.
    #[must_use]
    pub fn network_name(&self) -> String {
        format!("locald-{}", self.service.id.project)
    }

    /// What an engine calls a named volume of the project: `locald-<project>-<name>`.
    #[must_use]
    pub fn volume_name(&self, name: &str) -> String {
        format!("locald-{}-{name}", self.service.id.project)
    }
}

/// Progress of a preparation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepareProgress {
    /// Bytes had so far.
    pub done_bytes: u64,
    /// Bytes in all, as far as is known by now.
    pub total_bytes: Option<u64>,
}

/// Takes progress; a full channel drops it, since only the newest counts.
pub type ProgressSink = mpsc::Sender<PrepareProgress>;

/// A started instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedInstance {
    /// The engine's id of it.
    pub id: InstanceId,
    /// Was an existing one started again?
    pub reused: bool,
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopRequest {
    /// Which signal asks; `None` leaves it to the image.
    pub signal: Option<Signal>,
    /// How long to wait before the kill; whole seconds are what Docker takes, so it is rounded up.
    pub grace: Duration,
}

/// Something happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// To which one.
    pub instance: InstanceId,
    /// Its service, by the labels on the event, `None` for one that locald did not make.
    pub service: Option<ServiceId>,
    /// What.
    pub kind: EngineEventKind,
    /// When, by the engine's clock.
    pub at: Option<Timestamp>,
}

/// What happened. Actions that change nothing locald shows are never passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEventKind {
    /// It was made.
    Created,
    /// Its process started.
    Started,
    /// Somebody had the engine send it a signal.
    Signaled {
        /// Which one, as far as it could be read.
        signal: Option<Signal>,
    },
    /// Somebody had the engine stop it (may arrive before or after [`Self::Exited`]).
    StopRequested,
    /// Somebody had the engine restart it (Docker tells afterwards, Podman before [`Self::Exited`]).
    RestartRequested,
    /// Its process ended. `oom` is not known from here: inspect.
    Exited(ExitFacts),
    /// A process in it was killed for lack of memory; it may still run.
    OutOfMemory,
    /// Frozen.
    Paused,
    /// Thawed.
    Unpaused,
    /// It has another name now.
    Renamed,
    /// The engine's own health check changed its mind.
    EngineHealth {
        /// The result.
        status: HealthKind,
    },
    /// It is gone.
    Removed,
}

/// Which stream a line came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output, or a terminal's only stream.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Which stream.
    pub stream: LogStream,
    /// When, by the engine's clock.
    pub at: Option<Timestamp>,
    /// The bytes as they were written, escapes and all; at most [`LogLine::LIMIT`], longer ones are cut and say so.
    pub bytes: Bytes,
    /// Bytes cut off beyond the limit.
    pub cut_bytes: u64,
}

impl LogLine {
    /// The longest line kept whole, in bytes: 2 MiB.
    pub const LIMIT: usize = 2 * 1024 * 1024;
}

/// What part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// Only the last so many lines; `None` for all.
    pub tail: Option<u32>,
    /// Go on as more is written.
    pub follow: bool,
    /// Only what was written at or after this time.
    pub since: Option<Timestamp>,
}

/// Use of resources at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatsSample {
    /// Share of one core in percent since the sample before (200 is two whole cores); `None` in the first sample or
    /// where the engine doesn't say.
    pub cpu_percent: Option<f64>,
    /// Memory in bytes without the page cache.
    pub memory_bytes: Option<u64>,
    /// Memory limit in bytes, `None` without one.
    pub memory_limit_bytes: Option<u64>,
}

/// What an engine holds of a service's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFacts {
    /// Where: a folder, or the names of volumes. For a person to read.
    pub place: String,
    /// What it is: `17` for Postgres 17's (the file `PG_VERSION`), `None` where it can't be told or any server reads it.
    pub format: Option<String>,
    /// Its size in bytes, where that is cheap to know.
    pub size_bytes: Option<u64>,
}

/// How a command inside an instance ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Its exit code.
    pub code: i32,
    /// Its output, both streams, at most 64 KiB.
    pub output: String,
}
