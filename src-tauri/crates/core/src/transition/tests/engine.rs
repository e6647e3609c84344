use crate::{
    EngineId, Event, ProblemCode, ServiceSpec,
    event::{Effect, InstanceChange},
    instance::RunState,
    snapshot::{Desired, StateKind},
    spec::{RestartPolicy, Signal},
    transition::world::{World, engine, facts, id, memory, problem, restarting, spec},
};

#[test]
fn a_lost_engine_makes_its_services_unknown_and_its_list_tells_again() {
    let mut world = World::running([spec("api", &[]), spec("db", &[]), spec("mail", &[])]);
    world.stop(&["mail"]);
    world.answer();
    world.lose();
    assert_eq!(world.states(), "api:unknown db:unknown mail:unknown");
    assert_eq!(world.see("db").exit, None);
    let db = world.instance("db");
    if let Some(container) = world.containers.get_mut(&db) {
        container.run = RunState::Exited(facts(3));
    }
    world.connect();
    assert_eq!(
        world.states(),
        "api:unknown db:unknown mail:unknown",
        "connected is not listed"
    );
    world.answer();
    assert_eq!(world.states(), "api:running db:exited mail:stopped");
}

#[test]
fn an_engine_that_shuts_down_is_no_storm_of_crashes() {
    let names = ["a", "b", "c", "d", "e"];
    let mut world = World::running(names.map(|name| restarting(name, RestartPolicy::Always)));
    for name in names {
        world.told(name, InstanceChange::Signaled(Some(Signal::TERM)));
    }
    world.wait(10);
    for name in names {
        let instance = world.instance(name);
        world.told(name, InstanceChange::Signaled(Some(Signal::KILL)));
        // `e` fails on the signal in its own way.
        world.end(&instance, facts(if name == "e" { 1 } else { 137 }));
        world.told(name, InstanceChange::StopRequested);
    }
    let looks: Vec<(crate::ServiceId, u64)> = world
        .open
        .iter()
        .filter_map(|effect| match effect {
            Effect::Inspect { service, round, .. } => Some((service.clone(), *round)),
            _ => None,
        })
        .collect();
    world.lose();
    for (service, round) in looks {
        world.apply(Event::InspectFailed { service, round });
    }
    assert_eq!(world.states(), "a:unknown b:unknown c:unknown d:unknown e:unknown");
    assert!(names.iter().all(|name| world.crashed(name) == Some(false)));
    world.wait(120);
    world.connect();
    world.answer();
    // They ended with their engine, and the person wants them to run.
    assert_eq!(world.states(), "a:running b:running c:running d:running e:running");
    assert!(names.iter().all(|name| world.crashed(name).is_none()));
}

#[test]
fn what_somebody_stopped_before_the_engine_went_stays_stopped() {
    let mut world = World::running([spec("api", &[]), spec("db", &[])]);
    world.told("db", InstanceChange::Signaled(Some(Signal::TERM)));
    world.exits("db", facts(143));
    // The other one still runs: this was not the engine on its way down.
    world.lose();
    world.connect();
    world.answer();
    assert_eq!(world.states(), "api:running db:stopped");
}

#[test]
fn what_the_engine_took_down_unseen_is_started_again_and_what_failed_by_itself_is_not() {
    let mut world = World::running([spec("api", &[]), spec("db", &[]), spec("mail", &[])]);
    world.stop(&["mail"]);
    world.answer();
    world.lose();
    for (name, code) in [("api", 0), ("db", 3)] {
        let instance = world.instance(name);
        if let Some(container) = world.containers.get_mut(&instance) {
            container.run = RunState::Exited(facts(code));
        }
    }
    world.connect();
    world.answer();
    assert_eq!(world.states(), "api:running db:exited mail:stopped");
    assert_eq!(world.crashed("db"), Some(true));
}

