//! What an engine shows of an instance, and what that means for its service. Whether an end was a crash is
//! decided here and nowhere else.

use jiff::SignedDuration;

use super::Turn;
use crate::{
    EngineId, InstanceId, ServiceId,
    event::{Effect, InstanceChange},
    instance::{ExitFacts, ObservedInstance, RunState},
    restart,
    snapshot::{Desired, EngineLink, ExitReport, HealthKind},
    spec::Signal,
    state::{Health, Instance, Phase, Service, StopIntent},
};

/// How long after a stop was asked for an end with any exit code counts as its answer. Later, only the code of that
/// signal or 0 does: a program that shrugged the signal off and failed much later has crashed.
const INTENT_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// What an end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// locald, or somebody else through the engine, asked for it.
    Stopped,
    /// It was done.
    Finished,
    /// Nobody asked for it.
    Crashed,
}

impl Turn<'_> {
    pub(super) fn instance_changed(
        &mut self,
        engine: &EngineId,
        id: &ServiceId,
        instance: InstanceId,
        change: InstanceChange,
    ) {
        // What still comes from an engine that is lost tells nothing: its list will, when it is back.
        let online = self
            .state
            .engines
            .iter()
            .any(|record| record.id == *engine && matches!(record.link, EngineLink::Online { .. }));
        let now = self.now;
        let Some(service) = self.service(id) else { return };
        if service.engine.as_ref() != Some(engine) || !online {
            return;
        }
        let known = service.instance.as_ref().is_some_and(|known| known.id == instance);
        // A start of ours is under way: what it makes is looked at when the engine has answered.
        let starting = matches!(service.phase, Phase::Starting { answered: false, .. });
        match change {
            InstanceChange::Altered => {
                if starting {
                    return;
                }
                if !known {
                    service.adopt(instance);
                }
                self.inspect(id, false);
            }
            InstanceChange::Signaled(signal) => {
                if known && ends(signal, service.spec.stop_signal) {
                    service.asked_to_end(signal, now);
                }
            }
            InstanceChange::StopRequested => {
                if known {
                    service.asked_to_end(None, now);
                }
            }
            InstanceChange::Exited(facts) => {
                if known && !starting {
                    self.exit_reported(id, facts);
                    self.inspect(id, true);
                }
            }
            InstanceChange::Removed => {
                if known && !starting {
                    service.inspect_round = 0;
                    self.observe(id, None, None);
                }
            }
        }
    }

    /// An engine that has said how a process ended answers no question about it while it clears up after it (Docker
    /// 20.10: 70 ms). What is known is enough to judge; whether memory had run out, and the last line, are added when
    /// the look comes back.
    fn exit_reported(&mut self, id: &ServiceId, facts: ExitFacts) {
        let Some(service) = self.service(id) else { return };
        let running = matches!(service.phase, Phase::Running { .. });
        let of_this_run = |instance: &Instance| {
            // A word of an earlier run may come after the next one was seen.
            instance.alive
                && facts
                    .at
                    .zip(instance.started_at)
                    .is_none_or(|(end, start)| end >= start)
        };
        // Killed by a signal that nobody is known to have sent: memory may have run out, or somebody's stop is told late.
        let open = service.intent.is_none() && matches!(facts.code, None | Some(137 | 143));
        service.pending_exit = Some(facts.clone());
        if let Some(instance) = service
            .instance
            .as_mut()
            .filter(|instance| running && !open && of_this_run(instance))
        {
            instance.alive = false;
            instance.ports.clear();
            let instance = instance.clone();
            self.ended(id, &instance, &facts, None);
        }
    }

    /// Asks for a look at the service's instance.
    pub(super) fn inspect(&mut self, id: &ServiceId, last_line: bool) {
        let round = self.number();
        let Some(service) = self.service(id) else { return };
        let (Some(engine), Some(instance)) = (service.engine.clone(), service.instance.as_ref()) else {
            return;
        };
        let instance = instance.id.clone();
        service.inspect_round = round;
        self.effects.push(Effect::Inspect {
            service: id.clone(),
            round,
            engine,
            instance,
            last_line,
        });
    }

    pub(super) fn instance_inspected(
        &mut self,
        id: &ServiceId,
        round: u64,
        observed: Option<ObservedInstance>,
        last_line: Option<String>,
    ) {
        if self.service(id).is_some_and(|service| service.inspect_round == round) {
            self.observe(id, observed, last_line);
        }
    }

    pub(super) fn inspect_failed(&mut self, id: &ServiceId, round: u64) {
        if let Some(service) = self.service(id)
            && service.inspect_round == round
            && !service.is_decided_elsewhere()
        {
            service.rest();
            self.enter(id, Phase::Unknown);
        }
    }

    /// Takes in what an engine shows of a service's instance.
    pub(super) fn observe(&mut self, id: &ServiceId, observed: Option<ObservedInstance>, last_line: Option<String>) {
        let Some(service) = self.service(id) else { return };
        let decided_elsewhere = service.is_decided_elsewhere();
        match observed {
            None => self.observed_gone(id, last_line),
            Some(seen) => match seen.run.clone() {
                RunState::Running => self.observed_alive(id, &seen, false),
                RunState::Paused => self.observed_alive(id, &seen, true),
                RunState::Exited(facts) | RunState::Restarting(facts) => {
                    self.observed_exit(id, &seen, &facts, last_line);
                }
                RunState::Created | RunState::Unknown(_) => {
                    service.instance = Some(Instance::of(&seen));
                    if !decided_elsewhere {
                        service.rest();
                        let created = seen.run == RunState::Created;
                        self.enter(id, if created { Phase::Stopped } else { Phase::Unknown });
                    }
                }
            },
        }
    }

    fn observed_alive(&mut self, id: &ServiceId, seen: &ObservedInstance, paused: bool) {
        let now = self.now;
        let Some(service) = self.service(id) else { return };
        let same_run = service
            .instance
            .as_ref()
            .is_some_and(|known| known.id == seen.id && known.started_at == seen.started_at && known.alive);
        let was = service.phase.clone();
        service.instance = Some(Instance::of(seen));
        service.pending_exit = None;
        // The answer to the operation that is under way comes before what is seen of it.
        if matches!(was, Phase::Stopping { .. } | Phase::Starting { answered: false, .. }) {
            return;
        }
        if let Phase::Preparing { ticket, .. } = &was {
            self.effects.push(Effect::Cancel { ticket: ticket.clone() });
        }
        let Some(service) = self.service(id) else { return };
        if !same_run {
            service.exit = None;
            // Who asked an earlier run to end says nothing of this one.
            service.intent = None;
        }
        if !matches!(was, Phase::Unknown) {
            service.problem = None;
        }
        let found = matches!(was, Phase::Unknown);
        self.enter(id, Phase::Running { paused });
        let Some(service) = self.service(id) else { return };
        if found && let Some(started) = seen.started_at {
            // It ran before locald saw it. An engine's clock may be ahead of ours; a time to come helps nobody.
            service.since = Some(started.min(now));
        } else if !same_run {
            // Also when it was started again before anybody saw it down.
            service.since = Some(now);
        }
        if paused {
            service.rest();
        } else if !same_run || was != (Phase::Running { paused: false }) {
            self.begin_probing(id);
        }
    }

    fn observed_gone(&mut self, id: &ServiceId, last_line: Option<String>) {
        let Some(service) = self.service(id) else { return };
        let gone = service.instance.take();
        match service.phase.clone() {
            // An operation is under way; its answer decides.
            Phase::Stopping { ticket: Some(_), .. }
            | Phase::Stopping { starting: Some(_), .. }
            | Phase::Starting { answered: false, .. }
            | Phase::Waiting
            | Phase::Preparing { .. }
            | Phase::Failed
            | Phase::Stopped => {}
            Phase::Exited | Phase::BackingOff { .. } => {
                // It was told already that it ended; what is left to show is that nothing runs. One that goes before it was
                // looked at went by itself (`docker run --rm`): how it ended stays to be seen.
                if matches!(service.phase, Phase::Exited) && service.pending_exit.take().is_none() {
                    self.enter(id, Phase::Stopped);
                }
            }
            Phase::Running { .. }
            | Phase::Starting { answered: true, .. }
            | Phase::Unknown
            | Phase::Stopping {
                ticket: None,
                starting: None,
            } => match (service.pending_exit.take(), gone) {
                (Some(facts), Some(gone)) => self.ended(id, &gone, &facts, last_line),
                _ => {
                    service.rest();
                    self.enter(id, Phase::Stopped);
                }
            },
        }
    }

    fn observed_exit(&mut self, id: &ServiceId, seen: &ObservedInstance, facts: &ExitFacts, last_line: Option<String>) {
        let now = self.now;
        let Some(service) = self.service(id) else { return };
        let instance = Instance::of(seen);
        service.instance = Some(instance.clone());
        service.pending_exit = None;
        let at = facts.at.unwrap_or(now);
        let told = service.accounted == Some((seen.id.clone(), seen.started_at));
        if told && let Some(exit) = &mut service.exit {
            exit.oom |= facts.oom;
            exit.last_line = exit.last_line.take().or(last_line.clone());
        }
        match service.phase.clone() {
            // An operation is under way, or the end is told already.
            Phase::Waiting
            | Phase::Preparing { .. }
            | Phase::BackingOff { .. }
            | Phase::Starting { answered: false, .. }
            | Phase::Stopping { starting: Some(_), .. }
            | Phase::Failed => {}
            // A stop of ours is under way: its answer moves the service, this is only how it ended.
            Phase::Stopping { ticket: Some(_), .. } => service.report_exit(facts, Verdict::Stopped, last_line, at),
            Phase::Stopped | Phase::Exited if told || service.desired == Desired::Stopped => {
                if !told {
                    service.report_exit(facts, Verdict::Stopped, last_line, at);
                    service.accounted = Some((seen.id.clone(), seen.started_at));
                }
            }
            Phase::Unknown if told => {
                service.rest();
                let by_itself = service.desired == Desired::Running && service.ended_by_itself;
                self.enter(id, if by_itself { Phase::Exited } else { Phase::Stopped });
            }
            Phase::Unknown if service.intent.is_none() && ended_with_engine(service.desired, facts) => {
                service.report_exit(facts, Verdict::Stopped, last_line, at);
                service.accounted = Some((seen.id.clone(), seen.started_at));
                service.rest();
                self.enter(id, Phase::Stopped);
            }
            Phase::Stopped
            | Phase::Exited
            | Phase::Unknown
            | Phase::Running { .. }
            | Phase::Starting { answered: true, .. }
            | Phase::Stopping {
                ticket: None,
                starting: None,
            } => self.ended(id, &instance, facts, last_line),
        }
    }

    /// A process ended: what was it, and what follows?
    fn ended(&mut self, id: &ServiceId, instance: &Instance, facts: &ExitFacts, last_line: Option<String>) {
        let now = self.now;
        let Some(service) = self.service(id) else { return };
        let verdict = judge(facts, service.intent.as_ref(), now);
        let live = !matches!(service.phase, Phase::Unknown);
        let ran = match (instance.started_at, facts.at) {
            (Some(from), Some(to)) => to.duration_since(from),
            _ => service
                .since
                .map_or(SignedDuration::ZERO, |since| now.duration_since(since)),
        };
        if ran >= SignedDuration::try_from(restart::STABLE_RUN).unwrap_or(SignedDuration::MAX) {
            service.attempts = 0;
        }
        service.accounted = Some((instance.id.clone(), instance.started_at));
        service.report_exit(facts, verdict, last_line, facts.at.unwrap_or(now));
        service.rest();
        let down_wanted = matches!(service.phase, Phase::Stopping { .. });
        match verdict {
            Verdict::Stopped => self.enter(id, Phase::Stopped),
            _ if down_wanted => {
                self.enter(id, Phase::Stopped);
                if self
                    .service(id)
                    .is_some_and(|service| service.desired == Desired::Running)
                {
                    self.begin_start(id);
                }
            }
            Verdict::Finished | Verdict::Crashed => {
                let wait = restart::delay(service.spec.restart, verdict == Verdict::Crashed, service.attempts)
                    .filter(|_| live && service.desired == Desired::Running && service.declared);
                match wait {
                    None => self.enter(id, Phase::Exited),
                    Some(after) => {
                        let round = self.number();
                        let until = now.saturating_add(after).unwrap_or(now);
                        self.effects.push(Effect::BackOff {
                            service: id.clone(),
                            round,
                            after,
                        });
                        self.enter(id, Phase::BackingOff { until, round });
                    }
                }
            }
        }
    }
}

