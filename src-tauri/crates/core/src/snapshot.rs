//! The one picture that every surface shows. Immutable; a service that didn't change is shared with the
//! picture before by its `Arc`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Command, EngineId, InstanceId, Problem, ProjectName, ServiceId, State,
    instance::PublishedPort,
    spec::{ProbeSpec, Protocol, Source},
    state::{Phase, ProjectRecord, Service},
    transition::stopping_dependents,
};

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Grows by one with every change.
    pub seq: u64,
    /// Engines, in order of discovery.
    pub engines: Vec<Arc<EngineSnapshot>>,
    /// Projects by name.
    pub projects: BTreeMap<ProjectName, Arc<ProjectSnapshot>>,
    /// Services in the order shown: by project, then as in its file.
    pub services: Vec<Arc<ServiceSnapshot>>,
    /// What this machine lacks for locald to be whole, in sentences.
    pub notices: Vec<String>,
}

impl Snapshot {
    /// The picture of a state. What didn't change is shared with `previous`; `None` when nothing did.
    #[must_use]
    pub fn next(state: &State, previous: &Self) -> Option<Self> {
        let engines = state.engines.iter().map(|engine| {
            share(
                &previous.engines,
                |old| old.id == engine.id,
                EngineSnapshot {
                    id: engine.id.clone(),
                    kind: engine.kind.clone(),
                    endpoint: engine.endpoint.clone(),
                    source: engine.source.clone(),
                    link: engine.link.clone(),
                },
            )
        });
        let projects = state.projects.iter().map(|(name, project)| {
            let new = ProjectSnapshot {
                name: name.clone(),
                folder: project.folder.clone(),
                problem: project.problem.clone(),
            };
            let old = previous.projects.get(name).filter(|old| ***old == new).cloned();
            (name.clone(), old.unwrap_or_else(|| Arc::new(new)))
        });
        let old: BTreeMap<&ServiceId, &Arc<ServiceSnapshot>> =
            previous.services.iter().map(|service| (&service.id, service)).collect();
        let services = in_order(state).map(|(id, service)| {
            let new = ServiceSnapshot::of(state, id, service);
            match old.get(id) {
                Some(old) if ***old == new => Arc::clone(old),
                _ => Arc::new(new),
            }
        });
        let next = Self {
            seq: previous.seq,
            engines: engines.collect(),
            projects: projects.collect(),
            services: services.collect(),
            notices: state.notices.clone(),
        };
        (next != *previous).then(|| Self {
            seq: previous.seq + 1,
            ..next
        })
    }

    /// What a click on a service's toggle asks for.
    #[must_use]
    pub fn toggle(&self, id: &ServiceId) -> Command {
        match self.service(id) {
            Some(service) if !service.click_turns_on() => Command::Stop(vec![id.clone()]),
            _ => Command::Start(vec![id.clone()]),
        }
    }

    /// The service with this id.
    #[must_use]
    pub fn service(&self, id: &ServiceId) -> Option<&Arc<ServiceSnapshot>> {
        self.services.iter().find(|service| service.id == *id)
    }
}

fn share<T: PartialEq>(previous: &[Arc<T>], same: impl Fn(&T) -> bool, new: T) -> Arc<T> {
    match previous.iter().find(|old| same(old)) {
        Some(old) if **old == new => Arc::clone(old),
        _ => Arc::new(new),
    }
}

/// Services by project and, within one, in the order of its file; what its file no longer has comes last.
fn in_order(state: &State) -> impl Iterator<Item = (&ServiceId, &Service)> {
    state
        .projects
        .iter()
        .flat_map(move |(name, ProjectRecord { order, .. })| {
            let declared = order.iter().filter_map(|id| state.services.get_key_value(id));
            let left_over = state
                .services
                .iter()
                .filter(move |(id, service)| id.project == *name && !service.declared);
            declared.chain(left_over)
        })
}

/// One engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSnapshot {
    /// Its id.
    pub id: EngineId,
    /// Its family: `docker`.
    pub kind: String,
    /// Where it is.
    pub endpoint: String,
    /// Where the endpoint was learned from.
    pub source: String,
    /// Whether it answers.
    pub link: EngineLink,
}

/// Whether an engine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineLink {
    /// Not asked to the end yet.
    Connecting,
    /// It answers.
    Online {
        /// Its version.
        version: String,
    },
    /// It doesn't.
    Offline {
        /// Why.
        problem: Problem,
    },
}

/// One project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSnapshot {
    /// Its name.
    pub name: ProjectName,
    /// Its folder.
    pub folder: PathBuf,
    /// What is wrong with its file.
    pub problem: Option<Problem>,
}

/// What the person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// To run.
    Running,
    /// Not to run.
    Stopped,
}

/// The observed state without what belongs to it; the words of `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    /// Nothing runs and nothing is under way.
    Stopped,
    /// Waits for services it depends on.
    Waiting,
    /// Fetches what it needs.
    Preparing,
    /// The engine was asked to start it.
    Starting,
    /// Its process runs.
    Running,
    /// The engine was asked to stop it, or it waits for dependents to stop.
    Stopping,
    /// It ended and will be started again in a moment.
    BackingOff,
    /// It ended by itself.
    Exited,
    /// It could not be started or stopped.
    Failed,
    /// Its engine can't be asked.
    Unknown,
}

