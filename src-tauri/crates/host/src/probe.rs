//! Asks services whether they answer.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Incoming, header};
use hyper_util::rt::TokioIo;
use locald_core::event::ProbeTarget;
use locald_engine::SharedEngine;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// How long a connection is watched after it was accepted. A container engine's port forwarder accepts for a service
/// that doesn't listen yet and closes at once when it is refused inside.
const ACCEPTED_WATCH: Duration = Duration::from_millis(100);

/// How much of an answer is searched for the text that has to be in it.
const BODY_LIMIT: usize = 64 * 1024;

/// Asks once. The error is what the person gets to read.
pub(crate) async fn ask(engine: Option<&SharedEngine>, target: &ProbeTarget, timeout: Duration) -> Result<(), String> {
    let question = async {
        match target {
            ProbeTarget::Tcp { address } => tcp(*address).await,
            ProbeTarget::Http {
                address,
                path,
                status,
                body,
            } => http(*address, path, *status, body.as_deref()).await,
            ProbeTarget::Command { instance, command, .. } => {
                let engine = engine.ok_or("its engine is not known")?;
                let outcome = engine
                    .exec(instance, command)
                    .await
                    .map_err(|error| error.to_string())?;
                match outcome.code {
                    0 => Ok(()),
                    code => {
                        let said = outcome
                            .output
                            .lines()
                            .rev()
                            .find(|line| !line.trim().is_empty())
                            .unwrap_or("");
                        let said: String = said.chars().take(200).collect();
                        let colon = if said.is_empty() { "" } else { ": " };
                        Err(format!("the health check exited with code {code}{colon}{said}"))
                    }
                }
            }
        }
    };
    match tokio::time::timeout(timeout, question).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", timeout.as_secs_f64())),
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("port {} refuses connections", address.port()),
        _ => format!("port {}: {error}", address.port()),
    })
}

async fn tcp(address: SocketAddr) -> Result<(), String> {
    let mut stream = connect(address).await?;
    let mut byte = [0];
    match tokio::time::timeout(ACCEPTED_WATCH, stream.read(&mut byte)).await {
        // Silent and open, or it spoke first.
        Err(_) | Ok(Ok(1..)) => Ok(()),
        Ok(Ok(0) | Err(_)) => Err(format!("port {} accepts and closes at once", address.port())),
    }
}

async fn http(address: SocketAddr, path: &str, status: Option<u16>, body: Option<&str>) -> Result<(), String> {
    let stream = connect(address).await?;
    let failed = |error: hyper::Error| format!("port {} does not speak HTTP: {error}", address.port());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, concat!("locald/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let got = response.status().as_u16();
        if !status.map_or((200..400).contains(&got), |wanted| wanted == got) {
            return Err(format!("GET {path} answered {got}"));
        }
        match body {
            None => Ok(()),
            Some(wanted) if begin_of(response.into_body()).await.map_err(failed)?.contains(wanted) => Ok(()),
            Some(wanted) => Err(format!("GET {path} answered {got} without `{wanted}` in it")),
        }
    };
    tokio::pin!(exchange, connection);
    // The connection is driven beside the exchange and dropped with it.
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended.map_err(failed)?;
            // All that came before the end is there to be read.
            match exchange.now_or_never() {
                Some(answer) => answer,
                None => Err(format!("port {} closed the connection without an answer", address.port())),
            }
        }
    }
}

/// The first 64 KiB of an answer.
async fn begin_of(mut body: Incoming) -> Result<String, hyper::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < BODY_LIMIT
        && let Some(frame) = body.frame().await
    {
        if let Some(chunk) = frame?.data_ref() {
            bytes.extend_from_slice(chunk);
        }
    }
    bytes.truncate(BODY_LIMIT);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
