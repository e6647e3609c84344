use crate::{
    Event, ProblemCode,
    event::Effect,
    instance::RunState,
    snapshot::{Desired, StateDetail, StateKind},
    transition::world::{World, checked, facts, id, problem, spec},
};

#[test]
fn a_stop_ends_it_and_is_no_crash() {
    let mut world = World::running([spec("db", &[])]);
    world.stop(&["db"]);
    assert_eq!(
        (world.is("db"), world.see("db").desired),
        (StateKind::Stopping, Desired::Stopped)
    );
    world.answer();
    assert_eq!((world.is("db"), world.crashed("db")), (StateKind::Stopped, Some(false)));
}

#[test]
fn dependents_stop_first() {
    let mut world = World::running([spec("web", &["api"]), spec("api", &["db"]), spec("db", &[])]);
    world.stop(&["db", "api", "web"]);
    assert_eq!(world.said(), ["stop web"]);
    assert_eq!(world.see("db").detail, StateDetail::WaitingFor(vec![id("api")]));
    let stop = world.take("stop web");
    world.carry_out(stop);
    assert_eq!(world.states(), "web:stopped api:stopping db:stopping");
    world.answer();
    let stops: Vec<String> = world
        .said()
        .into_iter()
        .filter(|said| said.starts_with("stop"))
        .collect();
    assert_eq!(stops, ["stop api", "stop db"]);
    assert_eq!(world.states(), "web:stopped api:stopped db:stopped");
}

#[test]
fn a_stop_of_one_stops_only_that_one() {
    let mut world = World::running([spec("api", &["db"]), spec("db", &[])]);
    world.stop(&["db"]);
    world.answer();
    assert_eq!(world.states(), "api:running db:stopped");
}

#[test]
fn a_stop_takes_back_what_is_on_its_way_up() {
    let mut world = World::new([spec("api", &["db"]), checked("db", &[])]);
    world.start(&["api"]);
    world.stop(&["api"]);
    assert_eq!(world.states(), "api:stopped db:preparing");

    world.stop(&["db"]);
    assert_eq!(world.states(), "api:stopped db:stopped");
    assert_eq!(world.said(), ["prepare db", "cancel db"]);
}

#[test]
fn a_stop_while_the_engine_starts_it_follows_its_answer() {
    let mut world = World::new([spec("db", &[])]);
    world.start(&["db"]);
    let prepare = world.take("prepare db");
    world.carry_out(prepare);
    world.stop(&["db"]);
    assert_eq!(world.states(), "db:stopping");
    assert_eq!(
        world.said(),
        ["prepare db", "start db"],
        "the engine is not asked two things at a time"
    );
    world.answer();
    assert!(world.said().contains(&"stop db".to_owned()));
    assert_eq!(
        (world.states(), world.crashed("db")),
        ("db:stopped".into(), Some(false))
    );

    world.start(&["db"]);
    world.stop(&["db"]);
    let Effect::Start { ticket, .. } = world.take("start db c1") else {
        unreachable!()
    };
    world.apply(Event::StartFinished {
        ticket,
        result: Err(problem(ProblemCode::PortInUse)),
    });
    assert_eq!((world.is("db"), &world.see("db").problem), (StateKind::Stopped, &None));
}

#[test]
fn a_start_while_it_stops_is_carried_out_after() {
    let mut world = World::running([spec("db", &[])]);
    world.stop(&["db"]);
    world.start(&["db"]);
    assert_eq!(world.states(), "db:stopping");
    world.answer();
    assert_eq!(world.states(), "db:running");
    let told: Vec<String> = world
        .said()
        .into_iter()
        .filter(|said| !said.starts_with("inspect"))
        .collect();
    assert_eq!(told, ["stop db", "start db c1"]);
}

#[test]
fn a_start_takes_back_a_stop_that_was_not_sent() {
    let mut world = World::running([spec("api", &["db"]), spec("db", &[])]);
    world.stop(&["api", "db"]);
    world.start(&["db"]);
    world.answer();
    assert_eq!(world.states(), "api:stopped db:running");
    assert!(!world.said().contains(&"stop db".to_owned()));
}

#[test]
fn a_restart_is_one_stop_and_one_start() {
    let mut world = World::running([spec("api", &["db"]), spec("db", &[])]);
    world.restart(&["db"]);
    world.answer();
    assert_eq!(world.states(), "api:running db:running");
    let told: Vec<String> = world
        .said()
        .into_iter()
        .filter(|said| !said.starts_with("inspect"))
        .collect();
    assert_eq!(told, ["stop db", "start db c1"]);
    assert_eq!(world.crashed("db"), None);

    let mut world = World::new([spec("db", &[])]);
    world.restart(&["db"]);
    world.answer();
    assert_eq!(world.states(), "db:running");
}

#[test]
fn a_stop_that_fails_says_so_and_looks() {
    let mut world = World::running([spec("db", &[])]);
    world.stop(&["db"]);
    let Effect::Stop { ticket, .. } = world.take("stop db") else {
        unreachable!()
    };
    world.apply(Event::StopFinished {
        ticket,
        result: Err(problem(ProblemCode::StopFailed)),
    });
    world.answer();
    assert_eq!(world.is("db"), StateKind::Running);
    assert_eq!(
        world.see("db").problem.as_ref().map(|problem| problem.code),
        Some(ProblemCode::StopFailed)
    );
}

#[test]
fn a_stop_acknowledges_what_failed_or_ended() {
    let mut world = World::running([spec("db", &[])]);
    world.exits("db", facts(3));
    assert_eq!(world.states(), "db:exited");
    world.stop(&["db"]);
    assert_eq!(world.states(), "db:stopped");
    // It doesn't come back with the engine either.
    world.lose();
    world.connect();
    world.answer();
    assert_eq!(world.states(), "db:stopped");
}

#[test]
fn a_stop_before_the_engine_is_known_waits_for_its_list() {
    let mut world = World::cold([spec("db", &[])]);
    world.put("c9", &spec("db", &[]), RunState::Running);
    world.stop(&["db"]);
    world.connect();
    world.answer();
    assert_eq!(world.states(), "db:stopped");
    assert!(world.said().contains(&"stop db".to_owned()));
}
