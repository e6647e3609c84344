//! Ports of this machine.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

use locald_core::{
    ProblemCode, ServiceId,
    instance::PublishedPort,
    spec::{PortMapping, Protocol},
};
use locald_engine::EngineError;

use super::{Shared, observe};
use crate::{holder, process};

const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Why a port can't be had.
pub(super) struct Refusal {
    code: ProblemCode,
    detail: String,
    /// The service of locald's that holds it.
    holder: Option<ServiceId>,
}

impl Refusal {
    fn new(code: ProblemCode, detail: String) -> Self {
        Self {
            code,
            detail,
            holder: None,
        }
    }

    /// What an instance of this name was not started for.
    pub(super) fn of(self, name: &str) -> EngineError {
        let name = name.to_owned();
        let Self { code, detail, holder } = self;
        match code {
            ProblemCode::PortInUse => EngineError::PortInUse { name, detail, holder },
            _ => EngineError::Start { name, code, detail },
        }
    }
}

/// The ports that a service gets. Those that it may choose are the ones it had, where they are still free.
pub(super) fn choose(
    shared: &Shared,
    service: &ServiceId,
    wanted: &[PortMapping],
    before: &[PublishedPort],
) -> Result<Vec<PublishedPort>, Refusal> {
    let mut chosen: Vec<PublishedPort> = Vec::new();
    for mapping in wanted {
        let had = before
            .iter()
            .find(|had| had.port == mapping.port && had.protocol == mapping.protocol)
            .map(|had| had.host_port);
        let host_port = match mapping.host {
            Some(port) => {
                check(shared, service, port, mapping.protocol)?;
                port
            }
            None => match had {
                Some(port) if bind(port, mapping.protocol).is_ok() => port,
                _ => bind(0, mapping.protocol)
                    .map_err(|error| Refusal::new(ProblemCode::StartFailed, format!("no port is free: {error}")))?,
            },
        };
        chosen.push(PublishedPort {
            host_ip: ADDRESS.to_string(),
            host_port,
            port: mapping.port,
            protocol: mapping.protocol,
        });
    }
    Ok(chosen)
}

fn check(shared: &Shared, own: &ServiceId, port: u16, protocol: Protocol) -> Result<(), Refusal> {
    let in_use = |by: String| {
        let detail = format!("port {port} on {ADDRESS} is in use by {by}");
        Refusal::new(ProblemCode::PortInUse, detail)
    };
    // It may be about to bind it.
    let boot = process::boot();
    for (place, instance) in observe::instances(shared) {
        let is_its = |held: &PublishedPort| held.host_port == port && held.protocol == protocol;
        if instance.service == *own || !instance.ports.iter().any(is_its) {
            continue;
        }
        let run = place.run().ok().flatten();
        if run.is_some_and(|run| !run.over && run.boot == boot && run.main.seen().is_some()) {
            return Err(Refusal {
                holder: Some(instance.service.clone()),
                ..in_use(format!("the service {}", instance.service))
            });
        }
    }
    match bind(port, protocol) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = holder::holder(port, protocol);
            Err(in_use(holder.map_or_else(
                || "another program".to_owned(),
                |holder| holder.to_string(),
            )))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Refusal::new(
            ProblemCode::PortNotPermitted,
            format!(
                "port {port} on {ADDRESS} may not be used by this user: ports below 1024 are reserved; choose another one"
            ),
        )),
        Err(error) => Err(Refusal::new(
            ProblemCode::StartFailed,
            format!("port {port} on {ADDRESS} can't be used: {error}"),
        )),
    }
}

/// Takes a port for a moment and gives its number.
fn bind(port: u16, protocol: Protocol) -> io::Result<u16> {
    let address = match protocol {
        Protocol::Tcp => TcpListener::bind((ADDRESS, port))?.local_addr()?,
        Protocol::Udp => UdpSocket::bind((ADDRESS, port))?.local_addr()?,
    };
    Ok(address.port())
}
