use crate::{
    Event, ProblemCode,
    instance::RunState,
    transition::world::{World, id, problem, spec},
};

fn changed() -> crate::ServiceSpec {
    let mut changed = spec("db", &[]);
    changed.env.insert("A".into(), "1".into());
    changed
}

#[test]
fn a_changed_service_goes_on_and_is_outdated_until_up() {
    let mut world = World::running([spec("db", &[])]);
    world.load([changed()]);
    assert_eq!(world.states(), "db:running");
    assert!(world.see("db").outdated);
    assert_eq!(world.said(), Vec::<String>::new());
    world.start(&["db"]);
    assert_eq!(world.said(), Vec::<String>::new(), "a start is no update");
    world.up(&["db"]);
    world.answer();
    assert_eq!(world.states(), "db:running");
    assert!(!world.see("db").outdated);
    let told: Vec<String> = world
        .said()
        .into_iter()
        .filter(|said| !said.starts_with("inspect"))
        .collect();
    assert_eq!(told, ["stop db", "prepare db", "start db"]);
    world.up(&["db"]);
    assert_eq!(world.said(), Vec::<String>::new());
}

#[test]
fn a_removed_service_is_shown_until_it_ends() {
    let mut world = World::running([spec("db", &[]), spec("api", &[])]);
    world.load([spec("api", &[])]);
    assert_eq!(world.states(), "api:running db:running");
    assert_eq!(
        world.see("db").problem.as_ref().map(|problem| problem.code),
        Some(ProblemCode::NotInConfig)
    );
    world.stop(&["db"]);
    world.answer();
    assert_eq!(world.states(), "api:running");
    assert_eq!(world.said().first().map(String::as_str), Some("stop db"));
}

#[test]
fn a_service_that_comes_back_into_its_file_is_as_before() {
    let mut world = World::running([spec("db", &[])]);
    world.load([]);
    world.load([spec("db", &[])]);
    assert_eq!((world.states(), &world.see("db").problem), ("db:running".into(), &None));
}

#[test]
fn a_removed_service_that_does_not_run_goes_at_once() {
    let mut world = World::new([spec("db", &[]), spec("api", &[])]);
    world.load([spec("db", &[])]);
    assert_eq!(world.states(), "db:stopped");
}

#[test]
fn a_broken_file_keeps_the_last_good_one() {
    let mut world = World::running([spec("db", &[])]);
    let name: crate::ProjectName = id("db").project;
    let folder = std::path::PathBuf::from("/home/me/shop");
    world.apply(Event::ProjectFaulted {
        name: name.clone(),
        folder,
        problem: problem(ProblemCode::ConfigBroken),
    });
    assert_eq!(world.states(), "db:running");
    assert!(world.snapshot.projects[&name].problem.is_some());
    world.load([spec("db", &[])]);
    assert!(world.snapshot.projects[&name].problem.is_none());
}

#[test]
fn a_forgotten_project_goes_when_nothing_of_it_runs() {
    let mut world = World::running([spec("db", &[])]);
    world.apply(Event::ProjectForgotten(id("db").project));
    assert_eq!(world.states(), "db:running");
    world.stop(&["db"]);
    world.answer();
    assert!(world.snapshot.projects.is_empty() && world.snapshot.services.is_empty());
}

#[test]
fn a_new_service_whose_container_runs_already_is_found() {
    let mut world = World::new([]);
    world.put("c9", &spec("db", &[]), RunState::Running);
    world.load([spec("db", &[])]);
    world.answer();
    assert_eq!(world.states(), "db:running");
    assert_eq!(world.said(), ["list docker"]);
}

#[test]
fn the_order_is_the_file_s() {
    let mut world = World::new([spec("b", &[]), spec("a", &[]), spec("c", &[])]);
    assert_eq!(world.states(), "b:stopped a:stopped c:stopped");
    world.load([spec("c", &[]), spec("a", &[]), spec("b", &[])]);
    assert_eq!(world.states(), "c:stopped a:stopped b:stopped");
}
