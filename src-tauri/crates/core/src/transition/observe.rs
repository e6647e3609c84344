//! What an engine shows of an instance, and what that means for its service. Whether an end was a crash is
//! decided here and nowhere else.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use crate::{
    EngineId, InstanceId, ServiceId,
    event::{Effect, InstanceChange},
    instance::{EngineRestarts, ExitFacts, ObservedInstance, RunState},
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
    /// Killed, and whether somebody asked for it may still be told.
    Unclear,
}

/// The kind whose events tell little of who asked for an end (containers/podman#16857).
const PODMAN: &str = "podman";

/// How long Podman may take to tell of the stop, restart or removal that an end was part of.
const GRACE: Duration = Duration::from_secs(1);

/// The first wait before an engine that could not be asked about an instance is asked again.
const RETRY: Duration = Duration::from_secs(1);

impl Turn<'_> {
    pub(super) fn instance_changed(
        &mut self,
        engine: &EngineId,
        labelled: Option<ServiceId>,
        instance: InstanceId,
        change: InstanceChange,
        at: Option<Timestamp>,
    ) {
        // What still comes from an engine that is lost tells nothing: its list will, when it is back.
        let Some(record) = self
            .state
            .engine(engine)
            .filter(|record| matches!(record.link, EngineLink::Online { .. }))
        else {
            return;
        };
        let (listed, podman) = (record.listed, record.kind == PODMAN);
        let declared = labelled.filter(|id| self.state.services.get(id).is_some_and(|service| !service.external));
        let Some(id) = declared.or_else(|| self.service_behind(engine, &instance)) else {
            // One that no list has told of yet. What it comes to is told when its list or a look at it is there.
            if listed && matches!(change, InstanceChange::Altered) {
                self.stranger_mentioned(engine, instance);
            }
            return;
        };
        let id = &id;
        let now = self.now;
        let Some(service) = self.service(id) else { return };
        if service.engine.as_ref() != Some(engine) {
            if matches!(change, InstanceChange::Altered) && listed {
                // It was started where nothing of it was before.
                self.effects.push(Effect::List { engine: engine.clone() });
            }
            return;
        }
        let known = service.instance.as_ref().is_some_and(|known| known.id == instance);
        // A start of ours is under way: what it makes is looked at when the engine has answered.
        let starting = matches!(service.phase, Phase::Starting { answered: false, .. });
        // A word about an earlier run, heard when this one was seen already, says nothing of this one.
        let run = service.instance.as_ref().filter(|_| known);
        let started = run.and_then(|instance| instance.started_at);
        let late = at.zip(started).is_some_and(|(at, started)| at < started);
        let lives = run.is_some_and(|instance| instance.alive);
        match change {
            InstanceChange::Altered => {
                if starting {
                    return;
                }
                if !known {
                    self.adopt(id, instance);
                }
                self.inspect(id, false);
            }
            InstanceChange::Signaled(signal) => {
                if known && !late && ends(signal, service.spec.stop_signal) {
                    service.asked_to_end(signal, now);
                }
            }
            InstanceChange::StopRequested
                if known && matches!(service.phase, Phase::BackingOff { until: None, .. }) =>
            {
                // Somebody stops what its engine was about to start again.
                service.begin_anew();
                self.enter(id, Phase::Stopped);
            }
            // Docker tells of a restart once the next run is there; the signals before it told of it in time. Podman tells
            // of it before the end and, when its own restart policy does it, after.
            InstanceChange::RestartRequested if !podman => {}
            InstanceChange::StopRequested | InstanceChange::RestartRequested => {
                if lives && !late {
                    service.asked_to_end(None, now);
                } else if known && !lives && service.verdict_round != 0 && service.engine_restarts.is_none() {
                    self.acquit(id);
                }
            }
            InstanceChange::Exited(facts) => {
                if known && !starting {
                    self.exit_reported(id, facts, podman);
                    self.inspect(id, true);
                }
            }
            InstanceChange::HealthSaid(said) => {
                if known {
                    self.engine_says_of_health(id, said);
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
    fn exit_reported(&mut self, id: &ServiceId, facts: ExitFacts, podman: bool) {
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
        // On Podman it is told late or never: there the end is shown, and what it was is decided a moment later.
        let unclear = service.intent.is_none() && is_unclear(&facts);
        let open = unclear && !podman;
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

    /// Podman's `stop`, or the next start, came after the end: somebody asked for it.
    fn acquit(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        service.verdict_round = 0;
        service.ended_by_itself = false;
        if service.phase == Phase::Exited {
            self.enter(id, Phase::Stopped);
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

    fn engine_is_online(&self, id: &ServiceId) -> bool {
        let engine = self.state.services.get(id).and_then(|service| service.engine.as_ref());
        engine
            .and_then(|id| self.state.engine(id))
            .is_some_and(|engine| matches!(engine.link, EngineLink::Online { .. }))
    }

    /// Another look in a while, later each time.
    fn look_again(&mut self, id: &ServiceId, first: Duration) {
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

    /// An engine's time by the host's clock, never one to come.
    fn here(&self, id: &ServiceId, time: Timestamp) -> Timestamp {
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
        if !same_run && self.ended_unseen(id) {
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
            // Who asked an earlier run to end says nothing of this one; a word that came since it started does.
            let of_this_run = |intent: &StopIntent| started.is_some_and(|started| intent.at >= started);
            service.intent = service.intent.take().filter(of_this_run);
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
    fn ended_unseen(&mut self, id: &ServiceId) -> bool {
        let Some(service) = self.service(id) else { return false };
        if service.engine_restarts.is_none() || service.intent.is_some() {
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
        let docker = self
            .state
            .services
            .get(id)
            .and_then(|service| service.engine.as_ref())
            .and_then(|engine| self.state.engine(engine))
            .is_none_or(|engine| engine.kind != PODMAN);
        let Some(service) = self.service(id) else { return };
        let mut instance = Instance::of(seen);
        if let Some(known) = service.instance.as_ref().filter(|known| known.id == seen.id) {
            instance.started_at = instance.started_at.or(known.started_at);
        }
        service.instance = Some(instance.clone());
        service.pending_exit = None;
        let told = service.is_accounted(&seen.id, seen.started_at);
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

    /// A process ended: what was it, and what follows?
    fn ended(&mut self, id: &ServiceId, instance: &Instance, facts: &ExitFacts, last_line: Option<String>) {
        self.end_judged(id, instance, facts, last_line, None);
    }

    /// The same where the verdict may be known already.
    fn end_judged(
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
        let podman = self
            .state
            .services
            .get(id)
            .and_then(|service| service.engine.as_ref())
            .and_then(|engine| self.state.engine(engine))
            .is_some_and(|engine| engine.kind == PODMAN);
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
    fn follow_up(&mut self, id: &ServiceId, verdict: Verdict, ran: SignedDuration, live: bool) {
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
}

/// Does this signal ask a process to end? `SIGHUP`, `SIGUSR1` and the like mean "reload" to most programs, unless the
/// project says that it is how this one is stopped. One whose name could not be read is taken as a stop: a false
/// alarm is worse than a missing one.
fn ends(signal: Option<Signal>, stop_signal: Option<Signal>) -> bool {
    signal.is_none_or(|signal| {
        [Signal::TERM, Signal::KILL, Signal::INT, Signal::QUIT].contains(&signal) || Some(signal) == stop_signal
    })
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
fn ended_with_engine(desired: Desired, facts: &ExitFacts, docker_was_up: bool) -> bool {
    let killed = matches!(facts.code, None | Some(130 | 137 | 143 | 255)) || (docker_was_up && facts.code == Some(0));
    desired == Desired::Stopped || (!facts.oom && killed)
}

/// Killed by a signal: by whom, the code doesn't say.
fn is_unclear(facts: &ExitFacts) -> bool {
    !facts.oom && matches!(facts.code, None | Some(137 | 143))
}

/// How long a run lasted that ended then.
fn ran_for(instance: Option<&Instance>, ended: Timestamp, since: Option<Timestamp>) -> SignedDuration {
    let started = instance.and_then(|instance| instance.started_at).or(since);
    started.map_or(SignedDuration::ZERO, |started| ended.duration_since(started))
}

impl Service {
    /// Did it do what it was to do? Then it isn't done again because its engine was away.
    fn is_done(&self) -> bool {
        self.ended_by_itself && self.exit.as_ref().is_some_and(|exit| exit.code == Some(0))
    }

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

    fn asked_to_end(&mut self, signal: Option<Signal>, at: Timestamp) {
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

    fn report_exit(&mut self, facts: &ExitFacts, verdict: Verdict, last_line: Option<String>, at: Timestamp) {
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
