//! Keeps the connection to one engine: connect, subscribe, look whether it still answers, and again after a loss.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use locald_core::{Event, Problem, ProblemCode, event::InstanceChange};
use locald_engine::{EngineError, EngineEvent, EngineEventKind, SharedEngine};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};

use crate::supervisor::SupervisorHandle;

const FIRST_DELAY: Duration = Duration::from_millis(200);
/// A try costs one look at a socket file; people wait for the engine they just started.
const LONGEST_DELAY_HERE: Duration = Duration::from_millis(1500);
/// Over a network a try costs more, and comes to pass less often.
const LONGEST_DELAY_AWAY: Duration = Duration::from_secs(30);
/// How often an engine is asked for a sign of life. A connection can be dead without a word: a virtual machine that
/// sleeps, a proxy, a frozen engine.
const PING: Duration = Duration::from_secs(10);
/// After so many signs of life its list is compared with what is known: events can be lost on a stream that looks alive.
const PINGS_PER_CHECK: u32 = 3;
/// A stream that ends is mostly one that the engine closed, and it answers at once when it is there: Podman ends when
/// nobody talks to it, and its socket starts it again.
const RETURNS_WITHIN: Duration = Duration::from_millis(700);

/// After a subscription, what the engine tells of the past is there once it is quiet for so long.
const REPLAY_QUIET: Duration = Duration::from_millis(100);
/// How many of the last events are kept to know them again. Docker remembers 256.
const REMEMBERED: usize = 256;

type Events = BoxStream<'static, Result<EngineEvent, EngineError>>;

/// What was heard of an engine before its connection was lost: what came after that is asked for again.
#[derive(Default)]
struct Heard {
    /// The time of the last event, by the engine's clock, or when it was connected.
    until: Option<Timestamp>,
    recent: VecDeque<EngineEvent>,
}

impl Heard {
    fn hear(&mut self, event: &EngineEvent) {
        self.until = event.at.max(self.until);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
    }

    /// Subscribes, and gives what happened since the last event that was heard: who asked for an end tells an end that
    /// somebody asked for from one that the engine's own end was.
    async fn subscribe(&mut self, engine: &SharedEngine) -> Result<(Events, Vec<EngineEvent>), EngineError> {
        let Some(until) = self.until else {
            return Ok((engine.events().await?, Vec::new()));
        };
        let mut events = engine.events_since(until).await?;
        let mut missed = Vec::new();
        while let Ok(Some(event)) = tokio::time::timeout(REPLAY_QUIET, events.next()).await {
            let event = event?;
            if event.at.is_none() || !self.recent.contains(&event) {
                self.hear(&event);
                missed.push(event);
            }
        }
        Ok((events, missed))
    }
}

/// Asks a link to drop its connection and connect anew.
#[derive(Debug, Clone, Default)]
pub(crate) struct Restart(Arc<Notify>);

impl Restart {
    pub(crate) fn request(&self) {
        self.0.notify_one();
    }
}

/// How a connection came to its end.
enum End {
    /// The event stream ended, or was broken off.
    Closed,
    /// Something is wrong with the engine or the way there.
    Problem(Problem),
    /// Another way leads to the same engine.
    Twin,
}

/// Runs until aborted, or until another way to the same engine is found.
pub(crate) async fn keep(engine: SharedEngine, supervisor: SupervisorHandle, restart: Restart) {
    let id = engine.identity().id.clone();
    let endpoint = engine.identity().endpoint.clone();
    let away = ["tcp://", "ssh://", "http"]
        .iter()
        .any(|scheme| endpoint.starts_with(scheme));
    let longest = if away { LONGEST_DELAY_AWAY } else { LONGEST_DELAY_HERE };
    let mut delay = FIRST_DELAY;
    let mut told: Option<Problem> = None;
    let mut heard = Heard::default();
    loop {
        let end = attach(&engine, &supervisor, &restart, &mut delay, &mut told, &mut heard).await;
        supervisor.engines().release(&id);
        let problem = match end {
            End::Twin => return,
            End::Closed => {
                let back = tokio::time::timeout(RETURNS_WITHIN, engine.ping()).await;
                if matches!(back, Ok(Ok(()))) {
                    // As if nothing had been: subscribe again, and the list tells what was missed. Not in a circle at full speed.
                    tokio::time::sleep(jittered(delay)).await;
                    delay = (delay * 2).min(longest);
                    continue;
                }
                Problem::new(ProblemCode::EngineLost, format!("the connection to {id} was lost"))
            }
            End::Problem(problem) => problem,
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
        tokio::time::sleep(jittered(delay)).await;
        delay = (delay * 2).min(longest);
    }
}

/// Some more or less, so that many that lost one engine don't all come back at once.
fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(fastrand::f64().mul_add(0.4, 0.8))
}

