use crate::{
    Event, ProblemCode,
    event::Effect,
    instance::RunState,
    snapshot::{Desired, StateDetail, StateKind},
    transition::world::{World, checked, facts, id, problem, spec},
};

#[test]
fn a_start_prepares_starts_looks_and_runs() {
    let mut world = World::new([spec("db", &[])]);
    assert_eq!(world.states(), "db:stopped");
    world.start(&["db"]);
    assert_eq!(
        (world.is("db"), world.see("db").desired),
        (StateKind::Preparing, Desired::Running)
    );
    assert_eq!(world.said(), ["prepare db"]);

    let Effect::Prepare { ticket, .. } = world.take("prepare db") else {
        unreachable!()
    };
    world.apply(Event::PrepareProgressed {
        ticket: ticket.clone(),
        percent: 40,
    });
    assert_eq!(world.see("db").detail, StateDetail::Progress(Some(40)));
    world.apply(Event::PrepareProgressed {
        ticket: ticket.clone(),
        percent: 250,
    });
    assert_eq!(world.see("db").detail, StateDetail::Progress(Some(100)));
    world.apply(Event::PrepareFinished { ticket, result: Ok(()) });
    assert_eq!(world.is("db"), StateKind::Starting);

    let start = world.take("start db");
    world.carry_out(start);
    assert_eq!(
        world.is("db"),
        StateKind::Starting,
        "an answered start alone is no running process"
    );
    world.answer();
    assert_eq!(world.is("db"), StateKind::Running);
    assert_eq!(world.said(), ["start db", "inspect db"]);
}

#[test]
fn an_existing_container_is_used_again_without_preparing() {
    let mut world = World::running([spec("db", &[])]);
    world.stop(&["db"]);
    world.answer();
    assert_eq!(world.states(), "db:stopped");
    world.said();
    world.start(&["db"]);
    assert_eq!(world.said(), ["start db c1"]);
    world.answer();
    assert_eq!(world.states(), "db:running");
}

#[test]
fn a_container_of_another_spec_is_made_anew() {
    let mut world = World::cold([spec("db", &[])]);
    let mut old = spec("db", &[]);
    old.env.insert("A".into(), "1".into());
    world.put("old", &old, RunState::Exited(facts(0)));
    world.connect();
    world.answer();
    world.said();
    world.start(&["db"]);
    assert_eq!(world.said(), ["prepare db"]);
}

#[test]
fn a_failed_preparation_and_a_failed_start_say_why() {
    let mut world = World::new([spec("db", &[])]);
    world.start(&["db"]);
    let Effect::Prepare { ticket, .. } = world.take("prepare db") else {
        unreachable!()
    };
    world.apply(Event::PrepareFinished {
        ticket,
        result: Err(problem(ProblemCode::ImageMissing)),
    });
    assert_eq!(world.is("db"), StateKind::Failed);
    assert_eq!(
        world.see("db").problem.as_ref().map(|problem| problem.code),
        Some(ProblemCode::ImageMissing)
    );

    world.start(&["db"]);
    assert_eq!(world.see("db").problem, None, "a new try begins clean");
    let prepare = world.take("prepare db");
    world.carry_out(prepare);
    let Effect::Start { ticket, .. } = world.take("start db") else {
        unreachable!()
    };
    world.apply(Event::StartFinished {
        ticket,
        result: Err(problem(ProblemCode::PortInUse)),
    });
    assert_eq!(world.is("db"), StateKind::Failed);
    assert_eq!(
        world.see("db").problem.as_ref().map(|problem| problem.code),
        Some(ProblemCode::PortInUse)
    );
    assert_eq!(world.see("db").desired, Desired::Running);
}

#[test]
fn answers_to_what_is_no_longer_asked_are_ignored() {
    let mut world = World::new([spec("db", &[])]);
    world.start(&["db"]);
    let Effect::Prepare { ticket: old, .. } = world.take("prepare db") else {
        unreachable!()
    };
    world.stop(&["db"]);
    assert_eq!(
        (world.is("db"), world.take("cancel db")),
        (StateKind::Stopped, Effect::Cancel { ticket: old.clone() })
    );
    world.apply(Event::PrepareFinished {
        ticket: old.clone(),
        result: Ok(()),
    });
    assert_eq!(world.states(), "db:stopped");
    world.start(&["db"]);
    world.apply(Event::PrepareProgressed {
        ticket: old.clone(),
        percent: 9,
    });
    world.apply(Event::PrepareFinished {
        ticket: old.clone(),
        result: Err(problem(ProblemCode::ImageMissing)),
    });
    world.apply(Event::StartFinished {
        ticket: old.clone(),
        result: Ok("ghost".into()),
    });
    world.apply(Event::StopFinished {
        ticket: old,
        result: Ok(()),
    });
    assert_eq!(
        (world.is("db"), &world.see("db").detail),
        (StateKind::Preparing, &StateDetail::Progress(None))
    );

    world.answer();
    let round = world.state.services[&id("db")].inspect_round;
    world.apply(Event::InstanceInspected {
        service: id("db"),
        round: round - 1,
        observed: None,
        last_line: None,
    });
    world.apply(Event::InspectFailed {
        service: id("db"),
        round: round - 1,
    });
    assert_eq!(world.states(), "db:running");
}

