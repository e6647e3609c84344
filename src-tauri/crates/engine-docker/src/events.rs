//! The engine's event stream in locald's words.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use locald_core::{InstanceId, instance::ExitFacts, snapshot::HealthKind, spec::Signal};
use locald_engine::{EngineError, EngineEvent, EngineEventKind};
use serde::Deserialize;

use crate::{
    DockerEngine,
    aside::is_aside,
    endpoint::Endpoint,
    http::{Failure, encode, timed_out},
    list::service_of,
    wire::{lenient, lenient_map},
};

/// How long the subscription may take to stand.
const SUBSCRIBE: Duration = Duration::from_secs(10);

/// A line of `GET /events`. Docker 29 has `Action` and `Actor` only; older ones repeat them as `status` and `id`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(rename = "Type", deserialize_with = "lenient")]
    kind: String,
    #[serde(rename = "Action", deserialize_with = "lenient")]
    action: String,
    #[serde(deserialize_with = "lenient")]
    status: String,
    #[serde(rename = "Actor", deserialize_with = "lenient")]
    actor: Actor,
    #[serde(deserialize_with = "lenient")]
    id: String,
    #[serde(deserialize_with = "lenient")]
    time: Option<i64>,
    #[serde(rename = "timeNano", deserialize_with = "lenient")]
    time_nano: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Actor {
    #[serde(rename = "ID", deserialize_with = "lenient")]
    id: String,
    #[serde(rename = "Attributes", deserialize_with = "lenient_map")]
    attributes: HashMap<String, String>,
}