#[test]
fn what_was_under_way_when_the_engine_went_is_carried_out_when_it_is_back() {
    let mut world = World::new([spec("api", &["db"]), spec("db", &[])]);
    world.start(&["api"]);
    world.lose();
    assert_eq!(world.states(), "api:unknown db:unknown");
    assert!(!world.see("api").click_turns_on(), "a click calls it off");
    world.connect();
    world.answer();
    assert_eq!(world.states(), "api:running db:running");

    let mut world = World::new([spec("db", &[])]);
    world.start(&["db"]);
    let prepare = world.take("prepare db");
    world.carry_out(prepare);
    let Effect::Start { ticket, .. } = world.take("start db") else {
        unreachable!()
    };
    world.lose();
    world.apply(Event::StartFinished {
        ticket,
        result: Err(problem(ProblemCode::EngineLost)),
    });
    assert_eq!(world.states(), "db:unknown");
    world.connect();
    world.answer();
    assert_eq!(world.states(), "db:running");
}

/// A socket is taken for Docker's until what answers there says that it is Podman.
#[test]
fn a_start_waits_until_engines_that_are_being_asked_have_said_of_which_family_they_are() {
    let db = ServiceSpec {
        engine: Some("podman".to_owned()),
        ..spec("db", &[])
    };
    let mut world = World::cold([db.clone()]);
    world.start(&["db"]);
    assert_eq!(world.states(), "db:unknown");
    assert!(world.see("db").problem.is_none(), "nothing is wrong yet");
    assert!(!world.see("db").click_turns_on(), "a click calls it off");
    world.connect_as("podman");
    world.answer();
    assert_eq!(world.states(), "db:running");

    let mut world = World::cold([db.clone()]);
    world.start(&["db"]);
    world.connect();
    world.answer();
    assert_eq!(world.states(), "db:failed");
    let why = |world: &World| world.see("db").problem.as_ref().map(|problem| problem.code);
    assert_eq!(why(&world), Some(ProblemCode::NoSuchEngine));

    let mut world = World::cold([db.clone()]);
    world.start(&["db"]);
    world.lose();
    assert_eq!(
        world.states(),
        "db:failed",
        "what can't be reached isn't waited for by name"
    );

    let mut world = World::cold([db]);
    world.start(&["db"]);
    world.stop(&["db"]);
    world.connect_as("podman");
    world.answer();
    assert_eq!(world.states(), "db:stopped");
}

#[test]
fn a_start_that_waits_for_podman_does_not_go_to_what_turns_out_to_be_docker() {
    let db = ServiceSpec {
        engine: Some("podman".to_owned()),
        ..spec("db", &[])
    };
    let mut world = World::cold([db]);
    for id in ["one", "two"] {
        world.find_engine(id.into(), "podman");
    }
    world.start(&["db"]);
    assert_eq!(world.see("db").engine, Some("one".into()));
    world.connect_engine("one".into(), "docker");
    assert_eq!(world.see("db").engine, Some("two".into()));
    world.answer();
    assert_eq!(world.states(), "db:unknown");
    world.apply(Event::EngineLost {
        engine: "two".into(),
        problem: problem(ProblemCode::EngineRefused),
    });
    let why = world.see("db").problem.as_ref().map(|problem| problem.code);
    assert_eq!(why, Some(ProblemCode::EngineRefused));
}

#[test]
fn a_person_who_asks_again_gets_an_engine_that_is_there_by_now() {
    let mut world = World::cold([spec("db", &[])]);
    world.lose();
    world.start(&["db"]);
    assert_eq!(world.states(), "db:unknown");
    let podman = EngineId::from("podman");
    world.find_engine(podman.clone(), "podman");
    world.connect_engine(podman.clone(), "podman");
    world.answer();
    assert_eq!(world.states(), "db:unknown", "what waits doesn't wander off by itself");
    world.start(&["db"]);
    world.answer();
    assert_eq!(world.states(), "db:running");
    assert_eq!(world.see("db").engine, Some(podman));
}

