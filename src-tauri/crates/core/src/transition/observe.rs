//! What a look at an instance shows, and what that means for its service.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Turn,
    ending::{GRACE, Verdict, ended_with_engine, is_unclear},
};
use crate::{
    InstanceId, ServiceId,
    event::Effect,
    instance::{EngineRestarts, ExitFacts, ObservedInstance, RunState},
    restart,
    snapshot::{Desired, EngineLink, HealthKind},
    state::{Health, Instance, Phase, Service, StopIntent},
};

/// The first wait before an engine that could not be asked about an instance is asked again.
const RETRY: Duration = Duration::from_secs(1);

impl Turn<'_> {
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
        if let Some(service) = self.service(id)
            && service.inspect_round == round
        {
            if service.phase == Phase::Unknown {
                service.retry = (0, 0);
            }
            self.observe(id, observed, last_line);
        }
    }

    pub(super) fn inspect_failed(&mut self, id: &ServiceId, round: u64) {
        if let Some(service) = self.service(id)
            && service.inspect_round == round
            && !service.is_decided_elsewhere()
            // That it ended was told, and how.
            && !matches!(service.phase, Phase::Stopped | Phase::Exited)
        {
            service.rest();
            self.enter(id, Phase::Unknown);
            if self.engine_is_online(id) {
                self.look_again(id, RETRY);
            }
        }
    }

    /// Another look in a while, later each time.
    pub(super) fn look_again(&mut self, id: &ServiceId, first: Duration) {
        let round = self.number();
        let Some(service) = self.service(id) else { return };
        let after = first.saturating_mul(1 << service.retry.1.min(5));
        service.retry = (round, service.retry.1 + 1);
        self.effects.push(Effect::Wait {
            service: id.clone(),
            round,
            after,
        });
    }

    pub(super) fn engine_is_online(&self, id: &ServiceId) -> bool {
        let engine = self.state.services.get(id).and_then(|service| service.engine.as_ref());
        engine
            .and_then(|id| self.state.engine(id))
            .is_some_and(|engine| matches!(engine.link, EngineLink::Online { .. }))
    }

    /// An engine's time by the host's clock, never one to come.
    pub(super) fn here(&self, id: &ServiceId, time: Timestamp) -> Timestamp {
        let engine = self.state.services.get(id).and_then(|service| service.engine.as_ref());
        let offset = engine
            .and_then(|id| self.state.engine(id))
            .map_or(SignedDuration::ZERO, |engine| engine.clock_offset);
        time.checked_sub(offset).map_or(self.now, |time| time.min(self.now))
    }

    /// This instance is the one behind the service now, and no other row's.
    pub(super) fn adopt(&mut self, id: &ServiceId, instance: InstanceId) {
        let engine = self.state.services.get(id).and_then(|service| service.engine.clone());
        if let Some(other) = engine
            .and_then(|engine| self.service_behind(&engine, &instance))
            .filter(|other| other != id)
            && let Some(stranger) = self.state.services.get(&other).filter(|service| service.external)
        {
            if let Some(ticket) = stranger.phase.ticket() {
                self.effects.push(Effect::Cancel { ticket: ticket.clone() });
            }
            self.state.services.remove(&other);
        }
        if let Some(service) = self.service(id) {
            service.adopt(instance);
        }
    }

    /// Takes in what an engine shows of a service's instance.
    pub(super) fn observe(&mut self, id: &ServiceId, observed: Option<ObservedInstance>, last_line: Option<String>) {
        let Some(service) = self.service(id) else { return };
        let decided_elsewhere = service.is_decided_elsewhere();
        if let Some(seen) = &observed {
            service.held = true;
            if service.instance.as_ref().is_none_or(|known| known.id != seen.id) {
                // A look that is under way is at another one.
                service.inspect_round = 0;
            }
            if seen.started_at.is_some() {
                service.image_check.clone_from(&seen.health_check);
                service.engine_restarts = seen.engine_restarts;
            }
        }
        match observed {
            None => self.observed_gone(id, last_line),
            Some(seen) => match seen.run.clone() {
                RunState::Running => self.observed_alive(id, &seen, false),
                RunState::Paused => self.observed_alive(id, &seen, true),
                RunState::Exited(facts) => self.observed_exit(id, &seen, &facts, last_line),
                RunState::Restarting(facts) => {
                    if service.engine_restarts.is_none() {
                        service.engine_restarts = Some(EngineRestarts::Always);
                    }
                    self.observed_exit(id, &seen, &facts, last_line);
                    self.engine_will_restart(id);
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
        let known = service
            .instance
            .as_ref()
            .filter(|known| known.id == seen.id && known.alive)
            .map(|known| known.started_at);
        // A list doesn't tell when a stranger's instance started, and a look at it does.
        let same_run = known.is_some_and(|known| {
            known == seen.started_at || (service.external && (known.is_none() || seen.started_at.is_none()))
        });
        let learned = same_run && known == Some(None) && seen.started_at.is_some();
        if !same_run && self.ended_unseen(id, &seen.id) {
            return;
        }
        let Some(service) = self.service(id) else { return };
        let was = service.phase.clone();
        let mut instance = Instance::of(seen);
        instance.started_at = instance.started_at.or(known.flatten());
        service.instance = Some(instance);
        service.pending_exit = None;
        // The answer to the operation that is under way comes before what is seen of it.
        if matches!(was, Phase::Stopping { .. } | Phase::Starting { answered: false, .. }) {
            return;
        }
        if let Phase::Preparing { ticket, .. } = &was {
            self.effects.push(Effect::Cancel { ticket: ticket.clone() });
        }
        let started = seen.started_at.map(|started| self.here(id, started));
        let Some(service) = self.service(id) else { return };
        if service.external {
            service.desired = Desired::Running;
        }
        service.was_up = false;
        service.gave_up = false;
        service.retry = (0, 0);
        service.verdict_round = 0;
        if !same_run {
            service.exit = None;
        }
        if !same_run || learned {
            service.forget_earlier_intent(started);
        }
        if matches!(was, Phase::BackingOff { until: None, .. }) {
            service.restarts += 1;
            service.attempts += 1;
        }
        if !matches!(was, Phase::Unknown) || service.problem.as_ref().is_some_and(|problem| problem.code.is_engine()) {
            service.problem = None;
        }
        let found = matches!(was, Phase::Unknown) || learned;
        let steady = service.attempts > 0 && !same_run;
        self.enter(id, Phase::Running { paused });
        if steady {
            let round = self.number();
            self.effects.push(Effect::Wait {
                service: id.clone(),
                round,
                after: restart::STABLE_RUN,
            });
            if let Some(service) = self.service(id) {
                service.stable_round = round;
            }
        }
        let Some(service) = self.service(id) else { return };
        if found && let Some(started) = started {
            // It ran before locald saw it.
            service.since = Some(started);
        } else if !same_run {
            // Also when it was started again before anybody saw it down.
            service.since = Some(now);
        }
        if paused {
            service.rest();
        } else if !same_run || learned || was != (Phase::Running { paused: false }) {
            self.begin_probing(id);
        }
        if let Some(said) = seen.engine_health
            && !paused
        {
            self.engine_says_of_health(id, said);
        }
    }

    /// A look shows a new run, and how the one before ended was not told yet: nobody asked for it, for an engine's own
    /// restart policy starts again only what ended by itself. It is told first, and looked at again.
    fn ended_unseen(&mut self, id: &ServiceId, seen: &InstanceId) -> bool {
        let Some(service) = self.service(id) else { return false };
        let same = service.instance.as_ref().is_some_and(|known| known.id == *seen);
        if !same || service.engine_restarts.is_none() || service.intent.is_some() {
            return false;
        }
        let pending = service.pending_exit.take();
        if service.verdict_round != 0 {
            service.verdict_round = 0;
            if let Some(exit) = &mut service.exit {
                exit.crashed = true;
            }
            self.follow_up(id, Verdict::Crashed, SignedDuration::ZERO, true);
        } else if let Some((facts, instance)) = pending
            .zip(service.instance.clone())
            .filter(|_| matches!(service.phase, Phase::Running { .. }))
        {
            let done = facts.code == Some(0) && !facts.oom;
            let verdict = if done { Verdict::Finished } else { Verdict::Crashed };
            self.end_judged(id, &instance, &facts, None, Some(verdict));
        } else {
            return false;
        }
        if let Some(instance) = self.service(id).and_then(|service| service.instance.as_mut()) {
            instance.alive = false;
            instance.ports.clear();
        }
        self.inspect(id, true);
        true
    }

    /// It ended, and its engine is about to start it again.
    fn engine_will_restart(&mut self, id: &ServiceId) {
        if self.service(id).is_some_and(|service| {
            matches!(service.phase, Phase::Exited | Phase::Stopped | Phase::Unknown) && service.intent.is_none()
        }) {
            let round = self.number();
            self.enter(id, Phase::BackingOff { until: None, round });
        }
    }

    fn observed_gone(&mut self, id: &ServiceId, last_line: Option<String>) {
        let Some(service) = self.service(id) else { return };
        let gone = service.instance.take();
        if service.external {
            service.desired = Desired::Stopped;
        }
        if service.verdict_round != 0 {
            // `rm -f`: the end was somebody's wish.
            self.acquit(id);
        }
        let Some(service) = self.service(id) else { return };
        match service.phase.clone() {
            // An operation is under way; its answer decides.
            Phase::Stopping { ticket: Some(_), .. }
            | Phase::Stopping { starting: Some(_), .. }
            | Phase::Starting { answered: false, .. }
            | Phase::Waiting
            | Phase::Preparing { .. }
            | Phase::Failed
            | Phase::Stopped => {}
            // Its engine was to start it again, and can't any more.
            Phase::BackingOff { until: None, .. } => self.enter(id, Phase::Stopped),
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
                // Killed and gone with it: somebody removed it.
                (Some(facts), Some(gone)) if !is_unclear(&facts) => self.ended(id, &gone, &facts, last_line),
                _ => {
                    service.rest();
                    self.enter(id, Phase::Stopped);
                }
            },
        }
    }

    fn observed_exit(&mut self, id: &ServiceId, seen: &ObservedInstance, facts: &ExitFacts, last_line: Option<String>) {
        let now = self.now;
        let at = facts.at.map_or(now, |at| self.here(id, at));
        let docker = !self.is_on_podman(id);
        let Some(service) = self.service(id) else { return };
        let mut instance = Instance::of(seen);
        if let Some(known) = service.instance.as_ref().filter(|known| known.id == seen.id) {
            instance.started_at = instance.started_at.or(known.started_at);
        }
        service.instance = Some(instance.clone());
        let heard = service.pending_exit.take().is_some();
        let told = service.is_accounted(&seen.id, seen.started_at);
        let started = seen.started_at.map(|started| self.here(id, started));
        let Some(service) = self.service(id) else { return };
        if told && let Some(exit) = &mut service.exit {
            exit.oom |= facts.oom;
            exit.last_line = exit.last_line.take().or(last_line.clone());
            if facts.oom && service.verdict_round != 0 {
                // The engine says who it was.
                let round = service.verdict_round;
                self.waited(id, round);
                return;
            }
        }
        let Some(service) = self.service(id) else { return };
        let resumes = service.was_up && service.desired == Desired::Running && !service.external;
        let with_engine =
            service.intent.is_none() && ended_with_engine(service.desired, facts, service.was_up && docker);
        match service.phase.clone() {
            // The engine was to start it again and, it seems, doesn't. Podman shows it so for a moment also when it does.
            Phase::BackingOff { until: None, .. } if matches!(seen.run, RunState::Exited(_)) => {
                if service.retry.1 > 0 {
                    service.gave_up = service.exit.as_ref().is_some_and(|exit| exit.crashed);
                    service.crash_looping = false;
                    service.retry = (0, 0);
                    self.enter(id, Phase::Exited);
                } else {
                    self.look_again(id, GRACE);
                }
            }
            // An operation is under way, or the end is told already.
            Phase::Waiting
            | Phase::Preparing { .. }
            | Phase::BackingOff { .. }
            | Phase::Starting { answered: false, .. }
            | Phase::Stopping { starting: Some(_), .. }
            | Phase::Failed => {}
            // A stop of ours is under way: its answer moves the service, this is only how it ended.
            Phase::Stopping { ticket: Some(_), .. } => service.report_exit(facts, Verdict::Stopped, last_line, at),
            // Somebody started it, and it was over before it was looked at.
            Phase::Stopped | Phase::Exited if heard && !told => {
                service.forget_earlier_intent(started);
                self.ended(id, &instance, facts, last_line);
            }
            Phase::Stopped | Phase::Exited if told || service.desired == Desired::Stopped => {
                if !told && seen.started_at.is_some() {
                    service.report_exit(facts, Verdict::Stopped, last_line, at);
                    service.accounted = Some((seen.id.clone(), seen.started_at));
                }
            }
            Phase::Unknown if resumes && (with_engine || told) && !service.is_done() => {
                if !told {
                    service.report_exit(facts, Verdict::Stopped, last_line, at);
                    service.accounted = Some((seen.id.clone(), seen.started_at));
                }
                service.rest();
                self.enter(id, Phase::Stopped);
                self.begin_start(id);
            }
            Phase::Unknown if told => {
                service.rest();
                let by_itself = service.desired == Desired::Running && service.ended_by_itself;
                self.enter(id, if by_itself { Phase::Exited } else { Phase::Stopped });
            }
            Phase::Unknown if with_engine => {
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

    /// Who asked an earlier run to end says nothing of the one that started then; a word that came since does.
    fn forget_earlier_intent(&mut self, started: Option<Timestamp>) {
        let of_this_run = |intent: &StopIntent| started.is_some_and(|started| intent.at >= started);
        self.intent = self.intent.take().filter(of_this_run);
    }

    /// A new instance is behind this service; what it is like is seen at the next look.
    pub(super) fn adopt(&mut self, id: InstanceId) {
        self.held = true;
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
