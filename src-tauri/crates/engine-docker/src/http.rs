//! Requests whose answers bollard decodes too strictly (lists, inspections, events, numbers) or by guessing (logs).
//! One connection a request, as bollard has it: a socket on the same machine costs next to nothing.

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bollard::{BollardRequest, Docker};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use http_body_util::{Full, StreamBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use locald_engine::{ConnectFault, EngineError};
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;

use crate::endpoint::Endpoint;

/// How long an answer that is one document may take; the slow operations go through bollard with limits of their own.
const DOCUMENT_LIMIT: Duration = Duration::from_secs(30);
/// More than any list of containers; keeps a faulty engine from filling the memory.
const DOCUMENT_BYTES: usize = 64 * 1024 * 1024;

/// How long a broken connection's driver may take to say what broke it.
const CAUSE: Duration = Duration::from_millis(300);

/// Why a request has no answer.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The engine isn't reached.
    Connect(ConnectFault),
    /// It said no.
    Status {
        /// HTTP status.
        code: u16,
        /// What it said.
        message: String,
    },
    /// The answer broke off, or isn't one.
    Broken(String),
}

impl Failure {
    /// As an engine's error, `make` wrapping what isn't about the connection.
    pub(crate) fn into_error(self, make: impl FnOnce(String) -> EngineError) -> EngineError {
        match self {
            Self::Connect(fault) => fault.into(),
            Self::Status { message, .. } => make(crate::errors::clean(&message)),
            Self::Broken(detail) => make(detail),
        }
    }

    /// The HTTP status, where there is one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            Self::Connect(_) | Self::Broken(_) => None,
        }
    }
}

/// Speaks HTTP to one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) endpoint: Endpoint,
}

/// Headers came; the body is still to be read.
pub(crate) struct Answer {
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Body,
}

/// What moves the bytes of a connection, and how that ended.
type Driver = AbortOnDropHandle<hyper::Result<()>>;

/// A body as it arrives. Dropping it closes the connection.
pub(crate) struct Body {
    incoming: Incoming,
    _connection: Driver,
}

impl Stream for Body {
    type Item = Result<Bytes, String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        use hyper::body::Body as _;
        loop {
            return Poll::Ready(match std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => Some(Ok(bytes)),
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => Some(Err(chain(&error))),
                None => None,
            });
        }
    }
}

