//! What the dashboard window shows: one row a service, and what changed of it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{message, notification::plain, status::link};
use crate::{
    Choice, EngineId, ProblemCode, ProjectName, ServiceId, Snapshot,
    instance::PublishedPort,
    snapshot::{HealthKind, ServiceSnapshot, StateKind},
    spec::Protocol,
    state::Mute,
};

/// The whole dashboard. Sent once when a window opens; after that only [`DashboardChange`]s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DashboardView {
    /// Grows with every change of the snapshot behind it.
    #[cfg_attr(test, ts(type = "number"))]
    pub seq: u64,
    /// Engines, in order of discovery.
    pub engines: Vec<EngineRow>,
    /// Projects, by name.
    pub projects: Vec<ProjectRow>,
    /// Services, in the order of their projects and, within one, of the file.
    pub services: Vec<ServiceRow>,
    /// What the desktop lacks (no tray host, no notification daemon), in sentences.
    pub notices: Vec<String>,
}

/// What changed from one [`DashboardView`] to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DashboardChange {
    /// The `seq` this leads to.
    #[cfg_attr(test, ts(type = "number"))]
    pub seq: u64,
    /// Rows that are new or changed.
    pub services: Vec<ServiceRow>,
    /// All ids in order, only when rows came, went or moved.
    pub order: Option<Vec<ServiceId>>,
    /// The engines, only when one changed.
    pub engines: Option<Vec<EngineRow>>,
    /// The projects, only when one changed.
    pub projects: Option<Vec<ProjectRow>>,
    /// The notices, only when they changed.
    pub notices: Option<Vec<String>>,
}

/// One engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct EngineRow {
    /// Its id: `docker`.
    pub id: EngineId,
    /// Its family: `docker`.
    pub kind: String,
    /// Where it is.
    pub endpoint: String,
    /// Where the endpoint was learned from.
    pub source: String,
    /// `connecting`, `online` or `offline`.
    pub state: String,
    /// Its version once known.
    pub version: Option<String>,
    /// Why it is offline.
    pub error: Option<ProblemView>,
    /// Does it run new services, where nothing else is said?
    pub is_default: bool,
    /// Is it just not installed, and does nobody miss it? That is no fault.
    pub absent: bool,
}

/// One project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProjectRow {
    /// Its name.
    pub name: ProjectName,
    /// Its folder; empty for a group of containers that locald did not make.
    pub folder: String,
    /// A group of containers that locald did not make: a compose project, or those without one.
    pub external: bool,
    /// What is wrong with its file.
    pub error: Option<ProblemView>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ServiceRow {
    /// `shop/db`.
    pub id: ServiceId,
    /// `shop`.
    pub project: ProjectName,
    /// `db`.
    pub name: String,
    /// What it is made from: an image reference, `PostgreSQL 17`, a command.
    pub origin: String,
    /// Its catalog entry: `postgres`.
    pub entry: Option<String>,
    /// The engine that runs it, `None` while none is known.
    pub engine: Option<EngineId>,
    /// Why that one, in a few words.
    pub engine_reason: Option<String>,
    /// The URL with `…` in the password's place, to show; `url` is the one to copy.
    pub masked_url: Option<String>,
    /// Its web console.
    pub console: Option<String>,
    /// Did locald not make it?
    pub external: bool,
    /// It ends and is started again over and over.
    pub crash_looping: bool,
    /// Its restart policy has given up.
    pub gave_up: bool,
    /// Nothing is told of it, for how long.
    pub muted: Option<Mute>,
    /// Observed state.
    pub state: StateKind,
    /// The state in words, with what belongs to it: `waiting for db`, `fetching image, 40 %`, `exited with code 3`.
    pub state_text: String,
    /// How serious: picks colour and icon, never the only carrier of meaning.
    pub tone: Tone,
    /// Result of its own probe.
    pub health: HealthKind,
    /// Why it is unhealthy, what the last probe said.
    pub health_text: Option<String>,
    /// Where the switch stands: does a process of it exist?
    pub on: bool,
    /// What a click on the switch asks for: `true` to start it. `false` also while it is on its way up, so that a
    /// click calls that off.
    pub turns_on: bool,
    /// When it came into this state.
    #[cfg_attr(test, ts(as = "Option<String>"))]
    pub since: Option<Timestamp>,
    /// Published ports.
    pub ports: Vec<PortLink>,
    /// The URL to copy.
    pub url: Option<String>,
    /// Restarts by the restart policy since it was last started by a person.
    pub restarts: u32,
    /// What went wrong.
    pub error: Option<ProblemView>,
    /// The last line a process wrote before it crashed.
    pub last_line: Option<String>,
    /// Does the running instance differ from the project file? A restart applies it.
    pub outdated: bool,
}

/// A published port as something to click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PortLink {
    /// `8080 → 80`, or `8080` when both are the same.
    pub label: String,
    /// What a browser opens, `None` for UDP.
    pub href: Option<String>,
    /// The port itself.
    pub port: PublishedPort,
}

