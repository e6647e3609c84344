use crate::{
    Event, ServiceSpec,
    event::Effect,
    instance::RunState,
    snapshot::{HealthKind, StateDetail},
    transition::world::{World, checked, facts, id, spec},
};

#[test]
fn healthy_comes_from_an_answer_and_goes_after_so_many_failures() {
    let mut world = World::running([checked("db", &[])]);
    assert_eq!(world.see("db").health, HealthKind::Starting);
    world.probe("db", Err("refused"));
    world.probe("db", Err("refused"));
    world.probe("db", Err("refused"));
    world.probe("db", Err("refused"));
    assert_eq!(
        world.see("db").health,
        HealthKind::Starting,
        "failures soon after the start don't count"
    );
    assert_eq!(world.see("db").health_detail.as_deref(), Some("refused"));
    world.probe("db", Ok(()));
    assert_eq!(
        (world.see("db").health, &world.see("db").health_detail),
        (HealthKind::Healthy, &None)
    );
    world.probe("db", Err("refused"));
    world.probe("db", Err("refused"));
    assert_eq!(world.see("db").health, HealthKind::Healthy);
    world.probe("db", Err("refused"));
    assert_eq!(world.see("db").health, HealthKind::Unhealthy);
    world.probe("db", Ok(()));
    assert_eq!(world.see("db").health, HealthKind::Healthy);
}

#[test]
fn probes_are_close_until_failures_count() {
    let mut world = World::running([checked("db", &[])]);
    // It runs for a second.
    let mut pauses = Vec::new();
    for more in [0, 1, 1, 7] {
        world.wait(more);
        world.probe("db", Err("refused"));
        pauses.extend(world.open.iter().map(pause).next());
    }
    assert_eq!(pauses, [125, 250, 250, 1000]);
    world.now -= jiff::SignedDuration::from_secs(3600);
    world.probe("db", Err("refused"));
    assert_eq!(
        world.see("db").health,
        HealthKind::Starting,
        "a clock that differs harms nothing"
    );
}

fn pause(effect: &Effect) -> u128 {
    match effect {
        Effect::Probe { after, .. } => after.as_millis(),
        _ => 0,
    }
}

#[test]
fn a_stopped_or_paused_service_is_not_healthy() {
    let mut world = World::running([checked("db", &[])]);
    world.probe("db", Ok(()));
    let instance = world.instance("db");
    for (run, health) in [
        (RunState::Paused, HealthKind::None),
        (RunState::Running, HealthKind::Starting),
    ] {
        if let Some(container) = world.containers.get_mut(&instance) {
            container.run = run;
        }
        world.told("db", crate::event::InstanceChange::Altered);
        world.answer();
        assert_eq!(world.see("db").health, health);
    }
    assert_eq!(world.see("db").detail, StateDetail::None);
    world.exits("db", facts(1));
    assert_eq!(world.see("db").health, HealthKind::None);
}

#[test]
fn an_answer_to_an_earlier_run_says_nothing_of_this_one() {
    let mut world = World::running([checked("db", &[])]);
    let Effect::Probe { service, round, .. } = world.take("probe db") else {
        unreachable!()
    };
    world.restart(&["db"]);
    world.answer();
    world.apply(Event::Probed {
        service,
        round,
        outcome: Ok(()),
    });
    assert_eq!(world.see("db").health, HealthKind::Starting);
}

#[test]
fn another_check_in_the_file_begins_anew() {
    let mut world = World::running([checked("db", &[])]);
    world.probe("db", Ok(()));
    let mut other = checked("db", &[]);
    if let Some(check) = &mut other.health_check {
        check.retries = 9;
    }
    world.load([other]);
    assert_eq!(world.see("db").health, HealthKind::Starting);
    world.load([ServiceSpec {
        health_check: None,
        ..checked("db", &[])
    }]);
    assert_eq!(world.see("db").health, HealthKind::None);
    assert!(world.state.services[&id("db")].is_ready());
}

#[test]
fn a_port_that_is_not_published_is_unhealthy_and_says_so() {
    let mut asked = spec("db", &[]);
    asked.health_check = checked("db", &[]).health_check;
    let world = World::running([asked]);
    assert_eq!(world.see("db").health, HealthKind::Unhealthy);
    assert_eq!(
        world.see("db").health_detail.as_deref(),
        Some("its port is not published, so it can't be asked")
    );
}
