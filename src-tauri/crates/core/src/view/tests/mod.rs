//! What surfaces show of made-up snapshots.
#![expect(clippy::unwrap_used, reason = "tests")]

mod absent;
mod dashboard;
mod message;
mod notification;
mod notification_outbox;
mod notification_properties;
mod tray_menu;

use std::sync::Arc;

use crate::{
    Problem, ProblemCode, Snapshot,
    snapshot::{Desired, EngineLink, EngineSnapshot, ExitReport, HealthKind, ServiceSnapshot, StateDetail, StateKind},
};

fn service(id: &str, state: StateKind) -> ServiceSnapshot {
    ServiceSnapshot {
        id: id.parse().unwrap(),
        origin: "lt/bb:dev".into(),
        entry: None,
        kind: "container",
        connection: None,
        engine: Some("docker".into()),
        engine_reason: None,
        instance: None,
        desired: if state == StateKind::Stopped {
            Desired::Stopped
        } else {
            Desired::Running
        },
        state,
        detail: StateDetail::None,
        health: HealthKind::None,
        health_detail: None,
        since: None,
        ports: Vec::new(),
        restarts: 0,
        attempts: 0,
        crash_looping: false,
        gave_up: false,
        external: false,
        muted: None,
        exit: None,
        problem: None,
        outdated: false,
        url: None,
    }
}

fn exit(code: Option<i32>, crashed: bool, last_line: Option<&str>) -> ExitReport {
    let signal = code
        .and_then(|code| u8::try_from(code - 128).ok())
        .filter(|signal| *signal > 0);
    let at = "2026-01-01T10:00:00Z".parse().unwrap();
    ExitReport {
        code,
        signal,
        oom: false,
        crashed,
        at,
        last_line: last_line.map(str::to_owned),
    }
}

/// One that ended with an error.
fn crash(id: &str, state: StateKind, last_line: &str) -> ServiceSnapshot {
    ServiceSnapshot {
        exit: Some(exit(Some(3), true, Some(last_line))),
        ..service(id, state)
    }
}

fn failed(id: &str, code: ProblemCode, detail: &str) -> ServiceSnapshot {
    ServiceSnapshot {
        problem: Some(Problem::new(code, detail)),
        ..service(id, StateKind::Failed)
    }
}

fn link(online: bool) -> EngineLink {
    if online {
        EngineLink::Online {
            version: "28.0.0".into(),
        }
    } else {
        EngineLink::Offline {
            problem: Problem::new(ProblemCode::EngineLost, "connection to /run/docker.sock closed"),
        }
    }
}

fn snapshot(online: bool, services: impl IntoIterator<Item = ServiceSnapshot>) -> Snapshot {
    let engine = EngineSnapshot {
        is_default: true,
        absent: false,
        id: "docker".into(),
        kind: "docker".into(),
        endpoint: "unix:///run/docker.sock".into(),
        source: "default".into(),
        link: link(online),
    };
    Snapshot {
        engines: vec![Arc::new(engine)],
        services: services.into_iter().map(Arc::new).collect(),
        ..Snapshot::default()
    }
}
