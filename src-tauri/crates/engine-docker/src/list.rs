//! What the engine runs, in locald's words.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use locald_core::{
    InstanceId, ProjectName, ServiceId, ServiceName,
    instance::{ExitFacts, ObservedInstance, PublishedPort, RunState},
    spec::Protocol,
};
use locald_engine::EngineError;
use serde_json::Value;

use crate::{
    DockerEngine, PROJECT_LABEL, SERVICE_LABEL, SPEC_LABEL,
    aside::is_aside,
    facts,
    http::{Failure, encode},
    wire::{Inspected, Listed, time},
};

/// Inspections under way at once: enough to hide their latency, not so many that they delay a click.
const PARALLEL: usize = 16;

impl DockerEngine {
    pub(crate) async fn list_instances(&self) -> Result<Vec<ObservedInstance>, EngineError> {
        let listed = self
            .listed("all=1")
            .await
            .map_err(|failure| failure.into_error(|detail| EngineError::List { detail }))?;
        let listed: Vec<_> = listed.into_iter().filter(|listed| !is_aside(&listed.labels)).collect();
        let mut observed: Vec<_> = stream::iter(listed.into_iter().enumerate())
            .map(|(position, listed)| async move { (position, self.look_closer(listed).await) })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        observed.sort_by_key(|(position, _)| *position);
        Ok(observed.into_iter().filter_map(|(_, instance)| instance).collect())
    }

    /// The list's entry is enough for what isn't ours; ours need the exit code and times, which only an inspection has.
    async fn look_closer(&self, listed: Listed) -> Option<ObservedInstance> {
        if service_of(&listed.labels).is_none() {
            return Some(from_listed(listed));
        }
        match self.inspected(&listed.id).await {
            Ok(Some(inspected)) => Some(self.observed(&listed.id, &inspected)),
            Ok(None) => None,
            Err(failure) => {
                tracing::warn!(
                    id = listed.id,
                    ?failure,
                    "a container could not be inspected; its list entry is used"
                );
                Some(from_listed(listed))
            }
        }
    }

    /// The entries of the engine's list; one that isn't an object with an id is left out and said so.
    pub(crate) async fn listed(&self, query: &str) -> Result<Vec<Listed>, Failure> {
        let entries: Vec<Value> = self.http.get(&format!("/containers/json?{query}")).await?;
        let total = entries.len();
        let listed: Vec<Listed> = entries
            .into_iter()
            .filter_map(|entry| serde_json::from_value::<Listed>(entry).ok())
            .filter(|listed| !listed.id.is_empty())
            .collect();
        if listed.len() < total {
            tracing::warn!(
                skipped = total - listed.len(),
                "entries of the container list could not be read"
            );
        }
        Ok(listed)
    }

    /// All containers of exactly this service. The engine's filter narrows the list; the comparison is ours.
    pub(crate) async fn listed_of(&self, service: &ServiceId) -> Result<Vec<Listed>, Failure> {
        let labels = [
            format!("{PROJECT_LABEL}={}", service.project),
            format!("{SERVICE_LABEL}={}", service.name),
        ];
        let filters = serde_json::json!({ "label": labels }).to_string();
        let mut listed = self.listed(&format!("all=1&filters={}", encode(&filters, ""))).await?;
        listed.retain(|container| service_of(&container.labels).as_ref() == Some(service));
        Ok(listed)
    }

