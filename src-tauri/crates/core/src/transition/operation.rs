//! Starting and stopping: what is asked of the engine, and what its answers mean.

use super::Turn;
use crate::{
    InstanceId, Problem, ProblemCode, ServiceId,
    event::{Effect, Ticket},
    snapshot::{Desired, EngineLink, HealthKind},
    spec::DependencyCondition,
    state::{Phase, StopIntent},
};

/// Whether a dependency lets its dependent start.
enum Gate {
    Open,
    Wait,
    Shut(String),
}

impl Turn<'_> {
    /// Puts a service on its way up. Whether its engine and its dependencies are there is looked at here and, while it
    /// waits, after every event.
    pub(super) fn begin_start(&mut self, id: &ServiceId) {
        let Some(service) = self.state.services.get_mut(id) else {
            return;
        };
        service.problem = None;
        service.intent = None;
        service.start_pending = false;
        service.stop_pending = false;
        service.was_up = false;
        let wanted = service.spec.engine.clone();
        let record = service
            .engine
            .as_ref()
            .and_then(|id| self.state.engines.iter().find(|engine| engine.id == *id));
        match record {
            // Of which family an engine is can be told when it has answered.
            None if wanted.is_some()
                && !service.held
                && self
                    .state
                    .engines
                    .iter()
                    .any(|engine| engine.link == EngineLink::Connecting) =>
            {
                service.start_pending = true;
                self.enter(id, Phase::Unknown);
            }
            None => {
                let problem = match (&service.engine, wanted) {
                    (Some(engine), _) if service.held => {
                        let detail = format!("what {id} has is on the engine {engine}, which isn't known any more");
                        Problem::new(ProblemCode::NoSuchEngine, detail)
                    }
                    (_, Some(word)) => Problem::new(ProblemCode::NoSuchEngine, format!("there is no engine `{word}`")),
                    (_, None) => Problem::new(ProblemCode::NoEngine, "no engine is known"),
                };
                self.fail(id, problem);
            }
            Some(engine) => match &engine.link {
                // It is started when the engine is back.
                EngineLink::Offline { problem } => {
                    service.problem = Some(problem.clone());
                    service.start_pending = true;
                    self.enter(id, Phase::Unknown);
                }
                EngineLink::Online { .. } if engine.listed => self.enter(id, Phase::Waiting),
                EngineLink::Online { .. } | EngineLink::Connecting => {
                    service.start_pending = true;
                    if service.is_active() {
                        self.enter(id, Phase::Unknown);
                    }
                }
            },
        }
    }

    /// Lets waiting services whose dependencies are ready go on. Says whether one moved.
    pub(super) fn advance_waiting(&mut self) -> bool {
        let waiting: Vec<ServiceId> = self
            .state
            .services
            .iter()
            .filter(|(_, service)| service.phase == Phase::Waiting)
            .map(|(id, _)| id.clone())
            .collect();
        let mut moved = false;
        for id in waiting {
            match self.gate(&id) {
                Gate::Open => self.prepare_or_start(&id),
                Gate::Wait => continue,
                Gate::Shut(why) => self.fail(&id, Problem::new(ProblemCode::DependencyFailed, why)),
            }
            moved = true;
        }
        moved
    }

    fn gate(&self, id: &ServiceId) -> Gate {
        let Some(service) = self.state.services.get(id) else {
            return Gate::Wait;
        };
        let mut gate = Gate::Open;
        for need in &service.spec.depends_on {
            let dependency = service.spec.id_of(need);
            let Some(other) = self.state.services.get(&dependency) else {
                return Gate::Shut(format!("{dependency} is not in the project"));
            };
            if other.meets(need.condition) {
                continue;
            }
            let name = &dependency.name;
            let done = need.condition == DependencyCondition::Completed;
            match &other.phase {
                Phase::Running { .. } if done => gate = Gate::Wait,
                Phase::Running { .. } if other.health.kind == HealthKind::Unhealthy => {
                    let why = other.health.detail.as_deref().unwrap_or("its health check fails");
                    return Gate::Shut(format!("`{name}` is unhealthy: {why}"));
                }
                Phase::Failed => {
                    let why = other
                        .problem
                        .as_ref()
                        .map_or("it failed", |problem| problem.detail.as_str());
                    return Gate::Shut(format!("`{name}` did not start: {why}"));
                }
                Phase::Exited => {
                    let how = match other.exit.as_ref().and_then(|exit| exit.code) {
                        Some(0) | None => "has ended".to_owned(),
                        Some(code) => format!("ended with code {code}"),
                    };
                    return Gate::Shut(format!("`{name}` {how}"));
                }
                Phase::Stopped if !other.start_pending => {
                    return Gate::Shut(format!("`{name}` is stopped"));
                }
                // What it is will be known in a moment, or when its engine is back.
                Phase::Unknown if other.desired == Desired::Stopped => {
                    return Gate::Shut(format!("`{name}` is not wanted to run"));
                }
                Phase::Stopping { .. } if other.desired == Desired::Stopped => {
                    return Gate::Shut(format!("`{name}` is being stopped"));
                }
                Phase::Waiting
                | Phase::Preparing { .. }
                | Phase::Starting { .. }
                | Phase::Running { .. }
                | Phase::Stopping { .. }
                | Phase::BackingOff { .. }
                | Phase::Stopped
                | Phase::Unknown => gate = Gate::Wait,
            }
        }
        gate
    }

    fn prepare_or_start(&mut self, id: &ServiceId) {
        let ticket = self.ticket(id);
        let Some(service) = self.state.services.get(id) else {
            return;
        };
        let Some(engine) = service.engine.clone() else { return };
        if service.external && service.instance.is_none() {
            self.fail(id, Problem::new(ProblemCode::StartFailed, format!("{id} was removed")));
            return;
        }
        if self.reusable(id).is_some() {
            // All that an existing container needs was there when it was made.
            self.send_start(id);
            return;
        }
        let spec = service.spec.clone();
        self.effects.push(Effect::Prepare {
            ticket: ticket.clone(),
            engine,
            spec,
        });
        self.enter(id, Phase::Preparing { ticket, percent: None });
    }

    fn reusable(&self, id: &ServiceId) -> Option<InstanceId> {
        let service = self.state.services.get(id)?;
        let instance = service.instance.as_ref()?;
        if service.external {
            // One that runs after all is none the worse for being asked to.
            return Some(instance.id.clone());
        }
        (!instance.alive && instance.spec_hash.as_ref() == Some(&service.spec_hash)).then(|| instance.id.clone())
    }

    fn send_start(&mut self, id: &ServiceId) {
        let existing = self.reusable(id);
        let ticket = self.ticket(id);
        let Some(service) = self.service(id) else { return };
        let Some(engine) = service.engine.clone() else { return };
        service.intent = None;
        service.pending_exit = None;
        // A look that is still under way shows the run before this one.
        service.inspect_round = ticket.number;
        let spec = service.spec.clone();
        self.effects.push(Effect::Start {
            ticket: ticket.clone(),
            engine,
            spec,
            existing,
        });
        self.enter(
            id,
            Phase::Starting {
                ticket,
                answered: false,
            },
        );
    }

    pub(super) fn prepare_progressed(&mut self, ticket: &Ticket, now_at: u8) {
        if let Some(service) = self.service(&ticket.service)
            && let Phase::Preparing {
                ticket: current,
                percent,
            } = &mut service.phase
            && current == ticket
        {
            *percent = Some(now_at.min(100));
        }
    }

    pub(super) fn prepare_finished(&mut self, ticket: &Ticket, result: Result<(), Problem>) {
        let id = &ticket.service;
        let current = self.service(id).is_some_and(
            |service| matches!(&service.phase, Phase::Preparing { ticket: current, .. } if current == ticket),
        );
        if !current {
            return;
        }
        match result {
            Ok(()) => self.send_start(id),
            Err(problem) => self.fail(id, problem),
        }
    }

    pub(super) fn start_finished(&mut self, ticket: &Ticket, result: Result<InstanceId, Problem>) {
        let id = &ticket.service;
        let Some(service) = self.service(id) else { return };
        let starting =
            matches!(&service.phase, Phase::Starting { ticket: current, answered: false } if current == ticket);
        // A stop was asked for while the start was under way: the answer lets it be sent.
        let stopping = matches!(&service.phase, Phase::Stopping { starting: Some(current), .. } if current == ticket);
        if !starting && !stopping {
            return;
        }
        match result {
            Ok(instance) => {
                self.adopt(id, instance);
                let Some(service) = self.service(id) else { return };
                if starting {
                    service.phase = Phase::Starting {
                        ticket: ticket.clone(),
                        answered: true,
                    };
                    // Only a look at it says that it runs.
                    self.inspect(id, false);
                } else {
                    service.phase = Phase::Stopping {
                        ticket: None,
                        starting: None,
                    };
                }
            }
            Err(_) if stopping => {
                let restart = service.desired == Desired::Running;
                self.enter(id, Phase::Stopped);
                if restart {
                    self.begin_start(id);
                }
            }
            Err(problem) => self.fail(id, problem),
        }
    }

    /// Sends the stops whose dependents are down. Says whether one was sent.
    pub(super) fn advance_stopping(&mut self) -> bool {
        let stopping: Vec<ServiceId> = self
            .state
            .services
            .iter()
            .filter(|(_, service)| {
                matches!(
                    service.phase,
                    Phase::Stopping {
                        ticket: None,
                        starting: None
                    }
                )
            })
            .map(|(id, _)| id.clone())
            .collect();
        let mut moved = false;
        for id in stopping {
            if self.stopping_dependents(&id).next().is_some() {
                continue;
            }
            moved |= self.send_stop(&id);
        }
        moved
    }

    /// Dependents that are on their way down too, and so go first.
    pub(super) fn stopping_dependents<'a>(&'a self, id: &'a ServiceId) -> impl Iterator<Item = &'a ServiceId> {
        stopping_dependents(self.state, id)
    }

    fn send_stop(&mut self, id: &ServiceId) -> bool {
        let now = self.now;
        let ticket = self.ticket(id);
        let Some(service) = self.service(id) else { return false };
        let (Some(engine), Some(instance)) = (service.engine.clone(), service.instance.as_ref()) else {
            return false;
        };
        if !instance.alive {
            return false;
        }
        let instance = instance.id.clone();
        let signal = service.spec.stop_signal;
        let grace = service.spec.stop_grace;
        service.intent = Some(StopIntent {
            ours: true,
            signal,
            at: now,
        });
        self.effects.push(Effect::Stop {
            ticket: ticket.clone(),
            engine,
            instance,
            signal,
            grace,
        });
        self.enter(
            id,
            Phase::Stopping {
                ticket: Some(ticket),
                starting: None,
            },
        );
        true
    }

    /// A start is asked for while a stop waits to be sent: go back to where the stop came in.
    pub(super) fn take_back_stop(&mut self, id: &ServiceId) {
        let Some(service) = self.service(id) else { return };
        match service.phase.clone() {
            Phase::Stopping {
                starting: Some(ticket), ..
            } => {
                self.enter(
                    id,
                    Phase::Starting {
                        ticket,
                        answered: false,
                    },
                );
            }
            _ => {
                let ticket = self.ticket(id);
                self.enter(id, Phase::Starting { ticket, answered: true });
                self.inspect(id, false);
            }
        }
    }

    pub(super) fn stop_finished(&mut self, ticket: &Ticket, result: Result<(), Problem>) {
        let id = &ticket.service;
        let Some(service) = self.service(id) else { return };
        if !matches!(&service.phase, Phase::Stopping { ticket: Some(current), .. } if current == ticket) {
            return;
        }
        match result {
            Ok(()) => {
                let restart = service.desired == Desired::Running;
                if let Some(instance) = &mut service.instance {
                    instance.alive = false;
                    instance.ports.clear();
                }
                service.rest();
                self.enter(id, Phase::Stopped);
                if restart {
                    self.begin_start(id);
                }
            }
            Err(problem) => {
                // It may have ended or not; the problem is shown with whatever a look says.
                service.intent = None;
                service.moving_to = None;
                service.problem = Some(problem);
                self.enter(id, Phase::Unknown);
                self.inspect(id, false);
            }
        }
    }

    pub(super) fn back_off_elapsed(&mut self, id: &ServiceId, round: u64) {
        let Some(service) = self.service(id) else { return };
        if matches!(service.phase, Phase::BackingOff { round: current, .. } if current == round) {
            service.restarts += 1;
            service.attempts += 1;
            self.begin_start(id);
        }
    }

    /// It can't be started.
    pub(super) fn fail(&mut self, id: &ServiceId, problem: Problem) {
        let Some(service) = self.service(id) else { return };
        service.problem = Some(problem);
        service.start_pending = false;
        service.rest();
        self.enter(id, Phase::Failed);
    }
}

/// Dependents of `id` that are to end and haven't.
pub(crate) fn stopping_dependents<'a>(
    state: &'a crate::State,
    id: &'a ServiceId,
) -> impl Iterator<Item = &'a ServiceId> {
    state.services.iter().filter_map(move |(other, service)| {
        (other.project == id.project
            && other != id
            && matches!(service.phase, Phase::Stopping { .. })
            && service.spec.depends_on.iter().any(|need| need.name == id.name))
        .then_some(other)
    })
}
