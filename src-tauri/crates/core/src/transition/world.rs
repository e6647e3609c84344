//! A state, a clock, and an engine that tells the truth, for tests of [`transition`].
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::transition;
use crate::{
    Command, Effect, EngineId, Event, InstanceId, Problem, ProblemCode, ServiceId, ServiceSpec, Snapshot, State,
    event::{InstanceChange, ProjectSpec},
    instance::{ExitFacts, ObservedInstance, PublishedPort, RunState},
    snapshot::{Desired, EngineLink, ServiceSnapshot, StateKind},
    spec::{HealthCheck, PortMapping, ProbeSpec, Protocol, RestartPolicy, Signal},
    state::{Memory, Remembered},
};

/// A service of project `shop`.
pub(super) fn id(name: &str) -> ServiceId {
    format!("shop/{name}").parse().unwrap()
}

/// A spec of project `shop` that depends on others.
pub(super) fn spec(name: &str, depends_on: &[&str]) -> ServiceSpec {
    let mut spec = ServiceSpec::container(id(name), "lt/bb:dev");
    spec.depends_on = depends_on
        .iter()
        .map(|name| crate::ServiceName::new(name).unwrap().into())
        .collect();
    spec
}

/// The same with a TCP health check: 3 failures, every second, none counts in the first 5 seconds.
pub(super) fn checked(name: &str, depends_on: &[&str]) -> ServiceSpec {
    let mut spec = spec(name, depends_on);
    spec.ports = vec![PortMapping {
        host: Some(5432),
        port: 5432,
        protocol: Protocol::Tcp,
    }];
    spec.health_check = Some(HealthCheck {
        probe: ProbeSpec::Tcp { port: 5432 },
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        retries: 3,
        start_period: Duration::from_secs(5),
    });
    spec
}

pub(super) fn restarting(name: &str, restart: RestartPolicy) -> ServiceSpec {
    ServiceSpec {
        restart,
        ..spec(name, &[])
    }
}

pub(super) fn engine() -> EngineId {
    EngineId::from("docker")
}

pub(super) fn problem(code: ProblemCode) -> Problem {
    Problem::new(code, "it is so")
}

/// State, clock and engine.
pub(super) struct World {
    pub(super) state: State,
    pub(super) snapshot: Snapshot,
    pub(super) now: Timestamp,
    /// What the engine has.
    pub(super) containers: BTreeMap<InstanceId, ObservedInstance>,
    /// Effects that nobody carried out yet.
    pub(super) open: Vec<Effect>,
    /// All effects since the last look, in words.
    said: Vec<String>,
    made: u32,
}

impl World {
    /// An engine that is online and empty, and project `shop` with these services.
    pub(super) fn new(specs: impl IntoIterator<Item = ServiceSpec>) -> Self {
        let mut world = Self::cold(specs);
        world.connect();
        world.answer();
        world.said.clear();
        world
    }

    /// The engine is known of, and no more.
    pub(super) fn cold(specs: impl IntoIterator<Item = ServiceSpec>) -> Self {
        let mut world = Self {
            state: State::default(),
            snapshot: Snapshot::default(),
            now: "2026-01-01T10:00:00Z".parse().unwrap(),
            containers: BTreeMap::new(),
            open: Vec::new(),
            said: Vec::new(),
            made: 0,
        };
        world.find_engine(engine(), "docker");
        world.load(specs);
        world
    }

    pub(super) fn apply(&mut self, event: Event) {
        let effects = transition(&mut self.state, event, self.now);
        self.said.extend(effects.iter().map(words));
        self.open.extend(effects);
        if let Some(next) = Snapshot::next(&self.state, &self.snapshot) {
            self.snapshot = next;
        }
    }

    pub(super) fn load(&mut self, specs: impl IntoIterator<Item = ServiceSpec>) {
        let services = specs.into_iter().map(Arc::new).collect();
        let name = "shop".parse().unwrap();
        self.apply(Event::ProjectLoaded(ProjectSpec {
            name,
            folder: "/home/me/shop".into(),
            services,
        }));
    }

    pub(super) fn connect(&mut self) {
        self.connect_as("docker");
    }

    pub(super) fn connect_as(&mut self, kind: &str) {
        self.connect_engine(engine(), kind);
    }

    pub(super) fn find_engine(&mut self, engine: EngineId, kind: &str) {
        self.apply(Event::EngineFound {
            endpoint: format!("unix:///run/{engine}.sock"),
            engine,
            kind: kind.to_owned(),
            source: "default".to_owned(),
        });
    }

    pub(super) fn connect_engine(&mut self, engine: EngineId, kind: &str) {
        self.apply(Event::EngineConnected {
            engine,
            kind: kind.to_owned(),
            version: "28.0.0".to_owned(),
            clock_offset: SignedDuration::ZERO,
            health_checks: true,
        });
    }

