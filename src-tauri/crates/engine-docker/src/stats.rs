//! Use of CPU and memory.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use locald_core::InstanceId;
use locald_engine::{EngineError, StatsSample};
use serde::Deserialize;

use crate::{
    DockerEngine,
    http::{Failure, encode},
    wire::{lenient, lenient_list, lenient_map, time},
};

/// A line of `GET /containers/ID/stats`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(deserialize_with = "lenient")]
    read: String,
    #[serde(deserialize_with = "lenient")]
    cpu_stats: Cpu,
    #[serde(deserialize_with = "lenient")]
    memory_stats: Memory,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cpu {
    #[serde(deserialize_with = "lenient")]
    cpu_usage: CpuUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CpuUsage {
    #[serde(deserialize_with = "lenient")]
    total_usage: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memory {
    #[serde(deserialize_with = "lenient")]
    usage: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    limit: Option<u64>,
    #[serde(deserialize_with = "lenient_map")]
    stats: HashMap<String, u64>,
}

/// `GET /info`, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Host {
    #[serde(rename = "MemTotal", deserialize_with = "lenient")]
    memory: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    cgroup_version: String,
    #[serde(deserialize_with = "lenient_list")]
    security_options: Vec<String>,
    /// Podman has it here.
    #[serde(deserialize_with = "lenient")]
    rootless: bool,
}

impl Host {
    /// Without a control group of its own, what is told of an instance is the whole machine's. An ordinary user's
    /// engine gets groups on version 2 only.
    fn counts(&self) -> bool {
        let rootless = self.rootless || self.security_options.iter().any(|option| option == "name=rootless");
        !(rootless && self.cgroup_version == "1")
    }
}

/// When, and how many nanoseconds of CPU by then.
type Reading = (Timestamp, u64);

/// The engine's answers, one for each sample.
type Lines = BoxStream<'static, Result<Bytes, String>>;

/// How often an engine is asked that doesn't tell by itself.
const ASKED_EVERY: Duration = Duration::from_secs(2);

impl DockerEngine {
    pub(crate) async fn open_stats(
        &self,
        instance: &InstanceId,
    ) -> Result<BoxStream<'static, Result<StatsSample, EngineError>>, EngineError> {
        let name = instance.to_string();
        let lines = self.stats_lines(instance).await.map_err(|failure| {
            failure.into_error(|detail| EngineError::Stats {
                instance: instance.to_string(),
                detail,
            })
        })?;
        let host = self
            .host
            .get_or_init(|| async { self.http.get("/info").await.unwrap_or_default() });
        let host = host.await;
        let (counts, memory) = (host.counts(), host.memory);
        let state = (lines, None::<Reading>);
        let samples = futures_util::stream::unfold(Some(state), move |state| {
            let name = name.clone();
            async move {
                let (mut lines, mut before) = state?;
                loop {
                    let line = match lines.next().await? {
                        Ok(line) => line,
                        Err(detail) => return Some((Err(EngineError::Stats { instance: name, detail }), None)),
                    };
                    let Ok(line) = serde_json::from_slice::<Line>(&line) else {
                        continue;
                    };
                    // A stopped one goes on sending zeros from the year 1.
                    let now = time(&line.read)?;
                    let sample = if counts {
                        sample(&line, now, &mut before, memory)
                    } else {
                        StatsSample {
                            cpu_percent: None,
                            memory_bytes: None,
                            memory_limit_bytes: None,
                        }
                    };
                    return Some((Ok(sample), Some((lines, before))));
                }
            }
        });
        Ok(samples.boxed())
    }

    async fn stats_lines(&self, instance: &InstanceId) -> Result<Lines, Failure> {
        let path = format!("/containers/{}/stats", encode(instance.as_str(), ""));
        if self.dialect.streams_stats() {
            return Ok(self.http.open(&format!("{path}?stream=1")).await?.lines());
        }
        let path = format!("{path}?stream=0&one-shot=1");
        let first = self.http.open(&path).await?.text().await.map_err(Failure::Broken)?;
        let state = (self.http.clone(), path, Some(first));
        let lines = futures_util::stream::unfold(state, |(http, path, first)| async move {
            let answer = match first {
                Some(first) => Ok(first),
                None => {
                    tokio::time::sleep(ASKED_EVERY).await;
                    match http.open(&path).await {
                        Ok(body) => body.text().await,
                        // It was removed meanwhile, and that is an end like any other.
                        Err(failure) if failure.status() == Some(404) => return None,
                        Err(Failure::Connect(fault)) => Err(fault.to_string()),
                        Err(Failure::Status { message, .. } | Failure::Broken(message)) => Err(message),
                    }
                }
            };
            // Of one that doesn't run Podman says nothing at all.
            let answer = match answer {
                Ok(text) if text.trim().is_empty() => return None,
                answer => answer.map(Bytes::from),
            };
            Some((answer, (http, path, None)))
        });
        Ok(lines.boxed())
    }
}