impl DockerEngine {
    pub(crate) async fn open_events(
        &self,
        since: Option<Timestamp>,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        // By type only: Podman knows some actions by other names in the filter than in the event.
        let filters = encode(r#"{"type":["container"]}"#, "");
        let mut path = format!("/events?filters={filters}");
        // Docker sends its headers a moment before it subscribes. Where its clock is known well enough, `since` closes
        // the gap.
        let here = matches!(self.http.endpoint, Endpoint::Unix(_));
        if let Some(now) = since.or_else(|| here.then(|| self.engine_now())) {
            path.push_str(&format!("&since={}.{:09}", now.as_second(), now.subsec_nanosecond()));
        }
        let opened = tokio::time::timeout(SUBSCRIBE, self.http.open(&path))
            .await
            .unwrap_or_else(|_| Err(timed_out(SUBSCRIBE)));
        let body = opened.map_err(|failure: Failure| failure.into_error(|detail| EngineError::Events { detail }))?;
        let mut warned = false;
        let events = body.lines().filter_map(move |line| {
            let event = match line {
                Ok(line) => read(&line, &mut warned).map(Ok),
                Err(detail) => Some(Err(EngineError::Events { detail })),
            };
            async move { event }
        });
        Ok(events.boxed())
    }
}

/// One line; a bad one is skipped, and said so the first time.
fn read(line: &[u8], warned: &mut bool) -> Option<EngineEvent> {
    if line.trim_ascii().is_empty() || line.trim_ascii() == b"null" {
        return None;
    }
    match serde_json::from_slice::<Line>(line) {
        Ok(line) => event(line),
        Err(error) => {
            if !std::mem::replace(warned, true) {
                tracing::warn!(%error, "a line of the event stream could not be read");
            }
            None
        }
    }
}

fn event(line: Line) -> Option<EngineEvent> {
    if !line.kind.is_empty() && line.kind != "container" {
        return None;
    }
    let action = if line.action.is_empty() {
        &line.status
    } else {
        &line.action
    };
    let id = if line.actor.id.is_empty() {
        &line.id
    } else {
        &line.actor.id
    };
    if id.is_empty() {
        return None;
    }
    let attributes = &line.actor.attributes;
    if is_aside(attributes) {
        return None;
    }
    let at = match (line.time_nano, line.time) {
        (Some(nanos), _) if nanos > 0 => Timestamp::from_nanosecond(i128::from(nanos)).ok(),
        (_, Some(seconds)) => Timestamp::from_second(seconds).ok(),
        _ => None,
    };
    // `exec_die: sh -c …` is another action than `die`: compared whole, never by part.
    let (action, rest) = action.split_once(": ").unwrap_or((action, ""));
    let kind = match action {
        "create" => EngineEventKind::Created,
        "start" => EngineEventKind::Started,
        "kill" => EngineEventKind::Signaled {
            signal: attributes.get("signal").and_then(|signal| Signal::parse(signal)),
        },
        "stop" => EngineEventKind::StopRequested,
        "restart" => EngineEventKind::RestartRequested,
        // Podman calls it `died` in places. Only here is its exit code true.
        "die" | "died" => EngineEventKind::Exited(ExitFacts {
            code: attributes
                .get("exitCode")
                .or_else(|| attributes.get("containerExitCode"))
                .and_then(|code| code.parse().ok()),
            oom: false,
            at,
        }),
        "oom" => EngineEventKind::OutOfMemory,
        "pause" => EngineEventKind::Paused,
        "unpause" => EngineEventKind::Unpaused,
        "rename" => EngineEventKind::Renamed,
        "destroy" | "remove" => EngineEventKind::Removed,
        "health_status" => {
            let status = if rest.is_empty() {
                attributes.get("health_status").map_or("", String::as_str)
            } else {
                rest
            };
            EngineEventKind::EngineHealth {
                status: match status {
                    "healthy" => HealthKind::Healthy,
                    "unhealthy" => HealthKind::Unhealthy,
                    "starting" => HealthKind::Starting,
                    _ => return None,
                },
            }
        }
        _ => return None,
    };
    Some(EngineEvent {
        instance: InstanceId::from(id.as_str()),
        service: service_of(attributes),
        kind,
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> Option<EngineEventKind> {
        read(json.as_bytes(), &mut false).map(|event| event.kind)
    }

    #[test]
    fn actions_are_compared_whole() {
        for noise in [
            r#"{"Type":"container","Action":"exec_die: sh -c false","Actor":{"ID":"a","Attributes":{"exitCode":"1"}}}"#,
            r#"{"Type":"container","Action":"exec_die","Actor":{"ID":"a","Attributes":{"exitCode":"1"}}}"#,
            r#"{"Type":"container","Action":"cleanup","Actor":{"ID":"a","Attributes":{"containerExitCode":"0"}}}"#,
            r#"{"Type":"network","Action":"destroy","Actor":{"ID":"a"}}"#,
            r#"{"Type":"container","Action":"die","Actor":{"ID":""}}"#,
            "null",
            "",
            "{\"Type\":\"conta",
            "[1]",
        ] {
            assert_eq!(kind(noise), None, "{noise}");
        }
    }

    #[test]
    fn events_of_docker_20_29_and_podman() {
        let exited = |code| {
            Some(EngineEventKind::Exited(ExitFacts {
                code,
                ..ExitFacts::default()
            }))
        };
        assert_eq!(
            kind(r#"{"Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"3"}}}"#),
            exited(Some(3))
        );
        assert_eq!(
            kind(r#"{"status":"die","id":"a","Type":"container","Actor":null}"#),
            exited(None)
        );
        assert_eq!(
            kind(r#"{"Action":"kill","Actor":{"ID":"a","Attributes":{"signal":"SIGTERM"}}}"#),
            Some(EngineEventKind::Signaled {
                signal: Some(Signal::TERM)
            })
        );
        assert_eq!(
            kind(r#"{"Action":"remove","Actor":{"ID":"a"}}"#),
            Some(EngineEventKind::Removed)
        );
        assert_eq!(
            kind(r#"{"Action":"health_status: healthy","Actor":{"ID":"a"}}"#),
            Some(EngineEventKind::EngineHealth {
                status: HealthKind::Healthy
            })
        );
    }
}