impl StateKind {
    /// The word of `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Waiting => "waiting",
            Self::Preparing => "preparing",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing_off",
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Result of the service's own probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum HealthKind {
    /// Not answered yet, and not given up.
    Starting,
    /// Its last probe succeeded.
    Healthy,
    /// Too many probes failed in a row.
    Unhealthy,
    /// It has no health check, or isn't running.
    None,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSnapshot {
    /// `shop/db`.
    pub id: ServiceId,
    /// What it is made from: an image reference.
    pub origin: String,
    /// The engine that runs it.
    pub engine: Option<EngineId>,
    /// What the engine calls the instance behind it.
    pub instance: Option<InstanceId>,
    /// What the person asked for.
    pub desired: Desired,
    /// What is observed.
    pub state: StateKind,
    /// What belongs to the state.
    pub detail: StateDetail,
    /// Result of its probe.
    pub health: HealthKind,
    /// What the last failed probe said.
    pub health_detail: Option<String>,
    /// When it came into this state.
    pub since: Option<Timestamp>,
    /// Published ports.
    pub ports: Vec<PublishedPort>,
    /// Restarts by the restart policy since a person last started it.
    pub restarts: u32,
    /// Of those, the ones in a row without a stable run between them.
    pub attempts: u32,
    /// How its process ended last.
    pub exit: Option<ExitReport>,
    /// What went wrong.
    pub problem: Option<Problem>,
    /// Does the running instance differ from the project file?
    pub outdated: bool,
    /// The URL to copy, where one is known.
    pub url: Option<String>,
}

impl ServiceSnapshot {
    /// Does a process of it exist, as far as is known? This is what a check mark or switch shows.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, StateKind::Running | StateKind::Stopping)
    }

    /// Would a click on its toggle start it? Not while it is up or on its way up.
    #[must_use]
    pub fn click_turns_on(&self) -> bool {
        match self.state {
            StateKind::Stopped | StateKind::Stopping | StateKind::Exited | StateKind::Failed | StateKind::Unknown => {
                true
            }
            StateKind::Waiting
            | StateKind::Preparing
            | StateKind::Starting
            | StateKind::Running
            | StateKind::BackingOff => false,
        }
    }
}

/// What belongs to a state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StateDetail {
    /// Nothing.
    #[default]
    None,
    /// `Waiting`: for whom. `Stopping`: for which dependents.
    WaitingFor(Vec<ServiceId>),
    /// `Preparing`: percent of what is known to be fetched.
    Progress(Option<u8>),
    /// `BackingOff`: when the next start is due.
    Until(Timestamp),
    /// `Running`: frozen by the engine.
    Paused,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ExitReport {
    /// Exit code.
    pub code: Option<i32>,
    /// The signal behind a code above 128.
    pub signal: Option<u8>,
    /// Killed for lack of memory, by the engine's own word.
    pub oom: bool,
    /// Was it a crash? Decided in `transition` alone.
    pub crashed: bool,
    /// When, by the engine's clock where it said.
    #[cfg_attr(test, ts(as = "String"))]
    pub at: Timestamp,
    /// The last line it wrote.
    pub last_line: Option<String>,
}

impl ServiceSnapshot {
    fn of(state: &State, id: &ServiceId, service: &Service) -> Self {
        let Source::Container { image, .. } = &service.spec.source;
        let (kind, detail) = match &service.phase {
            Phase::Stopped => (StateKind::Stopped, StateDetail::None),
            Phase::Waiting => (StateKind::Waiting, StateDetail::WaitingFor(unready(state, service))),
            Phase::Preparing { percent, .. } => (StateKind::Preparing, StateDetail::Progress(*percent)),
            Phase::Starting { .. } => (StateKind::Starting, StateDetail::None),
            Phase::Running { paused: true } => (StateKind::Running, StateDetail::Paused),
            Phase::Running { paused: false } => (StateKind::Running, StateDetail::None),
            Phase::Stopping { ticket: None, .. } => {
                let dependents: Vec<ServiceId> = stopping_dependents(state, id).cloned().collect();
                let detail = if dependents.is_empty() {
                    StateDetail::None
                } else {
                    StateDetail::WaitingFor(dependents)
                };
                (StateKind::Stopping, detail)
            }
            Phase::Stopping { .. } => (StateKind::Stopping, StateDetail::None),
            Phase::BackingOff { until, .. } => (StateKind::BackingOff, StateDetail::Until(*until)),
            Phase::Exited => (StateKind::Exited, StateDetail::None),
            Phase::Failed => (StateKind::Failed, StateDetail::None),
            Phase::Unknown => (StateKind::Unknown, StateDetail::None),
        };
        let ports = match &service.instance {
            // Where a process was seen to run; an instance that isn't looked at yet has none to show.
            Some(instance) if matches!(kind, StateKind::Running | StateKind::Stopping) => instance.ports.clone(),
            _ => Vec::new(),
        };
        Self {
            id: id.clone(),
            origin: image.clone(),
            engine: service.engine.clone(),
            instance: service.instance.as_ref().map(|instance| instance.id.clone()),
            desired: service.desired,
            state: kind,
            detail,
            health: service.health.kind,
            health_detail: service.health.detail.clone(),
            since: service.since,
            url: url(service, &ports),
            ports,
            restarts: service.restarts,
            attempts: service.attempts,
            exit: service.exit.clone(),
            problem: service.problem.clone(),
            outdated: service.is_outdated(),
        }
    }
}

fn unready(state: &State, service: &Service) -> Vec<ServiceId> {
    let mut dependencies = service.spec.dependencies();
    dependencies.retain(|other| state.services.get(other).is_none_or(|other| !other.is_ready()));
    dependencies
}

/// A container's ports speak a protocol that only its author knows; an HTTP health check tells of one.
fn url(service: &Service, ports: &[PublishedPort]) -> Option<String> {
    let check = service.spec.health_check.as_ref()?;
    let ProbeSpec::Http { port, .. } = &check.probe else {
        return None;
    };
    let published = ports
        .iter()
        .find(|published| published.port == *port && published.protocol == Protocol::Tcp)?;
    Some(format!("http://127.0.0.1:{}", published.host_port))
}
