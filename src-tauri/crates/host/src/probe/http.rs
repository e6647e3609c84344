//! Does an HTTP GET answer as expected?

use std::{error::Error as _, io, io::ErrorKind, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request,
    body::{Body as _, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use locald_core::view::notification::plain;
use tokio::time::{Instant, timeout_at};

use super::{Probe, connect};

/// How much of an answer is searched for the text that has to be in it.
const BODY_LIMIT: usize = 64 * 1024;
/// How long an answer's headers may be.
const HEAD_LIMIT: usize = 64 * 1024;

pub(super) struct Http<'a> {
    pub(super) address: SocketAddr,
    /// With a leading slash.
    pub(super) path: &'a str,
    /// `None` takes 200 to 399. Redirections aren't followed: they may lead to another service.
    pub(super) status: Option<u16>,
    /// Text that has to be in the answer.
    pub(super) body: Option<&'a str>,
    /// How long an answer without a known end is watched for a sudden one.
    pub(super) watch: Duration,
    /// What is asked with besides.
    pub(super) headers: Vec<(&'static str, &'a str)>,
    /// What a status means in a protocol on top of HTTP.
    pub(super) means: Vec<(u16, String)>,
}

impl Http<'_> {
    async fn answers(&self) -> Result<(), String> {
        let stream = connect(self.address).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.failed(&error))?;
        let mut request = Request::get(self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let request = request
            .header(header::HOST, self.address.to_string())
            .header(header::USER_AGENT, concat!("locald/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.failed(&error))?;
            let got = response.status().as_u16();
            if let Some((_, meaning)) = self.means.iter().find(|(status, _)| *status == got) {
                return Err(meaning.clone());
            }
            if !self.status.map_or((200..400).contains(&got), |wanted| wanted == got) {
                return Err(format!("GET {} answered {got}", self.path));
            }
            self.read(got, response.into_body()).await
        };
        tokio::pin!(exchange, connection);
        // The connection is driven beside the exchange and dropped with it. When it ends first, the exchange knows
        // what had come before and what is missing.
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            _ = &mut connection => exchange.await,
        }
    }

    /// Reads the body: half of it is no answer.
    async fn read(&self, status: u16, mut body: Incoming) -> Result<(), String> {
        // Such as a stream of events, which never ends.
        let endless = body.size_hint().exact().is_none();
        let settled = Instant::now() + self.watch;
        let wanted = self.body.unwrap_or_default().as_bytes();
        let mut bytes = Vec::new();
        let mut found = wanted.is_empty();
        while bytes.len() < BODY_LIMIT {
            let next = if found && endless {
                timeout_at(settled, body.frame()).await.unwrap_or_default()
            } else {
                body.frame().await
            };
            let Some(frame) = next else { break };
            let frame = frame.map_err(|error| format!("GET {} answered {status} and broke off: {error}", self.path))?;
            let Some(chunk) = frame.data_ref() else { continue };
            // What was searched before is searched again only where the text may begin.
            let from = bytes.len().saturating_sub(wanted.len());
            bytes.extend_from_slice(chunk.get(..BODY_LIMIT - bytes.len()).unwrap_or(chunk));
            found = found
                || bytes
                    .get(from..)
                    .unwrap_or_default()
                    .windows(wanted.len())
                    .any(|part| part == wanted);
        }
        if found {
            Ok(())
        } else {
            let wanted = plain(self.body.unwrap_or_default());
            Err(format!("GET {} answered {status} without `{wanted}` in it", self.path))
        }
    }

    fn failed(&self, error: &hyper::Error) -> String {
        let port = self.address.port();
        let reset = error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(|error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        if reset || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            format!("port {port} closed the connection without an answer")
        } else if error.is_parse() {
            format!("port {port} does not speak HTTP: {error}")
        } else {
            format!("port {port}: {error}")
        }
    }
}

impl Probe for Http<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
