//! What an inspection tells of an instance beyond its state: image, origin, health check, restart policy.

use std::{collections::HashMap, time::Duration};

use locald_core::{
    instance::{ComposeOrigin, EngineRestarts},
    snapshot::HealthKind,
    spec::{HealthCheck, ProbeSpec},
};

use crate::wire::{InspectedHealth, InspectedHealthcheck, InspectedRestartPolicy};

/// What Docker takes where a health check says nothing.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;

/// The image as people write it: Podman names the registry in full, and calls `localhost` what came from none.
pub(crate) fn image(reference: &str) -> String {
    let short = ["localhost/", "docker.io/library/", "docker.io/"]
        .iter()
        .find_map(|registry| reference.strip_prefix(registry));
    short.unwrap_or(reference).to_owned()
}

/// Where compose's labels say it comes from.
pub(crate) fn compose(labels: &HashMap<String, String>) -> Option<ComposeOrigin> {
    let label = |name: &str| {
        let value = labels.get(&format!("com.docker.compose.{name}"))?;
        (!value.is_empty()).then_some(value)
    };
    Some(ComposeOrigin {
        project: label("project")?.clone(),
        service: label("service")?.clone(),
        number: label("container-number")
            .and_then(|number| number.parse().ok())
            .unwrap_or(1),
        one_off: label("oneoff").is_some_and(|value| value.eq_ignore_ascii_case("true")),
    })
}

/// The check in locald's terms; `None` for none and for one that was turned off.
pub(crate) fn health_check(declared: &InspectedHealthcheck) -> Option<HealthCheck> {
    let (form, rest) = declared.test.split_first()?;
    let command = match form.as_str() {
        "CMD" => rest.to_vec(),
        "CMD-SHELL" => ["/bin/sh", "-c"]
            .map(str::to_owned)
            .into_iter()
            .chain(rest.iter().cloned())
            .collect(),
        _ => return None,
    };
    if rest.is_empty() {
        return None;
    }
    let time = |nanos: u64, usual: Duration| {
        if nanos == 0 { usual } else { Duration::from_nanos(nanos) }
    };
    Some(HealthCheck {
        probe: ProbeSpec::Command { command },
        interval: time(declared.interval, INTERVAL),
        timeout: time(declared.timeout, TIMEOUT),
        start_period: time(declared.start_period, Duration::ZERO),
        retries: if declared.retries == 0 {
            RETRIES
        } else {
            declared.retries
        },
    })
}

/// What came of the engine's own runs of the check. Only asked of a running instance: stopping one makes Docker call
/// it unhealthy, since its last probe was killed too.
pub(crate) fn engine_health(health: &InspectedHealth, runs_checks: bool) -> Option<HealthKind> {
    match health.status.as_str() {
        "healthy" => Some(HealthKind::Healthy),
        "unhealthy" => Some(HealthKind::Unhealthy),
        // An engine that never runs the check says this for ever.
        "starting" if runs_checks || !health.log.is_empty() => Some(HealthKind::Starting),
        _ => None,
    }
}

/// The engine's own restart policy, `None` for `no`.
pub(crate) fn engine_restarts(policy: &InspectedRestartPolicy) -> Option<EngineRestarts> {
    match policy.name.as_str() {
        "always" | "unless-stopped" => Some(EngineRestarts::Always),
        "on-failure" => Some(EngineRestarts::OnFailure {
            max: (policy.maximum_retry_count > 0).then_some(policy.maximum_retry_count),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn images_as_people_write_them() {
        for (told, written) in [
            ("localhost/lt/bb:dev", "lt/bb:dev"),
            ("docker.io/library/redis:7", "redis:7"),
            ("docker.io/axllent/mailpit:latest", "axllent/mailpit:latest"),
            ("lt/bb:dev", "lt/bb:dev"),
            ("localhost:5000/x", "localhost:5000/x"),
            ("ghcr.io/a/b", "ghcr.io/a/b"),
            ("sha256:ab", "sha256:ab"),
            ("", ""),
        ] {
            assert_eq!(image(told), written);
        }
    }

    #[test]
    fn compose_labels_need_project_and_service() {
        let labels = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| (format!("com.docker.compose.{name}"), (*value).to_owned()))
                .collect::<HashMap<_, _>>()
        };
        assert_eq!(compose(&labels(&[("project", "shop")])), None);
        assert_eq!(compose(&labels(&[("project", ""), ("service", "web")])), None);
        let odd = compose(&labels(&[
            ("project", "shop"),
            ("service", "web"),
            ("container-number", "x"),
        ]))
        .unwrap();
        assert_eq!((odd.number, odd.one_off), (1, false));
        let run = compose(&labels(&[("project", "shop"), ("service", "web"), ("oneoff", "True")])).unwrap();
        assert!(run.one_off);
    }

    #[test]
    fn health_checks_in_all_forms() {
        let read = |json: &str| health_check(&serde_json::from_str(json).unwrap());
        for none in [
            r"{}",
            r#"{"Test":null}"#,
            r#"{"Test":[]}"#,
            r#"{"Test":["NONE"]}"#,
            r#"{"Test":["CMD"]}"#,
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        let shell = read(r#"{"Test":["CMD-SHELL","true"],"Interval":0,"Retries":null}"#).unwrap();
        assert_eq!(
            (shell.interval, shell.timeout, shell.retries),
            (INTERVAL, TIMEOUT, RETRIES)
        );
        assert_eq!(
            shell.probe,
            ProbeSpec::Command {
                command: ["/bin/sh", "-c", "true"].map(str::to_owned).to_vec()
            }
        );
        let plain = read(r#"{"Test":["CMD","a","b"],"Interval":2000000000,"StartPeriod":1,"Retries":5}"#).unwrap();
        assert_eq!(
            (plain.interval, plain.start_period, plain.retries),
            (Duration::from_secs(2), Duration::from_nanos(1), 5)
        );
    }

    #[test]
    fn a_check_that_never_runs_has_no_result() {
        let read = |json: &str, runs| engine_health(&serde_json::from_str(json).unwrap(), runs);
        let waiting = r#"{"Status":"starting","FailingStreak":0,"Log":null}"#;
        assert_eq!(read(waiting, true), Some(HealthKind::Starting));
        assert_eq!(read(waiting, false), None);
        assert_eq!(
            read(r#"{"Status":"healthy","Log":[{}]}"#, false),
            Some(HealthKind::Healthy)
        );
        assert_eq!(read(r#"{"Status":""}"#, true), None);
    }
}
