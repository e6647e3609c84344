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

use super::{Shared, observe};
use crate::{holder, process};

const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The ports that a service gets. Those that it may choose are the ones it had, where they are still free.
pub(super) fn choose(
    shared: &Shared,
    service: &ServiceId,
    wanted: &[PortMapping],
    before: &[PublishedPort],
) -> Result<Vec<PublishedPort>, (ProblemCode, String)> {
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
                    .map_err(|error| (ProblemCode::StartFailed, format!("no port is free: {error}")))?,
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

fn check(shared: &Shared, own: &ServiceId, port: u16, protocol: Protocol) -> Result<(), (ProblemCode, String)> {
    let in_use = |by: String| {
        let detail = format!("port {port} on {ADDRESS} is in use by {by}");
        Err((ProblemCode::PortInUse, detail))
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
            return in_use(format!("the service {}", instance.service));
        }
    }
    match bind(port, protocol) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = holder::holder(port, protocol);
            in_use(holder.map_or_else(|| "another program".to_owned(), |holder| holder.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err((
            ProblemCode::PortNotPermitted,
            format!(
                "port {port} on {ADDRESS} may not be used by this user: ports below 1024 are reserved; choose another one"
            ),
        )),
        Err(error) => Err((
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
