//! What the supervisor knows. Only [`crate::transition`] changes it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    EngineId, InstanceId, Problem, ProjectName, ServiceId, ServiceSpec,
    event::Ticket,
    instance::{EngineRestarts, ExitFacts, PublishedPort},
    offers::{EngineReason, Offers},
    snapshot::{Desired, EngineLink, ExitReport, HealthKind},
    spec::{DependencyCondition, HealthCheck, Signal, Source},
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
    /// What is remembered of services that aren't loaded.
    pub remembered: Memory,
    /// The person's setting of the engine for new services, by id or family.
    pub default_engine: Option<String>,
    /// What this machine lacks, in sentences.
    pub notices: Vec<String>,
    /// The number of the last ticket or round given out.
    pub(crate) counter: u64,
}

impl State {
    /// The engine that runs new containers: the one the person set, else the first that isn't known to be away, else
    /// the first.
    #[must_use]
    pub fn default_engine(&self) -> Option<&EngineRecord> {
        self.set_engine().or_else(|| self.first_container_engine())
    }

    fn set_engine(&self) -> Option<&EngineRecord> {
        self.engine_called(self.default_engine.as_deref()?)
    }

    fn first_container_engine(&self) -> Option<&EngineRecord> {
        let able = || self.engines.iter().filter(|engine| engine.offers.containers);
        let there = |engine: &&EngineRecord| !matches!(engine.link, EngineLink::Offline { .. });
        able().find(there).or_else(|| able().next())
    }

    /// The engine for a service that no engine holds anything of, and why that one.
    pub(crate) fn choice(&self, service: &Service) -> Option<(&EngineRecord, EngineReason)> {
        let spec = &service.spec;
        if let Some(word) = &spec.engine {
            return self.engine_called(word).map(|engine| (engine, EngineReason::FileSays));
        }
        let set = || self.set_engine().filter(|engine| engine.offers.covers(&spec.source));
        let set = || set().map(|engine| (engine, EngineReason::Default));
        let first = || {
            let engine = self.first_container_engine()?;
            Some((engine, EngineReason::FirstOnline))
        };
        match &spec.source {
            Source::Container { .. } => set().or_else(first),
            Source::Process { .. } => {
                let engine = self.engines.iter().find(|engine| engine.offers.processes)?;
                Some((engine, EngineReason::Process))
            }
            Source::Managed(_) if self.is_needed_by_containers(&spec.id) => {
                // A container doesn't reach what listens on this machine's loopback.
                let set = self.set_engine().filter(|engine| engine.offers.containers);
                let engine = set.or_else(|| self.first_container_engine())?;
                Some((engine, EngineReason::NeededByContainers))
            }
            Source::Managed(managed) => {
                let server = |engine: &'_ EngineRecord| {
                    let server = engine.offers.server(&managed.entry, &managed.version)?;
                    Some(if server.here {
                        EngineReason::ServerHere
                    } else {
                        EngineReason::ServerFetched
                    })
                };
                let native = || self.engines.iter().find_map(|engine| Some((engine, server(engine)?)));
                set().or_else(native).or_else(first)
            }
        }
    }

    fn is_needed_by_containers(&self, id: &ServiceId) -> bool {
        self.services.values().any(|other| {
            other.declared
                && other.spec.id.project == id.project
                && matches!(other.spec.source, Source::Container { .. })
                && other.spec.depends_on.iter().any(|need| need.name == id.name)
        })
    }

    /// The engine with this id, else the first of this family, one that answers before one that doesn't.
    #[must_use]
    pub fn engine_called(&self, word: &str) -> Option<&EngineRecord> {
        let by_id = self.engines.iter().find(|engine| engine.id.as_str() == word);
        let of_kind = || self.engines.iter().filter(|engine| engine.kind == word);
        by_id
            .or_else(|| of_kind().find(|engine| matches!(engine.link, EngineLink::Online { .. })))
            .or_else(|| of_kind().next())
    }

    /// The engine with this id.
    #[must_use]
    pub fn engine(&self, id: &EngineId) -> Option<&EngineRecord> {
        self.engines.iter().find(|engine| engine.id == *id)
    }

    /// What is to be remembered of all services that are loaded or were.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let mut all = self.remembered.clone();
        let worth = |service: &&Service| !service.external || service.muted.is_some();
        all.services.extend(
            self.services
                .iter()
                .filter(|(_, service)| worth(service))
                .map(|(id, service)| (id.clone(), Remembered::of(service))),
        );
        all
    }
}

/// What outlives the host. Everything else is asked of the engines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// By service.
    pub services: BTreeMap<ServiceId, Remembered>,
}

