//! C38: what a container of an earlier version of locald has in a volume without a name isn't lost with it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use locald_core::{InstanceId, ServiceSpec, instance::RunState, spec::Source};
use locald_engine::{Engine as _, InstanceSpec, LogOptions};
use locald_engine_docker::DockerEngine;
use locald_engine_testbed::{Podman, TestEngine};

fn spec(image: &str, script: &str) -> InstanceSpec {
    let mut service = ServiceSpec::container("shop/db".parse().unwrap(), image);
    service.source = Source::Container {
        image: image.to_owned(),
        command: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
    };
    InstanceSpec {
        service: Arc::new(service),
    }
}

async fn output(engine: &DockerEngine, id: &InstanceId) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !matches!(engine.inspect(id).await.unwrap().unwrap().run, RunState::Exited(_)) {
        assert!(tokio::time::Instant::now() < deadline, "it runs on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let options = LogOptions {
        tail: None,
        follow: false,
        since: None,
    };
    let lines = engine.logs(id, options).await.unwrap();
    let lines = lines.map(|line| String::from_utf8_lossy(&line.unwrap().bytes).into_owned());
    lines.collect().await
}

/// A container as locald made them when it left such volumes to the engine.
fn old(person: &impl TestEngine, image: &str, labels: &[&str], script: &str) -> String {
    let labels: Vec<String> = labels.iter().map(|label| format!("--label={label}")).collect();
    let mut run = vec!["run", "-d", "--network=none"];
    run.extend(labels.iter().map(String::as_str));
    run.extend([image, "sh", "-c", script]);
    let id = person.command_ok(&run).unwrap();
    person.command_ok(&["wait", &id]).unwrap();
    id
}

async fn is_carried_over(person: impl TestEngine) {
    let image = support::volume_image(&person);
    let engine = support::engine_at(&person.socket());
    engine.connect().await.unwrap();
    let fill =
        "cd /var/lib/kept/data && mkdir -p dev/below && echo precious > dev/below/file && chown 70:71 dev/below/file";
    let ours = [
        "dev.locald.project=shop",
        "dev.locald.service=db",
        "dev.locald.spec=0123456789abcdef",
    ];
    let before = old(&person, image, &ours, fill);
    let stranger = old(&person, image, &[], fill);
    let look = "cd /var/lib/kept/data && cat dev/below/file && stat -c %u:%g dev/below/file";
    let started = engine.start(&spec(image, look), None).await.unwrap();
    assert_eq!(output(&engine, &started.id).await, ["precious", "70:71"]);
    assert_eq!(engine.inspect(&InstanceId::from(before.as_str())).await.unwrap(), None);
    assert!(
        engine
            .inspect(&InstanceId::from(stranger.as_str()))
            .await
            .unwrap()
            .is_some()
    );
    // The same when it is only removed, as by `locald down`; what is in the named one by now is not written over.
    let again = old(&person, image, &ours, "echo newer > /var/lib/kept/data/other");
    engine.remove(&InstanceId::from(again.as_str())).await.unwrap();
    let look = format!("{look} && ls -A /var/lib/kept/data");
    let started = engine.start(&spec(image, &look), None).await.unwrap();
    assert_eq!(output(&engine, &started.id).await, ["precious", "70:71", "dev"]);
    // Nothing is ever removed with a container.
    let left = person.command_ok(&["volume", "ls", "-q"]).unwrap();
    assert_eq!(left.lines().filter(|name| name.len() == 64).count(), 3, "{left}");
    assert_eq!(engine.list().await.unwrap().len(), 2, "{:#?}", engine.list().await);
    drop(engine);
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_keeps_what_has_no_name() {
    if let Some(dockerd) = support::dockerd() {
        is_carried_over(dockerd).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_rootful_keeps_what_has_no_name() {
    if let Some(podman) = support::podman(Podman::rootful()) {
        is_carried_over(podman).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_rootless_keeps_what_has_no_name() {
    if let Some(podman) = support::podman(Podman::rootless()) {
        is_carried_over(podman).await;
    }
}