/// Does this signal ask a process to end? `SIGHUP`, `SIGUSR1` and the like mean "reload" to most programs, unless the
/// project says that it is how this one is stopped. One whose name could not be read is taken as a stop: a false
/// alarm is worse than a missing one.
fn ends(signal: Option<Signal>, stop_signal: Option<Signal>) -> bool {
    signal.is_none_or(|signal| {
        [Signal::TERM, Signal::KILL, Signal::INT, Signal::QUIT].contains(&signal) || Some(signal) == stop_signal
    })
}

fn judge(facts: &ExitFacts, intent: Option<&StopIntent>, now: jiff::Timestamp) -> Verdict {
    if facts.oom && !intent.is_some_and(|intent| intent.ours) {
        return Verdict::Crashed;
    }
    if let Some(intent) = intent {
        // The two clocks may differ: the engine's word counts only where it makes sense by ours.
        let at = facts.at.filter(|at| *at >= intent.at).map_or(now, |at| at.min(now));
        let by_signal = intent.signal.map(|signal| 128 + i32::from(signal.0));
        let answers = facts.code.is_none() || facts.code == by_signal || facts.code == Some(137);
        if intent.ours || answers || at.duration_since(intent.at) <= INTENT_WINDOW {
            return Verdict::Stopped;
        }
    }
    if facts.code == Some(0) {
        Verdict::Finished
    } else {
        Verdict::Crashed
    }
}