/// Connects and passes events on until the stream ends.
async fn attach(
    engine: &SharedEngine,
    supervisor: &SupervisorHandle,
    restart: &Restart,
    delay: &mut Duration,
    told: &mut Option<Problem>,
    heard: &mut Heard,
) -> End {
    let id = &engine.identity().id;
    let version = match engine.connect().await {
        Ok(version) => version,
        Err(error) => return End::Problem(error.problem()),
    };
    if let Some(twin) = supervisor.engines().claim(id, version.key.as_deref()) {
        tracing::info!(engine = %id, %twin, "leads to the same engine");
        supervisor.merged().note(&engine.identity().endpoint, twin.clone());
        supervisor.send(Event::EngineMerged {
            engine: id.clone(),
            into: twin,
        });
        return End::Twin;
    }
    // Subscribe, then list (the transition asks for it once connected): nothing falls between the two.
    let (mut events, missed) = match heard.subscribe(engine).await {
        Ok(subscribed) => subscribed,
        Err(error) => return End::Problem(error.problem()),
    };
    if heard.until.is_none() {
        heard.until = Timestamp::now().checked_add(version.clock_offset).ok();
    }
    tracing::info!(engine = %id, version = version.version, api = version.api, "connected");
    *told = None;
    supervisor.send(Event::EngineConnected {
        engine: id.clone(),
        kind: version.kind.as_str().to_owned(),
        version: version.version,
        clock_offset: version.clock_offset,
        health_checks: engine.capabilities().health_checks,
    });
    // Before the list, which is asked for now, is there.
    for event in missed {
        if let Some(event) = translate(engine, event) {
            supervisor.send(event);
        }
    }
    let mut pings = tokio::time::interval_at(Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pinged = Instant::now();
    let mut count = 0;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    *delay = FIRST_DELAY;
                    heard.hear(&event);
                    if let Some(event) = translate(engine, event) {
                        supervisor.send(event);
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(engine = %id, %error, "event stream");
                    return End::Closed;
                }
                None => return End::Closed,
            },
            now = pings.tick() => {
                if let Err(error) = engine.ping().await {
                    return End::Problem(error.problem());
                }
                *delay = FIRST_DELAY;
                count += 1;
                // A process that was stopped or slept for a while doesn't know what it missed.
                let slept = now.duration_since(pinged) > 2 * PING;
                pinged = now;
                if slept || count >= PINGS_PER_CHECK {
                    count = 0;
                    supervisor.send(Event::EngineCheckDue(id.clone()));
                }
            }
            () = restart.0.notified() => {
                let detail = format!("{id} did not give its list of containers");
                return End::Problem(Problem::new(ProblemCode::EngineFault, detail));
            }
        }
    }
}

/// Only what changes what is shown of an instance.
fn translate(engine: &SharedEngine, event: EngineEvent) -> Option<Event> {
    let change = match event.kind {
        EngineEventKind::Started | EngineEventKind::Paused | EngineEventKind::Unpaused => InstanceChange::Altered,
        // What locald makes itself is told of by the answer to its start.
        EngineEventKind::Created | EngineEventKind::Renamed if event.service.is_none() => InstanceChange::Altered,
        EngineEventKind::Signaled { signal } => InstanceChange::Signaled(signal),
        EngineEventKind::StopRequested => InstanceChange::StopRequested,
        EngineEventKind::RestartRequested => InstanceChange::RestartRequested,
        EngineEventKind::Exited(facts) => InstanceChange::Exited(facts),
        EngineEventKind::Removed => InstanceChange::Removed,
        EngineEventKind::EngineHealth { status } => InstanceChange::HealthSaid(status),
        EngineEventKind::Created | EngineEventKind::Renamed | EngineEventKind::OutOfMemory => return None,
    };
    Some(Event::InstanceChanged {
        engine: engine.identity().id.clone(),
        service: event.service,
        instance: event.instance,
        change,
        at: event.at,
    })
}
