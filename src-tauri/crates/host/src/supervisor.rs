//! The event loop. One task owns the state; everything else sends it events and reads snapshots.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use locald_core::{Command, EngineId, Event, ServiceId, Snapshot, State, snapshot::Desired, transition::transition};
use locald_engine::SharedEngine;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{effects::Effects, link};

/// How many steps a slow subscriber may lag behind before it has to compare snapshots itself.
const STEPS_KEPT: usize = 1024;

/// Tells the time. Tests pass one that follows tokio's paused clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One change of the picture.
#[derive(Debug, Clone)]
pub struct Step {
    /// When, by the host's clock.
    pub at: Timestamp,
    /// The picture before.
    pub previous: Arc<Snapshot>,
    /// The picture after.
    pub next: Arc<Snapshot>,
}

/// A running supervisor. Dropping it ends it and abandons what is under way; instances are not touched.
#[derive(Debug)]
pub struct Supervisor {
    handle: SupervisorHandle,
    tasks: Vec<JoinHandle<()>>,
}

/// Sends events in and reads the picture.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    inbox: mpsc::UnboundedSender<Input>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    steps: broadcast::Sender<Step>,
}

pub(crate) enum Input {
    Event(Event),
    /// An event whose sender wants to know when it is in the picture.
    Applied(Event, oneshot::Sender<u64>),
}

impl Supervisor {
    /// Starts the loop and connects the engines. `desired` is what people asked for in an earlier life; every change
    /// of it goes to `wishes`.
    #[must_use]
    pub fn start(
        engines: Vec<SharedEngine>,
        clock: Clock,
        desired: BTreeMap<ServiceId, Desired>,
        wishes: watch::Sender<BTreeMap<ServiceId, Desired>>,
    ) -> Self {
        let (inbox, events) = mpsc::unbounded_channel();
        let (publish, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let (steps, _) = broadcast::channel(STEPS_KEPT);
        let handle = SupervisorHandle {
            inbox: inbox.clone(),
            snapshots,
            steps: steps.clone(),
        };
        handle.send(Event::DesiredRestored(desired));
        let mut tasks = Vec::new();
        let mut by_id: BTreeMap<EngineId, (SharedEngine, link::Restart)> = BTreeMap::new();
        for engine in engines {
            let identity = engine.identity().clone();
            handle.send(Event::EngineFound {
                engine: identity.id.clone(),
                kind: identity.kind.as_str().to_owned(),
                endpoint: identity.endpoint.clone(),
                source: identity.source.clone(),
            });
            let restart = link::Restart::default();
            tasks.push(tokio::spawn(link::keep(
                Arc::clone(&engine),
                handle.clone(),
                restart.clone(),
            )));
            by_id.insert(identity.id, (engine, restart));
        }
        let effects = Effects::new(by_id, handle.clone());
        tasks.push(tokio::spawn(run(events, effects, publish, steps, clock, wishes)));
        Self { handle, tasks }
    }

    /// The way in.
    #[must_use]
    pub fn handle(&self) -> SupervisorHandle {
        self.handle.clone()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl SupervisorHandle {
    /// Sends an event. After the loop has ended it goes nowhere.
    pub fn send(&self, event: Event) {
        let _ = self.inbox.send(Input::Event(event));
    }

    /// Sends a command and waits until it is in the picture; gives the `seq` from which on snapshots reflect it.
    pub async fn command(&self, command: Command) -> u64 {
        self.apply(Event::Commanded(command)).await
    }

    /// Sends an event and waits until it is in the picture; gives the `seq` from which on snapshots reflect it.
    pub async fn apply(&self, event: Event) -> u64 {
        let (reply, applied) = oneshot::channel();
        let _ = self.inbox.send(Input::Applied(event, reply));
        // The loop ends only with the process; there is nothing to reflect then.
        applied.await.unwrap_or_default()
    }

    /// The newest picture, and a signal when there is a newer one. Skips pictures when its reader is slow.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// The newest picture.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Every change of the picture from now on, none skipped unless the reader lags by a thousand.
    #[must_use]
    pub fn steps(&self) -> broadcast::Receiver<Step> {
        self.steps.subscribe()
    }
}

async fn run(
    mut events: mpsc::UnboundedReceiver<Input>,
    mut effects: Effects,
    publish: watch::Sender<Arc<Snapshot>>,
    steps: broadcast::Sender<Step>,
    clock: Clock,
    wishes: watch::Sender<BTreeMap<ServiceId, Desired>>,
) {
    let mut state = State::default();
    let mut current = Arc::new(Snapshot::default());
    while let Some(input) = events.recv().await {
        let (event, reply) = match input {
            Input::Event(event) => (event, None),
            Input::Applied(event, reply) => (event, Some(reply)),
        };
        let now = clock();
        let commanded = matches!(event, Event::Commanded(_));
        let todo = transition(&mut state, event, now);
        // Effects first: the engine hears of a click before the surfaces do.
        for effect in todo {
            tracing::debug!("{effect}");
            effects.carry_out(effect);
        }
        if let Some(next) = Snapshot::next(&state, &current) {
            let next = Arc::new(next);
            let step = Step {
                at: now,
                previous: std::mem::replace(&mut current, Arc::clone(&next)),
                next,
            };
            publish.send_replace(Arc::clone(&current));
            // Fails only when nobody listens.
            let _ = steps.send(step);
        }
        if commanded {
            wishes.send_if_modified(|old| {
                let desired = state.desired();
                let changed = *old != desired;
                *old = desired;
                changed
            });
        }
        if let Some(reply) = reply {
            let _ = reply.send(current.seq);
        }
    }
}
