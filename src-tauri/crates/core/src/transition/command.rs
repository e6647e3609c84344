//! What people ask for.

use std::collections::BTreeSet;

use super::Turn;
use crate::{
    ServiceId,
    event::{Command, Effect},
    graph,
    snapshot::{Desired, EngineLink},
    state::Phase,
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
        }
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
        service.restarts = 0;
        service.attempts = 0;
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
        self.begin_stop(id);
    }

    /// A person wants it down and up again; what is desired stays "running", so that its stop is followed by a start.
    fn request_restart(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        let runs = matches!(service.phase, Phase::Running { .. });
        if runs {
            service.desired = Desired::Running;
            service.restarts = 0;
            service.attempts = 0;
            self.begin_stop(id);
        } else {
            self.request_start(id);
        }
    }

    /// Brings a service that runs, or is on its way, down.
    pub(super) fn begin_stop(&mut self, id: &ServiceId) {
        let engine = self.state.services.get(id).and_then(|service| service.engine.as_ref());
        let record = engine.and_then(|id| self.state.engines.iter().find(|engine| engine.id == *id));
        let awaited = record.is_some_and(|engine| !engine.listed && !matches!(engine.link, EngineLink::Offline { .. }));
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
            Phase::Unknown => service.stop_pending = awaited,
            Phase::Stopping { .. } | Phase::Stopped => {}
        }
    }
}
