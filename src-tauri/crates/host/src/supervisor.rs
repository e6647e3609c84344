//! The event loop. One task owns the state; everything else sends it events and reads snapshots.

use std::sync::Arc;

use jiff::Timestamp;
use locald_core::{Command, Event, Snapshot, State, state::Memory, transition::transition};
use locald_engine::SharedEngine;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{
    effects::Effects,
    engines::{self, Engines, Merged},
    link,
    managed::Gate,
};

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
    task: JoinHandle<()>,
}

/// Sends events in and reads the picture.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    inbox: mpsc::UnboundedSender<Input>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    steps: broadcast::Sender<Step>,
    engines: Engines,
    merged: Merged,
    gate: Gate,
}

pub(crate) enum Input {
    Event(Event),
    /// An engine that is to be connected from now on.
    Engine(SharedEngine),
    /// An event whose sender wants to know when it is in the picture.
    Applied(Event, oneshot::Sender<u64>),
}

impl Supervisor {
    /// Starts the loop and connects the engines. `memory` is what an earlier life left; every change of it goes to
    /// `keep`.
    #[must_use]
    pub fn start(engines: Vec<SharedEngine>, clock: Clock, memory: Memory, keep: watch::Sender<Memory>) -> Self {
        let (inbox, events) = mpsc::unbounded_channel();
        let (publish, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let (steps, _) = broadcast::channel(STEPS_KEPT);
        let handle = SupervisorHandle {
            inbox: inbox.clone(),
            snapshots,
            steps: steps.clone(),
            engines: Engines::default(),
            merged: Merged::default(),
            gate: Gate::default(),
        };
        handle.send(Event::MemoryRestored(memory));
        for engine in engines {
            handle.add_engine(engine);
        }
        let effects = Effects::new(handle.clone());
        let task = tokio::spawn(run(events, effects, publish, steps, clock, keep, handle.clone()));
        Self { handle, task }
    }

    /// The way in.
    #[must_use]
    pub fn handle(&self) -> SupervisorHandle {
        self.handle.clone()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SupervisorHandle {
    /// Sends an event. After the loop has ended it goes nowhere.
    pub fn send(&self, event: Event) {
        let _ = self.inbox.send(Input::Event(event));
    }

    /// Connects one more engine; nothing happens when one of its id is there.
    pub fn add_engine(&self, engine: SharedEngine) {
        let _ = self.inbox.send(Input::Engine(engine));
    }

    /// The ways to the engines.
    pub(crate) fn engines(&self) -> &Engines {
        &self.engines
    }

    /// The ways that turned out to lead to an engine that is connected already.
    pub(crate) fn merged(&self) -> &Merged {
        &self.merged
    }

    /// What is looked at before a managed service is started.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
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
    keep: watch::Sender<Memory>,
    handle: SupervisorHandle,
) {
    // Dropped with the loop, and so are they.
    let mut links = JoinSet::new();
    let mut state = State::default();
    let mut current = Arc::new(Snapshot::default());
    while let Some(input) = events.recv().await {
        let (event, reply) = match input {
            Input::Engine(engine) => {
                let restart = link::Restart::default();
                if !handle.engines.add(Arc::clone(&engine), restart.clone()) {
                    continue;
                }
                links.spawn(link::keep(Arc::clone(&engine), handle.clone(), restart));
                (engines::found(&engine), None)
            }
            Input::Event(event) => (event, None),
            Input::Applied(event, reply) => (event, Some(reply)),
        };
        let now = clock();
        let memorable = matches!(
            event,
            Event::Commanded(_)
                | Event::StartFinished { .. }
                | Event::InstancesListed { .. }
                | Event::InstanceInspected { .. }
                | Event::EngineMerged { .. }
        );
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
        if memorable {
            keep.send_if_modified(|old| {
                let memory = state.memory();
                let changed = *old != memory;
                *old = memory;
                changed
            });
        }
        if let Some(reply) = reply {
            let _ = reply.send(current.seq);
        }
    }
}
