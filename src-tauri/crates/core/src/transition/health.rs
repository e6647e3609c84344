//! Probes: what is asked when, and what the answers make of a service.

use std::{net::SocketAddr, time::Duration};

use super::Turn;
use crate::{
    ServiceId,
    event::{Effect, ProbeTarget},
    snapshot::HealthKind,
    spec::{ProbeSpec, Protocol},
    state::{Health, Phase, Service},
};

/// The shortest time between probes until the first success: a service is called healthy soon after it is.
const SHORTEST_PAUSE: Duration = Duration::from_millis(25);
/// The longest one, and the only one where a probe is a process of its own.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// What takes long to come up may be told of a little later: a pause is this part of the time it took so far.
const PAUSE_PART: u32 = 8;

impl Turn<'_> {
    /// Begins a new series of probes for an instance that was just seen running.
    pub(super) fn begin_probing(&mut self, id: &ServiceId) {
        let round = self.number();
        let by_engine = self.engine_checks(id);
        let Some(service) = self.service(id) else { return };
        let kind = if service.health_check().is_some() {
            HealthKind::Starting
        } else {
            HealthKind::None
        };
        service.health = Health {
            kind,
            detail: None,
            failures: 0,
            round,
        };
        if !by_engine {
            self.probe(id, Duration::ZERO);
        }
    }

    /// Does the engine carry out the check in force? It does those of images, and not every engine does.
    fn engine_checks(&self, id: &ServiceId) -> bool {
        self.state.services.get(id).is_some_and(|service| {
            let engine = service.engine.as_ref().and_then(|id| self.state.engine(id));
            service.spec.health_check.is_none()
                && service.health_check().is_some()
                && engine.is_some_and(|engine| engine.health_checks)
        })
    }

    /// What the engine's own run of an image's check came to.
    pub(super) fn engine_says_of_health(&mut self, id: &ServiceId, said: HealthKind) {
        let by_engine = self.engine_checks(id);
        let Some(service) = self.service(id) else { return };
        // A stop kills the probe that is under way, and that counts as its failure.
        if !by_engine || service.intent.is_some() || !matches!(service.phase, Phase::Running { paused: false }) {
            return;
        }
        service.health.kind = said;
        service.health.detail =
            (said == HealthKind::Unhealthy).then(|| "the health check of its image fails".to_owned());
    }

    fn probe(&mut self, id: &ServiceId, after: Duration) {
        let Some(service) = self.service(id) else { return };
        let Some(check) = service.health_check().cloned() else {
            return;
        };
        match target(service, &check.probe) {
            Some(target) => {
                let effect = Effect::Probe {
                    service: id.clone(),
                    round: service.health.round,
                    target,
                    timeout: check.timeout,
                    after,
                };
                self.effects.push(effect);
            }
            None => {
                service.health.kind = HealthKind::Unhealthy;
                service.health.detail = Some("its port is not published, so it can't be asked".into());
            }
        }
    }

    pub(super) fn probed(&mut self, id: &ServiceId, round: u64, outcome: Result<(), String>) {
        let now = self.now;
        let Some(service) = self.service(id) else { return };
        if service.health.round != round || !matches!(service.phase, Phase::Running { paused: false }) {
            return;
        }
        let Some(check) = service.health_check().cloned() else {
            return;
        };
        // A clock of another machine may be ahead of this one's.
        let age = service
            .since
            .map(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default());
        let health = &mut service.health;
        match outcome {
            Ok(()) => {
                health.kind = HealthKind::Healthy;
                health.detail = None;
                health.failures = 0;
            }
            Err(said) => {
                let young = age.is_some_and(|age| age < check.start_period);
                let forgiven = health.kind == HealthKind::Starting && young;
                health.detail = Some(said);
                if !forgiven {
                    health.failures += 1;
                }
                if health.failures >= check.retries.max(1) {
                    health.kind = HealthKind::Unhealthy;
                }
            }
        }
        // Failures that count are as far apart as the file says: it grants `retries` times `interval`.
        let after = if health.kind == HealthKind::Starting && health.failures == 0 {
            let is_process = matches!(check.probe, ProbeSpec::Command { .. });
            let part = age.filter(|_| !is_process).map(|age| age / PAUSE_PART);
            let pause = part.unwrap_or(LONGEST_PAUSE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            check.interval.min(pause)
        } else {
            check.interval
        };
        self.probe(id, after);
    }
}

fn target(service: &Service, probe: &ProbeSpec) -> Option<ProbeTarget> {
    let instance = service.instance.as_ref()?;
    let address = |port: u16| {
        instance
            .ports
            .iter()
            .find(|published| published.port == port && published.protocol == Protocol::Tcp)
            .map(|published| SocketAddr::from(([127, 0, 0, 1], published.host_port)))
    };
    Some(match probe {
        ProbeSpec::Tcp { port } => ProbeTarget::Tcp {
            address: address(*port)?,
        },
        ProbeSpec::Http {
            port,
            path,
            status,
            body,
        } => ProbeTarget::Http {
            address: address(*port)?,
            path: path.clone(),
            status: *status,
            body: body.clone(),
        },
        ProbeSpec::Service {
            protocol,
            port,
            credentials,
        } => ProbeTarget::Service {
            protocol: *protocol,
            address: address(*port)?,
            credentials: credentials.clone(),
        },
        ProbeSpec::Command { command } => ProbeTarget::Command {
            engine: service.engine.clone()?,
            instance: instance.id.clone(),
            command: command.clone(),
        },
    })
}
