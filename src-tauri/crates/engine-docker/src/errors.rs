//! What the engine's texts mean. Docker and Podman give no codes for these, so their wording is all there is.

use std::error::Error as _;

use locald_core::{
    ProblemCode, ServiceId,
    spec::{Protocol, VolumeSource},
};
use locald_engine::{ConnectFault, EngineError, InstanceSpec};
use locald_engine_native::holder_of;

use crate::{
    DockerEngine, facts,
    http::{Failure, chain},
    list::service_of,
};

/// A refused start in locald's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ProblemCode,
    pub(crate) detail: String,
    /// The port it is about, where another's name is to be looked up.
    pub(crate) port: Option<u16>,
}

/// Reads the reason out of what the engine said of a create or start of `spec`.
pub(crate) fn refusal(spec: &InstanceSpec, message: &str) -> Refusal {
    let text = message.to_ascii_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let plain = |code, detail: String| Refusal {
        code,
        detail,
        port: None,
    };

    // Two of docker, two of podman; docker 28 says "failed to bind host port … address already in use".
    if has(&["port is already allocated", "address already in use"]) {
        let port = port_in(spec, &text);
        let what = port.map_or_else(|| "a port".to_owned(), |port| format!("port {port} on 127.0.0.1"));
        return Refusal {
            code: ProblemCode::PortInUse,
            detail: format!("{what} is in use by another program"),
            port,
        };
    }
    if has(&["permission denied", "privileged port"]) && has(&["bind", "listen", "expose", "port"]) {
        let what = port_in(spec, &text).map_or_else(|| "the port".to_owned(), |port| format!("port {port}"));
        return plain(
            ProblemCode::PortNotPermitted,
            format!("the engine may not open {what}: permission denied"),
        );
    }
    let mount = spec.service.volumes.iter().find_map(|mount| match &mount.source {
        VolumeSource::Path { path } if message.contains(&*path.to_string_lossy()) => Some(path),
        VolumeSource::Path { .. } | VolumeSource::Named { .. } => None,
    });
    if let Some(path) = mount
        && has(&["does not exist", "no such file or directory"])
    {
        return plain(
            ProblemCode::MountMissing,
            format!("{} does not exist on this machine", path.display()),
        );
    }
    if has(&["no such image", "image not known", "unable to find image"]) {
        return plain(ProblemCode::ImageMissing, clean(message));
    }
    let exec = has(&["exec", "oci runtime"]);
    if has(&["executable file not found"]) || (exec && has(&["no such file or directory"])) {
        return plain(
            ProblemCode::CommandNotFound,
            format!("{} does not exist in the image", program(message)),
        );
    }
    if exec && has(&["permission denied", "is a directory", "exec format error"]) {
        return plain(
            ProblemCode::CommandNotFound,
            format!("{} can't be run: {}", program(message), clean(message)),
        );
    }
    plain(ProblemCode::StartFailed, clean(message))
}

/// Which of the spec's ports the text is about; the only one there is, when it names none.
fn port_in(spec: &InstanceSpec, text: &str) -> Option<u16> {
    let mut fixed = spec.service.ports.iter().filter_map(|mapping| mapping.host);
    let named = fixed.clone().find(|port| {
        let number = port.to_string();
        text.match_indices(&number).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + number.len()..].chars().next();
            before == Some(':') && !after.is_some_and(|c| c.is_ascii_digit())
        })
    });
    named.or_else(|| fixed.next().filter(|_| fixed.next().is_none()))
}

/// The program's name out of an OCI runtime's complaint: `exec: "nope": executable file not found`.
fn program(message: &str) -> String {
    let quoted = message
        .split_once("exec: ")
        .and_then(|(_, rest)| rest.strip_prefix(['"', '`', '\'']));
    match quoted.and_then(|rest| rest.split(['"', '`', '\'']).next()) {
        Some(name) if !name.is_empty() => format!("the program `{name}`"),
        _ => "the program".to_owned(),
    }
}