/// A problem in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProblemView {
    /// Which kind.
    pub code: ProblemCode,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Ways out of it to choose from, the one that loses least first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(as = "Vec<Choice>"))]
    pub choices: Vec<Choice>,
}

/// How serious a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Nothing runs, nothing is wrong.
    Neutral,
    /// On its way.
    Busy,
    /// Up; healthy where it has a health check.
    Good,
    /// Up, with something to look at.
    Warning,
    /// Down and should not be.
    Bad,
}

impl DashboardView {
    /// The whole dashboard of a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            seq: snapshot.seq,
            engines: engines(snapshot),
            projects: projects(snapshot),
            services: snapshot
                .services
                .iter()
                .map(|service| ServiceRow::of(service))
                .collect(),
            notices: snapshot.notices.clone(),
        }
    }
}

impl DashboardChange {
    /// What a window that shows `previous` needs to show `next`.
    #[must_use]
    pub fn between(previous: &Snapshot, next: &Snapshot) -> Self {
        let old: BTreeMap<&ServiceId, &Arc<ServiceSnapshot>> =
            previous.services.iter().map(|service| (&service.id, service)).collect();
        let changed = next
            .services
            .iter()
            .filter(|service| old.get(&service.id).is_none_or(|old| !Arc::ptr_eq(old, service)))
            .map(|service| ServiceRow::of(service));
        let same_order = previous.services.len() == next.services.len()
            && previous
                .services
                .iter()
                .zip(&next.services)
                .all(|(old, new)| old.id == new.id);
        Self {
            seq: next.seq,
            services: changed.collect(),
            order: (!same_order).then(|| next.services.iter().map(|service| service.id.clone()).collect()),
            engines: (previous.engines != next.engines).then(|| engines(next)),
            projects: (previous.projects != next.projects).then(|| projects(next)),
            notices: (previous.notices != next.notices).then(|| next.notices.clone()),
        }
    }
}

fn engines(snapshot: &Snapshot) -> Vec<EngineRow> {
    let rows = snapshot.engines.iter().map(|engine| {
        let (state, version, error) = link(&engine.link);
        EngineRow {
            id: engine.id.clone(),
            kind: engine.kind.clone(),
            endpoint: engine.endpoint.clone(),
            source: engine.source.clone(),
            state: state.to_owned(),
            version,
            error: error.map(|error| ProblemView {
                code: error.code,
                message: error.message,
                hint: error.hint,
                choices: Vec::new(),
            }),
            is_default: engine.is_default,
            absent: engine.absent,
        }
    });
    rows.collect()
}

fn projects(snapshot: &Snapshot) -> Vec<ProjectRow> {
    let rows = snapshot.projects.values().map(|project| ProjectRow {
        name: project.name.clone(),
        folder: project
            .folder
            .as_ref()
            .map(|folder| folder.to_string_lossy().into_owned())
            .unwrap_or_default(),
        external: project.folder.is_none(),
        error: project.problem.as_ref().map(message::problem_view),
    });
    rows.collect()
}

impl ServiceRow {
    /// The row of a service.
    #[must_use]
    pub fn of(service: &ServiceSnapshot) -> Self {
        let connection = service.connection.as_deref();
        let ended = service.exit.as_ref().filter(|exit| exit.crashed);
        Self {
            id: service.id.clone(),
            project: service.id.project.clone(),
            name: service.id.name.to_string(),
            origin: service.origin.clone(),
            entry: service.entry.clone(),
            engine: service.engine.clone(),
            engine_reason: service
                .engine_reason
                .map(|reason| message::engine_reason(reason).to_owned()),
            masked_url: connection
                .map_or_else(|| service.url.clone(), |connection| Some(connection.masked_url.clone())),
            console: connection.and_then(|connection| connection.console.clone()),
            external: service.external,
            crash_looping: service.crash_looping,
            gave_up: service.gave_up,
            muted: service.muted,
            state: service.state,
            state_text: message::state_text(service),
            tone: message::tone(service),
            health: service.health,
            health_text: service.health_detail.clone(),
            on: service.is_up(),
            turns_on: service.click_turns_on(),
            since: service.since,
            ports: service.ports.iter().map(PortLink::of).collect(),
            url: service.url.clone(),
            restarts: service.restarts,
            error: service.problem.as_ref().map(message::problem_view),
            last_line: ended
                .filter(|_| matches!(service.state, StateKind::Exited | StateKind::BackingOff))
                .and_then(|exit| exit.last_line.as_deref())
                .map(plain),
            outdated: service.outdated,
        }
    }
}

impl PortLink {
    fn of(port: &PublishedPort) -> Self {
        let label = if port.host_port == port.port {
            port.port.to_string()
        } else {
            format!("{} → {}", port.host_port, port.port)
        };
        let tcp = port.protocol == Protocol::Tcp;
        Self {
            label: if tcp { label } else { format!("{label}/udp") },
            href: tcp.then(|| format!("http://127.0.0.1:{}", port.host_port)),
            port: port.clone(),
        }
    }
}
