//! Asks services whether they answer.

mod command;
mod http;
mod tcp;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, time::Duration};

use futures_util::future::BoxFuture;
use locald_core::event::ProbeTarget;
use locald_engine::SharedEngine;
use tokio::net::TcpStream;

use self::{command::Command, http::Http, tcp::Tcp};

/// How long a peer that says nothing more is watched. A container engine's port forwarder accepts for a service that
/// doesn't listen yet and closes at once when it is refused inside; an answer may be a stream without end.
const WATCH: Duration = Duration::from_millis(100);

/// A question to a service. What speaks a protocol is one of these.
trait Probe: Send + Sync {
    /// Asks once. The error is what the person gets to read.
    fn ask(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// Asks once. The error is what the person gets to read.
pub(crate) async fn ask(engine: Option<&SharedEngine>, target: &ProbeTarget, timeout: Duration) -> Result<(), String> {
    let probe = probe(engine, target, timeout);
    match tokio::time::timeout(timeout, probe.ask()).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", timeout.as_secs_f64())),
    }
}

fn probe<'a>(engine: Option<&'a SharedEngine>, target: &'a ProbeTarget, timeout: Duration) -> Box<dyn Probe + 'a> {
    // A short timeout has to leave time for the answer.
    let watch = WATCH.min(timeout / 2);
    match target {
        ProbeTarget::Tcp { address } => Box::new(Tcp {
            address: *address,
            watch,
        }),
        ProbeTarget::Http {
            address,
            path,
            status,
            body,
        } => Box::new(Http {
            address: *address,
            path,
            status: *status,
            body: body.as_deref(),
            watch,
        }),
        ProbeTarget::Service { address, .. } => Box::new(Tcp {
            address: *address,
            watch,
        }),
        ProbeTarget::Command { instance, command, .. } => Box::new(Command {
            engine,
            instance,
            command,
        }),
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("port {} refuses connections", address.port()),
        std::io::ErrorKind::ConnectionReset => closes_at_once(address),
        _ => format!("port {}: {error}", address.port()),
    })
}

/// The words for a port that a forwarder, or a service about to end, takes and drops.
fn closes_at_once(address: SocketAddr) -> String {
    format!("port {} accepts and closes at once", address.port())
}