#[test]
fn dependencies_start_first_and_by_themselves() {
    let mut world = World::new([spec("web", &["api"]), spec("api", &["db"]), checked("db", &[])]);
    world.start(&["web"]);
    assert_eq!(world.states(), "web:waiting api:waiting db:preparing");
    assert_eq!(world.see("web").detail, StateDetail::WaitingFor(vec![id("api")]));
    world.answer();
    assert_eq!(
        world.states(),
        "web:waiting api:waiting db:running",
        "running is not ready"
    );
    world.probe("db", Ok(()));
    assert_eq!(world.states(), "web:waiting api:preparing db:running");
    world.answer();
    assert_eq!(world.states(), "web:running api:running db:running");
}

#[test]
fn a_dependency_that_fails_fails_its_dependents_by_name() {
    let mut world = World::new([spec("web", &["api"]), spec("api", &["db"]), spec("db", &[])]);
    world.start(&["web"]);
    let Effect::Prepare { ticket, .. } = world.take("prepare db") else {
        unreachable!()
    };
    world.apply(Event::PrepareFinished {
        ticket,
        result: Err(problem(ProblemCode::ImageMissing)),
    });
    assert_eq!(world.states(), "web:failed api:failed db:failed");
    let why = |name| {
        world
            .see(name)
            .problem
            .clone()
            .map(|problem| (problem.code, problem.detail))
    };
    assert_eq!(
        why("api"),
        Some((ProblemCode::DependencyFailed, "`db` did not start: it is so".into()))
    );
    assert_eq!(
        why("web").map(|(_, detail)| detail),
        Some("`api` did not start: `db` did not start: it is so".into())
    );
}

#[test]
fn an_unhealthy_an_ended_and_a_missing_dependency_are_told_apart() {
    let mut world = World::new([spec("api", &["db"]), checked("db", &[])]);
    world.start(&["api"]);
    world.answer();
    world.wait(10);
    for _ in 0..3 {
        world.probe("db", Err("connection refused"));
    }
    assert_eq!(
        world.see("api").problem.clone().map(|problem| problem.detail),
        Some("`db` is unhealthy: connection refused".into())
    );

    let mut world = World::new([spec("api", &["db"]), checked("db", &[])]);
    world.start(&["api"]);
    world.answer();
    world.exits("db", facts(0));
    assert_eq!(
        world.see("api").problem.clone().map(|problem| problem.detail),
        Some("`db` has ended".into())
    );

    let mut world = World::new([spec("api", &["gone"])]);
    world.start(&["api"]);
    assert_eq!(
        world.see("api").problem.clone().map(|problem| problem.detail),
        Some("shop/gone is not in the project".into())
    );
}

#[test]
fn a_cycle_neither_starts_nor_hangs() {
    let mut world = World::new([spec("a", &["b"]), spec("b", &["a"])]);
    world.start(&["a"]);
    assert_eq!(world.states(), "a:waiting b:waiting");
    world.stop(&["b"]);
    assert_eq!(world.states(), "a:failed b:stopped");
}

#[test]
fn a_start_before_the_engine_is_known_waits_for_its_list() {
    let mut world = World::cold([spec("db", &[]), spec("api", &["db"])]);
    world.put("c9", &spec("db", &[]), RunState::Running);
    world.start(&["api"]);
    assert_eq!(world.states(), "db:unknown api:unknown");
    assert_eq!(world.said(), Vec::<String>::new());
    world.connect();
    world.answer();
    assert_eq!(world.states(), "db:running api:running");
    assert!(!world.said().contains(&"start db".to_owned()), "db ran already");
}

#[test]
fn a_start_without_an_engine_is_carried_out_when_it_is_back_unless_called_off() {
    let mut world = World::new([spec("db", &[])]);
    world.lose();
    world.start(&["db"]);
    assert_eq!(world.is("db"), StateKind::Unknown);
    assert_eq!(
        world.see("db").problem.as_ref().map(|problem| problem.code),
        Some(ProblemCode::EngineLost)
    );
    world.connect();
    world.answer();
    assert_eq!((world.is("db"), &world.see("db").problem), (StateKind::Running, &None));

    let mut world = World::new([spec("db", &[])]);
    world.lose();
    world.start(&["db"]);
    world.stop(&["db"]);
    world.connect();
    world.answer();
    assert_eq!(
        (world.states(), world.said()),
        ("db:stopped".into(), vec!["list docker".to_owned()])
    );
}
