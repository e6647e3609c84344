//! What must hold, after each event and at rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::sim::Sim;
use crate::{
    Effect, Event, ServiceId, Snapshot, State,
    event::Ticket,
    snapshot::{Desired, EngineLink, HealthKind, StateKind},
    state::{Phase, Service},
};

/// What has to be remembered between events to check them.
#[derive(Default)]
pub(super) struct Rules {
    /// Operations that were asked for and not answered, one a service at most.
    unanswered: BTreeMap<ServiceId, Ticket>,
}

impl Rules {
    pub(super) fn check(
        &mut self,
        before: &State,
        shown: &Snapshot,
        event: &Event,
        effects: &[Effect],
        after: &State,
        picture: &Snapshot,
    ) {
        self.one_operation_at_a_time(event, effects, before, after);
        for effect in effects {
            only_what_is_wanted_and_can_be(effect, event, after);
        }
        for (id, service) in &after.services {
            if let Some(old) = before.services.get(id) {
                service_rules(id, old, service, event, after);
            }
        }
        one_row_an_instance(after, event);
        picture_rules(shown, picture, after);
    }

    fn one_operation_at_a_time(&mut self, event: &Event, effects: &[Effect], before: &State, after: &State) {
        match event {
            Event::PrepareFinished { ticket, .. }
            | Event::StartFinished { ticket, .. }
            | Event::StopFinished { ticket, .. }
                if self.unanswered.get(&ticket.service) == Some(ticket) =>
            {
                self.unanswered.remove(&ticket.service);
            }
            // What was asked of an engine that went is not awaited any more.
            Event::EngineLost { engine, .. } => self.unanswered.retain(|id, _| {
                let of = |state: &State| state.services.get(id).and_then(|service| service.engine.clone());
                of(before).is_some_and(|of| of != *engine) && of(after).is_some_and(|of| of != *engine)
            }),
            _ => {}
        }
        for effect in effects {
            match effect {
                Effect::Cancel { ticket } => {
                    self.unanswered.remove(&ticket.service);
                }
                Effect::Prepare { ticket, .. } | Effect::Start { ticket, .. } | Effect::Stop { ticket, .. } => {
                    let other = self.unanswered.insert(ticket.service.clone(), ticket.clone());
                    assert_eq!(other, None, "two operations at once: {effect} after {event:?}");
                }
                _ => {}
            }
        }
        // A row that is gone awaits nothing; one of the same name that comes later is another.
        self.unanswered.retain(|id, _| after.services.contains_key(id));
    }
}

fn only_what_is_wanted_and_can_be(effect: &Effect, event: &Event, after: &State) {
    let (engine, starts) = match effect {
        Effect::Prepare { ticket, engine, .. } | Effect::Start { ticket, engine, .. } => {
            (engine, Some(&ticket.service))
        }
        Effect::Stop { engine, .. } | Effect::Inspect { engine, .. } | Effect::List { engine } => (engine, None),
        _ => return,
    };
    let online = after
        .engine(engine)
        .is_some_and(|engine| matches!(engine.link, EngineLink::Online { .. }));
    assert!(online, "{effect} is asked of an engine that is away, after {event:?}");
    if let Some(service) = starts.and_then(|id| after.services.get(id)) {
        assert_eq!(
            service.desired,
            Desired::Running,
            "{effect}: nobody wants it to run, after {event:?}"
        );
    }
    if let Effect::Start { ticket, existing, .. } = effect
        && let Some(service) = after.services.get(&ticket.service)
    {
        assert!(
            !service.external || existing.is_some(),
            "{effect} would make something in another's name"
        );
    }
}

