//! What people ask for.

use std::collections::BTreeSet;

use super::Turn;
use crate::{
    ServiceId,
    event::{Command, Effect},
    graph,
    snapshot::{Desired, EngineLink},
    state::{EngineRecord, Phase, Service},
};

impl Turn<'_> {
    pub(super) fn commanded(&mut self, command: Command) {
        match command {
            Command::Start(ids) => {
                for id in self.with_dependencies(ids) {
                    self.request_start(&id);
                }
            }
            Command::Up(ids) => {
                for id in self.with_dependencies(ids) {
                    if self
                        .state
                        .services
                        .get(&id)
                        .is_some_and(|service| service.is_outdated())
                    {
                        self.request_restart(&id);
                    } else {
                        self.request_start(&id);
                    }
                }
            }
            Command::Stop(ids) => {
                for id in &ids {
                    self.request_stop(id);
                }
            }
            Command::Restart(ids) => {
                for id in &ids {
                    self.request_restart(id);
                }
            }
            Command::Move { service, engine } => self.request_move(&service, &engine),
            Command::Mute { service, mute } => {
                if let Some(service) = self.service(&service) {
                    service.muted = mute;
                }
            }
        }
    }

    /// A person wants it on another engine. What runs is stopped there first; what is there stays there.
    fn request_move(&mut self, id: &ServiceId, word: &str) {
        let Some(target) = self.state.engine_called(word).map(|engine| engine.id.clone()) else {
            return;
        };
        let Some(service) = self.service(id) else { return };
        if service.external || service.engine.as_ref() == Some(&target) {
            return;
        }
        service.moving_to = Some(target);
        if service.instance.as_ref().is_some_and(|instance| instance.alive) || service.is_active() {
            self.begin_stop(id);
        }
    }

    /// Carries out moves whose service is down. Says whether one was.
    pub(super) fn relocate(&mut self) -> bool {
        let away = |service: &Service| {
            let engine = service.engine.as_ref().and_then(|id| self.state.engine(id));
            engine.is_none_or(|engine| matches!(engine.link, EngineLink::Offline { .. }))
        };
        let movable = |service: &Service| {
            service.moving_to.is_some()
                && match service.phase {
                    Phase::Stopped | Phase::Exited | Phase::Failed => true,
                    // An engine that is gone for good must not keep what it has from being run elsewhere.
                    Phase::Unknown => service.instance.is_none() || away(service),
                    _ => false,
                }
        };
        let Some(id) = self
            .state
            .services
            .iter()
            .find(|(_, service)| movable(service))
            .map(|(id, _)| id.clone())
        else {
            return false;
        };
        let round = self.number();
        let Some(service) = self.service(&id) else { return false };
        let Some(target) = service.moving_to.take() else {
            return false;
        };
        // Looks that are under way are at the old engine.
        service.inspect_round = round;
        service.engine = Some(target.clone());
        service.held = true;
        service.instance = None;
        service.accounted = None;
        service.problem = None;
        service.rest();
        let start = std::mem::take(&mut service.start_pending) || service.desired == Desired::Running;
        self.enter(&id, Phase::Unknown);
        if self.state.engine(&target).is_some_and(EngineRecord::is_ready) {
            // It may have been there before.
            self.effects.push(Effect::List { engine: target });
        }
        if start && let Some(service) = self.service(&id) {
            service.start_pending = true;
        }
        true
    }

    fn with_dependencies(&self, ids: Vec<ServiceId>) -> BTreeSet<ServiceId> {
        graph::closure(ids, |id| {
            self.state.services.get(id).map(|service| service.spec.dependencies())
        })
    }

    /// A person wants it up. Also tries again what failed.
    fn request_start(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        service.desired = Desired::Running;
        service.begin_anew();
        // What waits for an engine that is away may have another one by now.
        if service.is_free() {
            self.place_one(id);
        }
        let Some(service) = self.service(id) else { return };
        match service.phase {
            Phase::Waiting
            | Phase::Preparing { .. }
            | Phase::Starting { .. }
            | Phase::Running { .. }
            // Its stop is answered soon, and what is desired then decides.
            | Phase::Stopping { ticket: Some(_), .. } => {}
            // The stop was not sent yet: take it back.
            Phase::Stopping { ticket: None, .. } => self.take_back_stop(id),
            Phase::Stopped | Phase::BackingOff { .. } | Phase::Exited | Phase::Failed | Phase::Unknown => {
                self.begin_start(id);
            }
        }
    }

    /// A person wants it down.
    fn request_stop(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        service.desired = Desired::Stopped;
        service.start_pending = false;
        service.was_up = false;
        self.begin_stop(id);
    }

    /// A person wants it down and up again; what is desired stays "running", so that its stop is followed by a start.
    fn request_restart(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        let runs = matches!(service.phase, Phase::Running { .. });
        if runs {
            service.desired = Desired::Running;
            service.begin_anew();
            self.begin_stop(id);
        } else {
            self.request_start(id);
        }
    }

    /// Brings a service that runs, or is on its way, down.
    pub(super) fn begin_stop(&mut self, id: &ServiceId) {
        let engine = self.state.services.get(id).and_then(|service| service.engine.as_ref());
        let record = engine.and_then(|id| self.state.engines.iter().find(|engine| engine.id == *id));
        let awaited = record.is_some_and(|engine| !engine.listed);
        let Some(service) = self.service(id) else { return };
        match service.phase.clone() {
            Phase::Running { .. } | Phase::Starting { answered: true, .. } => {
                self.enter(
                    id,
                    Phase::Stopping {
                        ticket: None,
                        starting: None,
                    },
                );
            }
            Phase::Starting {
                ticket,
                answered: false,
            } => {
                self.enter(
                    id,
                    Phase::Stopping {
                        ticket: None,
                        starting: Some(ticket),
                    },
                );
            }
            Phase::Preparing { ticket, .. } => {
                self.effects.push(Effect::Cancel { ticket });
                self.enter(id, Phase::Stopped);
            }
            Phase::Waiting | Phase::BackingOff { .. } => self.enter(id, Phase::Stopped),
            // What failed or ended is acknowledged by the stop: nothing runs, and that is as wished.
            Phase::Failed | Phase::Exited => {
                service.problem = None;
                self.enter(id, Phase::Stopped);
            }
            // Once its engine has told what runs, there may be something to stop.
            Phase::Unknown => {
                service.problem = None;
                service.stop_pending = awaited;
            }
            Phase::Stopping { .. } | Phase::Stopped => {}
        }
    }
}
