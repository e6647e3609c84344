//! The rows of `locald status`, as `--json` has them, and the records of `locald events`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Choice, EngineId, InstanceId, ProblemCode, ServiceId, Snapshot,
    instance::PublishedPort,
    offers::EngineReason,
    snapshot::{Desired, EngineLink, EngineSnapshot, ExitReport, HealthKind, ServiceSnapshot, StateKind},
    state::Mute,
    view::message,
};

/// One engine of `status --json` and `engines --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Its id.
    pub id: EngineId,
    /// Its family.
    pub kind: String,
    /// Where it is.
    pub endpoint: String,
    /// Where the endpoint was learned from.
    pub source: String,
    /// `connecting`, `online`, `offline`.
    pub state: String,
    /// Its version once known.
    pub version: Option<String>,
    /// Why it is offline.
    pub error: Option<ErrorStatus>,
    /// Does it run new services, where nothing else is said?
    #[serde(default)]
    pub default: bool,
    /// Is it just not installed, and does nobody miss it? That is no fault.
    #[serde(default)]
    pub absent: bool,
}

/// An error in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorStatus {
    /// Which kind.
    pub code: ProblemCode,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Ways out of it, for `locald choose`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

/// One service of `status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// `shop/db`.
    pub id: ServiceId,
    /// `shop`.
    pub project: String,
    /// `db`.
    pub name: String,
    /// `container`, `process`, or a catalog entry's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is made from: an image reference, `PostgreSQL 17`, a command.
    pub image: String,
    /// The engine that runs it.
    pub engine: Option<EngineId>,
    /// Why that one.
    #[serde(default)]
    pub engine_reason: Option<EngineReason>,
    /// What the engine calls the instance behind it.
    pub instance: Option<InstanceId>,
    /// Did locald not make it?
    pub external: bool,
    /// It ends and is started again over and over.
    #[serde(default)]
    pub crash_looping: bool,
    /// Its restart policy has given up.
    #[serde(default)]
    pub gave_up: bool,
    /// Nothing is told of it, for how long.
    #[serde(default)]
    pub muted: Option<Mute>,
    /// What the person asked for.
    pub desired: Desired,
    /// What is observed.
    pub state: StateKind,
    /// The state in words.
    pub state_text: String,
    /// Result of its probe; `null` without one.
    pub health: Option<HealthKind>,
    /// What the last failed probe said.
    pub health_text: Option<String>,
    /// When it came into this state.
    pub since: Option<Timestamp>,
    /// Published ports.
    pub ports: Vec<PublishedPort>,
    /// The URL, with `…` in a password's place: `locald url` gives the whole.
    pub url: Option<String>,
    /// Restarts by the restart policy since a person last started it.
    pub restarts: u32,
    /// Does the running instance differ from the project file?
    pub outdated: bool,
    /// How its process ended last.
    pub exit: Option<ExitReport>,
    /// What went wrong.
    pub error: Option<ErrorStatus>,
}

/// One project of `status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectStatus {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// What is wrong with its file.
    pub error: Option<ErrorStatus>,
}

/// All of a snapshot, as it goes over the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Grows with every change.
    pub seq: u64,
    /// Engines.
    pub engines: Vec<EngineStatus>,
    /// Projects.
    pub projects: Vec<ProjectStatus>,
    /// Services.
    pub services: Vec<ServiceStatus>,
    /// What this machine lacks.
    pub notices: Vec<String>,
}

impl Status {
    /// The status of a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            seq: snapshot.seq,
            engines: snapshot.engines.iter().map(|engine| EngineStatus::of(engine)).collect(),
            projects: snapshot
                .projects
                .values()
                .filter_map(|project| project.folder.as_ref().map(|folder| (project, folder)))
                .map(|(project, folder)| ProjectStatus {
                    name: project.name.to_string(),
                    folder: folder.to_string_lossy().into_owned(),
                    error: project.problem.as_ref().map(ErrorStatus::of),
                })
                .collect(),
            services: snapshot
                .services
                .iter()
                .map(|service| ServiceStatus::of(service))
                .collect(),
            notices: snapshot.notices.clone(),
        }
    }
}

impl EngineStatus {
    fn of(engine: &EngineSnapshot) -> Self {
        let (state, version, error) = link(&engine.link);
        Self {
            id: engine.id.clone(),
            kind: engine.kind.clone(),
            endpoint: engine.endpoint.clone(),
            source: engine.source.clone(),
            state: state.to_owned(),
            version,
            error,
            default: engine.is_default,
            absent: engine.absent,
        }
    }
}

/// Word, version and error of an engine's link.
pub(super) fn link(link: &EngineLink) -> (&'static str, Option<String>, Option<ErrorStatus>) {
    match link {
        EngineLink::Connecting => ("connecting", None, None),
        EngineLink::Online { version } => ("online", Some(version.clone()), None),
        EngineLink::Offline { problem } => ("offline", None, Some(ErrorStatus::of(problem))),
    }
}

