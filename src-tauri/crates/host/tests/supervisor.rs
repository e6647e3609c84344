//! The supervisor on the fake engine, in virtual time: tokio's clock jumps to the next thing that is due.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use locald_core::{
    Command, Event, ServiceId, Snapshot,
    event::ProjectSpec,
    snapshot::{Desired, HealthKind, ServiceSnapshot, StateKind},
    spec::{HealthCheck, ProbeSpec, RestartPolicy, ServiceSpec},
    state::Memory,
    view::notification::{NotificationChange, notifications},
};
use locald_engine::{
    Engine as _, EngineError, ExecOutcome,
    fake::{FakeEngine, Op},
};
use locald_host::{Clock, Step, Supervisor, SupervisorHandle};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

struct World {
    engine: Arc<FakeEngine>,
    supervisor: Supervisor,
    kept: watch::Receiver<Memory>,
}

/// A clock that goes with tokio's.
fn clock() -> Clock {
    let (origin, begun) = ("2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap(), Instant::now());
    Arc::new(move || origin + SignedDuration::try_from(begun.elapsed()).unwrap())
}

impl World {
    fn new() -> Self {
        Self::with(Arc::new(FakeEngine::new()), Memory::default())
    }

    fn with(engine: Arc<FakeEngine>, memory: Memory) -> Self {
        let (sender, kept) = watch::channel(memory.clone());
        let shared: locald_engine::SharedEngine = engine.clone();
        let supervisor = Supervisor::start(vec![shared], clock(), memory, sender);
        Self {
            engine,
            supervisor,
            kept,
        }
    }

    fn handle(&self) -> SupervisorHandle {
        self.supervisor.handle()
    }

    async fn load(&self, services: Vec<ServiceSpec>) {
        let project = ProjectSpec {
            name: "shop".parse().unwrap(),
            folder: PathBuf::from("/shop"),
            services: services.into_iter().map(Arc::new).collect(),
        };
        self.handle().apply(Event::ProjectLoaded(project)).await;
    }

    async fn until(&self, what: &str, accept: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.handle().snapshots();
        let waited = tokio::time::timeout(
            Duration::from_secs(3600),
            snapshots.wait_for(|snapshot| accept(snapshot)),
        )
        .await;
        match waited {
            Ok(Ok(snapshot)) => Arc::clone(&snapshot),
            _ => panic!(
                "waited for {what}; the last picture: {:#?}",
                self.handle().snapshot().services
            ),
        }
    }

    async fn state(&self, name: &str, state: StateKind) -> Arc<ServiceSnapshot> {
        let service = id(name);
        let accept = |snapshot: &Snapshot| snapshot.service(&service).is_some_and(|service| service.state == state);
        Arc::clone(
            self.until(&format!("{name} to be {state:?}"), accept)
                .await
                .service(&service)
                .unwrap(),
        )
    }
}

fn id(name: &str) -> ServiceId {
    format!("shop/{name}").parse().unwrap()
}

fn spec(name: &str) -> ServiceSpec {
    ServiceSpec::container(id(name), "lt/bb:dev")
}

/// The summaries of what the desktop would show for all steps so far.
fn shown(steps: &mut broadcast::Receiver<Step>) -> Vec<String> {
    let mut shown = Vec::new();
    while let Ok(step) = steps.try_recv() {
        for change in notifications(&step.previous, &step.next) {
            // A draft is completed in its place by the one that follows.
            if let NotificationChange::Show(notification) = change
                && !notification.draft
            {
                shown.push(notification.summary);
            }
        }
    }
    shown
}

#[tokio::test(start_paused = true)]
async fn a_start_goes_through_to_running_and_a_stop_to_stopped() {
    let world = World::new();
    world.load(vec![spec("db")]).await;
    world.state("db", StateKind::Stopped).await;
    world.handle().command(Command::Start(vec![id("db")])).await;
    let db = world.state("db", StateKind::Running).await;
    assert_eq!(db.instance, world.engine.instance_of(&id("db")));
    world.handle().command(Command::Stop(vec![id("db")])).await;
    world.state("db", StateKind::Stopped).await;
    // Started again, it is the same instance, and nothing is fetched.
    let prepared = world.engine.requests(Op::Prepare);
    world.handle().command(Command::Start(vec![id("db")])).await;
    let again = world.state("db", StateKind::Running).await;
    assert_eq!(again.instance, db.instance);
    assert_eq!(world.engine.requests(Op::Prepare), prepared);
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_told_once_with_its_last_line() {
    let world = World::new();
    let mut steps = world.handle().steps();
    world.load(vec![spec("db")]).await;
    world.handle().command(Command::Start(vec![id("db")])).await;
    world.state("db", StateKind::Running).await;
    world.engine.exit(&id("db"), 3, Some("no space left"));
    let db = world.state("db", StateKind::Exited).await;
    let exit = db.exit.clone().unwrap();
    assert_eq!(
        (exit.code, exit.crashed, exit.last_line.as_deref()),
        (Some(3), true, Some("no space left"))
    );
    assert_eq!(shown(&mut steps), ["shop/db crashed: exited with code 3"]);
    world.engine.exit_out_of_memory(&id("db"));
    assert_eq!(shown(&mut steps), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn stops_from_outside_are_no_crashes() {
    let world = World::new();
    let mut steps = world.handle().steps();
    world.load(vec![spec("a"), spec("b"), spec("c")]).await;
    world
        .handle()
        .command(Command::Start(vec![id("a"), id("b"), id("c")]))
        .await;
    for name in ["a", "b", "c"] {
        world.state(name, StateKind::Running).await;
    }
    world.engine.external_stop(&id("a"));
    world.engine.external_kill(&id("b"), locald_core::spec::Signal::KILL);
    world.engine.external_remove(&id("c"));
    for name in ["a", "b", "c"] {
        world.state(name, StateKind::Stopped).await;
    }
    assert_eq!(shown(&mut steps), [""; 0]);
    // What the person asked locald for is not changed by what was done elsewhere.
    let remembered = world
        .kept
        .borrow()
        .services
        .get(&id("a"))
        .map(|service| service.desired);
    assert_eq!(remembered, Some(Desired::Running));
}

#[tokio::test(start_paused = true)]
async fn the_restart_policy_backs_off_and_gives_up_with_a_last_word() {
    let world = World::new();
    let mut steps = world.handle().steps();
    let mut db = spec("db");
    db.restart = RestartPolicy::OnFailure { max: Some(3) };
    world.load(vec![db]).await;
    world.handle().command(Command::Start(vec![id("db")])).await;
    let begun = Instant::now();
    for _ in 0..3 {
        world.state("db", StateKind::Running).await;
        world.engine.exit(&id("db"), 7, Some("again"));
        world.state("db", StateKind::BackingOff).await;
    }
    world.state("db", StateKind::Running).await;
    world.engine.exit(&id("db"), 7, Some("again"));
    let db = world.state("db", StateKind::Exited).await;
    assert_eq!(db.restarts, 3);
    // 0.5 s, 1 s and 2 s, in virtual time.
    assert!(begun.elapsed() >= Duration::from_millis(3500), "{:?}", begun.elapsed());
    let told = [
        "shop/db crashed: exited with code 7",
        "shop/db keeps crashing, 2 times: exited with code 7",
        "shop/db keeps crashing, 3 times: exited with code 7",
        "shop/db keeps crashing, 4 times: exited with code 7",
    ];
    assert_eq!(shown(&mut steps), told);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_and_comes_takes_its_services_to_unknown_and_back() {
    let world = World::new();
    let mut steps = world.handle().steps();
    world.load(vec![spec("db"), spec("off")]).await;
    world.handle().command(Command::Start(vec![id("db")])).await;
    let before = world.state("db", StateKind::Running).await;
    world.engine.set_online(false);
    world.state("db", StateKind::Unknown).await;
    world.state("off", StateKind::Unknown).await;
    world.handle().command(Command::Start(vec![id("off")])).await;
    let off = world.state("off", StateKind::Unknown).await;
    assert!(off.problem.is_some() && !off.click_turns_on(), "{off:?}");
    world.engine.set_online(true);
    world.state("off", StateKind::Running).await;
    let after = world.state("db", StateKind::Running).await;
    assert_eq!(after.instance, before.instance);
    let told = shown(&mut steps);
    assert_eq!(
        told.iter().filter(|summary| summary.contains("crash")).count(),
        0,
        "{told:?}"
    );
    assert_eq!(told.len(), 1, "one word about the engine: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn fifty_losses_leave_one_connection_and_a_wait_that_grows() {
    let world = World::new();
    world.load(vec![spec("db")]).await;
    world.state("db", StateKind::Stopped).await;
    let begun = Instant::now();
    for _ in 0..50 {
        world.engine.set_online(false);
        world.state("db", StateKind::Unknown).await;
        world.engine.set_online(true);
        world.state("db", StateKind::Stopped).await;
    }
    // One list and one subscription for each connection, and a second and a half or so at the most between two tries.
    assert!(
        world.engine.requests(Op::List) <= 52,
        "{}",
        world.engine.requests(Op::List)
    );
    assert!(begun.elapsed() <= Duration::from_secs(2 * 52), "{:?}", begun.elapsed());
    assert!(begun.elapsed() >= Duration::from_secs(30), "{:?}", begun.elapsed());
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    world.engine.set_online(false);
    world.state("db", StateKind::Unknown).await;
    world.engine.set_online(true);
    world.state("db", StateKind::Stopped).await;
    assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() <= before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_starts_again_adopts_what_runs() {
    let first = World::new();
    first.load(vec![spec("db")]).await;
    first.handle().command(Command::Start(vec![id("db")])).await;
    let before = first.state("db", StateKind::Running).await;
    let (engine, memory) = (first.engine.clone(), first.kept.borrow().clone());
    drop(first);
    let starts = engine.requests(Op::Start);
    let second = World::with(engine, memory);
    second.load(vec![spec("db")]).await;
    let after = second.state("db", StateKind::Running).await;
    assert_eq!(
        (after.instance.clone(), after.desired),
        (before.instance.clone(), Desired::Running)
    );
    assert_eq!(second.engine.requests(Op::Start), starts);
}

#[tokio::test(start_paused = true)]
async fn a_command_probe_makes_healthy_and_unhealthy() {
    let world = World::new();
    let mut db = spec("db");
    db.health_check = Some(HealthCheck {
        probe: ProbeSpec::Command {
            command: vec!["check".into()],
        },
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        retries: 1,
        start_period: Duration::ZERO,
    });
    world.load(vec![db]).await;
    world.engine.next_exec(ExecOutcome {
        code: 1,
        output: "not yet\n".into(),
    });
    world.handle().command(Command::Start(vec![id("db")])).await;
    let healthy =
        |kind: HealthKind| move |snapshot: &Snapshot| snapshot.service(&id("db")).is_some_and(|db| db.health == kind);
    let snapshot = world.until("unhealthy", healthy(HealthKind::Unhealthy)).await;
    let said = snapshot.service(&id("db")).unwrap().health_detail.clone().unwrap();
    assert!(said.ends_with("not yet"), "{said}");
    world.engine.next_exec(ExecOutcome {
        code: 0,
        output: String::new(),
    });
    world.until("healthy", healthy(HealthKind::Healthy)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_is_told_and_leaves_nothing_running() {
    let world = World::new();
    let mut steps = world.handle().steps();
    let mut api = spec("api");
    api.depends_on = vec![locald_core::ServiceName::new("db").unwrap().into()];
    world.load(vec![api, spec("db")]).await;
    let error = EngineError::Start {
        name: "locald-shop-db".into(),
        code: locald_core::ProblemCode::PortInUse,
        detail: "port 5432 is in use".into(),
    };
    world.engine.fail_next(Op::Start, error);
    world.handle().command(Command::Start(vec![id("api")])).await;
    world.state("db", StateKind::Failed).await;
    let api = world.state("api", StateKind::Failed).await;
    assert!(api.problem.clone().unwrap().detail.contains("`db`"));
    assert_eq!(shown(&mut steps), ["shop/db could not start: port in use"]);
    // Tried again, both come up.
    world.handle().command(Command::Start(vec![id("api")])).await;
    world.state("api", StateKind::Running).await;
}

#[tokio::test(start_paused = true)]
async fn two_hundred_services_and_one_change_is_one_row() {
    let world = World::new();
    world.load((0..200).map(|n| spec(&format!("s{n}"))).collect()).await;
    world.state("s199", StateKind::Stopped).await;
    let mut steps = world.handle().steps();
    world.handle().command(Command::Start(vec![id("s42")])).await;
    world.state("s42", StateKind::Running).await;
    let mut count = 0;
    while let Ok(step) = steps.try_recv() {
        let change = locald_core::view::dashboard::DashboardChange::between(&step.previous, &step.next);
        assert_eq!(
            change.services.iter().map(|row| row.id.clone()).collect::<Vec<_>>(),
            [id("s42")]
        );
        assert!(change.order.is_none() && change.engines.is_none() && change.projects.is_none());
        count += 1;
    }
    assert!(count >= 2, "starting and running at the least");
    assert_eq!(world.engine.identity().kind, locald_engine::EngineKind::Fake);
}
