//! What is better seen before an engine is asked, since it would do harm with it. Only for an engine on this machine:
//! of another one nothing is known from here.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

use locald_core::{
    ProblemCode,
    spec::{PortMapping, Protocol, VolumeSource},
};
use locald_engine::{EngineError, InstanceSpec};

use crate::{
    DockerEngine,
    endpoint::Endpoint,
    errors::{create_error, start_error},
    http::Failure,
};

impl DockerEngine {
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.http.endpoint, Endpoint::Unix(_))
    }

    /// For an engine that would make a missing folder itself.
    pub(crate) fn mounts_exist(&self, spec: &InstanceSpec) -> Result<(), EngineError> {
        if !self.dialect.makes_missing_folders() || !self.is_here() {
            return Ok(());
        }
        for mount in &spec.service.volumes {
            if let VolumeSource::Path { path } = &mount.source
                && !path.exists()
            {
                let detail = format!("{} does not exist on this machine", path.display());
                return Err(create_error(spec.instance_name(), ProblemCode::MountMissing, detail));
            }
        }
        Ok(())
    }

    /// For an engine that would keep the free ones after being refused the others.
    pub(crate) async fn ports_are_free(&self, spec: &InstanceSpec) -> Result<(), EngineError> {
        if !self.dialect.keeps_ports_of_failed_starts() || !self.is_here() {
            return Ok(());
        }
        let Some(port) = spec.service.ports.iter().find_map(taken) else {
            return Ok(());
        };
        // It may be the service itself that holds it, and a start of what runs is success.
        let own = self.listed_of(&spec.service.id).await.unwrap_or_default();
        if own.iter().any(|listed| listed.state == "running") {
            return Ok(());
        }
        let message = format!("listen tcp4 127.0.0.1:{port}: bind: address already in use");
        let failure = Failure::Status { code: 500, message };
        Err(self.refused(spec, failure, start_error).await)
    }
}

/// The mapping's port on this machine, when it is held by somebody.
fn taken(mapping: &PortMapping) -> Option<u16> {
    let port = mapping.host?;
    let address = (Ipv4Addr::LOCALHOST, port);
    let bound = match mapping.protocol {
        Protocol::Tcp => TcpListener::bind(address).map(drop),
        Protocol::Udp => UdpSocket::bind(address).map(drop),
    };
    // That locald may not have it says nothing of the engine.
    bound
        .is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        .then_some(port)
}
