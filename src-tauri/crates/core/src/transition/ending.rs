//! An end: whether it was a crash is decided here and nowhere else, and so is what follows.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use crate::{
    ServiceId,
    event::Effect,
    instance::ExitFacts,
    restart,
    snapshot::{Desired, ExitReport},
    state::{Instance, Phase, Service, StopIntent},
};

/// How long after a stop was asked for an end with any exit code counts as its answer. Later, only the code of that
/// signal or 0 does: a program that shrugged the signal off and failed much later has crashed.
const INTENT_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// What an end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// locald, or somebody else through the engine, asked for it.
    Stopped,
    /// It was done.
    Finished,
    /// Nobody asked for it.
    Crashed,
    /// Killed, and whether somebody asked for it may still be told.
    Unclear,
}

/// The kind whose events tell little of who asked for an end (containers/podman#16857).
pub(super) const PODMAN: &str = "podman";

/// How long Podman may take to tell of the stop, restart or removal that an end was part of.
pub(super) const GRACE: Duration = Duration::from_secs(1);

impl Turn<'_> {
    /// A process ended: what was it, and what follows?
    pub(super) fn ended(&mut self, id: &ServiceId, instance: &Instance, facts: &ExitFacts, last_line: Option<String>) {
        self.end_judged(id, instance, facts, last_line, None);
    }

    /// The same where the verdict may be known already.
    pub(super) fn end_judged(
        &mut self,
        id: &ServiceId,
        instance: &Instance,
        facts: &ExitFacts,
        last_line: Option<String>,
        known: Option<Verdict>,
    ) {
        let now = self.now;
        let Some(service) = self.service(id) else { return };
        let live = !matches!(service.phase, Phase::Unknown) || service.was_up;
        let ran = match (instance.started_at, facts.at) {
            (Some(from), Some(to)) => to.duration_since(from),
            _ => service
                .since
                .map_or(SignedDuration::ZERO, |since| now.duration_since(since)),
        };
        let intent = service.intent.clone();
        let ended_at = facts.at.map_or(now, |at| self.here(id, at));
        let podman = self.is_on_podman(id);
        let unclear = podman && live && intent.is_none() && !facts.oom && facts.code != Some(0);
        let verdict = match known {
            Some(verdict) => verdict,
            None if unclear => Verdict::Unclear,
            None => judge(facts, intent.as_ref(), ended_at, now),
        };
        let Some(service) = self.service(id) else { return };
        service.accounted = Some((instance.id.clone(), instance.started_at));
        service.ended_at = Some(now);
        service.report_exit(facts, verdict, last_line, ended_at);
        service.rest();
        if verdict == Verdict::Stopped {
            // Whatever came before it, somebody took it in hand.
            service.begin_anew();
        }
        self.follow_up(id, verdict, ran, live);
    }

    /// What follows from an end.
    pub(super) fn follow_up(&mut self, id: &ServiceId, verdict: Verdict, ran: SignedDuration, live: bool) {
        let now = self.now;
        let Some(service) = self.service(id) else { return };
        if ran >= SignedDuration::try_from(restart::STABLE_RUN).unwrap_or(SignedDuration::MAX) {
            service.attempts = 0;
            service.crash_looping = false;
        }
        if service.external {
            service.desired = Desired::Stopped;
        }
        let down_wanted = matches!(service.phase, Phase::Stopping { .. });
        match verdict {
            Verdict::Stopped => self.enter(id, Phase::Stopped),
            Verdict::Unclear if !down_wanted => {
                let round = self.number();
                self.effects.push(Effect::Wait {
                    service: id.clone(),
                    round,
                    after: GRACE,
                });
                if let Some(service) = self.service(id) {
                    service.verdict_round = round;
                }
                self.enter(id, Phase::Exited);
            }
            _ if down_wanted => {
                self.enter(id, Phase::Stopped);
                if self
                    .service(id)
                    .is_some_and(|service| service.desired == Desired::Running)
                {
                    self.begin_start(id);
                }
            }
            Verdict::Finished | Verdict::Crashed | Verdict::Unclear => {
                let crashed = verdict == Verdict::Crashed;
                if live
                    && let Some(policy) = service.engine_restarts
                    && restart::engine_starts_it(policy, crashed)
                {
                    service.crash_looping = crashed && service.attempts >= restart::LOOP;
                    let round = self.number();
                    self.enter(id, Phase::BackingOff { until: None, round });
                    return;
                }
                let wait = restart::delay(service.spec.restart, crashed, service.attempts)
                    .filter(|_| live && service.desired == Desired::Running && service.declared);
                match wait {
                    None => {
                        service.gave_up = crashed && service.attempts > 0;
                        service.crash_looping = false;
                        self.enter(id, Phase::Exited);
                    }
                    Some(after) => {
                        service.crash_looping = service.attempts >= restart::LOOP;
                        let round = self.number();
                        let until = Some(now.saturating_add(after).unwrap_or(now));
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

    /// A wait is over: for a word of who ended it, for a stable run, or until another look.
    pub(super) fn waited(&mut self, id: &ServiceId, round: u64) {
        let Some(service) = self.service(id) else { return };
        if service.verdict_round == round {
            service.verdict_round = 0;
            let instance = service.instance.clone();
            let Some(exit) = service.exit.as_mut().filter(|_| service.phase == Phase::Exited) else {
                return;
            };
            exit.crashed = true;
            let ran = ran_for(instance.as_ref(), exit.at, service.since);
            self.follow_up(id, Verdict::Crashed, ran, true);
        } else if service.stable_round == round {
            if matches!(service.phase, Phase::Running { .. }) {
                service.attempts = 0;
                service.crash_looping = false;
            }
        } else if service.retry.0 == round {
            service.retry.0 = 0;
            let looks = matches!(service.phase, Phase::Unknown | Phase::BackingOff { until: None, .. });
            if looks && self.engine_is_online(id) {
                self.inspect(id, false);
            }
        }
    }

    pub(super) fn is_on_podman(&self, id: &ServiceId) -> bool {
        let engine = self.state.services.get(id).and_then(|service| service.engine.as_ref());
        engine
            .and_then(|id| self.state.engine(id))
            .is_some_and(|engine| engine.kind == PODMAN)
    }
}

fn judge(facts: &ExitFacts, intent: Option<&StopIntent>, ended_at: Timestamp, now: Timestamp) -> Verdict {
    if facts.oom && !intent.is_some_and(|intent| intent.ours) {
        return Verdict::Crashed;
    }
    if let Some(intent) = intent {
        // The two clocks may differ: the engine's word counts only where it makes sense by ours.
        let at = if ended_at >= intent.at { ended_at } else { now };
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
///
/// A Docker engine ends what it runs when it goes, and a program that takes its signal well ends with 0.
pub(super) fn ended_with_engine(desired: Desired, facts: &ExitFacts, docker_was_up: bool) -> bool {
    let killed = matches!(facts.code, None | Some(130 | 137 | 143 | 255)) || (docker_was_up && facts.code == Some(0));
    desired == Desired::Stopped || (!facts.oom && killed)
}

/// Killed by a signal: by whom, the code doesn't say.
pub(super) fn is_unclear(facts: &ExitFacts) -> bool {
    !facts.oom && matches!(facts.code, None | Some(137 | 143))
}

/// How long a run lasted that ended then.
fn ran_for(instance: Option<&Instance>, ended: Timestamp, since: Option<Timestamp>) -> SignedDuration {
    let started = instance.and_then(|instance| instance.started_at).or(since);
    started.map_or(SignedDuration::ZERO, |started| ended.duration_since(started))
}

impl Service {
    /// Did it do what it was to do? Then it isn't done again because its engine was away.
    pub(super) fn is_done(&self) -> bool {
        self.ended_by_itself && self.exit.as_ref().is_some_and(|exit| exit.code == Some(0))
    }

    pub(super) fn report_exit(
        &mut self,
        facts: &ExitFacts,
        verdict: Verdict,
        last_line: Option<String>,
        at: Timestamp,
    ) {
        // A shell reports death by signal N as 128 + N, and so do container engines.
        let signal = facts
            .code
            .and_then(|code| u8::try_from(code - 128).ok())
            .filter(|number| (1..=64).contains(number));
        self.verdict_round = 0;
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
