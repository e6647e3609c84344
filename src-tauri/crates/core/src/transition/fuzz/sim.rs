//! A host, two engines that tell the truth when they are asked, and what is on its way between them.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{invariants::Rules, story};
use crate::{
    Effect, EngineId, Event, InstanceId, Problem, ProblemCode, ServiceId, ServiceSpec, Snapshot, State,
    event::{InstanceChange, ProjectSpec},
    instance::{ComposeOrigin, EngineRestarts, ExitFacts, ObservedInstance, PublishedPort, RunState},
    snapshot::EngineLink,
    spec::{DependencyCondition, RestartPolicy},
    state::Memory,
    transition::{
        transition,
        world::{checked, id, spec},
    },
};

pub(super) const ENGINES: [&str; 2] = ["docker", "podman"];
pub(super) const NAMES: [&str; 5] = ["api", "db", "web", "job", "mail"];

pub(super) struct SimEngine {
    pub(super) id: EngineId,
    pub(super) containers: BTreeMap<InstanceId, ObservedInstance>,
}

pub(super) struct Sim {
    pub(super) state: State,
    pub(super) snapshot: Snapshot,
    pub(super) memory: Memory,
    pub(super) now: Timestamp,
    pub(super) engines: Vec<SimEngine>,
    /// What the host asked for and nobody carried out yet.
    pub(super) open: Vec<Effect>,
    /// What engines have told and has not arrived.
    pub(super) told: Vec<Event>,
    pub(super) rules: Rules,
    pub(super) events: u64,
    made: u32,
    pub(super) trace: Option<Vec<String>>,
}

/// The project's services: an order with all conditions, every restart policy, a check, an engine of its own choice.
pub(super) fn specs() -> Vec<ServiceSpec> {
    let mut api = ServiceSpec {
        restart: RestartPolicy::OnFailure { max: Some(2) },
        ..spec("api", &["db", "job"])
    };
    api.depends_on[1].condition = DependencyCondition::Completed;
    let mut web = spec("web", &["api"]);
    web.depends_on[0].condition = DependencyCondition::Running;
    let mail = ServiceSpec {
        restart: RestartPolicy::Always,
        engine: Some("podman".to_owned()),
        ..spec("mail", &[])
    };
    vec![web, api, checked("db", &[]), spec("job", &[]), mail]
}

impl Sim {
    pub(super) fn new() -> Self {
        let mut sim = Self {
            state: State::default(),
            snapshot: Snapshot::default(),
            memory: Memory::default(),
            now: "2026-01-01T10:00:00Z".parse().unwrap(),
            engines: ENGINES
                .iter()
                .map(|id| SimEngine {
                    id: EngineId::from(*id),
                    containers: BTreeMap::new(),
                })
                .collect(),
            open: Vec::new(),
            told: Vec::new(),
            rules: Rules::default(),
            events: 0,
            made: 0,
            trace: None,
        };
        sim.boot();
        sim
    }

    /// A host begins its life.
    pub(super) fn boot(&mut self) {
        self.state = State::default();
        self.snapshot = Snapshot::default();
        self.open.clear();
        self.told.clear();
        self.rules = Rules::default();
        self.apply(Event::MemoryRestored(self.memory.clone()));
        for id in ENGINES {
            self.apply(Event::EngineFound {
                engine: EngineId::from(id),
                kind: id.to_owned(),
                endpoint: format!("unix:///{id}.sock"),
                source: "found".to_owned(),
            });
        }
        self.load(specs());
    }

    pub(super) fn load(&mut self, specs: Vec<ServiceSpec>) {
        self.apply(Event::ProjectLoaded(ProjectSpec {
            name: "shop".parse().unwrap(),
            folder: "/shop".into(),
            services: specs.into_iter().map(Arc::new).collect(),
        }));
    }

    /// One event, and all that must hold after it.
    pub(super) fn apply(&mut self, event: Event) {
        self.events += 1;
        let before = self.state.clone();
        let shown = self.snapshot.clone();
        let effects = transition(&mut self.state, event.clone(), self.now);
        if let Some(next) = Snapshot::next(&self.state, &self.snapshot) {
            self.snapshot = next;
        }
        if let Some(trace) = &mut self.trace
            && !matches!(event, Event::Probed { .. })
        {
            let effects: Vec<String> = effects.iter().map(ToString::to_string).collect();
            let states: Vec<String> = self
                .snapshot
                .services
                .iter()
                .map(|service| format!("{}:{}", service.id, service.state.as_str()))
                .collect();
            let text = match &event {
                Event::InstancesListed { engine, instances } => {
                    let all = instances
                        .iter()
                        .map(|seen| format!("{} {} {:?}", seen.id, seen.name, seen.service));
                    format!("InstancesListed {engine} {:?}", all.collect::<Vec<_>>())
                }
                event => format!("{event:?}").chars().take(220).collect(),
            };
            trace.push(format!("  {text}\n    -> {effects:?}\n    {}", states.join(" ")));
        }
        self.rules
            .check(&before, &shown, &event, &effects, &self.state, &self.snapshot);
        self.open.extend(effects);
        self.memory = self.state.memory();
    }

