//! A machine without Docker whose person doesn't need it.

use std::sync::Arc;

use crate::{
    EngineId, Event, Problem, ProblemCode, ServiceSpec, Snapshot,
    offers::Offers,
    state::EngineRecord,
    transition::transition,
    view::{status::Status, tray_menu::TrayMenu},
};

fn now() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

fn found(engine: &EngineId, kind: &str, source: &str) -> Event {
    Event::EngineFound {
        engine: engine.clone(),
        kind: kind.to_owned(),
        endpoint: "somewhere".to_owned(),
        source: source.to_owned(),
    }
}

/// Whether Docker, which isn't there, counts as a fault.
fn is_fault(source: &str, code: ProblemCode, native: bool, needed: bool) -> bool {
    let (docker, here) = (EngineId::from("docker"), EngineId::from("native"));
    let mut events = vec![found(&docker, "docker", source)];
    if native {
        events.push(found(&here, "native", "always there"));
        events.push(Event::EngineOffered {
            engine: here.clone(),
            offers: Offers {
                containers: false,
                processes: true,
                servers: Vec::new(),
            },
        });
        events.push(Event::EngineConnected {
            engine: here,
            kind: "native".to_owned(),
            version: "1".to_owned(),
            clock_offset: jiff::SignedDuration::ZERO,
            health_checks: false,
        });
    }
    if needed {
        events.push(Event::ProjectLoaded(crate::event::ProjectSpec {
            name: "shop".parse().unwrap(),
            folder: "/shop".into(),
            services: vec![Arc::new(ServiceSpec::container("shop/web".parse().unwrap(), "web:1"))],
        }));
    }
    events.push(Event::EngineLost {
        engine: docker,
        problem: Problem::new(code, "there is no socket"),
    });
    let mut state = crate::State::default();
    for event in events {
        transition(&mut state, event, now());
    }
    let snapshot = Snapshot::next(&state, &Snapshot::default()).unwrap();
    let told = format!("{:?}", TrayMenu::of(&snapshot).entries).contains("docker: ");
    let status = Status::of(&snapshot);
    let docker = &status.engines[0];
    assert_eq!(docker.state, "offline");
    assert!(docker.error.is_some(), "the reason is there for who asks");
    assert_eq!(docker.absent, !told);
    told
}

#[test]
fn docker_that_is_not_installed_is_a_fault_only_where_it_is_missed() {
    let usual = EngineRecord::USUAL_PLACE;
    assert!(!is_fault(usual, ProblemCode::EngineMissing, true, false));
    assert!(
        is_fault(usual, ProblemCode::EngineMissing, true, true),
        "a service is on it"
    );
    assert!(
        is_fault(usual, ProblemCode::EngineMissing, false, false),
        "nothing else is there"
    );
    assert!(
        is_fault("DOCKER_HOST", ProblemCode::EngineMissing, true, false),
        "it was named"
    );
    assert!(
        is_fault(usual, ProblemCode::EngineRefused, true, false),
        "it is installed"
    );
}
