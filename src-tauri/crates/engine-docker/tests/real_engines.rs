//! What only one of the real engines can show.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use locald_core::{
    InstanceId,
    instance::RunState,
    spec::{PortMapping, ProbeSpec, Protocol},
};
use locald_engine::{Engine as _, EngineEventKind, LogOptions, StopRequest};
use locald_engine_testbed::{BUSYBOX, Podman};

/// A figure of `docker stats` as bytes: `12.5MiB`.
fn bytes(figure: &str) -> f64 {
    let at = figure.find(|c: char| c.is_ascii_alphabetic()).unwrap();
    let scale = match &figure[at..] {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        other => unreachable!("{other}"),
    };
    figure[..at].parse::<f64>().unwrap() * scale
}

/// C52: a container that reads a big file.
#[tokio::test(flavor = "multi_thread")]
async fn memory_is_what_docker_stats_shows() {
    let Some(dockerd) = support::dockerd() else { return };
    let engine = support::engine_at(&dockerd.socket());
    let script = "head -c 300000000 /dev/zero > /tmp/big; sync; cat /tmp/big > /dev/null; touch /tmp/done; sleep 1000";
    let run = [
        "run",
        "-d",
        "--network",
        "none",
        "--stop-signal",
        "KILL",
        BUSYBOX,
        "sh",
        "-c",
        script,
    ];
    let id = InstanceId::from(dockerd.docker_ok(&run).unwrap().as_str());
    let done = ["test".to_owned(), "-e".to_owned(), "/tmp/done".to_owned()];
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while engine.exec(&id, &done).await.unwrap().code != 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let shown = dockerd
        .docker_ok(&["stats", "--no-stream", "--format", "{{.MemUsage}}", id.as_str()])
        .unwrap();
    let shown = bytes(shown.split(" / ").next().unwrap());
    let sample = engine.stats(&id).await.unwrap().next().await.unwrap().unwrap();
    let ours = f64::from(u32::try_from(sample.memory_bytes.unwrap()).unwrap());
    // What the two were asked at differs by a moment, and by the command that looked for the file.
    let slack = (shown * 0.05).max(4.0 * 1024.0 * 1024.0);
    assert!((shown - ours).abs() < slack, "docker shows {shown}, locald {ours}");
    assert_eq!(sample.memory_limit_bytes, None);
}

/// C50: a followed log while Docker begins new files.
#[tokio::test(flavor = "multi_thread")]
async fn a_followed_log_repeats_and_leaves_out_nothing_when_its_file_is_changed() {
    let Some(dockerd) = support::dockerd() else { return };
    let engine = support::engine_at(&dockerd.socket());
    let script = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; sleep 0.01; done";
    let run = [
        "run",
        "-d",
        "--network",
        "none",
        "--log-opt",
        "max-size=1k",
        "--log-opt",
        "max-file=3",
    ];
    let run = [&run[..], &[BUSYBOX, "sh", "-c", script]].concat();
    let id = InstanceId::from(dockerd.docker_ok(&run).unwrap().as_str());
    let options = LogOptions {
        tail: None,
        follow: true,
        since: None,
    };
    let lines: Vec<String> = engine
        .logs(&id, options)
        .await
        .unwrap()
        .map(|line| String::from_utf8_lossy(&line.unwrap().bytes).into_owned())
        .collect()
        .await;
    let mut numbers: Vec<u32> = lines.iter().map(|line| line[5..].parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    let all = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "lines came twice");
    assert_eq!(numbers.last(), Some(&300));
}

/// What a person declares in the image counts as much as what is said at the start.
#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_an_image_is_read() {
    let Some(dockerd) = support::dockerd() else { return };
    let engine = support::engine_at(&dockerd.socket());
    let base = dockerd
        .docker_ok(&["run", "-d", "--network", "none", BUSYBOX, "true"])
        .unwrap();
    for (change, command) in [
        (
            r#"HEALTHCHECK --interval=3s CMD ["test", "-e", "/bin/sh"]"#,
            Some(vec!["test", "-e", "/bin/sh"]),
        ),
        ("HEALTHCHECK CMD test -e /x", Some(vec!["/bin/sh", "-c", "test -e /x"])),
        ("HEALTHCHECK NONE", None),
    ] {
        dockerd
            .docker_ok(&["commit", "--change", change, &base, "lt/checked:dev"])
            .unwrap();
        let run = ["run", "-d", "--network", "none", "lt/checked:dev", "sleep", "1000"];
        let id = InstanceId::from(dockerd.docker_ok(&run).unwrap().as_str());
        let check = engine.inspect(&id).await.unwrap().unwrap().health_check;
        let found = check.map(|check| match check.probe {
            ProbeSpec::Command { command } => command,
            ProbeSpec::Tcp { .. } | ProbeSpec::Http { .. } | ProbeSpec::Service { .. } => Vec::new(),
        });
        let expected = command.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(found, expected, "{change}");
    }
}