    pub(super) fn is_online(&self, engine: &EngineId) -> bool {
        let record = self.state.engines.iter().find(|record| record.id == *engine);
        record.is_some_and(|record| matches!(record.link, EngineLink::Online { .. }))
    }

    pub(super) fn connect(&mut self, at: usize) {
        let engine = self.engines[at].id.clone();
        self.apply(Event::EngineConnected {
            kind: ENGINES[at].to_owned(),
            engine,
            version: "1".to_owned(),
            clock_offset: SignedDuration::ZERO,
            health_checks: at == 0,
        });
    }

    pub(super) fn lose(&mut self, at: usize) {
        let engine = self.engines[at].id.clone();
        self.apply(Event::EngineLost {
            engine,
            problem: Problem::new(ProblemCode::EngineLost, "gone"),
        });
    }

    /// A container comes to be, running or not.
    pub(super) fn put(&mut self, at: usize, name: &str, labels: Option<&ServiceSpec>, run: RunState) -> InstanceId {
        self.made += 1;
        let instance = InstanceId::from(format!("c{}", self.made).as_str());
        let mut seen = ObservedInstance::new(instance.clone(), name, run);
        seen.image = "lt/bb:dev".to_owned();
        seen.started_at = Some(self.now);
        if let Some(spec) = labels {
            seen.service = Some(spec.id.clone());
            seen.spec_hash = Some(spec.hash());
            seen.ports = spec
                .ports
                .iter()
                .map(|mapping| PublishedPort {
                    host_ip: "127.0.0.1".into(),
                    host_port: mapping.host.unwrap_or(40_000),
                    port: mapping.port,
                    protocol: mapping.protocol,
                })
                .collect();
        }
        self.engines[at].containers.insert(instance.clone(), seen);
        instance
    }

    pub(super) fn put_stranger(&mut self, at: usize, a: u8) -> InstanceId {
        let run = if a.is_multiple_of(3) {
            RunState::Created
        } else {
            RunState::Running
        };
        let instance = self.put(at, &format!("x{}", a % 4), None, run);
        let seen = self.engines[at].containers.get_mut(&instance).unwrap();
        if a.is_multiple_of(2) {
            seen.compose = Some(ComposeOrigin {
                // One compose project has the name of a project of locald's.
                project: if a.is_multiple_of(4) { "shop" } else { "blog" }.to_owned(),
                service: NAMES[usize::from(a) % NAMES.len()].to_owned(),
                number: u32::from(a % 2) + 1,
                one_off: a > 240,
            });
        }
        if a.is_multiple_of(5) {
            seen.engine_restarts = Some(EngineRestarts::Always);
        }
        instance
    }

    /// An engine tells; it arrives when it arrives.
    pub(super) fn tell(&mut self, at: usize, instance: &InstanceId, change: InstanceChange) {
        let engine = self.engines[at].id.clone();
        let service = self.engines[at]
            .containers
            .get(instance)
            .and_then(|seen| seen.service.clone());
        if self.is_online(&engine) {
            self.told.push(Event::InstanceChanged {
                engine,
                service,
                instance: instance.clone(),
                change,
                at: Some(self.now),
            });
        }
    }

    pub(super) fn end(&mut self, at: usize, instance: &InstanceId, code: i32, oom: bool) {
        let facts = ExitFacts {
            code: Some(code),
            oom,
            at: Some(self.now),
        };
        let Some(seen) = self.engines[at].containers.get_mut(instance) else {
            return;
        };
        if !seen.run.is_alive() {
            return;
        }
        seen.run = RunState::Exited(facts.clone());
        self.tell(at, instance, InstanceChange::Exited(facts));
    }