#[test]
fn a_list_without_a_connection_is_nothing() {
    let mut world = World::running([spec("db", &[])]);
    world.lose();
    world.apply(Event::InstancesListed {
        engine: engine(),
        instances: Vec::new(),
    });
    assert_eq!(world.states(), "db:unknown");
    assert!(!world.is_online());
}

#[test]
fn a_list_that_is_older_than_what_was_seen_since_is_checked() {
    let mut world = World::running([spec("db", &[])]);
    world.apply(Event::InstancesListed {
        engine: engine(),
        instances: Vec::new(),
    });
    assert_eq!(
        (world.states(), world.said()),
        ("db:running".into(), vec!["inspect db".to_owned()])
    );
    world.answer();
    assert_eq!(world.states(), "db:running");

    let old = world.containers.values().cloned().collect();
    world.exits("db", facts(3));
    world.apply(Event::InstancesListed {
        engine: engine(),
        instances: old,
    });
    assert_eq!(world.states(), "db:exited");
    world.answer();
    assert_eq!((world.states(), world.crashed("db")), ("db:exited".into(), Some(true)));
}

#[test]
fn of_two_containers_of_a_service_the_running_one_counts() {
    let mut world = World::cold([spec("db", &[])]);
    world.put("a", &spec("db", &[]), RunState::Running);
    world.wait(5);
    world.put("b", &spec("db", &[]), RunState::Exited(facts(1)));
    world.put("c", &spec("db", &[]), RunState::Created);
    world.connect();
    world.answer();
    assert_eq!(world.states(), "db:running");
    assert_eq!(
        world.state.services[&id("db")]
            .instance
            .as_ref()
            .map(|instance| instance.id.to_string()),
        Some("a".into())
    );
}

#[test]
fn a_host_that_comes_back_finds_all_again_and_asks_for_nothing() {
    let specs = || {
        [
            spec("api", &["db"]),
            restarting("db", RestartPolicy::Always),
            spec("mail", &[]),
        ]
    };
    let mut world = World::cold(specs());
    let wishes = [
        ("api", Desired::Running),
        ("db", Desired::Running),
        ("mail", Desired::Stopped),
    ];
    world.apply(Event::MemoryRestored(memory(
        &wishes.map(|(name, wish)| (id(name), wish)),
    )));
    let started = world.now;
    world.put("a", &spec("api", &["db"]), RunState::Running);
    world.put("b", &spec("db", &[]), RunState::Exited(facts(3)));
    world.put("c", &spec("mail", &[]), RunState::Exited(facts(137)));
    world.wait(3600);
    world.connect();
    world.answer();
    assert_eq!(
        world.states(),
        "api:running db:exited mail:stopped",
        "a late end is not restarted"
    );
    assert_eq!(world.see("api").since, Some(started), "it ran before locald did");
    assert_eq!(world.said(), ["list docker"]);
    assert_eq!((world.crashed("db"), world.crashed("mail")), (Some(true), Some(false)));
}

#[test]
fn wishes_for_services_that_are_not_loaded_yet_are_kept() {
    let mut world = World::cold([]);
    let remembered = memory(&[(id("db"), Desired::Running)]);
    world.apply(Event::MemoryRestored(remembered.clone()));
    assert_eq!(world.state.memory(), remembered);
    world.load([spec("db", &[]), spec("api", &[])]);
    assert_eq!(
        (world.see("db").desired, world.see("api").desired),
        (Desired::Running, Desired::Stopped)
    );
    assert_eq!(world.is("db"), StateKind::Unknown);
}

#[test]
fn a_container_in_a_state_without_a_name_is_unknown() {
    let mut world = World::running([spec("db", &[])]);
    let instance = world.instance("db");
    if let Some(container) = world.containers.get_mut(&instance) {
        container.run = RunState::Unknown("removing".into());
    }
    world.told("db", InstanceChange::Altered);
    world.answer();
    assert_eq!(world.states(), "db:unknown");
}
