//! Carries out effects as tasks. Their results come back only as events.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use locald_core::{
    Effect, EngineId, Event, InstanceId, Problem, ServiceId,
    event::{ProbeTarget, Ticket},
    instance::{ObservedInstance, RunState},
};
use locald_engine::{InstanceSpec, LogLine, LogOptions, LogStream, SharedEngine, StopRequest};
use tokio::{
    sync::{Semaphore, mpsc},
    task::AbortHandle,
};

use crate::{probe, supervisor::SupervisorHandle};

/// How long the last line of a log may take; a notification doesn't wait longer.
const LAST_LINE_TIMEOUT: Duration = Duration::from_millis(1500);
/// The last lines looked at for one that says something.
const LAST_LINES: u32 = 5;
/// How many looks at instances are under way at once.
const LOOKS: usize = 16;

pub(crate) struct Effects {
    supervisor: SupervisorHandle,
    /// Looks at instances under way at once: enough to hide their latency, not so many that they delay a click.
    looks: Arc<Semaphore>,
    operations: HashMap<Ticket, AbortHandle>,
    probes: HashMap<ServiceId, AbortHandle>,
}

impl Effects {
    pub(crate) fn new(supervisor: SupervisorHandle) -> Self {
        Self {
            supervisor,
            looks: Arc::new(Semaphore::new(LOOKS)),
            operations: HashMap::new(),
            probes: HashMap::new(),
        }
    }

    pub(crate) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Prepare { ticket, engine, spec } => {
                let gate = self.supervisor.gate().clone();
                self.operate(ticket, &engine, |engine, supervisor, ticket| async move {
                    let spec = InstanceSpec { service: spec };
                    let result = match engine {
                        Ok(engine) => match gate.admit(&spec, &engine).await {
                            Ok(()) => prepare(&engine, &spec, &supervisor, &ticket).await,
                            refused => refused,
                        },
                        Err(problem) => Err(problem),
                    };
                    Event::PrepareFinished { ticket, result }
                });
            }
            Effect::Start {
                ticket,
                engine,
                spec,
                existing,
            } => {
                let open = self.supervisor.gate().open(&spec.id);
                self.operate(ticket, &engine, |engine, _, ticket| async move {
                    let spec = InstanceSpec { service: spec };
                    let result = match open.and(engine) {
                        Ok(engine) => engine
                            .start(&spec, existing)
                            .await
                            .map(|started| started.id)
                            .map_err(|error| error.problem()),
                        Err(problem) => Err(problem),
                    };
                    Event::StartFinished { ticket, result }
                });
            }
            Effect::Stop {
                ticket,
                engine,
                instance,
                signal,
                grace,
            } => {
                self.operate(ticket, &engine, |engine, _, ticket| async move {
                    let result = match engine {
                        Ok(engine) => engine
                            .stop(&instance, StopRequest { signal, grace })
                            .await
                            .map_err(|error| error.problem()),
                        Err(problem) => Err(problem),
                    };
                    Event::StopFinished { ticket, result }
                });
            }
            Effect::Cancel { ticket } => {
                if let Some(operation) = self.operations.remove(&ticket) {
                    operation.abort();
                }
            }
            Effect::Inspect {
                service,
                round,
                engine,
                instance,
                last_line,
            } => {
                self.inspect(service, round, &engine, instance, last_line);
            }
            Effect::Look { engine, instance } => self.look(engine, instance),
            Effect::List { engine } => self.list(engine),
            Effect::Probe {
                service,
                round,
                target,
                timeout,
                after,
            } => {
                self.probe(service, round, target, timeout, after);
            }
            Effect::BackOff { service, round, after } => {
                let supervisor = self.supervisor.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    supervisor.send(Event::BackOffElapsed { service, round });
                });
            }
            Effect::Wait { service, round, after } => {
                let supervisor = self.supervisor.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    supervisor.send(Event::Waited { service, round });
                });
            }
        }
    }

    fn engine(&self, id: &EngineId) -> Result<SharedEngine, Problem> {
        self.supervisor.engines().find(id)
    }

    fn operate<F>(
        &mut self,
        ticket: Ticket,
        engine: &EngineId,
        work: impl FnOnce(Result<SharedEngine, Problem>, SupervisorHandle, Ticket) -> F,
    ) where
        F: Future<Output = Event> + Send + 'static,
    {
        self.operations.retain(|_, operation| !operation.is_finished());
        let supervisor = self.supervisor.clone();
        let work = work(self.engine(engine), supervisor.clone(), ticket.clone());
        let task = tokio::spawn(async move { supervisor.send(work.await) });
        self.operations.insert(ticket, task.abort_handle());
    }

    fn inspect(&self, service: ServiceId, round: u64, engine: &EngineId, instance: InstanceId, last_line: bool) {
        let engine = self.engine(engine);
        let supervisor = self.supervisor.clone();
        let looks = Arc::clone(&self.looks);
        tokio::spawn(async move {
            // Never closed, so there is always a permit to wait for.
            let _permit = looks.acquire().await;
            let seen = match engine {
                Ok(engine) => look(&engine, &instance, last_line).await,
                Err(problem) => Err(problem),
            };
            supervisor.send(match seen {
                Ok((observed, last_line)) => Event::InstanceInspected {
                    service,
                    round,
                    observed,
                    last_line,
                },
                Err(problem) => {
                    tracing::warn!(%service, "{}", problem.detail);
                    Event::InspectFailed { service, round }
                }
            });
        });
    }

    /// A stranger that is gone by now, or can't be looked at, is told of by the next list.
    fn look(&self, engine: EngineId, instance: InstanceId) {
        let Some(shared) = self.supervisor.engines().get(&engine) else {
            return;
        };
        let supervisor = self.supervisor.clone();
        let looks = Arc::clone(&self.looks);
        tokio::spawn(async move {
            let _permit = looks.acquire().await;
            if let Ok(Some(observed)) = shared.inspect(&instance).await {
                supervisor.send(Event::StrangerSeen { engine, observed });
            }
        });
    }

    fn list(&self, engine: EngineId) {
        let Some(shared) = self.supervisor.engines().get(&engine) else {
            return;
        };
        let supervisor = self.supervisor.clone();
        tokio::spawn(async move {
            match shared.list().await {
                Ok(instances) => supervisor.send(Event::InstancesListed { engine, instances }),
                Err(error) => {
                    tracing::warn!(%engine, %error, "list");
                    supervisor.engines().restart(&engine);
                }
            }
        });
    }

    fn probe(&mut self, service: ServiceId, round: u64, target: ProbeTarget, timeout: Duration, after: Duration) {
        self.probes.retain(|_, probe| !probe.is_finished());
        let engine = match &target {
            ProbeTarget::Command { engine, .. } => Some(self.engine(engine)),
            ProbeTarget::Tcp { .. } | ProbeTarget::Http { .. } | ProbeTarget::Service { .. } => None,
        };
        let supervisor = self.supervisor.clone();
        let id = service.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let outcome = match engine.transpose() {
                Ok(engine) => probe::ask(engine.as_ref(), &target, timeout).await,
                Err(problem) => Err(problem.detail),
            };
            supervisor.send(Event::Probed {
                service,
                round,
                outcome,
            });
        });
        // One series at a time: a newer one takes the older one's place.
        if let Some(older) = self.probes.insert(id, task.abort_handle()) {
            older.abort();
        }
    }
}

