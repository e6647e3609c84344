//! A spec as the body of Docker's create request.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, Mount, MountType, MountVolumeOptions, NetworkingConfig,
    PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use locald_core::{
    ServiceId, ServiceSpec,
    spec::{ContainerForm, PortMapping, Protocol, VolumeMount, VolumeSource},
};
use locald_engine::InstanceSpec;

use crate::{PROJECT_LABEL, SERVICE_LABEL, SPEC_LABEL, cover::Cover, stop::whole_seconds};

/// The address ports are published on: a service under development is nobody else's business.
const HOST_IP: &str = "127.0.0.1";

/// Labels of the service, with the hash of its spec.
fn labels(service: &ServiceSpec) -> HashMap<String, String> {
    HashMap::from([
        (PROJECT_LABEL.to_owned(), service.id.project.to_string()),
        (SERVICE_LABEL.to_owned(), service.id.name.to_string()),
        (SPEC_LABEL.to_owned(), service.hash()),
    ])
}

/// The label of what belongs to the whole project.
pub(crate) fn project_labels(id: &ServiceId) -> HashMap<String, String> {
    HashMap::from([(PROJECT_LABEL.to_owned(), id.project.to_string())])
}

/// The body that makes the service's container.
pub(crate) fn body(spec: &InstanceSpec, form: &ContainerForm, covers: &[Cover]) -> ContainerCreateBody {
    let service = &*spec.service;
    let network = spec.network_name();
    let endpoint = EndpointSettings {
        aliases: Some(vec![service.id.name.to_string()]),
        ..Default::default()
    };
    ContainerCreateBody {
        image: Some(form.image.clone()),
        cmd: form.command.clone(),
        env: Some(form.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        exposed_ports: Some(service.ports.iter().map(inner).collect()),
        labels: Some(labels(service)),
        working_dir: service.workdir.clone(),
        // What others who stop it wait, and the engine when it ends itself. Without it, Podman takes none at all.
        stop_timeout: i64::try_from(whole_seconds(service.stop_grace)).ok(),
        // Numbers are understood for every signal, names only for those the engine knows.
        stop_signal: service.stop_signal.map(|signal| signal.0.to_string()),
        host_config: Some(HostConfig {
            network_mode: Some(network.clone()),
            port_bindings: Some(bindings(&service.ports)),
            mounts: Some(
                (form.volumes.iter().map(|volume| mount(spec, volume)))
                    .chain(covers.iter().map(covering))
                    .collect(),
            ),
            memory: service
                .resources
                .memory_bytes
                .and_then(|bytes| i64::try_from(bytes).ok()),
            nano_cpus: service
                .resources
                .cpu_millis
                .and_then(|cpus| i64::try_from(cpus * 1_000_000).ok()),
            // Restarting is the supervisor's: two who restart would fight.
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            ..Default::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network, endpoint)])),
        }),
        ..Default::default()
    }
}

fn inner(mapping: &PortMapping) -> String {
    let protocol = match mapping.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{}/{protocol}", mapping.port)
}

fn bindings(ports: &[PortMapping]) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for mapping in ports {
        let host_port = mapping.host.map(|port| port.to_string()).unwrap_or_default();
        let binding = PortBinding {
            host_ip: Some(HOST_IP.to_owned()),
            host_port: Some(host_port),
        };
        bindings
            .entry(inner(mapping))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    bindings
}

/// A volume that is there already.
fn covering(cover: &Cover) -> Mount {
    Mount {
        target: Some(cover.target.clone()),
        source: Some(cover.volume.clone()),
        typ: Some(MountType::VOLUME),
        ..Default::default()
    }
}

/// Mounts and not `Binds`: of a path that doesn't exist, `Binds` would make an empty folder owned by root.
fn mount(spec: &InstanceSpec, volume: &VolumeMount) -> Mount {
    let common = Mount {
        target: Some(volume.target.clone()),
        read_only: Some(volume.read_only),
        ..Default::default()
    };
    match &volume.source {
        VolumeSource::Named { name } => Mount {
            typ: Some(MountType::VOLUME),
            source: Some(spec.volume_name(name)),
            volume_options: Some(MountVolumeOptions {
                labels: Some(project_labels(&spec.service.id)),
                ..Default::default()
            }),
            ..common
        },
        VolumeSource::Path { path } => Mount {
            typ: Some(MountType::BIND),
            source: Some(path.to_string_lossy().into_owned()),
            ..common
        },
    }
}