    /// Carries out an effect, as an engine does that says what is so, or as one that fails.
    pub(super) fn carry_out(&mut self, effect: Effect, fails: bool) {
        let failed = || Problem::new(ProblemCode::StartFailed, "no");
        let reachable = effect_engine(&effect).is_none_or(|engine| self.is_online(engine));
        let fails = fails || !reachable;
        let event = match effect {
            Effect::Prepare { ticket, .. } => Event::PrepareFinished {
                ticket,
                result: if fails { Err(failed()) } else { Ok(()) },
            },
            Effect::Start { ticket, .. } if fails => Event::StartFinished {
                ticket,
                result: Err(failed()),
            },
            Effect::Start {
                ticket,
                engine,
                spec,
                existing,
            } => {
                let at = self.at(&engine);
                let known = existing.filter(|instance| self.engines[at].containers.contains_key(instance));
                let instance = match known {
                    Some(instance) => instance,
                    None => {
                        self.engines[at]
                            .containers
                            .retain(|_, seen| seen.service.as_ref() != Some(&spec.id));
                        self.put(at, "made", Some(&spec), RunState::Created)
                    }
                };
                let now = self.now;
                if let Some(seen) = self.engines[at].containers.get_mut(&instance) {
                    seen.run = RunState::Running;
                    seen.started_at = Some(now);
                }
                self.tell(at, &instance, InstanceChange::Altered);
                Event::StartFinished {
                    ticket,
                    result: Ok(instance),
                }
            }
            Effect::Stop { ticket, .. } if fails => Event::StopFinished {
                ticket,
                result: Err(failed()),
            },
            Effect::Stop {
                ticket,
                engine,
                instance,
                ..
            } => {
                let at = self.at(&engine);
                self.end(at, &instance, 143, false);
                Event::StopFinished { ticket, result: Ok(()) }
            }
            Effect::Inspect { service, round, .. } if fails => Event::InspectFailed { service, round },
            Effect::Inspect {
                service,
                round,
                engine,
                instance,
                ..
            } => {
                let at = self.at(&engine);
                Event::InstanceInspected {
                    service,
                    round,
                    observed: self.engines[at].containers.get(&instance).cloned(),
                    last_line: None,
                }
            }
            Effect::Look { engine, instance } => {
                let at = self.at(&engine);
                match self.engines[at].containers.get(&instance).cloned() {
                    Some(observed) if !fails => Event::StrangerSeen { engine, observed },
                    _ => return,
                }
            }
            Effect::List { engine } if fails => {
                let at = self.at(&engine);
                if self.is_online(&engine) {
                    self.lose(at);
                }
                return;
            }
            Effect::List { engine } => {
                let at = self.at(&engine);
                // A list tells little of what locald did not make.
                let listed = self.engines[at].containers.values().cloned().map(|mut seen| {
                    if seen.service.is_none() {
                        (seen.started_at, seen.engine_restarts) = (None, None);
                    }
                    seen
                });
                Event::InstancesListed {
                    engine,
                    instances: listed.collect(),
                }
            }
            Effect::Probe { service, round, .. } => Event::Probed {
                service,
                round,
                outcome: if fails { Err("no".into()) } else { Ok(()) },
            },
            Effect::BackOff { service, round, .. } => Event::BackOffElapsed { service, round },
            Effect::Wait { service, round, .. } => Event::Waited { service, round },
            Effect::Cancel { .. } => return,
        };
        self.apply(event);
    }

    fn at(&self, engine: &EngineId) -> usize {
        self.engines.iter().position(|known| known.id == *engine).unwrap()
    }

    /// Everything arrives, everything is answered, engines are there: and again until nothing is left.
    pub(super) fn come_to_rest(&mut self) {
        for at in 0..self.engines.len() {
            self.lose(at);
        }
        self.told.clear();
        for at in 0..self.engines.len() {
            self.connect(at);
        }
        // Probes and their waits go on for ever; two rounds of them are enough.
        let mut probes = 40;
        for _ in 0..4_000 {
            if !self.told.is_empty() {
                let event = self.told.remove(0);
                self.apply(event);
                continue;
            }
            let pending = |effect: &Effect| !matches!(effect, Effect::Probe { .. });
            let next = self.open.iter().position(pending).or_else(|| {
                probes -= i32::from(!self.open.is_empty());
                (!self.open.is_empty() && probes > 0).then_some(0)
            });
            match next {
                Some(at) => {
                    self.now += SignedDuration::from_millis(500);
                    let effect = self.open.remove(at);
                    self.carry_out(effect, false);
                }
                None => return,
            }
        }
        panic!("it does not come to rest: {:?}", self.open);
    }

    pub(super) fn some_container(&self, at: usize, a: u8) -> Option<InstanceId> {
        let count = self.engines[at].containers.len();
        (count > 0)
            .then(|| self.engines[at].containers.keys().nth(usize::from(a) % count))
            .flatten()
            .cloned()
    }

    pub(super) fn service(&self, a: u8) -> ServiceId {
        let strangers = self.snapshot.services.iter().filter(|service| service.external);
        let all: Vec<ServiceId> = NAMES
            .iter()
            .map(|name| id(name))
            .chain(strangers.map(|service| service.id.clone()))
            .collect();
        all[usize::from(a) % all.len()].clone()
    }
}

fn effect_engine(effect: &Effect) -> Option<&EngineId> {
    match effect {
        Effect::Prepare { engine, .. }
        | Effect::Start { engine, .. }
        | Effect::Stop { engine, .. }
        | Effect::Inspect { engine, .. }
        | Effect::Look { engine, .. }
        | Effect::List { engine } => Some(engine),
        Effect::Cancel { .. } | Effect::Probe { .. } | Effect::BackOff { .. } | Effect::Wait { .. } => None,
    }
}

/// The events of a story, in words, up to where it breaks a rule.
pub(super) fn trace(story: &[(u8, u8, u8)]) -> Vec<String> {
    let mut sim = Sim::new();
    sim.trace = Some(Vec::new());
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for &(kind, a, b) in story {
            story::happen(&mut sim, kind, a, b);
        }
        sim.come_to_rest();
    }));
    let words = sim.trace.take().unwrap_or_default();
    let skip = words.len().saturating_sub(120);
    words.into_iter().skip(skip).collect()
}