async fn prepare(
    engine: &SharedEngine,
    spec: &InstanceSpec,
    supervisor: &SupervisorHandle,
    ticket: &Ticket,
) -> Result<(), Problem> {
    let (sink, mut progress) = mpsc::channel(1);
    let mut told = None;
    let work = engine.prepare(spec, sink);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result.map_err(|error| error.problem()),
            Some(step) = progress.recv() => {
                let Some(total) = step.total_bytes.filter(|total| *total > 0) else { continue };
                let percent = u8::try_from(step.done_bytes.saturating_mul(100) / total).unwrap_or(100).min(100);
                if told != Some(percent) {
                    told = Some(percent);
                    supervisor.send(Event::PrepareProgressed { ticket: ticket.clone(), percent });
                }
            }
        }
    }
}

/// Looks at an instance and, where its process ended, at the last line it wrote; both at once when the end is likely.
async fn look(
    engine: &SharedEngine,
    instance: &InstanceId,
    likely_ended: bool,
) -> Result<(Option<ObservedInstance>, Option<String>), Problem> {
    let ended = |observed: &Option<ObservedInstance>| {
        observed
            .as_ref()
            .is_some_and(|observed| matches!(observed.run, RunState::Exited(_)))
    };
    if likely_ended {
        let (observed, line) = tokio::join!(engine.inspect(instance), last_line(engine, instance));
        let observed = observed.map_err(|error| error.problem())?;
        let line = line.filter(|_| ended(&observed) || observed.is_none());
        return Ok((observed, line));
    }
    let observed = engine.inspect(instance).await.map_err(|error| error.problem())?;
    let line = if ended(&observed) {
        last_line(engine, instance).await
    } else {
        None
    };
    Ok((observed, line))
}

/// The last line that says something. What went to standard error shortly before it goes first: that is where programs
/// say why they end, and engines don't keep the two streams in order.
async fn last_line(engine: &SharedEngine, instance: &InstanceId) -> Option<String> {
    let read = async {
        let options = LogOptions {
            tail: Some(LAST_LINES),
            follow: false,
            since: None,
        };
        let mut lines = engine.logs(instance, options).await.ok()?;
        let mut last: Option<LogLine> = None;
        while let Some(Ok(line)) = lines.next().await {
            let blank = line.bytes.iter().all(u8::is_ascii_whitespace);
            if !blank && last.as_ref().is_none_or(|last| !outranks(last, &line)) {
                last = Some(line);
            }
        }
        last.map(|line| String::from_utf8_lossy(&line.bytes).into_owned())
    };
    tokio::time::timeout(LAST_LINE_TIMEOUT, read).await.ok().flatten()
}

/// Does `earlier` stay the one to show, though `later` came after it?
fn outranks(earlier: &LogLine, later: &LogLine) -> bool {
    let close = match (earlier.at, later.at) {
        (Some(earlier), Some(later)) => later.duration_since(earlier) < jiff::SignedDuration::from_secs(1),
        _ => true,
    };
    close && earlier.stream == LogStream::Stderr && later.stream == LogStream::Stdout
}
