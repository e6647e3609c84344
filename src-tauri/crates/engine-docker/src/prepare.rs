//! Having the image.

use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt as _;
use hyper::Method;
use locald_engine::{EngineError, InstanceSpec, PrepareProgress, ProgressSink};
use serde::Deserialize;

use crate::{
    DockerEngine,
    errors::clean,
    http::{Failure, encode},
    wire::lenient,
};

/// How long the registry may be silent before the first word; without a network an engine may try for much longer.
const FIRST_WORD: Duration = Duration::from_secs(9);
/// How long it may be silent after that: unpacking a big layer says nothing for a while.
const NEXT_WORD: Duration = Duration::from_secs(300);

/// A line of a pull's progress.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PullLine {
    #[serde(deserialize_with = "lenient")]
    id: String,
    #[serde(deserialize_with = "lenient")]
    status: String,
    #[serde(deserialize_with = "lenient")]
    error: Option<String>,
    #[serde(rename = "progressDetail", deserialize_with = "lenient")]
    detail: PullDetail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PullDetail {
    #[serde(deserialize_with = "lenient")]
    current: u64,
    #[serde(deserialize_with = "lenient")]
    total: u64,
}

impl DockerEngine {
    pub(crate) async fn prepare_image(&self, spec: &InstanceSpec, progress: ProgressSink) -> Result<(), EngineError> {
        let form = spec.container(&self.identity)?;
        let image = &form.image;
        let wrap = |failure: Failure| match failure {
            Failure::Connect(fault) => fault.into(),
            Failure::Status { message, .. } | Failure::Broken(message) => {
                tracing::info!(image, message, "fetching an image failed");
                EngineError::Prepare {
                    image: image.clone(),
                    detail: in_words(&message),
                }
            }
        };
        match self
            .http
            .get::<serde_json::Value>(&format!("/images/{}/json", encode(image, "/:@")))
            .await
        {
            Ok(_) => return Ok(()),
            Err(failure) if failure.status() == Some(404) => {}
            Err(failure) => return Err(wrap(failure)),
        }
        self.pull(image, &progress).await.map_err(wrap)
    }

    async fn pull(&self, image: &str, progress: &ProgressSink) -> Result<(), Failure> {
        let path = format!("/images/create?fromImage={}", encode(&with_tag(image), ""));
        let silent = || Failure::Broken("i/o timeout".to_owned());
        let first = tokio::time::Instant::now() + FIRST_WORD;
        let answer = tokio::time::timeout_at(first, self.http.send(Method::POST, &path, None))
            .await
            .map_err(|_| silent())??;
        let mut lines = answer.body.lines();
        let mut layers: HashMap<String, (u64, u64)> = HashMap::new();
        let mut deadline = first;
        while let Some(line) = tokio::time::timeout_at(deadline, lines.next())
            .await
            .map_err(|_| silent())?
        {
            deadline = tokio::time::Instant::now() + NEXT_WORD;
            let Ok(line) = serde_json::from_slice::<PullLine>(&line.map_err(Failure::Broken)?) else {
                continue;
            };
            // The headers said 200 before anything was fetched; this is where a failure shows.
            if let Some(error) = line.error {
                return Err(Failure::Broken(error));
            }
            match line.status.as_str() {
                "Downloading" => {
                    layers.insert(line.id, (line.detail.current, line.detail.total));
                }
                "Download complete" | "Pull complete" => {
                    if let Some((current, total)) = layers.get_mut(&line.id) {
                        *current = *total;
                    }
                }
                _ => continue,
            }
            let (done, total) = layers
                .values()
                .fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
            let newest = PrepareProgress {
                done_bytes: done,
                total_bytes: (total > 0).then_some(total),
            };
            // A full channel drops it: only the newest counts, and another follows.
            let _ = progress.try_send(newest);
        }
        Ok(())
    }
}

/// Without a tag an engine would fetch every tag there is.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains(':') || image.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// What a registry's or resolver's complaint comes down to.
fn in_words(message: &str) -> String {
    let text = message.to_ascii_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if has(&["toomanyrequests", "rate limit"]) {
        "the registry gives out no more for now (rate limit)".to_owned()
    } else if has(&[
        "no such host",
        "dial tcp",
        "i/o timeout",
        "network is unreachable",
        "connection refused",
        "name resolution",
        "server misbehaving",
        "client.timeout",
        "handshake timeout",
        "deadline exceeded",
        "proxyconnect",
        "connection reset",
    ]) {
        "the registry can't be reached; is this machine online?".to_owned()
    } else if has(&[
        "manifest unknown",
        "not found",
        "does not exist",
        "access denied",
        "unauthorized",
    ]) {
        "the registry has no such image, or wants a login for it".to_owned()
    } else {
        clean(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_is_its_latest() {
        assert_eq!(with_tag("redis"), "redis:latest");
        assert_eq!(with_tag("host:5000/redis"), "host:5000/redis:latest");
        assert_eq!(with_tag("host:5000/redis:7"), "host:5000/redis:7");
        assert_eq!(with_tag("redis@sha256:ab"), "redis@sha256:ab");
    }

    #[test]
    fn complaints_in_plain_words() {
        for offline in [
            "Get \"https://registry/v2/\": dial tcp: lookup registry: no such host",
            "Get https://registry/v2/: net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
        ] {
            assert_eq!(
                in_words(offline),
                "the registry can't be reached; is this machine online?"
            );
        }
        assert!(in_words("pull access denied for x, repository does not exist").contains("no such image"));
    }
}