fn service_rules(id: &ServiceId, old: &Service, service: &Service, event: &Event, after: &State) {
    let wished = matches!(event, Event::Commanded(_) | Event::MemoryRestored(_));
    assert!(
        wished || service.external || old.external || service.desired == old.desired,
        "{id}: what is desired was changed by {event:?}"
    );
    let online = service
        .engine
        .as_ref()
        .and_then(|engine| after.engine(engine))
        .is_some_and(|engine| matches!(engine.link, EngineLink::Online { .. }));
    let runs = |service: &Service| matches!(service.phase, Phase::Running { .. });
    if runs(service) && !runs(old) {
        assert!(seen_alive(id, service, event), "{id} runs because of {event:?}");
    }
    assert!(
        online || !runs(service),
        "{id} runs on an engine that is away, after {event:?}"
    );
    if let Some(exit) = service.exit.as_ref().filter(|exit| exit.crashed) {
        assert!(exit.oom || exit.code != Some(0), "{id}: {exit:?}");
    }
    if service.health.kind == HealthKind::Healthy && old.health.kind != HealthKind::Healthy {
        let asked = match event {
            Event::Probed { round, outcome, .. } => outcome.is_ok() && *round == service.health.round,
            Event::InstanceChanged { .. } | Event::InstanceInspected { .. } => service.spec.health_check.is_none(),
            _ => false,
        };
        assert!(asked, "{id} is healthy because of {event:?}");
    }
    assert!(
        service.health.kind == HealthKind::None || runs(service),
        "{id} has a health and doesn't run, after {event:?}"
    );
    assert!(
        !(service.start_pending && service.is_active()),
        "{id} is on its way and waits to be, after {event:?}"
    );
}

fn seen_alive(id: &ServiceId, service: &Service, event: &Event) -> bool {
    let instance = service.instance.as_ref().map(|instance| &instance.id);
    match event {
        Event::InstanceInspected {
            service,
            observed: Some(seen),
            ..
        } => service == id && seen.run.is_alive(),
        Event::InstancesListed { instances, .. } => instances
            .iter()
            .any(|seen| Some(&seen.id) == instance && seen.run.is_alive()),
        Event::StrangerSeen { observed, .. } => Some(&observed.id) == instance && observed.run.is_alive(),
        _ => false,
    }
}

fn one_row_an_instance(after: &State, event: &Event) {
    let mut seen = BTreeSet::new();
    for (id, service) in &after.services {
        if let (Some(engine), Some(instance)) = (&service.engine, &service.instance) {
            assert!(
                seen.insert((engine, &instance.id)),
                "{id} shows an instance that another row shows, after {event:?}"
            );
        }
    }
}

fn picture_rules(shown: &Snapshot, picture: &Snapshot, after: &State) {
    assert_eq!(Snapshot::next(after, picture), None, "nothing changed since");
    assert_eq!(picture.seq > shown.seq, picture != shown);
    assert_eq!(picture.services.len(), after.services.len(), "each service has its row");
    for service in &picture.services {
        if let Some(old) = shown.service(&service.id) {
            assert_eq!(
                Arc::ptr_eq(old, service),
                old == service,
                "rows that didn't change are shared"
            );
        }
    }
}

/// All is quiet: what is shown is what is.
pub(super) fn at_rest(sim: &Sim) {
    for service in &sim.snapshot.services {
        let alive = service
            .engine
            .as_ref()
            .zip(service.instance.as_ref())
            .is_some_and(|(engine, instance)| {
                let engine = sim.engines.iter().find(|known| known.id == *engine);
                engine
                    .and_then(|engine| engine.containers.get(instance))
                    .is_some_and(|seen| seen.run.is_alive())
            });
        assert_eq!(
            service.state == StateKind::Running,
            alive,
            "at rest {} is shown as {:?}, {:?}",
            service.id,
            service.state,
            service.instance
        );
        assert_ne!(
            service.state,
            StateKind::Unknown,
            "at rest all is known: {}",
            service.id
        );
    }
    for engine in &sim.engines {
        for seen in engine.containers.values() {
            let rows = sim.snapshot.services.iter().filter(|service| {
                service.engine.as_ref() == Some(&engine.id) && service.instance.as_ref() == Some(&seen.id)
            });
            // Copies with one service's labels share its row.
            if seen.service.is_none() {
                assert_eq!(rows.count(), 1, "{} of {} has one row", seen.id, engine.id);
            }
        }
    }
}
