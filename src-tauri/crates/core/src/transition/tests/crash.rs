#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::SignedDuration;

use crate::{
    Event, InstanceId, ServiceSpec,
    event::InstanceChange::{self, Removed, Signaled, StopRequested},
    instance::{EngineRestarts, ExitFacts, RunState},
    snapshot::StateKind,
    spec::Signal,
    transition::world::{World, engine, facts, id, spec},
    view::notification::{NotificationChange, notifications},
};

/// What a program's end is told as.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Stopped,
    Finished,
    Crashed,
}

fn told(world: &World) -> Told {
    match (world.is("db"), world.crashed("db")) {
        (StateKind::Stopped, Some(false)) => Told::Stopped,
        (StateKind::Exited, Some(false)) => Told::Finished,
        (StateKind::Exited, Some(true)) => Told::Crashed,
        other => unreachable!("{other:?}"),
    }
}

fn signal(number: u8) -> InstanceChange {
    Signaled(Some(Signal(number)))
}

#[test]
fn what_an_end_was() {
    let oom = ExitFacts {
        code: Some(137),
        oom: true,
        at: None,
    };
    let lost = ExitFacts {
        code: None,
        oom: false,
        at: None,
    };
    let cases: [(&str, Vec<InstanceChange>, ExitFacts, Told); 17] = [
        ("done", vec![], facts(0), Told::Finished),
        ("failed", vec![], facts(3), Told::Crashed),
        ("killed by itself or the system", vec![], facts(137), Told::Crashed),
        ("segfault", vec![], facts(139), Told::Crashed),
        (
            "out of memory, by the engine's word",
            vec![],
            oom.clone(),
            Told::Crashed,
        ),
        ("its code was lost", vec![], lost.clone(), Told::Crashed),
        (
            "docker stop, ignores TERM",
            vec![signal(15), signal(9)],
            facts(137),
            Told::Stopped,
        ),
        ("docker stop, handles TERM", vec![signal(15)], facts(0), Told::Stopped),
        ("docker stop, dies of TERM", vec![signal(15)], facts(143), Told::Stopped),
        ("docker stop, fails on TERM", vec![signal(15)], facts(1), Told::Stopped),
        (
            "a newer engine: stop first",
            vec![signal(15), signal(9), StopRequested],
            facts(137),
            Told::Stopped,
        ),
        ("only the stop is told", vec![StopRequested], facts(137), Told::Stopped),
        (
            "a signal that could not be read",
            vec![Signaled(None)],
            facts(1),
            Told::Stopped,
        ),
        ("Ctrl-C and quit", vec![signal(2), signal(3)], facts(130), Told::Stopped),
        ("HUP means reload", vec![signal(1)], facts(1), Told::Crashed),
        (
            "USR1 means what it likes",
            vec![signal(10), signal(12)],
            facts(138),
            Told::Crashed,
        ),
        (
            "out of memory while somebody stops it",
            vec![signal(15)],
            oom,
            Told::Crashed,
        ),
    ];
    for (what, before, facts, expected) in cases {
        let mut world = World::running([spec("db", &[])]);
        for change in before {
            world.told("db", change);
        }
        world.wait(2);
        world.exits("db", facts.clone());
        assert_eq!(told(&world), expected, "{what}");
        let exit = world.see("db").exit.clone();
        assert_eq!(
            exit.as_ref().map(|exit| exit.oom),
            Some(facts.oom),
            "{what}: out of memory only when said"
        );
        assert_eq!(exit.and_then(|exit| exit.last_line).as_deref(), Some("bye"), "{what}");

        // The same end told once more, and the stop that comes after it, change nothing.
        world.told("db", InstanceChange::Exited(facts));
        world.told("db", StopRequested);
        world.answer();
        assert_eq!(told(&world), expected, "{what}, told twice");
    }
}

#[test]
fn the_signal_that_stops_a_service_by_its_file_is_a_stop() {
    let mut world = World::running([ServiceSpec {
        stop_signal: Some(Signal(1)),
        ..spec("db", &[])
    }]);
    world.told("db", signal(1));
    world.exits("db", facts(1));
    assert_eq!(told(&world), Told::Stopped);
}

