//! A client's end of the control socket.

use std::{io, path::Path, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{
    UnixStream,
    unix::{OwnedReadHalf, OwnedWriteHalf},
};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec, LinesCodecError};

use super::{
    protocol::{ANSWER_LIMIT, Answer, AnswerBody, Done, Envelope, Hello, Item, PROTOCOL, Refusal, Request},
    socket_path,
};

/// How long a host may take to say hello; one that is stopped or hangs never does.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection to the host.
#[derive(Debug)]
pub struct Client {
    /// What the host said first.
    pub hello: Hello,
    lines: FramedRead<OwnedReadHalf, LinesCodec>,
    sink: FramedWrite<OwnedWriteHalf, LinesCodec>,
    last_id: u64,
}

/// Why a request got no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No host listens.
    #[error("locald isn't running")]
    NoHost,
    /// A host listens and doesn't say hello.
    #[error("the running locald does not answer")]
    Silent,
    /// The socket can't be used.
    #[error("the control socket can't be used: {0}")]
    Io(#[from] io::Error),
    /// The two are of different versions.
    #[error("the running locald ({version}) speaks another protocol; restart it")]
    Protocol {
        /// The host's version.
        version: String,
    },
    /// The host refused.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// The connection ended in the middle.
    #[error("locald ended before it answered")]
    Closed,
}

impl From<LinesCodecError> for ClientError {
    fn from(error: LinesCodecError) -> Self {
        match error {
            LinesCodecError::MaxLineLengthExceeded => Self::Io(io::Error::other("an answer is too long")),
            LinesCodecError::Io(error) => match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
                _ => Self::Io(error),
            },
        }
    }
}

impl Client {
    /// Connects and waits for the host's hello.
    ///
    /// # Errors
    /// When no host runs, it doesn't answer, or it speaks another protocol.
    pub async fn connect(runtime: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket_path(runtime))
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoHost,
                _ => ClientError::Io(error),
            })?;
        let (read, write) = stream.into_split();
        let mut lines = FramedRead::new(read, LinesCodec::new_with_max_length(ANSWER_LIMIT));
        let line = match tokio::time::timeout(HELLO_TIMEOUT, lines.next()).await {
            Err(_) => return Err(ClientError::Silent),
            Ok(None) => return Err(ClientError::Closed),
            Ok(Some(line)) => line?,
        };
        let hello: Hello = serde_json::from_str(&line).map_err(io::Error::from)?;
        if hello.protocol != PROTOCOL {
            return Err(ClientError::Protocol { version: hello.version });
        }
        Ok(Self {
            hello,
            lines,
            sink: FramedWrite::new(write, LinesCodec::new()),
            last_id: 0,
        })
    }

    /// Sends a request; [`Self::next`] gives what comes back.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send(&mut self, request: Request) -> Result<(), ClientError> {
        self.last_id += 1;
        let line = serde_json::to_string(&Envelope {
            id: self.last_id,
            request,
        })
        .map_err(io::Error::from)?;
        self.sink.send(line).await.map_err(ClientError::from)
    }

    /// The next item of the last request, `Err(Done)`-like at its end.
    ///
    /// # Errors
    /// When the host refused or the connection is lost.
    pub async fn next(&mut self) -> Result<Next, ClientError> {
        loop {
            let line = self.lines.next().await.ok_or(ClientError::Closed)??;
            let answer: Answer = serde_json::from_str(&line).map_err(io::Error::from)?;
            // Items of an earlier request, abandoned by now.
            if answer.id.is_some_and(|id| id != self.last_id) {
                continue;
            }
            return match answer.body {
                AnswerBody::Item(item) => Ok(Next::Item(item)),
                AnswerBody::Done(done) => Ok(Next::Done(done)),
                AnswerBody::Error(refusal) => Err(ClientError::Refused(Box::new(refusal))),
            };
        }
    }

    /// Sends a request and waits for its end, passing over items.
    ///
    /// # Errors
    /// When the host refused or the connection is lost.
    pub async fn call(&mut self, request: Request) -> Result<Done, ClientError> {
        self.send(request).await?;
        loop {
            if let Next::Done(done) = self.next().await? {
                return Ok(done);
            }
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// One of several.
    Item(Item),
    /// The end.
    Done(Done),
}