/// C01: each way of ending on Podman has one exit with the true code, whoever ended it.
async fn ends_are_told_once(podman: Podman) {
    let engine = Arc::new(support::engine_at(&podman.socket()));
    engine.connect().await.unwrap();
    let mut events = engine.events().await.unwrap();
    let run = |name: &str, script: &str| {
        let run = [
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            name,
            BUSYBOX,
            "sh",
            "-c",
            script,
        ];
        InstanceId::from(podman.podman_ok(&run).unwrap().as_str())
    };
    let stubborn = "trap '' TERM; while :; do sleep 0.05; done";
    let crashed = run("crashed", "sleep 0.2; exit 3");
    let stopped = run("stopped", stubborn);
    let request = StopRequest {
        signal: None,
        grace: Duration::from_millis(200),
    };
    engine.stop(&stopped, request).await.unwrap();
    let removed = run("removed", stubborn);
    podman.podman_ok(&["rm", "-f", "-t", "0", removed.as_str()]).unwrap();
    // Removed last, so that the stream has come to all there was.
    podman.podman_ok(&["rm", "-f", "-t", "0", stopped.as_str()]).unwrap();
    let mut exits: Vec<(InstanceId, Option<i32>)> = Vec::new();
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        match event.kind {
            EngineEventKind::Exited(facts) => exits.push((event.instance, facts.code)),
            EngineEventKind::Removed if event.instance == stopped => break,
            _ => {}
        }
    }
    let mut expected = vec![(crashed.clone(), Some(3)), (stopped, Some(137)), (removed, Some(137))];
    exits.sort();
    expected.sort();
    assert_eq!(exits, expected);
    let RunState::Exited(facts) = engine.inspect(&crashed).await.unwrap().unwrap().run else {
        unreachable!("it ended")
    };
    assert_eq!(facts.code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_rootful_tells_each_end_once() {
    if let Some(podman) = support::podman(Podman::rootful()) {
        ends_are_told_once(podman).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_rootless_tells_each_end_once() {
    if let Some(podman) = support::podman(Podman::rootless()) {
        ends_are_told_once(podman).await;
    }
}

/// The service of Podman goes and comes; containers run on and are found again.
#[tokio::test(flavor = "multi_thread")]
async fn podman_that_is_started_by_need_is_one_engine() {
    let Some(mut podman) = support::podman(Podman::rootless()) else {
        return;
    };
    podman.stop();
    podman.boot_on_demand(1).unwrap();
    let engine = support::engine_at(&podman.socket());
    let id = engine.start(&support::sleeper(), None).await.unwrap().id;
    let mut events = engine.events().await.unwrap();
    assert!(podman.is_served());
    engine
        .stop(
            &id,
            StopRequest {
                signal: None,
                grace: Duration::from_secs(5),
            },
        )
        .await
        .unwrap();
    // An open stream of events keeps the service up, so the end is heard.
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if let EngineEventKind::Exited(facts) = event.kind {
            assert_eq!(facts.code, Some(0));
            break;
        }
    }
    drop(events);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while podman.is_served() {
        assert!(tokio::time::Instant::now() < deadline, "it stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let again = engine.start(&support::sleeper(), None).await.unwrap();
    assert_eq!((again.id, again.reused), (id, true));
}

/// C44: a port that only root may have.
#[tokio::test(flavor = "multi_thread")]
async fn podman_rootless_tells_of_a_port_that_is_not_permitted() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim() != "1024" {
        // This machine lets everybody have them.
        return;
    }
    let Some(podman) = support::podman(Podman::rootless()) else {
        return;
    };
    let engine = support::engine_at(&podman.socket());
    engine.connect().await.unwrap();
    let mut spec = support::sleeper();
    Arc::make_mut(&mut spec.service).ports = vec![PortMapping {
        host: Some(81),
        port: 80,
        protocol: Protocol::Tcp,
    }];
    let error = engine.start(&spec, None).await.unwrap_err();
    assert_eq!(error.code(), locald_core::ProblemCode::PortNotPermitted, "{error}");
    assert!(error.to_string().contains("port 81"), "{error}");
    assert_eq!(engine.list().await.unwrap(), []);
}

/// C44 for the other protocol.
#[tokio::test(flavor = "multi_thread")]
async fn podman_rootful_tells_of_a_taken_udp_port_too() {
    let Some(podman) = support::podman(Podman::rootful()) else {
        return;
    };
    let engine = support::engine_at(&podman.socket());
    engine.connect().await.unwrap();
    let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let mut spec = support::sleeper();
    Arc::make_mut(&mut spec.service).ports = vec![PortMapping {
        host: Some(port),
        port: 53,
        protocol: Protocol::Udp,
    }];
    let error = engine.start(&spec, None).await.unwrap_err();
    assert_eq!(error.code(), locald_core::ProblemCode::PortInUse);
    drop(held);
    engine.start(&spec, None).await.unwrap();
}
