//! Whatever happens in whatever order, some things hold.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{collection::vec, prelude::*};

use super::world::{World, checked, engine, facts, id, memory, problem, spec};
use crate::{
    Effect, Event, ProblemCode, ServiceId, ServiceSpec, Snapshot,
    event::{InstanceChange, Ticket},
    instance::RunState,
    snapshot::{Desired, HealthKind, StateKind},
    spec::{RestartPolicy, Signal},
    state::Phase,
};

const NAMES: [&str; 3] = ["api", "db", "web"];

fn specs() -> Vec<ServiceSpec> {
    let api = ServiceSpec {
        restart: RestartPolicy::OnFailure { max: Some(2) },
        ..spec("api", &["db"])
    };
    vec![spec("web", &["api"]), api, checked("db", &[])]
}

/// Operations that were asked for and not answered, one a service at most.
#[derive(Default)]
struct Unanswered(BTreeMap<ServiceId, Ticket>);

impl Unanswered {
    fn before(&mut self, event: &Event) {
        match event {
            Event::PrepareFinished { ticket, .. }
            | Event::StartFinished { ticket, .. }
            | Event::StopFinished { ticket, .. }
                if self.0.get(&ticket.service) == Some(ticket) =>
            {
                self.0.remove(&ticket.service);
            }
            Event::EngineLost { .. } => self.0.clear(),
            _ => {}
        }
    }

    fn after(&mut self, effects: &[Effect], event: &Event) {
        for effect in effects {
            match effect {
                Effect::Cancel { ticket } => {
                    self.0.remove(&ticket.service);
                }
                Effect::Prepare { ticket, .. } | Effect::Start { ticket, .. } | Effect::Stop { ticket, .. } => {
                    let other = self.0.insert(ticket.service.clone(), ticket.clone());
                    assert_eq!(other, None, "two operations at once: {effect:?} after {event:?}");
                }
                _ => {}
            }
        }
    }
}

/// Applies an event and looks at what must hold.
fn apply(world: &mut World, unanswered: &mut Unanswered, event: Event) {
    unanswered.before(&event);
    let before = world.state.clone();
    let shown = world.snapshot.clone();
    let open = world.open.len();
    world.apply(event.clone());
    unanswered.after(&world.open[open..], &event);

    let seen_alive = |id: &ServiceId| match &event {
        Event::InstanceInspected {
            service,
            observed: Some(seen),
            ..
        } => service == id && seen.run.is_alive(),
        Event::InstancesListed { instances, .. } => instances
            .iter()
            .any(|seen| seen.service.as_ref() == Some(id) && seen.run.is_alive()),
        _ => false,
    };
    let online = world.is_online();
    for (id, service) in &world.state.services {
        let Some(old) = before.services.get(id) else { continue };
        let wished = matches!(event, Event::Commanded(_) | Event::MemoryRestored(_));
        assert!(
            wished || service.external || old.external || service.desired == old.desired,
            "{id}: desired changed by {event:?}"
        );
        let runs = |phase: &Phase| matches!(phase, Phase::Running { .. });
        if runs(&service.phase) && !runs(&old.phase) {
            assert!(seen_alive(id), "{id} runs because of {event:?}");
        }
        assert!(online || !runs(&service.phase), "{id} runs on an engine that is away");
        assert!(
            online || service.exit == old.exit,
            "{id} ended on an engine that is away"
        );
        if let Some(exit) = service.exit.as_ref().filter(|exit| exit.crashed) {
            assert!(exit.oom || exit.code != Some(0), "{id}: {exit:?}");
        }
        if service.health.kind == HealthKind::Healthy && old.health.kind != HealthKind::Healthy {
            let asked =
                matches!(&event, Event::Probed { round, outcome: Ok(()), .. } if *round == service.health.round);
            assert!(asked, "{id} is healthy because of {event:?}");
        }
    }
    assert_eq!(
        Snapshot::next(&world.state, &world.snapshot),
        None,
        "nothing changed since"
    );
    assert_eq!(world.snapshot.seq > shown.seq, world.snapshot != shown);
    for service in &world.snapshot.services {
        if let Some(old) = shown.service(&service.id) {
            assert_eq!(
                Arc::ptr_eq(old, service),
                old == service,
                "unchanged services are shared"
            );
        }
    }
}

