//! Engines come, go, and tell what they have.

use std::collections::BTreeMap;

use super::Turn;
use crate::{
    EngineId, Problem, ServiceId,
    event::Effect,
    instance::{ObservedInstance, RunState},
    snapshot::EngineLink,
    state::{EngineRecord, Phase},
};

impl Turn<'_> {
    pub(super) fn engine_found(&mut self, id: EngineId, kind: String, endpoint: String, source: String) {
        if self.state.engines.iter().any(|engine| engine.id == id) {
            return;
        }
        for service in self.state.services.values_mut() {
            if service.engine.is_none() {
                service.engine = Some(id.clone());
            }
        }
        let link = EngineLink::Connecting;
        self.state.engines.push(EngineRecord {
            id,
            kind,
            endpoint,
            source,
            link,
            listed: false,
        });
    }

    pub(super) fn engine_connected(&mut self, id: &EngineId, kind: String, version: String) {
        let Some(engine) = self.state.engines.iter_mut().find(|engine| engine.id == *id) else {
            return;
        };
        engine.kind = kind;
        engine.link = EngineLink::Online { version };
        engine.listed = false;
        self.effects.push(Effect::List { engine: id.clone() });
    }

    /// An engine that went away makes its services unknown: not crashed, not stopped, not running.
    pub(super) fn engine_lost(&mut self, id: &EngineId, problem: &Problem) {
        let Some(engine) = self.state.engines.iter_mut().find(|engine| engine.id == *id) else {
            return;
        };
        engine.link = EngineLink::Offline {
            problem: problem.clone(),
        };
        engine.listed = false;
        let affected: Vec<ServiceId> = self
            .state
            .services
            .iter()
            .filter(|(_, service)| service.engine.as_ref() == Some(id))
            .map(|(id, _)| id.clone())
            .collect();
        for service_id in affected {
            let round = self.number();
            let Some(service) = self.service(&service_id) else {
                continue;
            };
            // Looks that are under way were at the engine that is gone.
            service.inspect_round = round;
            if service.start_pending || matches!(service.phase, Phase::Waiting) {
                self.fail(&service_id, problem.clone());
                continue;
            }
            let keeps = service.phase == Phase::Failed && service.instance.is_none();
            if let Phase::Preparing { ticket, .. } = service.phase.clone() {
                self.effects.push(Effect::Cancel { ticket });
                self.fail(&service_id, problem.clone());
                continue;
            }
            service.stop_pending = false;
            service.rest();
            if !keeps {
                self.enter(&service_id, Phase::Unknown);
            }
        }
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
        for instance in instances {
            let Some(service) = instance.service.clone() else {
                continue;
            };
            match by_service.get(&service) {
                Some(other) if !is_more_current(&instance, other) => {}
                _ => {
                    by_service.insert(service, instance);
                }
            }
        }
        let ours: Vec<ServiceId> = self
            .state
            .services
            .iter()
            .filter(|(_, service)| service.engine.as_ref() == Some(id))
            .map(|(id, _)| id.clone())
            .collect();
        for service_id in ours {
            let observed = by_service.remove(&service_id);
            if self.contradicts(&service_id, observed.as_ref()) {
                self.inspect(&service_id, true);
                continue;
            }
            self.observe(&service_id, observed, None);
            let Some(service) = self.service(&service_id) else {
                continue;
            };
            let stop = std::mem::take(&mut service.stop_pending);
            if service.start_pending {
                self.start_if_down(&service_id);
            } else if stop {
                self.begin_stop(&service_id);
            }
        }
    }

    /// A list takes a while, and may be older than what was seen of one instance since it was asked for. Where the two
    /// differ, a look at the instance decides.
    fn contradicts(&self, id: &ServiceId, listed: Option<&ObservedInstance>) -> bool {
        let Some(service) = self.state.services.get(id) else {
            return false;
        };
        let alive = listed.is_some_and(|listed| listed.run.is_alive());
        match service.phase {
            Phase::Running { .. } | Phase::Starting { answered: true, .. } => service.instance.is_some() && !alive,
            // The run that is told to be over can't be running.
            Phase::Stopped | Phase::Exited | Phase::BackingOff { .. } => {
                let run = listed.map(|listed| (listed.id.clone(), listed.started_at));
                alive && run.is_some() && run == service.accounted
            }
            _ => false,
        }
    }

    /// Carries out a start that was asked for before the engine was known.
    fn start_if_down(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        service.start_pending = false;
        if !service.is_active() {
            self.begin_start(id);
        }
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