/// An end found after the engine was away: was it the engine, or the machine, that went down? Then the process was
/// killed (128 + 9 or 15), or the engine lost its code (255). And what nobody wanted to run has not crashed.
fn ended_with_engine(desired: Desired, facts: &ExitFacts) -> bool {
    desired == Desired::Stopped || (!facts.oom && matches!(facts.code, None | Some(137 | 143 | 255)))
}

impl Service {
    /// Is there an answer or a wait to come that decides what it comes to, whatever a look shows?
    fn is_decided_elsewhere(&self) -> bool {
        matches!(
            self.phase,
            Phase::Waiting
                | Phase::Preparing { .. }
                | Phase::BackingOff { .. }
                | Phase::Failed
                | Phase::Starting { answered: false, .. }
                | Phase::Stopping { ticket: Some(_), .. }
                | Phase::Stopping { starting: Some(_), .. }
        )
    }

    /// A new instance is behind this service; what it is like is seen at the next look.
    pub(super) fn adopt(&mut self, id: InstanceId) {
        let known = self.instance.as_ref().is_some_and(|known| known.id == id);
        if !known {
            self.instance = Some(Instance {
                id,
                spec_hash: Some(self.spec_hash.clone()),
                alive: true,
                ports: Vec::new(),
                started_at: None,
            });
        } else if let Some(instance) = &mut self.instance {
            instance.alive = true;
            instance.started_at = None;
        }
    }