/// One random thing that happens: `kind` picks what, `name` to whom, `n` the rest.
fn happen(world: &mut World, unanswered: &mut Unanswered, kind: u8, name: usize, n: u8) {
    let service = id(NAMES[name]);
    let commanded = |command| Some(Event::Commanded(command));
    let ids = vec![service.clone()];
    let stale = Ticket {
        service: service.clone(),
        number: u64::from(n) * 100_000,
    };
    let instance = world
        .containers
        .values()
        .find(|seen| seen.service.as_ref() == Some(&service))
        .map(|seen| seen.id.clone());
    let changed = |change| {
        let instance = instance.clone().unwrap_or_else(|| "ghost".into());
        Some(Event::InstanceChanged {
            engine: engine(),
            service: Some(service.clone()),
            instance,
            change,
        })
    };
    let result = if n.is_multiple_of(2) {
        Ok(())
    } else {
        Err(problem(ProblemCode::StartFailed))
    };
    let event = match kind {
        0 => commanded(crate::Command::Start(ids)),
        1 => commanded(crate::Command::Stop(ids)),
        2 => commanded(crate::Command::Restart(ids)),
        3 => commanded(crate::Command::Up(ids)),
        4..=9 if !world.open.is_empty() => {
            let effect = world.open.remove(usize::from(n) % world.open.len());
            answer(world, effect, kind == 9)
        }
        10 => {
            if let Some(container) = instance.as_ref().and_then(|id| world.containers.get_mut(id)) {
                container.run = RunState::Exited(facts(i32::from(n) % 5));
            }
            changed(InstanceChange::Exited(facts(i32::from(n) % 5)))
        }
        11 => {
            world.put(
                &format!("x-{service}-{}", n % 2).replace('/', "-"),
                &spec(NAMES[name], &[]),
                RunState::Running,
            );
            changed(InstanceChange::Altered)
        }
        12 => changed(InstanceChange::Signaled((n > 20).then_some(Signal(n % 20)))),
        13 => changed(InstanceChange::StopRequested),
        14 => {
            world
                .containers
                .retain(|_, seen| seen.service.as_ref() != Some(&service));
            changed(InstanceChange::Removed)
        }
        15 => Some(Event::EngineLost {
            engine: engine(),
            problem: problem(ProblemCode::EngineLost),
        }),
        16 => Some(Event::EngineConnected {
            engine: engine(),
            kind: "docker".into(),
            version: "28".into(),
            clock_offset: jiff::SignedDuration::ZERO,
            health_checks: true,
        }),
        17 => Some(Event::PrepareFinished { ticket: stale, result }),
        18 => Some(Event::StartFinished {
            ticket: stale,
            result: result.map(|()| "ghost".into()),
        }),
        19 => Some(Event::StopFinished { ticket: stale, result }),
        20 => Some(Event::InspectFailed {
            service,
            round: u64::from(n) * 100_000 + 77_777,
        }),
        21 => Some(Event::Probed {
            service,
            round: u64::from(n) * 100_000 + 77_777,
            outcome: Ok(()),
        }),
        22 => Some(Event::BackOffElapsed {
            service,
            round: u64::from(n) * 100_000 + 77_777,
        }),
        23 => Some(Event::MemoryRestored(memory(&[(service, Desired::Running)]))),
        24 => {
            let mut specs = specs();
            specs.truncate(usize::from(n) % 4);
            for spec in &mut specs {
                spec.workdir = (n > 100).then(|| "/srv".to_owned());
            }
            let services = specs.into_iter().map(Arc::new).collect();
            let name = service.project.clone();
            Some(Event::ProjectLoaded(crate::event::ProjectSpec {
                name,
                folder: "/shop".into(),
                services,
            }))
        }
        _ => {
            world.wait(i64::from(n));
            None
        }
    };
    if let Some(event) = event {
        apply(world, unanswered, event);
    }
}

/// The answer to an effect, by an engine that says what is so, or that fails.
fn answer(world: &mut World, effect: Effect, fails: bool) -> Option<Event> {
    let failed = || problem(ProblemCode::StartFailed);
    Some(match effect {
        Effect::Prepare { ticket, .. } => Event::PrepareFinished {
            ticket,
            result: if fails { Err(failed()) } else { Ok(()) },
        },
        Effect::Start { ticket, .. } if fails => Event::StartFinished {
            ticket,
            result: Err(failed()),
        },
        Effect::Start {
            ticket, spec, existing, ..
        } => {
            let name = existing.map_or_else(|| format!("c{}", ticket.number), |instance| instance.to_string());
            world
                .containers
                .retain(|_, seen| seen.service.as_ref() != Some(&spec.id));
            world.put(&name, &spec, RunState::Running);
            Event::StartFinished {
                ticket,
                result: Ok(name.as_str().into()),
            }
        }
        Effect::Stop { ticket, .. } if fails => Event::StopFinished {
            ticket,
            result: Err(failed()),
        },
        Effect::Stop { ticket, instance, .. } => {
            if let Some(container) = world.containers.get_mut(&instance) {
                container.run = RunState::Exited(facts(143));
            }
            Event::StopFinished { ticket, result: Ok(()) }
        }
        Effect::Inspect { service, round, .. } if fails => Event::InspectFailed { service, round },
        Effect::Inspect {
            service,
            round,
            instance,
            ..
        } => {
            let observed = world.containers.get(&instance).cloned();
            Event::InstanceInspected {
                service,
                round,
                observed,
                last_line: None,
            }
        }
        Effect::List { engine } => Event::InstancesListed {
            engine,
            instances: world.containers.values().cloned().collect(),
        },
        Effect::Probe { service, round, .. } => Event::Probed {
            service,
            round,
            outcome: if fails { Err("no".into()) } else { Ok(()) },
        },
        Effect::BackOff { service, round, .. } => Event::BackOffElapsed { service, round },
        Effect::Wait { service, round, .. } => Event::Waited { service, round },
        Effect::Look { engine, instance } => Event::StrangerSeen {
            engine,
            observed: world.containers.get(&instance)?.clone(),
        },
        Effect::Cancel { .. } => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn some_things_always_hold_and_a_list_tells_the_truth(story in vec((0u8..26, 0usize..3, any::<u8>()), 1..60)) {
        let mut world = World::new(specs());
        let mut unanswered = Unanswered::default();
        for (kind, name, n) in story {
            happen(&mut world, &mut unanswered, kind, name, n);
        }
        // After all that: an engine that comes back, with nothing left to be answered.
        world.lose();
        world.connect();
        world.answer();
        let alive = |id: &ServiceId| {
            world.containers.values().any(|seen| seen.service.as_ref() == Some(id) && seen.run.is_alive())
        };
        for service in &world.snapshot.services {
            prop_assert_eq!(service.state == StateKind::Running, alive(&service.id), "{} is {:?}", service.id, service.state);
        }
    }
}
