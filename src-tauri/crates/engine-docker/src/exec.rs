//! Running a command inside an instance.

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use hyper::Method;
use locald_core::InstanceId;
use locald_engine::{EngineError, ExecOutcome};
use serde::Deserialize;

use crate::{
    DockerEngine,
    errors::clean,
    http::{Body, Failure, encode},
    wire::lenient,
};

/// As much output as is kept.
const OUTPUT_LIMIT: usize = 64 * 1024;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Created {
    #[serde(deserialize_with = "lenient")]
    id: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Ended {
    #[serde(deserialize_with = "lenient")]
    exit_code: Option<i32>,
}

impl DockerEngine {
    pub(crate) async fn exec_in(&self, instance: &InstanceId, command: &[String]) -> Result<ExecOutcome, EngineError> {
        let wrap = |detail: String| EngineError::Exec {
            instance: instance.to_string(),
            detail,
        };
        let outcome = self
            .exec_raw(instance, command)
            .await
            .map_err(|failure| failure.into_error(wrap))?;
        // Old engines tell in the output that there was nothing to run, Podman in its runtime's words.
        let nothing_to_run = [
            "OCI runtime exec failed",
            "exec failed: unable to start container process",
        ];
        if matches!(outcome.code, 126 | 127) && nothing_to_run.iter().any(|text| outcome.output.contains(text)) {
            return Err(wrap(clean(&outcome.output)));
        }
        Ok(outcome)
    }

    async fn exec_raw(&self, instance: &InstanceId, command: &[String]) -> Result<ExecOutcome, Failure> {
        let mut run = self.exec_begin(instance.as_str(), command, None).await?;
        let mut output = BytesMut::new();
        while let Some((_, bytes)) = run.output.next().await? {
            // The rest is read and dropped, so that the command isn't held up.
            output.extend_from_slice(&bytes[..bytes.len().min(OUTPUT_LIMIT - output.len())]);
        }
        let code = self.exec_code(&run).await?;
        let output = String::from_utf8_lossy(&output).into_owned();
        Ok(ExecOutcome { code, output })
    }

    /// Runs a command, as `user` or whoever the container runs as.
    pub(crate) async fn exec_begin(
        &self,
        container: &str,
        command: &[String],
        user: Option<&str>,
    ) -> Result<Running, Failure> {
        let mut body = serde_json::json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": command });
        if let Some(user) = user {
            body["User"] = user.into();
        }
        let path = format!("/containers/{}/exec", encode(container, ""));
        let created: Created = self.http.document(Method::POST, &path, Some(body.to_string())).await?;
        let id = encode(&created.id, "");
        let start = serde_json::json!({ "Detach": false, "Tty": false }).to_string();
        let answer = self
            .http
            .send(Method::POST, &format!("/exec/{id}/start"), Some(start))
            .await?;
        let output = Frames {
            body: answer.body,
            input: BytesMut::new(),
            stream: Stream::Out,
            left: 0,
        };
        Ok(Running { id, output })
    }

    /// How it ended; only to be asked once there is no more output.
    pub(crate) async fn exec_code(&self, run: &Running) -> Result<i32, Failure> {
        let ended: Ended = self.http.get(&format!("/exec/{}/json", run.id)).await?;
        ended
            .exit_code
            .ok_or_else(|| Failure::Broken("the engine lost its exit code".to_owned()))
    }
}

/// A command under way.
pub(crate) struct Running {
    id: String,
    pub(crate) output: Frames,
}

/// Where output was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Error,
}

/// Output as engines send it: pieces, each after a head that tells its stream and length.
pub(crate) struct Frames {
    body: Body,
    input: BytesMut,
    stream: Stream,
    left: usize,
}

impl Frames {
    /// The next of it, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(Stream, Bytes)>, Failure> {
        loop {
            if self.left == 0 && self.input.len() >= 8 {
                let head = self.input.split_to(8);
                self.stream = if head[0] == 2 { Stream::Error } else { Stream::Out };
                self.left = (&head[4..]).get_u32() as usize;
            } else if self.left > 0 && !self.input.is_empty() {
                let bytes = self.input.split_to(self.left.min(self.input.len()));
                self.left -= bytes.len();
                return Ok(Some((self.stream, bytes.freeze())));
            } else {
                match self.body.next().await {
                    Some(chunk) => self.input.extend_from_slice(&chunk.map_err(Failure::Broken)?),
                    None => return Ok(None),
                }
            }
        }
    }
}
