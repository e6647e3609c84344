//! Keeps the connection to one engine: connect, subscribe, and again after a loss.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use locald_core::{Event, Problem, ProblemCode, event::InstanceChange};
use locald_engine::{EngineEvent, EngineEventKind, SharedEngine};
use tokio::sync::Notify;

use crate::supervisor::SupervisorHandle;

const FIRST_DELAY: Duration = Duration::from_millis(200);
/// A try costs one look at a socket file; people wait for the engine they just started.
const LONGEST_DELAY: Duration = Duration::from_secs(4);

/// Asks a link to drop its connection and connect anew.
#[derive(Debug, Clone, Default)]
pub(crate) struct Restart(Arc<Notify>);

impl Restart {
    pub(crate) fn request(&self) {
        self.0.notify_one();
    }
}

/// Runs until aborted.
pub(crate) async fn keep(engine: SharedEngine, supervisor: SupervisorHandle, restart: Restart) {
    let id = engine.identity().id.clone();
    let mut delay = FIRST_DELAY;
    let mut told: Option<Problem> = None;
    loop {
        let problem = match attach(&engine, &supervisor, &restart, &mut delay, &mut told).await {
            Ok(()) => Problem::new(ProblemCode::EngineLost, format!("the connection to {id} was lost")),
            Err(problem) => problem,
        };
        // The same fault again is no news.
        if told.as_ref() != Some(&problem) {
            tracing::warn!(engine = %id, "{}", problem.detail);
            supervisor.send(Event::EngineLost {
                engine: id.clone(),
                problem: problem.clone(),
            });
            told = Some(problem);
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

/// Connects and passes events on until the stream ends.
async fn attach(
    engine: &SharedEngine,
    supervisor: &SupervisorHandle,
    restart: &Restart,
    delay: &mut Duration,
    told: &mut Option<Problem>,
) -> Result<(), Problem> {
    let id = &engine.identity().id;
    let version = engine.connect().await.map_err(|error| error.problem())?;
    // Subscribe, then list (the transition asks for it once connected): nothing falls between the two.
    let mut events = engine.events().await.map_err(|error| error.problem())?;
    tracing::info!(engine = %id, version = version.version, api = version.api, "connected");
    *told = None;
    supervisor.send(Event::EngineConnected {
        engine: id.clone(),
        kind: version.kind.as_str().to_owned(),
        version: version.version,
    });
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    *delay = FIRST_DELAY;
                    if let Some(event) = translate(engine, event) {
                        supervisor.send(event);
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(engine = %id, %error, "event stream");
                    return Ok(());
                }
                None => return Ok(()),
            },
            () = restart.0.notified() => {
                return Err(Problem::new(ProblemCode::EngineFault, format!("{id} did not give its list of containers")));
            }
        }
    }
}

/// Only what concerns a service of locald's, and changes it.
fn translate(engine: &SharedEngine, event: EngineEvent) -> Option<Event> {
    let change = match event.kind {
        EngineEventKind::Started | EngineEventKind::Paused | EngineEventKind::Unpaused => InstanceChange::Altered,
        EngineEventKind::Signaled { signal } => InstanceChange::Signaled(signal),
        EngineEventKind::StopRequested => InstanceChange::StopRequested,
        EngineEventKind::Exited(facts) => InstanceChange::Exited(facts),
        EngineEventKind::Removed => InstanceChange::Removed,
        EngineEventKind::Created
        | EngineEventKind::OutOfMemory
        | EngineEventKind::Renamed
        | EngineEventKind::RestartRequested
        | EngineEventKind::EngineHealth { .. } => return None,
    };
    let engine = engine.identity().id.clone();
    Some(Event::InstanceChanged {
        engine,
        service: event.service?,
        instance: event.instance,
        change,
    })
}