    pub(super) fn lose(&mut self) {
        self.open.clear();
        self.apply(Event::EngineLost {
            engine: engine(),
            problem: problem(ProblemCode::EngineLost),
        });
    }

    pub(super) fn start(&mut self, names: &[&str]) {
        self.apply(Event::Commanded(Command::Start(
            names.iter().map(|name| id(name)).collect(),
        )));
    }

    pub(super) fn stop(&mut self, names: &[&str]) {
        self.apply(Event::Commanded(Command::Stop(
            names.iter().map(|name| id(name)).collect(),
        )));
    }

    pub(super) fn restart(&mut self, names: &[&str]) {
        self.apply(Event::Commanded(Command::Restart(
            names.iter().map(|name| id(name)).collect(),
        )));
    }

    pub(super) fn up(&mut self, names: &[&str]) {
        self.apply(Event::Commanded(Command::Up(
            names.iter().map(|name| id(name)).collect(),
        )));
    }

    /// Started and answered: what most tests begin with.
    pub(super) fn running(specs: impl IntoIterator<Item = ServiceSpec>) -> Self {
        let mut world = Self::new(specs);
        let all: Vec<ServiceId> = world.state.services.keys().cloned().collect();
        world.apply(Event::Commanded(Command::Start(all)));
        world.answer();
        world.said.clear();
        world.wait(1);
        world
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// What was asked for since the last call, in words: `prepare db`, `start db`, `stop db`.
    pub(super) fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// The first open effect that reads so, taken.
    pub(super) fn take(&mut self, what: &str) -> Effect {
        match self.open.iter().position(|effect| words(effect) == what) {
            Some(at) => self.open.remove(at),
            None => panic!(
                "no `{what}` among {:?}",
                self.open.iter().map(words).collect::<Vec<_>>()
            ),
        }
    }

    /// Carries out all that is open but probes and waits, and all that follows.
    pub(super) fn answer(&mut self) {
        while let Some(at) = self.open.iter().position(|effect| {
            !matches!(
                effect,
                Effect::Probe { .. } | Effect::BackOff { .. } | Effect::Wait { .. }
            )
        }) {
            let effect = self.open.remove(at);
            self.carry_out(effect);
        }
    }

    /// Carries out one as an engine would that has no faults.
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Prepare { ticket, .. } => self.apply(Event::PrepareFinished { ticket, result: Ok(()) }),
            Effect::Start {
                ticket, spec, existing, ..
            } => {
                let instance = self.begin(&spec, existing);
                self.changed(&spec.id, &instance, InstanceChange::Altered);
                self.apply(Event::StartFinished {
                    ticket,
                    result: Ok(instance),
                });
            }
            Effect::Stop {
                ticket,
                instance,
                signal,
                ..
            } => {
                let signal = signal.unwrap_or(Signal::TERM);
                let service = ticket.service.clone();
                if self
                    .containers
                    .get(&instance)
                    .is_some_and(|container| container.run.is_alive())
                {
                    self.changed(&service, &instance, InstanceChange::Signaled(Some(signal)));
                    self.end(&instance, facts(128 + i32::from(signal.0)));
                    self.changed(&service, &instance, InstanceChange::StopRequested);
                }
                self.apply(Event::StopFinished { ticket, result: Ok(()) });
            }
            Effect::Inspect {
                service,
                round,
                instance,
                last_line,
                ..
            } => {
                let observed = self.containers.get(&instance).cloned();
                let last_line = last_line.then(|| "bye".to_owned());
                self.apply(Event::InstanceInspected {
                    service,
                    round,
                    observed,
                    last_line,
                });
            }
            Effect::List { engine } => {
                let instances = self.containers.values().cloned().collect();
                self.apply(Event::InstancesListed { engine, instances });
            }
            Effect::Probe { service, round, .. } => self.apply(Event::Probed {
                service,
                round,
                outcome: Ok(()),
            }),
            Effect::BackOff { service, round, .. } => self.apply(Event::BackOffElapsed { service, round }),
            Effect::Wait { service, round, .. } => self.apply(Event::Waited { service, round }),
            Effect::Look { engine, instance } => {
                if let Some(observed) = self.containers.get(&instance).cloned() {
                    self.apply(Event::StrangerSeen { engine, observed });
                }
            }
            Effect::Cancel { .. } => {}
        }
    }

    fn begin(&mut self, spec: &ServiceSpec, existing: Option<InstanceId>) -> InstanceId {
        let instance = existing.unwrap_or_else(|| {
            self.made += 1;
            InstanceId::from(format!("c{}", self.made).as_str())
        });
        self.containers
            .retain(|id, other| *id == instance || other.service.as_ref() != Some(&spec.id));
        self.put(instance.as_str(), spec, RunState::Running);
        instance
    }

    /// A container that is there, whoever made it.
    pub(super) fn put(&mut self, instance: &str, spec: &ServiceSpec, run: RunState) {
        let ports = spec.ports.iter().map(|mapping| PublishedPort {
            host_ip: "127.0.0.1".into(),
            host_port: mapping.host.unwrap_or(40_000),
            port: mapping.port,
            protocol: mapping.protocol,
        });
        let observed = ObservedInstance {
            service: Some(spec.id.clone()),
            spec_hash: Some(spec.hash()),
            ports: ports.collect(),
            started_at: Some(self.now),
            ..ObservedInstance::new(instance.into(), &format!("locald-{}", spec.id.name), run)
        };
        self.containers.insert(instance.into(), observed);
    }

    /// The only container of a service.
    pub(super) fn instance(&self, name: &str) -> InstanceId {
        let ours = |container: &&ObservedInstance| container.service.as_ref() == Some(&id(name));
        self.containers.values().find(ours).unwrap().id.clone()
    }

    /// Something happened to a container, and the engine tells.
    pub(super) fn changed(&mut self, service: &ServiceId, instance: &InstanceId, change: InstanceChange) {
        let (service, instance) = (Some(service.clone()), instance.clone());
        self.apply(Event::InstanceChanged {
            engine: engine(),
            service,
            instance,
            change,
            at: Some(self.now),
        });
    }

    /// As `changed`, for the container of a service.
    pub(super) fn told(&mut self, name: &str, change: InstanceChange) {
        let instance = self.instance(name);
        self.changed(&id(name), &instance, change);
    }

    /// A process ends, and the engine tells.
    pub(super) fn end(&mut self, instance: &InstanceId, mut facts: ExitFacts) {
        facts.at = Some(self.now);
        let container = self.containers.get_mut(instance).unwrap();
        container.run = RunState::Exited(facts.clone());
        let service = container.service.clone().unwrap();
        self.changed(&service, instance, InstanceChange::Exited(facts));
    }

    /// A service's process ends, the engine tells and is asked about it.
    pub(super) fn exits(&mut self, name: &str, facts: ExitFacts) {
        let instance = self.instance(name);
        self.end(&instance, facts);
        self.answer();
    }

    /// Answers the open probe of a service.
    pub(super) fn probe(&mut self, name: &str, outcome: Result<(), &str>) {
        match self.take(&format!("probe {name}")) {
            Effect::Probe { service, round, .. } => {
                self.apply(Event::Probed {
                    service,
                    round,
                    outcome: outcome.map_err(str::to_owned),
                });
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn see(&self, name: &str) -> &ServiceSnapshot {
        self.snapshot.service(&id(name)).unwrap()
    }

    pub(super) fn is(&self, name: &str) -> StateKind {
        self.see(name).state
    }

    /// All services and their states: `api:waiting db:preparing`.
    pub(super) fn states(&self) -> String {
        let states = self
            .snapshot
            .services
            .iter()
            .map(|service| format!("{}:{}", service.id.name, service.state.as_str()));
        states.collect::<Vec<_>>().join(" ")
    }

    /// Was its last end a crash?
    pub(super) fn crashed(&self, name: &str) -> Option<bool> {
        self.see(name).exit.as_ref().map(|exit| exit.crashed)
    }

    pub(super) fn is_online(&self) -> bool {
        matches!(self.state.engines[0].link, EngineLink::Online { .. })
    }
}

/// What is remembered of services that no engine holds anything of.
pub(super) fn memory(desired: &[(ServiceId, Desired)]) -> Memory {
    let remembered = |desired: &Desired| Remembered {
        desired: *desired,
        engine: None,
        muted: None,
    };
    Memory {
        services: desired
            .iter()
            .map(|(id, wish)| (id.clone(), remembered(wish)))
            .collect(),
    }
}

/// An exit with a code.
pub(super) fn facts(code: i32) -> ExitFacts {
    ExitFacts {
        code: Some(code),
        oom: false,
        at: None,
    }
}

fn words(effect: &Effect) -> String {
    match effect {
        Effect::Prepare { ticket, .. } => format!("prepare {}", ticket.service.name),
        Effect::Start {
            ticket, existing: None, ..
        } => format!("start {}", ticket.service.name),
        Effect::Start {
            ticket,
            existing: Some(instance),
            ..
        } => format!("start {} {instance}", ticket.service.name),
        Effect::Stop { ticket, .. } => format!("stop {}", ticket.service.name),
        Effect::Cancel { ticket } => format!("cancel {}", ticket.service.name),
        Effect::Inspect { service, .. } => format!("inspect {}", service.name),
        Effect::List { engine } => format!("list {engine}"),
        Effect::Probe { service, .. } => format!("probe {}", service.name),
        Effect::Wait { service, after, .. } => format!("wait {} {}", service.name, after.as_millis()),
        Effect::Look { instance, .. } => format!("look {instance}"),
        Effect::BackOff { service, after, .. } => format!("back off {} {}", service.name, after.as_millis()),
    }
}