    /// Nothing runs, or nothing is known: probes end.
    pub(super) fn rest(&mut self) {
        self.health = Health {
            kind: HealthKind::None,
            detail: None,
            failures: 0,
            round: 0,
        };
    }

    fn asked_to_end(&mut self, signal: Option<Signal>, at: jiff::Timestamp) {
        match &mut self.intent {
            // Our own stop shows up as signals too; it stays ours.
            Some(intent) if intent.ours => {}
            Some(intent) => {
                intent.at = at;
                intent.signal = signal.or(intent.signal);
            }
            None => {
                self.intent = Some(StopIntent {
                    ours: false,
                    signal,
                    at,
                })
            }
        }
    }

    fn report_exit(&mut self, facts: &ExitFacts, verdict: Verdict, last_line: Option<String>, at: jiff::Timestamp) {
        // A shell reports death by signal N as 128 + N, and so do container engines.
        let signal = facts
            .code
            .and_then(|code| u8::try_from(code - 128).ok())
            .filter(|number| (1..=64).contains(number));
        self.ended_by_itself = verdict != Verdict::Stopped;
        self.exit = Some(ExitReport {
            code: facts.code,
            signal,
            oom: facts.oom,
            crashed: verdict == Verdict::Crashed,
            at,
            last_line,
        });
    }
}

impl Instance {
    fn of(seen: &ObservedInstance) -> Self {
        let alive = seen.run.is_alive();
        Self {
            id: seen.id.clone(),
            spec_hash: seen.spec_hash.clone(),
            alive,
            ports: if alive { seen.ports.clone() } else { Vec::new() },
            started_at: seen.started_at,
        }
    }
}