/// What is remembered of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// What the person asked for.
    pub desired: Desired,
    /// The engine that holds what it has.
    #[serde(default)]
    pub engine: Option<EngineId>,
    /// Tell nothing of it.
    #[serde(default)]
    pub muted: Option<Mute>,
}

impl Remembered {
    fn of(service: &Service) -> Self {
        Self {
            desired: service.desired,
            engine: service.engine.clone().filter(|_| service.held),
            muted: service.muted,
        }
    }
}

/// For how long nothing is told of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Mute {
    /// Until then.
    Until(#[cfg_attr(test, ts(as = "String"))] Timestamp),
    /// Until the person says otherwise.
    ForGood,
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
    /// Its clock minus the host's.
    pub clock_offset: SignedDuration,
    /// Does it run the health checks of images by itself?
    pub health_checks: bool,
    /// Has its list come since it last connected? Only then is anything known of its instances.
    pub listed: bool,
    /// What it can run.
    pub offers: Offers,
}

impl EngineRecord {
    /// The source of an engine that nobody named and that wasn't found: of Docker's, so that a person can be told what to do.
    pub const USUAL_PLACE: &'static str = "the usual place";

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
    /// Found on an engine and not made by locald: shown and toggled, never made anew.
    pub external: bool,
    /// The engine that runs it, or will.
    pub engine: Option<EngineId>,
    /// Why that one, where nothing is held of it yet.
    pub engine_reason: Option<EngineReason>,
    /// Does that engine hold something of it? Then it stays there until a person moves it.
    pub held: bool,
    /// What the person asked for. An external service has none: what it was last seen to be stands for it.
    pub desired: Desired,
    /// Tell nothing of it.
    pub muted: Option<Mute>,
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
    /// It ends and is started again over and over; cleared by a stable run.
    pub crash_looping: bool,
    /// Its restart policy has given up.
    pub gave_up: bool,
    /// Which wait for a stable run is under way.
    pub stable_round: u64,
    /// Which wait is under way for a word of who ended it.
    pub verdict_round: u64,
    /// Which wait is under way for another look at it, and how many looks failed in a row.
    pub retry: (u64, u32),
    /// The health check of its image.
    pub image_check: Option<HealthCheck>,
    /// The engine itself starts it again when it ends.
    pub engine_restarts: Option<EngineRestarts>,
    /// When it last ended by what was not locald's doing, by the host's clock.
    pub ended_at: Option<Timestamp>,
    /// It ended because its engine did, or was up when its engine was lost.
    pub was_up: bool,
    /// The engine a person wants it to move to, once it is down.
    pub moving_to: Option<EngineId>,
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
            external: false,
            engine,
            engine_reason: None,
            held: false,
            desired,
            muted: None,
            phase: Phase::Unknown,
            since: None,
            instance: None,
            health: Health::default(),
            exit: None,
            problem: None,
            restarts: 0,
            attempts: 0,
            crash_looping: false,
            gave_up: false,
            stable_round: 0,
            verdict_round: 0,
            retry: (0, 0),
            image_check: None,
            engine_restarts: None,
            ended_at: None,
            was_up: false,
            moving_to: None,
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

    /// Has it come to what a dependent waits for?
    #[must_use]
    pub fn meets(&self, condition: DependencyCondition) -> bool {
        match condition {
            DependencyCondition::Healthy => self.is_ready(),
            DependencyCondition::Running => matches!(self.phase, Phase::Running { paused: false }),
            DependencyCondition::Completed => {
                self.phase == Phase::Exited && self.exit.as_ref().is_some_and(|exit| exit.code == Some(0))
            }
        }
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

    /// A person takes it in hand: what was counted against it is forgotten.
    pub(crate) fn begin_anew(&mut self) {
        self.restarts = 0;
        self.attempts = 0;
        self.crash_looping = false;
        self.gave_up = false;
    }

    /// The health check in force: the project file's, else the image's own.
    #[must_use]
    pub fn health_check(&self) -> Option<&HealthCheck> {
        let image_check = self.image_check.as_ref().filter(|_| self.spec.image_health_check);
        self.spec.health_check.as_ref().or(image_check)
    }

    /// Does its running instance differ from its spec?
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        !self.external
            && self
                .instance
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
        /// When; `None` when the engine does it, at a time of its own.
        until: Option<Timestamp>,
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

impl Phase {
    /// The operation whose answer is awaited.
    #[must_use]
    pub fn ticket(&self) -> Option<&Ticket> {
        match self {
            Self::Preparing { ticket, .. }
            | Self::Starting {
                ticket,
                answered: false,
            } => Some(ticket),
            Self::Stopping { ticket, starting } => ticket.as_ref().or(starting.as_ref()),
            _ => None,
        }
    }
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
