//! Engines come, go, and tell what they have.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::Turn;
use crate::{
    EngineId, InstanceId, Problem, ServiceId,
    event::Effect,
    instance::{ObservedInstance, RunState},
    offers::Offers,
    snapshot::{Desired, EngineLink},
    state::{EngineRecord, Phase, Service},
};

/// An engine that shuts down ends its containers first, over as long as this, and then its socket.
const SHUTDOWN: SignedDuration = SignedDuration::from_secs(30);

impl Turn<'_> {
    pub(super) fn engine_found(&mut self, id: EngineId, kind: String, endpoint: String, source: String) {
        if self.state.engine(&id).is_some() {
            return;
        }
        self.state.engines.push(EngineRecord {
            id,
            kind,
            endpoint,
            source,
            link: EngineLink::Connecting,
            clock_offset: SignedDuration::ZERO,
            health_checks: true,
            listed: false,
            offers: Offers::containers(),
        });
        self.place();
    }

    pub(super) fn engine_connected(
        &mut self,
        id: &EngineId,
        kind: String,
        version: String,
        clock_offset: SignedDuration,
        health_checks: bool,
    ) {
        let Some(engine) = self.state.engines.iter_mut().find(|engine| engine.id == *id) else {
            return;
        };
        engine.kind = kind;
        engine.link = EngineLink::Online { version };
        engine.clock_offset = clock_offset;
        engine.health_checks = health_checks;
        engine.listed = false;
        self.effects.push(Effect::List { engine: id.clone() });
        self.place();
    }

    pub(super) fn engine_offered(&mut self, id: &EngineId, offers: Offers) {
        if let Some(engine) = self.state.engines.iter_mut().find(|engine| engine.id == *id) {
            engine.offers = offers;
            self.place();
        }
    }

    /// A stream of events can end without a word, and the host can sleep: a list tells what was missed.
    pub(super) fn engine_check_due(&mut self, id: EngineId) {
        if self.state.engine(&id).is_some_and(EngineRecord::is_ready) {
            self.effects.push(Effect::List { engine: id });
        }
    }

    /// Two ways lead to one engine: what the one that is dropped had is the other one's.
    pub(super) fn engine_merged(&mut self, dropped: &EngineId, into: &EngineId) {
        if dropped == into || self.state.engine(into).is_none() {
            return;
        }
        self.state.engines.retain(|engine| engine.id != *dropped);
        self.state
            .services
            .retain(|_, service| !(service.external && service.engine.as_ref() == Some(dropped)));
        let mut moved = false;
        for service in self.state.services.values_mut() {
            if service.engine.as_ref() == Some(dropped) {
                service.engine = Some(into.clone());
                moved = true;
            }
        }
        for remembered in self.state.remembered.services.values_mut() {
            if remembered.engine.as_ref() == Some(dropped) {
                remembered.engine = Some(into.clone());
            }
        }
        if moved && self.state.engine(into).is_some_and(EngineRecord::is_ready) {
            self.effects.push(Effect::List { engine: into.clone() });
        }
        self.place();
    }

    /// Gives services that no engine holds anything of the engine that would run them.
    pub(super) fn place(&mut self) {
        let free: Vec<ServiceId> = self
            .state
            .services
            .iter()
            .filter(|(_, service)| service.is_free() && (!service.start_pending || self.is_misplaced(service)))
            .map(|(id, _)| id.clone())
            .collect();
        for id in free {
            let changed = self.place_one(&id);
            let Some(service) = self.state.services.get(&id) else {
                continue;
            };
            if service.start_pending {
                self.start_if_down(&id);
                continue;
            }
            let engine = service.engine.as_ref().and_then(|id| self.state.engine(id));
            let ready = engine.is_some_and(EngineRecord::is_ready);
            let away = engine.is_none_or(|engine| matches!(engine.link, EngineLink::Offline { .. }));
            // A list is searched for every service's labels: nothing of it is there.
            match service.phase {
                Phase::Unknown if ready && changed => self.enter(&id, Phase::Stopped),
                Phase::Stopped if away || (changed && !ready) => self.enter(&id, Phase::Unknown),
                _ => {}
            }
        }
    }

    /// Does it wait for an engine that isn't known yet, or for one that is of another family than its file says?
    fn is_misplaced(&self, service: &Service) -> bool {
        let engine = service.engine.as_ref().and_then(|id| self.state.engine(id));
        engine.is_none_or(|engine| {
            let word = service.spec.engine.as_ref();
            word.is_some_and(|word| *word != engine.kind && word != engine.id.as_str())
        })
    }

    /// The same for one. Says whether it is another one than before.
    pub(super) fn place_one(&mut self, id: &ServiceId) -> bool {
        let Some(service) = self.state.services.get(id).filter(|service| !service.held) else {
            return false;
        };
        let (choice, reason) = match self.state.choice(service) {
            Some((engine, reason)) => (Some(engine.id.clone()), Some(reason)),
            None => (None, None),
        };
        let Some(service) = self.service(id) else { return false };
        let changed = service.engine != choice;
        service.engine = choice;
        service.engine_reason = reason;
        changed
    }

    /// An engine that went away makes its services unknown: not crashed, not stopped, not running. What a person
    /// wants to run is started when it is back.
    pub(super) fn engine_lost(&mut self, id: &EngineId, problem: &Problem) {
        let now = self.now;
        let Some(engine) = self.state.engines.iter_mut().find(|engine| engine.id == *id) else {
            return;
        };
        let was_listed = std::mem::take(&mut engine.listed);
        engine.link = EngineLink::Offline {
            problem: problem.clone(),
        };
        let affected: Vec<ServiceId> = self
            .state
            .services
            .iter()
            .filter(|(_, service)| service.engine.as_ref() == Some(id))
            .map(|(id, _)| id.clone())
            .collect();
        // Whoever stops a Docker engine has all its containers end with it. A person's stop of one leaves others alone.
        let left_alone = |service: &Service| matches!(service.phase, Phase::Running { .. }) && service.intent.is_none();
        let all_down = !affected
            .iter()
            .filter_map(|id| self.state.services.get(id))
            .any(left_alone);
        for service_id in affected {
            let round = self.number();
            let Some(service) = self.service(&service_id) else {
                continue;
            };
            // Looks that are under way were at the engine that is gone.
            service.inspect_round = round;
            let ended_with_it = all_down
                && matches!(service.phase, Phase::Stopped | Phase::Unknown)
                && service.ended_at.is_some_and(|at| now.duration_since(at) <= SHUTDOWN);
            if all_down && matches!(service.phase, Phase::Running { .. }) {
                service.intent = None;
            }
            service.was_up |= was_listed && (ended_with_it || matches!(service.phase, Phase::Running { .. }));
            let wanted = service.desired == Desired::Running && !service.external;
            match service.phase.clone() {
                Phase::Preparing { ticket, .. } => {
                    service.start_pending = wanted;
                    self.effects.push(Effect::Cancel { ticket });
                }
                Phase::Waiting | Phase::Starting { .. } | Phase::BackingOff { .. } => service.start_pending = wanted,
                _ => {}
            }
            let Some(service) = self.service(&service_id) else {
                continue;
            };
            if service.start_pending {
                service.problem = Some(problem.clone());
            }
            service.stop_pending = false;
            let keeps = service.phase == Phase::Failed && service.instance.is_none();
            service.rest();
            if !keeps {
                self.enter(&service_id, Phase::Unknown);
            }
        }
        self.place();
    }

    pub(super) fn instances_listed(&mut self, id: &EngineId, instances: Vec<ObservedInstance>) {
        let Some(engine) = self.state.engines.iter_mut().find(|engine| engine.id == *id) else {
            return;
        };
        if !matches!(engine.link, EngineLink::Online { .. }) {
            return;
        }
        engine.listed = true;
        let mut by_service: BTreeMap<ServiceId, ObservedInstance> = BTreeMap::new();
        let mut strangers = Vec::new();
        for instance in instances {
            let Some(service) = self.declared_of(&instance) else {
                strangers.push(instance);
                continue;
            };
            match by_service.get(&service) {
                Some(other) if !is_more_current(&instance, other) => {}
                _ => {
                    by_service.insert(service, instance);
                }
            }
        }
        let mut ours: BTreeSet<ServiceId> = by_service.keys().cloned().collect();
        ours.extend(
            self.state
                .services
                .iter()
                .filter(|(_, service)| !service.external && service.engine.as_ref() == Some(id))
                .map(|(id, _)| id.clone()),
        );
        for service_id in ours {
            let observed = by_service.remove(&service_id);
            if !self.belongs(&service_id, id, observed.as_ref()) {
                continue;
            }
            if self.contradicts(&service_id, observed.as_ref()) {
                self.inspect(&service_id, true);
                continue;
            }
            self.observe(&service_id, observed, None);
            let Some(service) = self.service(&service_id) else {
                continue;
            };
            service.was_up = false;
            let stop = std::mem::take(&mut service.stop_pending);
            if service.start_pending {
                self.start_if_down(&service_id);
            } else if stop {
                self.begin_stop(&service_id);
            }
        }
        self.strangers_listed(id, strangers);
        self.place();
    }

    /// The service that a project declares and this instance is of.
    pub(super) fn declared_of(&self, instance: &ObservedInstance) -> Option<ServiceId> {
        let id = instance.service.as_ref()?;
        let known = self.state.services.get(id)?;
        (!known.external).then(|| id.clone())
    }

    /// Is this engine the one to tell of the service? One that holds an instance of a service that nothing is held of
    /// elsewhere, or that runs one while nothing runs elsewhere, becomes it.
    fn belongs(&mut self, id: &ServiceId, engine: &EngineId, observed: Option<&ObservedInstance>) -> bool {
        let Some(service) = self.state.services.get(id) else {
            return false;
        };
        if service.engine.as_ref() == Some(engine) {
            return true;
        }
        let Some(observed) = observed else { return false };
        let elsewhere = service.engine.as_ref().and_then(|id| self.state.engine(id));
        let idle = !service.is_active() && service.instance.as_ref().is_none_or(|instance| !instance.alive);
        let known_idle = idle && elsewhere.is_none_or(EngineRecord::is_ready);
        let takes = if service.held {
            known_idle && observed.run.is_alive()
        } else {
            idle
        };
        let round = self.number();
        if takes && let Some(service) = self.service(id) {
            // Looks that are under way are at the other engine.
            service.inspect_round = round;
            service.engine = Some(engine.clone());
            service.instance = None;
            service.phase = Phase::Unknown;
        }
        takes
    }

    /// A list takes a while, and may be older than what was seen of one instance since it was asked for. Where the two
    /// differ, a look at the instance decides.
    pub(super) fn contradicts(&self, id: &ServiceId, listed: Option<&ObservedInstance>) -> bool {
        let Some(service) = self.state.services.get(id) else {
            return false;
        };
        let alive = listed.is_some_and(|listed| listed.run.is_alive());
        match service.phase {
            Phase::Running { .. } | Phase::Starting { answered: true, .. } => service.instance.is_some() && !alive,
            // The run that is told to be over can't be running.
            Phase::Stopped | Phase::Exited | Phase::BackingOff { .. } => {
                alive && listed.is_some_and(|listed| service.is_accounted(&listed.id, listed.started_at))
            }
            _ => false,
        }
    }

    /// Carries out a start that was asked for before the engine was known.
    fn start_if_down(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        service.start_pending = false;
        if !service.is_active() && service.desired == Desired::Running {
            self.begin_start(id);
        }
    }

    /// The service an instance is behind.
    pub(super) fn service_behind(&self, engine: &EngineId, instance: &InstanceId) -> Option<ServiceId> {
        let is = |service: &&Service| {
            service.engine.as_ref() == Some(engine)
                && service.instance.as_ref().is_some_and(|known| known.id == *instance)
        };
        self.state
            .services
            .iter()
            .find(|(_, service)| is(service))
            .map(|(id, _)| id.clone())
    }
}

impl Service {
    /// May it be given another engine? Nothing of it is anywhere, and nothing is under way.
    pub(super) fn is_free(&self) -> bool {
        !self.held && !self.external && !self.is_active()
    }

    /// Is the end of this run told already? A list tells of a stranger's instance and not when it started.
    pub(super) fn is_accounted(&self, instance: &InstanceId, started_at: Option<jiff::Timestamp>) -> bool {
        self.accounted.as_ref().is_some_and(|(known, at)| {
            known == instance && (*at == started_at || (self.external && started_at.is_none()))
        })
    }
}

/// Of two instances with one service's labels, the one that runs counts, else the one that started later.
fn is_more_current(one: &ObservedInstance, other: &ObservedInstance) -> bool {
    let rank = |instance: &ObservedInstance| {
        (
            instance.run.is_alive(),
            !matches!(instance.run, RunState::Created),
            instance.started_at,
        )
    };
    rank(one) > rank(other)
}
