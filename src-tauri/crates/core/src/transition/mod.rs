//! The one place where facts and commands change what the supervisor knows.
//!
//! [`transition`] takes one event and returns what is to be done about it. It calls nothing, waits for nothing
//! and reads no clock; the same events give the same state.

mod command;
mod ending;
mod engine;
mod external;
#[cfg(test)]
mod fuzz;
mod health;
mod heard;
mod observe;
mod operation;
mod project;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

pub(crate) use operation::stopping_dependents;

use jiff::Timestamp;

use crate::{
    ServiceId,
    event::{Effect, Event, Ticket},
    state::{Phase, Service, State},
};

/// Applies one event. `now` is the host's clock.
pub fn transition(state: &mut State, event: Event, now: Timestamp) -> Vec<Effect> {
    let mut turn = Turn {
        state,
        effects: Vec::new(),
        now,
    };
    turn.apply(event);
    turn.settle();
    turn.effects
}

/// One event being applied.
struct Turn<'a> {
    state: &'a mut State,
    effects: Vec<Effect>,
    now: Timestamp,
}

impl Turn<'_> {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Commanded(command) => self.commanded(command),
            Event::MemoryRestored(memory) => self.memory_restored(memory),
            Event::DefaultEngineChanged(engine) => {
                self.state.default_engine = engine;
                self.place();
            }
            Event::ProjectLoaded(project) => self.project_loaded(project),
            Event::ProjectFaulted { name, folder, problem } => self.project_faulted(name, folder, problem),
            Event::ProjectForgotten(name) => self.project_forgotten(&name),
            Event::EngineFound {
                engine,
                kind,
                endpoint,
                source,
            } => self.engine_found(engine, kind, endpoint, source),
            Event::EngineConnected {
                engine,
                kind,
                version,
                clock_offset,
                health_checks,
            } => self.engine_connected(&engine, kind, version, clock_offset, health_checks),
            Event::EngineOffered { engine, offers } => self.engine_offered(&engine, offers),
            Event::EngineCheckDue(engine) => self.engine_check_due(engine),
            Event::EngineMerged { engine, into } => self.engine_merged(&engine, &into),
            Event::EngineLost { engine, problem } => self.engine_lost(&engine, &problem),
            Event::InstancesListed { engine, instances } => self.instances_listed(&engine, instances),
            Event::InstanceChanged {
                engine,
                service,
                instance,
                change,
                at,
            } => {
                self.instance_changed(&engine, service, instance, change, at);
            }
            Event::StrangerSeen { engine, observed } => self.stranger_seen(&engine, observed),
            Event::InstanceInspected {
                service,
                round,
                observed,
                last_line,
            } => {
                self.instance_inspected(&service, round, observed, last_line);
            }
            Event::InspectFailed { service, round } => self.inspect_failed(&service, round),
            Event::PrepareProgressed { ticket, percent } => self.prepare_progressed(&ticket, percent),
            Event::PrepareFinished { ticket, result } => self.prepare_finished(&ticket, result),
            Event::StartFinished { ticket, result } => self.start_finished(&ticket, result),
            Event::StopFinished { ticket, result } => self.stop_finished(&ticket, result),
            Event::Probed {
                service,
                round,
                outcome,
            } => self.probed(&service, round, outcome),
            Event::BackOffElapsed { service, round } => self.back_off_elapsed(&service, round),
            Event::Waited { service, round } => self.waited(&service, round),
            Event::NoticesChanged(notices) => self.state.notices = notices,
        }
    }

    /// Moves on whatever waits for another service, until nothing moves.
    fn settle(&mut self) {
        loop {
            let moved_stop = self.advance_stopping();
            let moved_start = self.advance_waiting();
            let relocated = self.relocate();
            if !moved_stop && !moved_start && !relocated {
                break;
            }
        }
        self.prune();
    }

    fn service(&mut self, id: &ServiceId) -> Option<&mut Service> {
        self.state.services.get_mut(id)
    }

    fn number(&mut self) -> u64 {
        self.state.counter += 1;
        self.state.counter
    }

    fn ticket(&mut self, id: &ServiceId) -> Ticket {
        Ticket {
            service: id.clone(),
            number: self.number(),
        }
    }

    /// Puts a service into a phase; `since` moves only when the phase is another one than before.
    fn enter(&mut self, id: &ServiceId, phase: Phase) {
        let now = self.now;
        if let Some(service) = self.service(id) {
            if std::mem::discriminant(&service.phase) != std::mem::discriminant(&phase) {
                service.since = Some(now);
            }
            if !matches!(phase, Phase::Running { .. }) {
                service.rest();
            }
            if phase != Phase::Exited {
                // Nothing is left to be decided of an end.
                service.verdict_round = 0;
            }
            service.phase = phase;
            // It is on its way, or up: there is no start left to carry out.
            service.start_pending &= !service.is_active();
        }
    }
}