fn sample(line: &Line, now: Timestamp, before: &mut Option<Reading>, host: Option<u64>) -> StatsSample {
    let total = line.cpu_stats.cpu_usage.total_usage;
    let cpu_percent = match (*before, total) {
        (Some((then, earlier)), Some(total)) => percent(then, now, earlier, total),
        _ => None,
    };
    *before = total.map(|total| (now, total));
    let memory = &line.memory_stats;
    // The page cache that can be dropped is no use of the service's own: cgroup v1 and v2 name it differently.
    let cache = memory
        .stats
        .get("total_inactive_file")
        .or_else(|| memory.stats.get("inactive_file"));
    let limit = memory
        .limit
        .filter(|&limit| limit > 0 && host.is_none_or(|host| limit < host));
    StatsSample {
        cpu_percent,
        memory_bytes: memory
            .usage
            .map(|usage| usage.saturating_sub(cache.copied().unwrap_or(0))),
        memory_limit_bytes: limit,
    }
}

/// Of one core. The engine's own fields for this are absent or zero in too many cases.
#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn percent(then: Timestamp, now: Timestamp, earlier: u64, total: u64) -> Option<f64> {
    let wall = now.as_nanosecond() - then.as_nanosecond();
    let used = total.checked_sub(earlier)?;
    (wall > 0).then(|| used as f64 / wall as f64 * 100.0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(json: &str, before: &mut Option<Reading>) -> StatsSample {
        let line: Line = serde_json::from_str(json).unwrap();
        sample(&line, time(&line.read).unwrap(), before, Some(1000))
    }

    #[test]
    fn cpu_is_the_difference_of_two_samples_and_memory_without_cache() {
        let mut before = None;
        let first = read(
            r#"{"read":"2026-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":0}},
                "memory_stats":{"usage":500,"limit":1000,"stats":{"total_inactive_file":200}}}"#,
            &mut before,
        );
        assert_eq!(
            (first.cpu_percent, first.memory_bytes, first.memory_limit_bytes),
            (None, Some(300), None)
        );
        let second = read(
            r#"{"read":"2026-01-01T00:00:02Z","cpu_stats":{"cpu_usage":{"total_usage":1000000000}},
                "memory_stats":{"usage":5,"limit":100,"stats":{"inactive_file":200}}}"#,
            &mut before,
        );
        assert_eq!(
            (second.cpu_percent, second.memory_bytes, second.memory_limit_bytes),
            (Some(50.0), Some(0), Some(100))
        );
    }

    #[test]
    fn an_ordinary_users_numbers_are_the_machines_on_cgroups_v1() {
        for (info, counts) in [
            (r#"{"CgroupVersion":"1","Rootless":true}"#, false),
            (r#"{"CgroupVersion":"2","Rootless":true}"#, true),
            (
                r#"{"CgroupVersion":"1","SecurityOptions":["name=seccomp","name=rootless"]}"#,
                false,
            ),
            (r#"{"CgroupVersion":"1","SecurityOptions":null}"#, true),
            ("{}", true),
        ] {
            assert_eq!(serde_json::from_str::<Host>(info).unwrap().counts(), counts, "{info}");
        }
    }

    #[test]
    fn what_is_absent_is_none_and_never_a_number() {
        let mut before = None;
        let json = r#"{"read":"2026-01-01T00:00:00Z","cpu_stats":null,"memory_stats":{"stats":null,"usage":"x"}}"#;
        for _ in 0..2 {
            let sample = read(json, &mut before);
            assert_eq!(
                sample,
                StatsSample {
                    cpu_percent: None,
                    memory_bytes: None,
                    memory_limit_bytes: None
                }
            );
        }
    }
}