    /// `None` when there is no such container.
    pub(crate) async fn inspected(&self, id: &str) -> Result<Option<Inspected>, Failure> {
        match self.http.get(&format!("/containers/{}/json", encode(id, ""))).await {
            Ok(inspected) => Ok(Some(inspected)),
            Err(failure) if failure.status() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    pub(crate) async fn inspect_instance(&self, id: &InstanceId) -> Result<Option<ObservedInstance>, EngineError> {
        let inspected = self.inspected(id.as_str()).await.map_err(|failure| {
            failure.into_error(|detail| EngineError::Inspect {
                instance: id.to_string(),
                detail,
            })
        })?;
        Ok(inspected.map(|inspected| self.observed(id.as_str(), &inspected)))
    }
}

/// The service by its labels, `None` unless both are there and valid.
pub(crate) fn service_of(labels: &HashMap<String, String>) -> Option<ServiceId> {
    let project = ProjectName::new(labels.get(PROJECT_LABEL)?).ok()?;
    Some(ServiceId::new(
        project,
        ServiceName::new(labels.get(SERVICE_LABEL)?).ok()?,
    ))
}

fn from_listed(listed: Listed) -> ObservedInstance {
    let exit = || ExitFacts {
        code: code_in(&listed.status),
        ..ExitFacts::default()
    };
    let ports = listed.ports.iter().filter_map(|port| {
        let host_ip = port.ip.clone().unwrap_or_else(|| "0.0.0.0".to_owned());
        Some(PublishedPort {
            host_ip,
            host_port: port.public?,
            port: port.private?,
            protocol: protocol(&port.protocol)?,
        })
    });
    let name = listed.names.first().map_or("", |name| name.trim_start_matches('/'));
    ObservedInstance {
        image: facts::image(&listed.image),
        compose: facts::compose(&listed.labels),
        service: service_of(&listed.labels),
        spec_hash: listed.labels.get(SPEC_LABEL).cloned(),
        ports: without_twins(ports.collect()),
        ..ObservedInstance::new(
            InstanceId::from(listed.id.as_str()),
            name,
            run_state(&listed.state, exit),
        )
    }
}

impl DockerEngine {
    fn observed(&self, id: &str, inspected: &Inspected) -> ObservedInstance {
        let (state, config) = (&inspected.state, &inspected.config);
        let exit = || ExitFacts {
            code: state.exit_code.and_then(|code| i32::try_from(code).ok()),
            oom: state.oom_killed,
            at: time(&state.finished_at),
        };
        let run = run_state(&state.status, exit);
        let id = InstanceId::from(if inspected.id.is_empty() { id } else { &inspected.id });
        ObservedInstance {
            image: facts::image(&config.image),
            compose: facts::compose(&config.labels),
            service: service_of(&config.labels),
            spec_hash: config.labels.get(SPEC_LABEL).cloned(),
            ports: without_twins(bound(inspected)),
            started_at: time(&state.started_at),
            tty: config.tty,
            health_check: facts::health_check(&config.healthcheck),
            engine_health: (run == RunState::Running)
                .then(|| facts::engine_health(&state.health, self.dialect.runs_health_checks()))
                .flatten(),
            engine_restarts: facts::engine_restarts(&inspected.host_config.restart_policy),
            ..ObservedInstance::new(id, inspected.name.trim_start_matches('/'), run)
        }
    }
}

/// The ports of an inspection.
fn bound(inspected: &Inspected) -> Vec<PublishedPort> {
    let ports = inspected.network_settings.ports.iter().flat_map(|(inner, bindings)| {
        let (port, kind) = inner.split_once('/').unwrap_or((inner, "tcp"));
        let (port, kind) = (port.parse().ok(), protocol(kind));
        bindings.iter().filter_map(move |binding| {
            Some(PublishedPort {
                host_ip: binding.host_ip.clone(),
                host_port: binding.host_port.parse().ok()?,
                port: port?,
                protocol: kind?,
            })
        })
    });
    ports.collect()
}

fn run_state(status: &str, exit: impl FnOnce() -> ExitFacts) -> RunState {
    match status {
        "running" => RunState::Running,
        "paused" => RunState::Paused,
        // The last three are podman's.
        "created" | "configured" | "initialized" => RunState::Created,
        "exited" | "dead" | "stopped" => RunState::Exited(exit()),
        "restarting" => RunState::Restarting(exit()),
        other => RunState::Unknown(other.to_owned()),
    }
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "tcp" | "" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    }
}

/// Docker lists a port open to all addresses once for IPv4 and once for IPv6; where the numbers agree that is one port.
fn without_twins(mut ports: Vec<PublishedPort>) -> Vec<PublishedPort> {
    for port in &mut ports {
        if port.host_ip.is_empty() {
            "0.0.0.0".clone_into(&mut port.host_ip);
        }
    }
    let v4: Vec<_> = ports
        .iter()
        .filter(|port| port.host_ip == "0.0.0.0")
        .map(|port| (port.host_port, port.port, port.protocol))
        .collect();
    ports.retain(|port| port.host_ip != "::" || !v4.contains(&(port.host_port, port.port, port.protocol)));
    ports.sort();
    ports.dedup();
    ports
}

/// The exit code in the list's `Exited (3) 2 minutes ago`.
fn code_in(status: &str) -> Option<i32> {
    status.split_once('(')?.1.split_once(')')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host_ip: &str, host_port: u16, port: u16) -> PublishedPort {
        PublishedPort {
            host_ip: host_ip.to_owned(),
            host_port,
            port,
            protocol: Protocol::Tcp,
        }
    }

    #[test]
    fn a_port_on_all_addresses_is_one_and_different_ones_stay() {
        assert_eq!(
            without_twins(vec![port("0.0.0.0", 8080, 80), port("::", 8080, 80)]),
            [port("0.0.0.0", 8080, 80)]
        );
        assert_eq!(
            without_twins(vec![port("::", 49337, 80), port("0.0.0.0", 49338, 80)]).len(),
            2
        );
        assert_eq!(
            without_twins(vec![port("127.0.0.1", 81, 81), port("127.0.0.2", 81, 81)]).len(),
            2
        );
    }

    #[test]
    fn the_code_in_a_status_text() {
        assert_eq!(code_in("Exited (137) 5 seconds ago"), Some(137));
        assert_eq!(code_in("Up 3 seconds"), None);
        assert_eq!(code_in("Up 3 seconds (healthy)"), None);
    }
}