/// The engine's message without the layers of wrapping that say nothing to a person.
pub(crate) fn clean(message: &str) -> String {
    let mut text = message.trim();
    for noise in [
        "Error response from daemon: ",
        "failed to create task for container: ",
        "failed to create shim task: ",
        "failed to create shim: ",
        "OCI runtime create failed: ",
        "OCI runtime exec failed: ",
        "runc create failed: ",
        "container_linux.go:",
        "unable to start container process: ",
    ] {
        if let Some(rest) = text.strip_prefix(noise) {
            // An old runc puts its source line there: `container_linux.go:380: starting container process caused: …`.
            text = if noise.ends_with(':') {
                rest.split_once(' ').map_or(rest, |(_, rest)| rest)
            } else {
                rest
            };
        }
    }
    let text = text.strip_suffix(": unknown").unwrap_or(text);
    text.strip_prefix("starting container process caused: ")
        .unwrap_or(text)
        .to_owned()
}

impl DockerEngine {
    /// bollard's error as a failure; when the transport broke, the socket itself is asked what is wrong with it.
    pub(crate) async fn failure(&self, error: bollard::errors::Error) -> Failure {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { status_code, message } => Failure::Status {
                code: status_code,
                message,
            },
            Error::DockerStreamError { error } => Failure::Broken(error),
            Error::RequestTimeoutError => Failure::Broken("the engine did not answer in time".to_owned()),
            Error::JsonDataError { message, .. } => Failure::Broken(message),
            Error::IOError { err } if err.get_ref().is_some_and(|inner| inner.is::<ConnectFault>()) => {
                match err.downcast() {
                    Ok(fault) => Failure::Connect(fault),
                    Err(err) => Failure::Broken(err.to_string()),
                }
            }
            other => match self.http.endpoint.open().await {
                Err(fault) => Failure::Connect(fault),
                Ok(_) => Failure::Broken(other.source().map_or_else(|| other.to_string(), chain)),
            },
        }
    }

    /// A refused create or start as the error of that operation, naming who holds a port.
    pub(crate) async fn refused(
        &self,
        spec: &InstanceSpec,
        failure: Failure,
        make: fn(String, ProblemCode, String) -> EngineError,
    ) -> EngineError {
        let message = match failure {
            Failure::Connect(fault) => return fault.into(),
            Failure::Status { message, .. } | Failure::Broken(message) => message,
        };
        let mut refusal = refusal(spec, &message);
        let mut holder = None;
        if let Some(port) = refusal.port
            && let Some((name, service)) = self.holder_of(port, spec).await
        {
            refusal.detail = format!("port {port} on 127.0.0.1 is in use by {name}");
            holder = service;
        } else if let Some(port) = refusal.port.filter(|port| self.is_here() && is_tcp(spec, *port))
            && let Ok(Some(program)) = tokio::task::spawn_blocking(move || holder_of(port)).await
        {
            refusal.detail = format!("port {port} on 127.0.0.1 is in use by {program}");
        }
        if refusal.code == ProblemCode::PortInUse {
            return EngineError::PortInUse {
                name: spec.instance_name(),
                detail: refusal.detail,
                holder,
            };
        }
        make(spec.instance_name(), refusal.code, refusal.detail)
    }

    /// What another running instance that holds the port is called, and the service it is of.
    async fn holder_of(&self, port: u16, spec: &InstanceSpec) -> Option<(String, Option<ServiceId>)> {
        let own = spec.instance_name();
        let listed = self.listed("").await.ok()?;
        listed.into_iter().find_map(|container| {
            let holds = container.ports.iter().any(|listed| listed.public == Some(port));
            let name = container.names.first()?.trim_start_matches('/').to_owned();
            (holds && name != own).then(|| {
                let service = service_of(&container.labels);
                let compose = facts::compose(&container.labels);
                let called = match (&service, compose) {
                    (Some(service), _) => format!("the service {service}"),
                    (None, Some(origin)) => format!("container {name} of project {}", origin.project),
                    (None, None) => format!("container {name}"),
                };
                (called, service)
            })
        })
    }
}