impl ErrorStatus {
    /// A problem in words.
    #[must_use]
    pub fn of(problem: &crate::Problem) -> Self {
        let view = message::problem_view(problem);
        Self {
            code: view.code,
            message: view.message,
            hint: view.hint,
            choices: view.choices,
        }
    }
}

impl ServiceStatus {
    fn of(service: &ServiceSnapshot) -> Self {
        Self {
            id: service.id.clone(),
            project: service.id.project.to_string(),
            name: service.id.name.to_string(),
            kind: service.entry.clone().unwrap_or_else(|| service.kind.to_owned()),
            image: service.origin.clone(),
            engine: service.engine.clone(),
            engine_reason: service.engine_reason,
            instance: service.instance.clone(),
            external: service.external,
            crash_looping: service.crash_looping,
            gave_up: service.gave_up,
            muted: service.muted,
            desired: service.desired,
            state: service.state,
            state_text: message::state_text(service),
            health: (service.health != HealthKind::None).then_some(service.health),
            health_text: service.health_detail.clone(),
            since: service.since,
            ports: service.ports.clone(),
            url: match &service.connection {
                Some(connection) => Some(connection.masked_url.clone()),
                None => service.url.clone(),
            },
            restarts: service.restarts,
            outdated: service.outdated,
            exit: service.exit.clone(),
            error: service.problem.as_ref().map(ErrorStatus::of),
        }
    }
}

/// One line of `locald events --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub change: Change,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A service came into another state.
    StateChanged {
        /// Which one.
        service: ServiceId,
        /// From; `null` for one that is new.
        from: Option<StateKind>,
        /// To.
        to: StateKind,
        /// How its process ended, when that is why.
        exit: Option<ExitReport>,
        /// What went wrong, when that is why.
        error: Option<ErrorStatus>,
    },
    /// A probe's result changed.
    HealthChanged {
        /// Which service.
        service: ServiceId,
        /// From.
        from: HealthKind,
        /// To.
        to: HealthKind,
    },
    /// A service is no longer known.
    ServiceRemoved {
        /// Which one.
        service: ServiceId,
    },
    /// An engine came or went.
    EngineChanged {
        /// Which one.
        engine: EngineId,
        /// `connecting`, `online`, `offline`.
        state: String,
        /// Why it is offline.
        error: Option<ErrorStatus>,
    },
    /// A project's file has an error, or has none any more.
    ProjectChanged {
        /// Which one.
        project: String,
        /// What is wrong.
        error: Option<ErrorStatus>,
    },
}

/// What changed from one snapshot to the next.
#[must_use]
pub fn changes(previous: &Snapshot, next: &Snapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    for service in &next.services {
        let before = previous.service(&service.id);
        if before.is_some_and(|before| std::sync::Arc::ptr_eq(before, service)) {
            continue;
        }
        let from = before.map(|before| before.state);
        // On Podman it is known a moment after the end whether somebody asked for it.
        let crashed = |service: &ServiceSnapshot| service.exit.as_ref().is_some_and(|exit| exit.crashed);
        let judged = crashed(service) && before.is_some_and(|before| !crashed(before));
        if from != Some(service.state) || judged {
            let ended = matches!(
                service.state,
                StateKind::Exited | StateKind::BackingOff | StateKind::Stopped
            );
            changes.push(Change::StateChanged {
                service: service.id.clone(),
                from,
                to: service.state,
                exit: service
                    .exit
                    .clone()
                    .filter(|exit| ended && before.and_then(|b| b.exit.as_ref()) != Some(exit)),
                error: service.problem.as_ref().map(ErrorStatus::of),
            });
        }
        let health = before.map_or(HealthKind::None, |before| before.health);
        if health != service.health {
            changes.push(Change::HealthChanged {
                service: service.id.clone(),
                from: health,
                to: service.health,
            });
        }
    }
    for before in &previous.services {
        if next.service(&before.id).is_none() {
            changes.push(Change::ServiceRemoved {
                service: before.id.clone(),
            });
        }
    }
    for engine in &next.engines {
        let before = previous.engines.iter().find(|before| before.id == engine.id);
        if before.is_none_or(|before| before.link != engine.link) {
            let (state, _, error) = link(&engine.link);
            changes.push(Change::EngineChanged {
                engine: engine.id.clone(),
                state: state.to_owned(),
                error,
            });
        }
    }
    for (name, project) in &next.projects {
        let before = previous.projects.get(name);
        if before.and_then(|before| before.problem.as_ref()) != project.problem.as_ref() {
            let error = project.problem.as_ref().map(ErrorStatus::of);
            changes.push(Change::ProjectChanged {
                project: name.to_string(),
                error,
            });
        }
    }
    changes
}
