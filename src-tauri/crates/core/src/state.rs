//! What the supervisor knows. Only [`crate::transition`] changes it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::Timestamp;

use crate::{
    EngineId, InstanceId, Problem, ProjectName, ServiceId, ServiceSpec,
    event::Ticket,
    instance::{ExitFacts, PublishedPort},
    snapshot::{Desired, EngineLink, ExitReport, HealthKind},
    spec::Signal,
};

/// Everything the supervisor knows.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Engines in order of discovery.
    pub engines: Vec<EngineRecord>,
    /// Projects by name.
    pub projects: BTreeMap<ProjectName, ProjectRecord>,
    /// Services by id.
    pub services: BTreeMap<ServiceId, Service>,
    /// Desired states of an earlier life, for services that aren't loaded yet.
    pub remembered: BTreeMap<ServiceId, Desired>,
    /// What this machine lacks, in sentences.
    pub notices: Vec<String>,
    /// The number of the last ticket or round given out.
    pub(crate) counter: u64,
}

impl State {
    /// The engine that runs new instances: the first known one.
    #[must_use]
    pub fn default_engine(&self) -> Option<&EngineRecord> {
        self.engines.first()
    }

    /// What people asked for, of all services that are loaded or remembered.
    #[must_use]
    pub fn desired(&self) -> BTreeMap<ServiceId, Desired> {
        let mut all = self.remembered.clone();
        all.extend(self.services.iter().map(|(id, service)| (id.clone(), service.desired)));
        all
    }
}

/// One engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRecord {
    /// Its id.
    pub id: EngineId,
    /// Its family.
    pub kind: String,
    /// Where it is.
    pub endpoint: String,
    /// Where that was learned from.
    pub source: String,
    /// Whether it answers.
    pub link: EngineLink,
    /// Has its list come since it last connected? Only then is anything known of its instances.
    pub listed: bool,
}

impl EngineRecord {
    /// Can it be asked to do something now?
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.listed && matches!(self.link, EngineLink::Online { .. })
    }
}

/// One project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRecord {
    /// Its folder.
    pub folder: PathBuf,
    /// Its services in the order of the file.
    pub order: Vec<ServiceId>,
    /// It is no longer looked after, and goes once nothing of it runs.
    pub forgotten: bool,
    /// What is wrong with its file.
    pub problem: Option<Problem>,
}

/// One service: what it should be, what was asked for, and what is seen.
#[derive(Debug, Clone)]
pub struct Service {
    /// What it should be.
    pub spec: Arc<ServiceSpec>,
    /// The hash of `spec`, kept because it is compared often.
    pub spec_hash: String,
    /// Is it in its project file? An instance that outlives its declaration is shown until it ends.
    pub declared: bool,
    /// The engine that runs it.
    pub engine: Option<EngineId>,
    /// What the person asked for.
    pub desired: Desired,
    /// What is observed, and what is under way.
    pub phase: Phase,
    /// When it came into this phase.
    pub since: Option<Timestamp>,
    /// The container behind it.
    pub instance: Option<Instance>,
    /// Result of its probe.
    pub health: Health,
    /// How it ended last.
    pub exit: Option<ExitReport>,
    /// What went wrong.
    pub problem: Option<Problem>,
    /// Restarts by the restart policy since a person last started it.
    pub restarts: u32,
    /// Restarts in a row without a stable run between them.
    pub attempts: u32,
    /// Who asked the instance to end.
    pub intent: Option<StopIntent>,
    /// An exit that was reported and not looked at yet.
    pub pending_exit: Option<ExitFacts>,
    /// A start that waits for the engine to be known.
    pub start_pending: bool,
    /// A stop that waits for the engine to be known.
    pub stop_pending: bool,
    /// The number of the last look at the instance.
    pub inspect_round: u64,
    /// The start time of the run whose exit is accounted for; an exit is told once.
    pub accounted: Option<(InstanceId, Option<Timestamp>)>,
    /// Was its last end its own doing (a crash, or done), and not a stop?
    pub ended_by_itself: bool,
}

impl Service {
    /// A service that was just declared: nothing is known of it.
    #[must_use]
    pub fn new(spec: Arc<ServiceSpec>, desired: Desired, engine: Option<EngineId>) -> Self {
        Self {
            spec_hash: spec.hash(),
            spec,
            declared: true,
            engine,
            desired,
            phase: Phase::Unknown,
            since: None,
            instance: None,
            health: Health::default(),
            exit: None,
            problem: None,
            restarts: 0,
            attempts: 0,
            intent: None,
            pending_exit: None,
            start_pending: false,
            stop_pending: false,
            inspect_round: 0,
            accounted: None,
            ended_by_itself: false,
        }
    }

    /// Is it up and, where it has a health check, healthy?
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Running { paused: false })
            && matches!(self.health.kind, HealthKind::Healthy | HealthKind::None)
    }

    /// Does it run, or is it on its way up or down?
    #[must_use]
    pub fn is_active(&self) -> bool {
        match self.phase {
            Phase::Waiting
            | Phase::Preparing { .. }
            | Phase::Starting { .. }
            | Phase::Running { .. }
            | Phase::Stopping { .. }
            | Phase::BackingOff { .. } => true,
            Phase::Stopped | Phase::Exited | Phase::Failed | Phase::Unknown => false,
        }
    }

    /// Does its running instance differ from its spec?
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.instance
            .as_ref()
            .is_some_and(|instance| instance.alive && instance.spec_hash.as_ref() != Some(&self.spec_hash))
    }
}

/// What is observed of a service, and what is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs.
    Stopped,
    /// Waits for services it depends on.
    Waiting,
    /// Fetches what it needs.
    Preparing {
        /// The operation.
        ticket: Ticket,
        /// Percent of what is known to be fetched.
        percent: Option<u8>,
    },
    /// The engine was asked to start it, and its answer or a look at the instance is awaited.
    Starting {
        /// The operation.
        ticket: Ticket,
        /// Did the engine answer? Then only a look at the instance is missing.
        answered: bool,
    },
    /// Its process runs.
    Running {
        /// Frozen by the engine.
        paused: bool,
    },
    /// It is to end.
    Stopping {
        /// The operation; `None` while dependents have to stop first, or a start is still to be answered.
        ticket: Option<Ticket>,
        /// A start that was under way when the stop was asked for.
        starting: Option<Ticket>,
    },
    /// It ended and will be started again.
    BackingOff {
        /// When.
        until: Timestamp,
        /// Which wait.
        round: u64,
    },
    /// It ended by itself.
    Exited,
    /// It could not be started.
    Failed,
    /// Its engine can't be asked, or wasn't yet.
    Unknown,
}

/// The container behind a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The engine's id.
    pub id: InstanceId,
    /// The spec hash in its label.
    pub spec_hash: Option<String>,
    /// Does its process exist?
    pub alive: bool,
    /// Ports as they are published now.
    pub ports: Vec<PublishedPort>,
    /// When it last started, by the engine's clock.
    pub started_at: Option<Timestamp>,
}

/// Where the probes stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Their result.
    pub kind: HealthKind,
    /// What the last failed one said.
    pub detail: Option<String>,
    /// Failures in a row that count.
    pub failures: u32,
    /// Which series of probes; an answer of an older one is ignored.
    pub round: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            kind: HealthKind::None,
            detail: None,
            failures: 0,
            round: 0,
        }
    }
}

/// Who asked an instance to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopIntent {
    /// Was it locald? Else somebody else had the engine do it.
    pub ours: bool,
    /// With which signal, where known.
    pub signal: Option<Signal>,
    /// When.
    pub at: Timestamp,
}