/// Of a port of the other protocol it can't be told who holds it.
fn is_tcp(spec: &InstanceSpec, port: u16) -> bool {
    let mut ports = spec.service.ports.iter();
    ports.any(|mapping| mapping.host == Some(port) && mapping.protocol == Protocol::Tcp)
}

/// [`EngineError::Create`] in the shape [`DockerEngine::refused`] takes.
pub(crate) fn create_error(name: String, code: ProblemCode, detail: String) -> EngineError {
    EngineError::Create { name, code, detail }
}

/// [`EngineError::Start`] in the shape [`DockerEngine::refused`] takes.
pub(crate) fn start_error(name: String, code: ProblemCode, detail: String) -> EngineError {
    EngineError::Start { name, code, detail }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use locald_core::{
        ServiceSpec,
        spec::{PortMapping, Protocol, VolumeMount},
    };

    use super::*;

    fn spec() -> InstanceSpec {
        let mut service = ServiceSpec::container("shop/db".parse().unwrap(), "lt/bb:dev");
        service.ports = vec![PortMapping {
            host: Some(8080),
            port: 80,
            protocol: Protocol::Tcp,
        }];
        service.volumes = vec![VolumeMount {
            source: VolumeSource::Path {
                path: "/no/such".into(),
            },
            target: "/x".into(),
            read_only: false,
        }];
        InstanceSpec {
            service: Arc::new(service),
        }
    }

    #[test]
    fn engines_texts_have_codes() {
        use ProblemCode::{CommandNotFound, ImageMissing, MountMissing, PortInUse, PortNotPermitted, StartFailed};
        for (text, code) in [
            (
                "driver failed programming external connectivity on endpoint x (ab): Bind for 127.0.0.1:8080 failed: port is already allocated",
                PortInUse,
            ),
            (
                "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
                PortInUse,
            ),
            (
                "failed to bind host port 127.0.0.1:8080/tcp: address already in use",
                PortInUse,
            ),
            (
                "cannot listen on the TCP port: listen tcp4 127.0.0.1:8080: bind: address already in use",
                PortInUse,
            ),
            (
                "rootlessport listen tcp 127.0.0.1:8080: bind: address already in use",
                PortInUse,
            ),
            (
                "rootlessport cannot expose privileged port 80, you can add …: listen tcp 127.0.0.1:80: bind: permission denied",
                PortNotPermitted,
            ),
            (
                "invalid mount config for type \"bind\": bind source path does not exist: /no/such",
                MountMissing,
            ),
            ("statfs /no/such: no such file or directory", MountMissing),
            (
                "OCI runtime create failed: container_linux.go:380: starting container process caused: exec: \"nope\": executable file not found in $PATH: unknown",
                CommandNotFound,
            ),
            (
                "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/nope\": stat /nope: no such file or directory: unknown",
                CommandNotFound,
            ),
            ("No such image: lt/none:dev", ImageMissing),
            ("something else", StartFailed),
        ] {
            assert_eq!(refusal(&spec(), text).code, code, "{text}");
        }
    }

    #[test]
    fn details_name_the_thing_and_drop_the_noise() {
        let text = "OCI runtime create failed: container_linux.go:380: starting container process caused: exec: \"nope\": executable file not found in $PATH: unknown";
        assert_eq!(
            refusal(&spec(), text).detail,
            "the program `nope` does not exist in the image"
        );
        assert_eq!(clean(text), "exec: \"nope\": executable file not found in $PATH");
        let port = refusal(&spec(), "Bind for 127.0.0.1:8080 failed: port is already allocated");
        assert_eq!(
            (port.port, port.detail.as_str()),
            (Some(8080), "port 8080 on 127.0.0.1 is in use by another program")
        );
    }
}
