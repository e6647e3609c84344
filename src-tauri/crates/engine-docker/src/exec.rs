//! Running a command inside an instance.

use bytes::{Buf as _, BytesMut};
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
        let body = serde_json::json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": command }).to_string();
        let path = format!("/containers/{}/exec", encode(instance.as_str(), ""));
        let created: Created = self.http.document(Method::POST, &path, Some(body)).await?;
        let exec = format!("/exec/{}", encode(&created.id, ""));
        let start = serde_json::json!({ "Detach": false, "Tty": false }).to_string();
        let answer = self
            .http
            .send(Method::POST, &format!("{exec}/start"), Some(start))
            .await?;
        let output = gather(answer.body).await.map_err(Failure::Broken)?;
        let ended: Ended = self.http.get(&format!("{exec}/json")).await?;
        let code = ended
            .exit_code
            .ok_or_else(|| Failure::Broken("the engine lost its exit code".to_owned()))?;
        Ok(ExecOutcome { code, output })
    }
}

/// The payload of all frames up to the limit; the rest is read and dropped, so that the command isn't held up.
async fn gather(mut body: Body) -> Result<String, String> {
    let (mut input, mut output, mut left) = (BytesMut::new(), BytesMut::new(), 0_usize);
    while let Some(chunk) = body.next().await {
        input.extend_from_slice(&chunk?);
        loop {
            if left == 0 {
                if input.len() < 8 {
                    break;
                }
                left = (&input.split_to(8)[4..]).get_u32() as usize;
                continue;
            }
            if input.is_empty() {
                break;
            }
            let bytes = input.split_to(left.min(input.len()));
            left -= bytes.len();
            output.extend_from_slice(&bytes[..bytes.len().min(OUTPUT_LIMIT - output.len())]);
        }
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}
