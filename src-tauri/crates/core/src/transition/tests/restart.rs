use crate::{
    snapshot::{StateDetail, StateKind},
    spec::RestartPolicy,
    transition::world::{World, facts, restarting},
};

const ALWAYS: RestartPolicy = RestartPolicy::OnFailure { max: None };

#[test]
fn a_crash_is_followed_by_a_wait_and_a_start() {
    let mut world = World::running([restarting("db", ALWAYS)]);
    world.exits("db", facts(3));
    assert_eq!(world.is("db"), StateKind::BackingOff);
    assert!(matches!(world.see("db").detail, StateDetail::Until(until) if until > world.now));
    let wait = world.take("back off db 500");
    world.carry_out(wait.clone());
    world.answer();
    assert_eq!((world.is("db"), world.see("db").restarts), (StateKind::Running, 1));
    world.carry_out(wait);
    assert_eq!(
        (world.is("db"), world.see("db").restarts),
        (StateKind::Running, 1),
        "a wait ends once"
    );
}

#[test]
fn waits_grow_until_a_run_was_stable() {
    let mut world = World::running([restarting("db", ALWAYS)]);
    for wait in [500, 1000, 2000] {
        world.exits("db", facts(3));
        let elapsed = world.take(&format!("back off db {wait}"));
        world.carry_out(elapsed);
        world.answer();
        world.wait(1);
    }
    world.wait(60);
    world.exits("db", facts(3));
    world.take("back off db 500");
    assert_eq!(world.see("db").restarts, 3);
}

#[test]
fn it_gives_up_after_so_many_in_a_row() {
    let mut world = World::running([restarting("db", RestartPolicy::OnFailure { max: Some(1) })]);
    world.exits("db", facts(3));
    let elapsed = world.take("back off db 500");
    world.carry_out(elapsed);
    world.answer();
    world.exits("db", facts(3));
    assert_eq!((world.is("db"), world.crashed("db")), (StateKind::Exited, Some(true)));
    world.start(&["db"]);
    world.answer();
    assert_eq!((world.is("db"), world.see("db").restarts), (StateKind::Running, 0));
}

#[test]
fn what_finished_or_was_stopped_is_not_restarted_unless_always() {
    let mut world = World::running([restarting("db", ALWAYS)]);
    world.exits("db", facts(0));
    assert_eq!(world.is("db"), StateKind::Exited);

    let mut world = World::running([restarting("db", RestartPolicy::Always)]);
    world.exits("db", facts(0));
    assert_eq!(world.is("db"), StateKind::BackingOff);
    world.stop(&["db"]);
    let elapsed = world.take("back off db 500");
    world.carry_out(elapsed);
    assert_eq!(world.is("db"), StateKind::Stopped);
}

#[test]
fn a_start_while_it_waits_starts_at_once() {
    let mut world = World::running([restarting("db", ALWAYS)]);
    world.exits("db", facts(3));
    world.start(&["db"]);
    world.answer();
    assert_eq!((world.is("db"), world.see("db").restarts), (StateKind::Running, 0));
}
