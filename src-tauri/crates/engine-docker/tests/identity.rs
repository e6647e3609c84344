//! Who an engine says it is, by which path ever, and what its clock shows (C45, C53).
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use locald_core::ProblemCode;
use locald_engine::{Engine as _, EngineEventKind, EngineKind, EngineVersion};
use locald_engine_docker::DockerEngine;
use locald_engine_testbed::{Podman, required};
use support::{engine_at, server::Server};

/// What it says of itself, all of it: on a busy machine it may take too long to say who it is.
async fn version(socket: &Path) -> EngineVersion {
    complete(&engine_at(socket)).await
}

async fn complete(engine: &DockerEngine) -> EngineVersion {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = engine.connect().await.unwrap();
        if seen.key.is_some() || Instant::now() > deadline {
            return seen;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_paths_to_one_engine_have_one_key_and_two_engines_have_two() {
    let Some(one) = support::dockerd() else { return };
    let Some(other) = support::dockerd() else { return };
    let Some(mut podman) = required(Podman::rootless()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let link = |to: &Path, name: &str| {
        let path = folder.path().join(name);
        symlink(to, &path).unwrap();
        path
    };
    let docker = version(&one.socket()).await;
    assert_eq!(docker.kind, EngineKind::Docker);
    assert!(docker.key.is_some());
    assert_eq!(version(&link(&one.socket(), "again.sock")).await, docker);
    assert_ne!(version(&other.socket()).await.key, docker.key);

    // podman-docker makes Docker's path a link to Podman's socket; what answers there is Podman.
    let disguised = engine_at(&link(&podman.socket(), "docker.sock"));
    let seen = complete(&disguised).await;
    assert_eq!((seen.kind, seen.api.as_str()), (EngineKind::Podman, "1.41"));
    assert!(seen.version.contains('.') && seen.key.is_some(), "{seen:?}");
    assert_ne!(seen.key, docker.key);
    assert_eq!(version(&podman.socket()).await, seen);

    // It is still the same after a restart.
    podman.kill();
    // What connects while the process dies is cut off; what comes after that is refused.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let code = disguised.connect().await.map_err(|error| error.code());
        if code == Err(ProblemCode::EngineRefused) {
            break;
        }
        assert!(Instant::now() < deadline, "{code:?}");
        tokio::task::yield_now().await;
    }
    podman.boot().unwrap();
    assert_eq!(version(&podman.socket()).await.key, seen.key);
    podman.freeze();
    let begun = Instant::now();
    assert_eq!(disguised.connect().await.unwrap_err().code(), ProblemCode::EngineSilent);
    assert_eq!(disguised.ping().await.unwrap_err().code(), ProblemCode::EngineSilent);
    assert!(begun.elapsed() < Duration::from_secs(6));
    podman.thaw();
    assert_eq!(complete(&disguised).await, seen);
    disguised.ping().await.unwrap();
}

/// A Docker whose `/_ping` has this date, and whose `/info` says nothing.
fn dated(date: Option<Timestamp>) -> Server {
    let date = date.map_or_else(String::new, |date| {
        format!(
            "Date: {}\r\n",
            rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&date)
                .unwrap()
        )
    });
    Server::with(move |request| {
        let (code, body) = match request {
            "GET /_ping" => (200, "OK"),
            "GET /version" => (
                200,
                r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#,
            ),
            _ => (500, ""),
        };
        Some(format!("HTTP/1.1 {code} X\r\n{date}Connection: close\r\n\r\n{body}"))
    })
}

#[tokio::test]
async fn clocks_that_differ_are_seen_and_those_that_do_not_are_the_same() {
    for hours in [-8, 0, 8] {
        let shift = SignedDuration::from_hours(hours);
        let server = dated(Some(Timestamp::now() + shift));
        let engine = engine_at(&server.socket());
        let seen = engine.connect().await.unwrap();
        assert_eq!(seen.key, None);
        if hours == 0 {
            assert_eq!(seen.clock_offset, SignedDuration::ZERO);
        }
        assert!(
            (seen.clock_offset - shift).abs() <= SignedDuration::from_secs(2),
            "{seen:?}"
        );
        let now = engine.engine_now().duration_since(Timestamp::now());
        assert!((now - shift).abs() <= SignedDuration::from_secs(2), "{now}");
    }
    let server = dated(None);
    let seen = engine_at(&server.socket()).connect().await.unwrap();
    assert_eq!(seen.clock_offset, SignedDuration::ZERO);
}

/// The socket of the engine that the child of the test below watches.
const WATCHED: &str = "LOCALD_TEST_WATCHED_SOCKET";
/// By how many hours its clock is off.
const SHIFT: &str = "LOCALD_TEST_CLOCK_SHIFT";

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_once_and_at_once_however_wrong_the_clock_is() {
    if let (Ok(socket), Ok(shift)) = (std::env::var(WATCHED), std::env::var(SHIFT)) {
        return watch(Path::new(&socket), shift.parse().unwrap()).await;
    }
    let faketime = "/usr/bin/faketime";
    let installed = || match Path::new(faketime).exists() {
        true => Ok(()),
        false => Err("missing here; install the Debian packages: faketime".to_owned()),
    };
    let Some(()) = required(installed()) else { return };
    let Some(dockerd) = support::dockerd() else { return };
    // What was before must not come again.
    let engine = engine_at(&dockerd.socket());
    let before = engine.start(&support::sleeper(), None).await.unwrap().id;
    engine.remove(&before).await.unwrap_err();
    for shift in ["-8", "+8"] {
        let child = std::process::Command::new(faketime)
            .args(["-f", &format!("{shift}h")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "events_arrive_once_and_at_once_however_wrong_the_clock_is"])
            .env(WATCHED, dockerd.socket())
            .env(SHIFT, shift.trim_start_matches('+'))
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        let errors = String::from_utf8_lossy(&child.stderr);
        assert!(
            child.status.success() && output.contains("1 passed"),
            "{shift}: {output}{errors}"
        );
    }
}

/// Runs where the clock is off by these hours.
async fn watch(socket: &Path, hours: i64) {
    let engine = engine_at(socket);
    let seen = engine.connect().await.unwrap();
    let expected = SignedDuration::from_hours(-hours);
    // Docker tells its time to the nanosecond.
    assert!(
        (seen.clock_offset - expected).abs() < SignedDuration::from_millis(500),
        "{seen:?}"
    );

    let mut events = engine.events().await.unwrap();
    let mut spec = support::sleeper();
    let mut service = (*spec.service).clone();
    service.id = format!("shop/clock{}", hours + 100).parse().unwrap();
    spec.service = std::sync::Arc::new(service);
    let id = engine.start(&spec, None).await.unwrap().id;
    let first = async {
        loop {
            let event = events.next().await.unwrap().unwrap();
            assert_eq!(event.instance, id, "an event from before: {event:?}");
            if event.kind == EngineEventKind::Started {
                return event.at.unwrap();
            }
        }
    };
    let at = tokio::time::timeout(Duration::from_secs(10), first).await.unwrap();
    let age = engine.engine_now().duration_since(at);
    assert!(
        age > SignedDuration::from_millis(-500) && age < SignedDuration::from_secs(10),
        "{age}"
    );
}