impl Client {
    /// Sends a request and waits for the headers of a 2xx answer.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, Failure> {
        let kind = body.is_some().then_some("application/json");
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        self.exchange(method, path, kind, body).await
    }

    /// Sends a tar archive as it comes, and waits until the engine has unpacked it.
    pub(crate) async fn put_archive<S>(&self, path: &str, archive: S) -> Result<(), Failure>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let body = StreamBody::new(archive.map(|chunk| chunk.map(Frame::data)));
        // By any other name it would be taken for a form, and the answer is a cheerful 200 all the same.
        let answer = self.exchange(Method::PUT, path, Some("application/x-tar"), body);
        answer.await?.body.text().await.map(drop).map_err(Failure::Broken)
    }

    async fn exchange<B>(&self, method: Method, path: &str, kind: Option<&str>, body: B) -> Result<Answer, Failure>
    where
        B: hyper::body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let connection = self.endpoint.open().await.map_err(Failure::Connect)?;
        let (mut sender, driver) = match http1::handshake(TokioIo::new(connection)).await {
            Ok((sender, driver)) => (sender, AbortOnDropHandle::new(tokio::spawn(driver))),
            Err(error) => return Err(self.broken(&error, None).await),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost");
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(body).map_err(|error| Failure::Broken(error.to_string()))?;
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(self.broken(&error, Some(driver)).await),
        };
        let status = response.status();
        let (parts, incoming) = response.into_parts();
        let body = Body {
            incoming,
            _connection: driver,
        };
        if status.is_success() {
            return Ok(Answer {
                headers: parts.headers,
                body,
            });
        }
        let text = body.text().await.unwrap_or_default();
        Err(Failure::Status {
            code: status.as_u16(),
            message: message_of(&text),
        })
    }

    async fn broken(&self, error: &hyper::Error, driver: Option<Driver>) -> Failure {
        let mut detail = chain(error);
        // The connection broke before the request was taken up, and only what drives it knows why.
        if let Some(driver) = driver.filter(|_| error.is_canceled())
            && let Ok(Ok(Err(cause))) = tokio::time::timeout(CAUSE, driver).await
        {
            detail = chain(&cause);
        }
        match self.endpoint.explain(&detail).await {
            Some(fault) => Failure::Connect(fault),
            None => Failure::Broken(detail),
        }
    }

    /// bollard's client over the same ways to the engine as everything else here.
    pub(crate) fn bollard(&self, seconds: u64) -> Result<Docker, bollard::errors::Error> {
        let client = self.clone();
        let transport = move |request: BollardRequest| {
            let client = client.clone();
            async move { client.carry(request).await }
        };
        // The name is in no address that anything is sent to.
        let name = Some("http://localhost");
        Docker::connect_with_custom_transport(transport, name, seconds, bollard::API_DEFAULT_VERSION)
    }

    async fn carry(&self, request: BollardRequest) -> Result<Response<Incoming>, bollard::errors::Error> {
        let connection = self.endpoint.open().await.map_err(io::Error::other)?;
        let (mut sender, driver) = http1::handshake(TokioIo::new(connection)).await?;
        // It ends with the answer's body: the connection is for this request alone.
        let driver = tokio::spawn(driver);
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse().map_err(io::Error::other)?;
        parts
            .headers
            .insert(header::HOST, HeaderValue::from_static("localhost"));
        match sender.send_request(Request::from_parts(parts, body)).await {
            Ok(response) => Ok(response),
            Err(error) => match self.broken(&error, Some(AbortOnDropHandle::new(driver))).await {
                Failure::Connect(fault) => Err(io::Error::other(fault).into()),
                Failure::Broken(_) | Failure::Status { .. } => Err(error.into()),
            },
        }
    }

    /// A stream of bytes from a GET; returns once the headers are here.
    pub(crate) async fn open(&self, path: &str) -> Result<Body, Failure> {
        Ok(self.send(Method::GET, path, None).await?.body)
    }

    /// One JSON document from a GET.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.document(Method::GET, path, None).await
    }

    /// One JSON document.
    pub(crate) async fn document<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<T, Failure> {
        let work = async {
            let text = self
                .send(method, path, body)
                .await?
                .body
                .text()
                .await
                .map_err(Failure::Broken)?;
            serde_json::from_str(&text)
                .map_err(|error| Failure::Broken(format!("the answer could not be read ({error})")))
        };
        tokio::time::timeout(DOCUMENT_LIMIT, work)
            .await
            .unwrap_or_else(|_| Err(timed_out(DOCUMENT_LIMIT)))
    }
}

impl Body {
    /// All of it as text.
    pub(crate) async fn text(mut self) -> Result<String, String> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next().await {
            all.extend_from_slice(&chunk?);
            if all.len() > DOCUMENT_BYTES {
                return Err("the answer is too long".to_owned());
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    /// Line by line; what stands after the last line end comes as a line too.
    pub(crate) fn lines(self) -> BoxStream<'static, Result<Bytes, String>> {
        let state = (self, BytesMut::new(), false);
        futures_util::stream::unfold(state, |(mut body, mut buffer, ended)| async move {
            if ended {
                return None;
            }
            let mut searched = 0;
            loop {
                if let Some(at) = buffer[searched..].iter().position(|&byte| byte == b'\n') {
                    let line = buffer.split_to(searched + at + 1).freeze();
                    return Some((Ok(line.slice(..line.len() - 1)), (body, buffer, false)));
                }
                searched = buffer.len();
                match body.next().await {
                    Some(Ok(chunk)) if buffer.len() + chunk.len() <= DOCUMENT_BYTES => buffer.extend_from_slice(&chunk),
                    Some(Ok(_)) => return Some((Err("a line is too long".to_owned()), (body, buffer, true))),
                    Some(Err(error)) => return Some((Err(error), (body, buffer, true))),
                    None if buffer.is_empty() => return None,
                    None => {
                        let rest = buffer.split().freeze();
                        return Some((Ok(rest), (body, buffer, true)));
                    }
                }
            }
        })
        .boxed()
    }
}

/// That the engine took too long.
pub(crate) fn timed_out(limit: Duration) -> Failure {
    Failure::Broken(format!("the engine did not answer within {} s", limit.as_secs()))
}

/// An error and what caused it: hyper keeps the useful half in the source.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

/// The message in an error answer: `{"message": …}`, podman's `{"cause": …}`, else the text itself.
fn message_of(text: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let field = |name: &str| {
        json.as_ref()
            .and_then(|json| json.get(name))
            .and_then(|value| value.as_str())
    };
    let message = field("message").or_else(|| field("cause")).unwrap_or(text).trim();
    message.chars().take(2000).collect()
}

/// Percent-encodes all but the characters that never need it and those in `keep`.
pub(crate) fn encode(text: &str, keep: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.as_bytes().contains(&byte);
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
