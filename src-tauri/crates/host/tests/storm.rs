//! What reaches the desktop when services crash over and over, or all at once. On the fake engine, in virtual time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use locald_core::{
    Command, Event, ServiceId, Snapshot,
    event::ProjectSpec,
    snapshot::StateKind,
    spec::{RestartPolicy, ServiceSpec},
    state::Memory,
    view::notification::{News, Notification, NotificationChange, Outbox, notifications},
};
use locald_engine::{SharedEngine, fake::FakeEngine};
use locald_host::{Clock, Supervisor, SupervisorHandle};
use tokio::{sync::watch, time::Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// What the desktop was asked to do, and when.
type Record = watch::Receiver<Vec<(Instant, NotificationChange)>>;

struct World {
    engine: Arc<FakeEngine>,
    supervisor: Supervisor,
    record: Record,
}

impl World {
    async fn running(services: Vec<ServiceSpec>) -> Self {
        let engine = Arc::new(FakeEngine::new());
        let shared: SharedEngine = engine.clone();
        let (keep, _) = watch::channel(Memory::default());
        let (origin, begun) = ("2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap(), Instant::now());
        let clock: Clock = Arc::new(move || origin + SignedDuration::try_from(begun.elapsed()).unwrap());
        let supervisor = Supervisor::start(vec![shared], Arc::clone(&clock), Memory::default(), keep);
        let record = tell(supervisor.handle(), clock);
        let ids: Vec<ServiceId> = services.iter().map(|service| service.id.clone()).collect();
        let project = ProjectSpec {
            name: "shop".parse().unwrap(),
            folder: PathBuf::from("/shop"),
            services: services.into_iter().map(Arc::new).collect(),
        };
        let world = Self {
            engine,
            supervisor,
            record,
        };
        world.handle().apply(Event::ProjectLoaded(project)).await;
        world.handle().command(Command::Start(ids)).await;
        world
            .until("all to run", |snapshot| {
                snapshot
                    .services
                    .iter()
                    .all(|service| service.state == StateKind::Running)
            })
            .await;
        world
    }

    fn handle(&self) -> SupervisorHandle {
        self.supervisor.handle()
    }

    async fn until(&self, what: &str, accept: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.handle().snapshots();
        let waited = tokio::time::timeout(MINUTE * 60, snapshots.wait_for(|snapshot| accept(snapshot))).await;
        match waited {
            Ok(Ok(snapshot)) => Arc::clone(&snapshot),
            _ => panic!(
                "waited for {what}; the last picture: {:#?}",
                self.handle().snapshot().services
            ),
        }
    }

    async fn state(&self, id: &ServiceId, state: StateKind) {
        self.until(&format!("{id} to be {state:?}"), |snapshot| {
            snapshot.service(id).is_some_and(|service| service.state == state)
        })
        .await;
    }

    async fn shown(&self, what: &str, accept: impl Fn(&Notification) -> bool) -> Instant {
        let mut record = self.record.clone();
        let has = |all: &Vec<(Instant, NotificationChange)>| shows(all).any(|(_, shown)| accept(shown));
        match tokio::time::timeout(MINUTE * 10, record.wait_for(has)).await {
            Ok(Ok(all)) => shows(&all).find(|(_, shown)| accept(shown)).unwrap().0,
            _ => panic!("waited for {what}; shown: {:#?}", self.record.borrow()),
        }
    }

    fn all(&self) -> Vec<(Instant, Notification)> {
        let record = self.record.borrow();
        shows(&record).map(|(at, shown)| (at, shown.clone())).collect()
    }
}

fn shows(all: &[(Instant, NotificationChange)]) -> impl Iterator<Item = (Instant, &Notification)> {
    all.iter().filter_map(|(at, change)| match change {
        NotificationChange::Show(shown) if !shown.completes => Some((*at, shown)),
        _ => None,
    })
}

/// The part of the shell that tells, with a desktop that only takes notes.
fn tell(host: SupervisorHandle, clock: Clock) -> Record {
    let (sender, record) = watch::channel(Vec::new());
    let mut steps = host.steps();
    tokio::spawn(async move {
        let mut outbox = Outbox::new(true);
        loop {
            let now = clock();
            let left = outbox
                .next_due()
                .map(|due| Duration::try_from(due.duration_since(now)).unwrap_or_default());
            tokio::select! {
                step = steps.recv() => match step {
                    Ok(step) => outbox.push(clock(), notifications(&step.previous, &step.next)),
                    Err(_) => return,
                },
                () = tokio::time::sleep(left.unwrap_or_default()), if left.is_some() => {}
            }
            for change in outbox.due(clock()) {
                sender.send_modify(|all| all.push((Instant::now(), change)));
            }
        }
    });
    record
}

fn id(name: &str) -> ServiceId {
    format!("shop/{name}").parse().unwrap()
}

fn spec(name: &str, restart: RestartPolicy) -> ServiceSpec {
    let mut spec = ServiceSpec::container(id(name), "lt/bb:dev");
    spec.restart = restart;
    spec
}

fn most_in_a_minute(shown: &[(Instant, Notification)]) -> usize {
    let within = |from: Instant| {
        shown
            .iter()
            .filter(|(at, _)| *at >= from && at.duration_since(from) < MINUTE)
            .count()
    };
    shown.iter().map(|(at, _)| within(*at)).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_crashes_are_two_notifications_a_minute_and_a_last_one() {
    let world = World::running(vec![spec("db", RestartPolicy::OnFailure { max: Some(99) })]).await;
    let db = id("db");
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut early = 0;
    for crash in 1..=100 {
        world.state(&db, StateKind::Running).await;
        world.engine.exit(&db, 7, Some("out of luck"));
        let next = if crash < 100 {
            StateKind::BackingOff
        } else {
            StateKind::Exited
        };
        world.state(&db, next).await;
        if crash == 10 {
            early = tasks();
        }
    }
    let ended = Instant::now();
    let last = world.shown("the last one", |shown| shown.news == News::GaveUp).await;
    assert!(last.duration_since(ended) <= Duration::from_millis(35));
    assert!(tasks() <= early + 2, "{} tasks, {early} before", tasks());
    tokio::time::sleep(MINUTE * 5).await;
    let all = world.all();
    assert_eq!(
        all.last().unwrap().1.summary,
        "shop/db keeps crashing, 100 times: exited with code 7"
    );
    assert!(
        all.last()
            .unwrap()
            .1
            .body
            .ends_with("locald gave up after 99 restarts.")
    );
    assert!(most_in_a_minute(&all) <= 2, "{all:#?}");
    // 96 of the waits are half a minute long.
    assert!((40..=60).contains(&all.len()), "{}", all.len());
    world.handle().command(Command::Start(vec![db.clone()])).await;
    world.state(&db, StateKind::Running).await;
    let closed =
        |all: &Vec<(Instant, NotificationChange)>| matches!(all.last(), Some((_, NotificationChange::Close(_))));
    let mut record = world.record.clone();
    tokio::time::timeout(MINUTE, record.wait_for(closed))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_crash_reaches_the_desktop_at_once() {
    let world = World::running(vec![spec("db", RestartPolicy::No)]).await;
    let began = Instant::now();
    world.engine.exit(&id("db"), 3, Some("no disk"));
    let at = world.shown("the crash", |shown| shown.body == "no disk").await;
    assert!(
        at.duration_since(began) <= Duration::from_millis(35),
        "{:?}",
        at.duration_since(began)
    );
}

#[tokio::test(start_paused = true)]
async fn sixty_crashes_at_once_are_one_notification() {
    let names: Vec<String> = (0..60).map(|n| format!("s{n:02}")).collect();
    let world = World::running(names.iter().map(|name| spec(name, RestartPolicy::No)).collect()).await;
    for name in &names {
        world.engine.exit(&id(name), 3, Some("no disk"));
    }
    world
        .shown("one of them all", |shown| {
            shown.summary.starts_with("60 services crashed: shop/s00, ")
        })
        .await;
    tokio::time::sleep(MINUTE).await;
    let all = world.all();
    assert!(all.len() <= 6, "{all:#?}");
    let open = world
        .record
        .borrow()
        .iter()
        .fold(std::collections::BTreeSet::new(), |mut open, (_, change)| {
            match change {
                NotificationChange::Show(shown) => open.insert(shown.subject.clone()),
                NotificationChange::Close(subject) => open.remove(subject),
            };
            open
        });
    assert_eq!(open.len(), 1, "{open:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_ends_what_it_runs_and_goes_is_told_once() {
    let names = ["a", "b", "c", "d", "e"];
    let world = World::running(names.iter().map(|name| spec(name, RestartPolicy::Always)).collect()).await;
    for name in names {
        world.engine.external_stop(&id(name));
    }
    for name in names {
        world.state(&id(name), StateKind::Stopped).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.engine.set_online(false);
    world.shown("the engine", |shown| shown.news == News::EngineLost).await;
    world.engine.set_online(true);
    world.state(&id("a"), StateKind::Running).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(world.all().len(), 1, "{:#?}", world.all());
    assert!(matches!(
        world.record.borrow().last(),
        Some((_, NotificationChange::Close(_)))
    ));
}
