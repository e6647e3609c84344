//! The one picture that every surface shows. Immutable; a service that didn't change is shared with the
//! picture before by its `Arc`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Command, EngineId, InstanceId, Problem, ProblemCode, ProjectName, ServiceId, State,
    instance::PublishedPort,
    offers::EngineReason,
    spec::{Connection, ProbeSpec, Protocol, Source},
    state::{EngineRecord, Mute, Phase, ProjectRecord, Service},
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
        let default = state.default_engine().map(|engine| engine.id.clone());
        let engines = state.engines.iter().map(|engine| {
            let absent = is_absent(state, engine);
            share(
                &previous.engines,
                |old| old.id == engine.id,
                EngineSnapshot {
                    id: engine.id.clone(),
                    kind: engine.kind.clone(),
                    endpoint: engine.endpoint.clone(),
                    source: engine.source.clone(),
                    link: engine.link.clone(),
                    is_default: default.as_ref() == Some(&engine.id) && !absent,
                    absent,
                },
            )
        });
        let declared = state.projects.iter().map(|(name, project)| ProjectSnapshot {
            name: name.clone(),
            folder: Some(project.folder.clone()),
            problem: project.problem.clone(),
        });
        let found = strangers(state).map(|name| ProjectSnapshot {
            name: name.clone(),
            folder: None,
            problem: None,
        });
        let projects = declared.chain(found).map(|new| {
            let old = previous.projects.get(&new.name).filter(|old| ***old == new).cloned();
            (new.name.clone(), old.unwrap_or_else(|| Arc::new(new)))
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

/// Services by project and, within one, in the order of its file; what its file doesn't have comes last. Groups of
/// containers that no project file is about come after the projects.
fn in_order(state: &State) -> impl Iterator<Item = (&ServiceId, &Service)> {
    let projects = state
        .projects
        .iter()
        .flat_map(move |(name, ProjectRecord { order, .. })| {
            let declared = order.iter().filter_map(|id| state.services.get_key_value(id));
            declared.chain(of_project(state, name).filter(|(_, service)| !service.declared))
        });
    projects.chain(strangers(state).flat_map(|name| of_project(state, name)))
}

/// The services of one project, by name.
fn of_project<'a>(state: &'a State, name: &'a ProjectName) -> impl Iterator<Item = (&'a ServiceId, &'a Service)> {
    // Ids are ordered by project first.
    state
        .services
        .iter()
        .skip_while(move |(id, _)| id.project < *name)
        .take_while(move |(id, _)| id.project == *name)
}

/// The groups that no project file is about.
fn strangers(state: &State) -> impl Iterator<Item = &ProjectName> {
    let mut last: Option<&ProjectName> = None;
    state.services.keys().filter_map(move |id| {
        let new = last != Some(&id.project) && !state.projects.contains_key(&id.project);
        last = Some(&id.project);
        new.then_some(&id.project)
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
    /// Does it run new services, where nothing else is said?
    pub is_default: bool,
    /// Is it just not installed, and does nobody miss it? That is no fault.
    pub absent: bool,
}

/// Nobody named it, nothing is there, nothing is on it, and another one answers.
fn is_absent(state: &State, engine: &EngineRecord) -> bool {
    let missing = matches!(&engine.link, EngineLink::Offline { problem } if problem.code == ProblemCode::EngineMissing);
    let is_on = |service: &Service| service.engine.as_ref() == Some(&engine.id);
    engine.source == EngineRecord::USUAL_PLACE
        && missing
        && !state.services.values().any(is_on)
        && state
            .engines
            .iter()
            .any(|other| matches!(other.link, EngineLink::Online { .. }))
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
    /// Its folder; `None` for a group of containers that locald did not make.
    pub folder: Option<PathBuf>,
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
    /// What it is made from: an image reference, `postgres 17`, a command.
    pub origin: String,
    /// Its catalog entry: `postgres`.
    pub entry: Option<String>,
    /// `container`, `process` or `managed`.
    pub kind: &'static str,
    /// How programs of this machine connect, where locald knows it.
    pub connection: Option<Arc<Connection>>,
    /// The engine that runs it.
    pub engine: Option<EngineId>,
    /// Why that one.
    pub engine_reason: Option<EngineReason>,
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
    /// It ends and is started again over and over.
    pub crash_looping: bool,
    /// Its restart policy has given up.
    pub gave_up: bool,
    /// Found on an engine and not made by locald.
    pub external: bool,
    /// Tell nothing of it.
    pub muted: Option<Mute>,
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
            StateKind::Unknown => self.detail != StateDetail::StartPending,
            StateKind::Stopped | StateKind::Stopping | StateKind::Exited | StateKind::Failed => true,
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
    /// `Unknown`: it is started when its engine is back.
    StartPending,
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
            Phase::BackingOff { until: Some(until), .. } => (StateKind::BackingOff, StateDetail::Until(*until)),
            Phase::BackingOff { until: None, .. } => (StateKind::BackingOff, StateDetail::None),
            Phase::Exited => (StateKind::Exited, StateDetail::None),
            Phase::Failed => (StateKind::Failed, StateDetail::None),
            Phase::Unknown if service.start_pending => (StateKind::Unknown, StateDetail::StartPending),
            Phase::Unknown => (StateKind::Unknown, StateDetail::None),
        };
        let ports = match &service.instance {
            // Where a process was seen to run; an instance that isn't looked at yet has none to show.
            Some(instance) if matches!(kind, StateKind::Running | StateKind::Stopping) => instance.ports.clone(),
            _ => Vec::new(),
        };
        Self {
            id: id.clone(),
            origin: origin(&service.spec.source),
            kind: match service.spec.source {
                Source::Container { .. } => "container",
                Source::Process { .. } => "process",
                Source::Managed(_) => "managed",
            },
            entry: service.spec.managed().map(|managed| managed.entry.clone()),
            connection: service.spec.connection.clone().filter(|_| service.declared),
            engine_reason: if service.held {
                service.engine.as_ref().map(|_| EngineReason::HoldsData)
            } else {
                service.engine_reason
            },
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
            crash_looping: service.crash_looping,
            gave_up: service.gave_up,
            external: service.external,
            muted: service.muted,
            exit: service.exit.clone(),
            problem: service.problem.clone().or_else(|| elsewhere(state, service)),
            outdated: service.is_outdated(),
        }
    }
}

fn unready(state: &State, service: &Service) -> Vec<ServiceId> {
    let needs = service.spec.depends_on.iter();
    needs
        .map(|need| (service.spec.id_of(need), need.condition))
        .filter(|(id, condition)| state.services.get(id).is_none_or(|other| !other.meets(*condition)))
        .map(|(id, _)| id)
        .collect()
}

/// What it has is on another engine than its file asks for: it stays there until a person moves it.
fn elsewhere(state: &State, service: &Service) -> Option<Problem> {
    let word = service.spec.engine.as_deref()?;
    let engine = service.engine.as_ref().filter(|_| service.held)?;
    let wanted = state.engine_called(word)?;
    (wanted.id != *engine).then(|| {
        Problem::new(
            ProblemCode::EngineDiffers,
            format!(
                "{} has its container on {engine}, and its file asks for {}",
                service.spec.id, wanted.id
            ),
        )
    })
}

fn origin(source: &Source) -> String {
    match source {
        Source::Container { image, .. } => image.clone(),
        Source::Process { command } => command.join(" "),
        Source::Managed(managed) => format!("{} {}", managed.title, managed.version),
    }
}

/// A container's ports speak a protocol that only its author knows; an HTTP health check tells of one.
fn url(service: &Service, ports: &[PublishedPort]) -> Option<String> {
    if let Some(connection) = &service.spec.connection {
        return Some(connection.url.clone());
    }
    let check = service.spec.health_check.as_ref()?;
    let ProbeSpec::Http { port, .. } = &check.probe else {
        return None;
    };
    let published = ports
        .iter()
        .find(|published| published.port == *port && published.protocol == Protocol::Tcp)?;
    Some(format!("http://127.0.0.1:{}", published.host_port))
}
