//! Asks services whether they answer.

mod amqp;
mod clickhouse;
mod command;
mod credentials;
mod dialogue;
mod http;
mod kafka;
mod memcached;
mod mongodb;
mod mqtt;
mod mysql;
mod nats;
mod postgres;
mod redis;
mod scram;
mod smtp;
mod tcp;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use futures_util::future::BoxFuture;
use locald_core::{
    event::ProbeTarget,
    spec::{Credentials, Secret, ServiceProtocol},
    view::notification::plain,
};
use locald_engine::SharedEngine;
use tokio::net::TcpStream;

use self::{
    amqp::Amqp, clickhouse::Clickhouse, command::Command, http::Http, kafka::Kafka, memcached::Memcached,
    mongodb::Mongodb, mqtt::Mqtt, mysql::Mysql, nats::Nats, postgres::Postgres, redis::Redis, smtp::Smtp, tcp::Tcp,
};

pub(crate) use self::credentials::change_credentials;

/// How long a peer that says nothing more is watched. A container engine's port forwarder accepts for a service that
/// doesn't listen yet and closes at once when it is refused inside; an answer may be a stream without end.
const WATCH: Duration = Duration::from_millis(100);

/// The words for a server that lets everybody in where a password was made for the service.
const OTHER_SERVER: &str = "a server without a password answers here, so it is another one";

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
            headers: Vec::new(),
            means: Vec::new(),
        }),
        ProbeTarget::Service {
            protocol,
            address,
            credentials,
        } => service(*protocol, *address, credentials, watch),
        ProbeTarget::Command { instance, command, .. } => Box::new(Command {
            engine,
            instance,
            command,
        }),
    }
}

fn service<'a>(
    protocol: ServiceProtocol,
    address: SocketAddr,
    credentials: &'a Credentials,
    watch: Duration,
) -> Box<dyn Probe + 'a> {
    match protocol {
        ServiceProtocol::Postgres => Box::new(Postgres { address, credentials }),
        ServiceProtocol::Mysql => Box::new(Mysql { address, credentials }),
        ServiceProtocol::Redis => Box::new(Redis { address, credentials }),
        ServiceProtocol::Mongodb => Box::new(Mongodb { address, credentials }),
        ServiceProtocol::Amqp => Box::new(Amqp { address, credentials }),
        ServiceProtocol::Nats => Box::new(Nats { address, credentials }),
        ServiceProtocol::Memcached => Box::new(Memcached { address }),
        ServiceProtocol::Mqtt => Box::new(Mqtt { address, credentials }),
        ServiceProtocol::Kafka => Box::new(Kafka { address }),
        ServiceProtocol::Etcd => Box::new(Http {
            address,
            path: "/health",
            status: Some(200),
            body: Some(r#""health":"true""#),
            watch,
            headers: Vec::new(),
            means: vec![(503, "the server is not ready".to_owned())],
        }),
        ServiceProtocol::Clickhouse => Box::new(Clickhouse {
            address,
            credentials,
            watch,
        }),
        ServiceProtocol::Smtp => Box::new(Smtp { address }),
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| io_words(address, &error))?;
    // A question of two small packets would wait for the answer to the first.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn io_words(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::ConnectionRefused => format!("port {port} refuses connections"),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::NotConnected => closes_at_once(address),
        _ => format!("port {port}: {error}"),
    }
}

/// What is wrong with the connection, when that is what an error of a client library goes back to.
fn connection_words(address: SocketAddr, error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            // Libraries put what they can't read into these.
            && !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other)
        {
            return Some(io_words(address, error));
        }
        cause = error.source();
    }
    None
}

/// The words for another protocol than the one that was asked in.
fn speaks_otherwise(address: SocketAddr, protocol: &str) -> String {
    format!("port {} does not speak {protocol}", address.port())
}

/// What a server said, fit for one line: names as they are quoted elsewhere, and no full stop.
fn servers_words(said: &str) -> String {
    plain(said.trim().trim_end_matches('.')).replace('"', "`")
}

/// The words for a password that isn't taken.
fn refused(credentials: &Credentials, default_user: &str) -> String {
    match credentials.user.as_deref().unwrap_or(default_user) {
        "" => "the password is refused".to_owned(),
        user => format!("password authentication failed for user `{}`", plain(user)),
    }
}

fn password(credentials: &Credentials) -> Option<&str> {
    credentials.password.as_ref().map(Secret::reveal)
}

/// The words for a port that a forwarder, or a service about to end, takes and drops.
fn closes_at_once(address: SocketAddr) -> String {
    format!("port {} accepts and closes at once", address.port())
}
