//! What an engine's events tell of an instance.

use jiff::Timestamp;

use super::{
    Turn,
    ending::{PODMAN, is_unclear},
};
use crate::{
    EngineId, InstanceId, ServiceId,
    event::{Effect, InstanceChange},
    instance::ExitFacts,
    snapshot::EngineLink,
    spec::Signal,
    state::{Instance, Phase, Service, StopIntent},
};

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
        let said = at.map_or(self.now, |at| self.here(id, at));
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
                    service.asked_to_end(signal, said);
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
                    service.asked_to_end(None, said);
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
    pub(super) fn acquit(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        service.verdict_round = 0;
        service.ended_by_itself = false;
        if service.phase == Phase::Exited {
            self.enter(id, Phase::Stopped);
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

impl Service {
    fn asked_to_end(&mut self, signal: Option<Signal>, at: Timestamp) {
        let lives = self.instance.as_ref().is_some_and(|instance| instance.alive);
        match &mut self.intent {
            // Our own stop shows up as signals too; it stays ours, as long as the run is not over that it is about.
            Some(intent) if intent.ours && lives => {}
            Some(intent) => {
                intent.ours = false;
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
}