#[test]
fn a_crash_is_judged_before_the_engine_answers_and_completed_after() {
    let mut world = World::running([spec("db", &[])]);
    let before = world.snapshot.clone();
    let instance = world.instance("db");
    world.end(&instance, facts(3));
    assert_eq!(told(&world), Told::Crashed, "by the event alone");
    let early = notifications(&before, &world.snapshot);
    let between = world.snapshot.clone();
    world.answer();
    assert_eq!(told(&world), Told::Crashed);
    let late = notifications(&between, &world.snapshot);
    match (early.as_slice(), late.as_slice()) {
        ([NotificationChange::Show(draft)], [NotificationChange::Show(full)]) => {
            assert!(draft.draft && draft.body.is_empty());
            assert!(!full.draft);
            assert_eq!((full.subject == draft.subject, full.body.as_str()), (true, "bye"));
        }
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn the_stop_that_is_told_while_the_end_is_looked_at_counts() {
    let mut world = World::running([spec("db", &[])]);
    let instance = world.instance("db");
    world.end(&instance, facts(137));
    world.told("db", StopRequested);
    world.answer();
    assert_eq!(told(&world), Told::Stopped);
}

#[test]
fn a_failure_long_after_a_signal_that_was_shrugged_off_is_a_crash() {
    for (code, expected) in [
        (1, Told::Crashed),
        (143, Told::Stopped),
        (137, Told::Stopped),
        (0, Told::Finished),
    ] {
        let mut world = World::running([spec("db", &[])]);
        world.told("db", signal(15));
        world.wait(61);
        world.exits("db", facts(code));
        assert_eq!(told(&world), expected, "{code}");
    }
}

#[test]
fn a_signal_to_an_earlier_run_says_nothing_of_this_one() {
    let mut world = World::running([spec("db", &[])]);
    world.told("db", signal(15));
    world.exits("db", facts(143));
    world.start(&["db"]);
    world.answer();
    world.wait(1);
    world.exits("db", facts(3));
    assert_eq!(told(&world), Told::Crashed);
}

#[test]
fn a_signal_that_came_before_a_strangers_start_was_known_says_nothing_of_its_run() {
    // What a Docker engine does as it starts, to what still runs and is always to be started again.
    let mut world = World::new([]);
    let stranger = InstanceId::from("c9");
    world.put("c9", &spec("db", &[]), RunState::Running);
    let container = world.containers.get_mut(&stranger).unwrap();
    container.service = None;
    container.engine_restarts = Some(EngineRestarts::Always);
    let mut listed = container.clone();
    listed.started_at = None;
    world.apply(Event::InstancesListed {
        engine: engine(),
        instances: vec![listed],
    });
    let told = |world: &mut World, change, at| {
        world.apply(Event::InstanceChanged {
            engine: engine(),
            service: None,
            instance: stranger.clone(),
            change,
            at: Some(at),
        });
    };
    let before = world.now - SignedDuration::from_secs(1);
    told(&mut world, signal(15), before);
    let now = world.now;
    told(&mut world, InstanceChange::Altered, now);
    world.answer();
    world.wait(5);
    let mut facts = facts(3);
    facts.at = Some(world.now);
    let now = world.now;
    told(&mut world, InstanceChange::Exited(facts), now);
    let exit = world.snapshot.services.first().unwrap().exit.clone();
    assert!(exit.as_ref().is_some_and(|exit| exit.crashed), "{exit:?}");
}

#[test]
fn a_run_that_was_over_before_anybody_looked_is_judged_as_any_other() {
    for stopped in [false, true] {
        let spec = spec("db", &[]);
        let mut world = World::running([spec.clone()]);
        world.stop(&["db"]);
        world.answer();
        assert_eq!(world.states(), "db:stopped");
        world.wait(10);
        // Somebody else starts it, and it is gone before the look that its start calls for.
        let instance = world.instance("db");
        world.put(instance.as_str(), &spec, RunState::Running);
        world.told("db", InstanceChange::Altered);
        world.now += SignedDuration::from_millis(120);
        if stopped {
            world.told("db", signal(9));
        }
        world.end(&instance, facts(137));
        world.answer();
        assert_eq!(world.crashed("db"), Some(!stopped));
        assert_eq!(world.states(), if stopped { "db:stopped" } else { "db:exited" });
    }
}

#[test]
fn a_container_removed_from_outside_is_stopped() {
    for look_first in [true, false] {
        let mut world = World::running([spec("db", &[])]);
        let instance = world.instance("db");
        world.told("db", signal(9));
        world.end(&instance, facts(137));
        world.containers.clear();
        if look_first {
            world.answer();
        }
        world.changed(&id("db"), &instance, Removed);
        world.answer();
        assert_eq!(
            (world.is("db"), world.crashed("db")),
            (StateKind::Stopped, Some(false)),
            "{look_first}"
        );
    }
}

#[test]
fn a_crash_stays_told_when_its_container_goes() {
    let mut world = World::running([spec("db", &[])]);
    let instance = world.instance("db");
    world.end(&instance, facts(3));
    world.containers.clear();
    world.changed(&id("db"), &instance, Removed);
    world.answer();
    assert_eq!(told(&world), Told::Crashed, "docker run --rm");
}

#[test]
fn what_names_no_end_of_the_process_changes_nothing() {
    // C51, C29: an `oom` or `exec_die` reaches `transition` as nothing, or as a call to look.
    let mut world = World::running([spec("db", &[])]);
    let before = world.snapshot.clone();
    world.told("db", InstanceChange::Altered);
    world.answer();
    assert_eq!(world.snapshot, before);
    assert_eq!(world.said(), ["inspect db"]);
}

#[test]
fn events_of_other_containers_and_engines_are_nothing_to_it() {
    let mut world = World::running([spec("db", &[])]);
    world.changed(&id("db"), &"stranger".into(), InstanceChange::Exited(facts(3)));
    world.changed(&id("nobody"), &"stranger".into(), InstanceChange::Exited(facts(3)));
    let instance = world.instance("db");
    world.apply(Event::InstanceChanged {
        engine: "podman".into(),
        service: Some(id("db")),
        instance,
        change: InstanceChange::Exited(facts(3)),
        at: None,
    });
    world.answer();
    assert_eq!(world.states(), "db:running");
    assert_eq!(world.said(), Vec::<String>::new());
}

#[test]
fn one_started_from_outside_is_taken_in() {
    let mut world = World::new([spec("db", &[])]);
    world.put("theirs", &spec("db", &[]), RunState::Running);
    world.told("db", InstanceChange::Altered);
    world.answer();
    assert_eq!(world.states(), "db:running");
    assert_eq!(
        world.see("db").desired,
        crate::snapshot::Desired::Stopped,
        "only a person changes what is desired"
    );
    world.wait(1);
    world.exits("db", facts(3));
    assert_eq!(told(&world), Told::Crashed);
}
