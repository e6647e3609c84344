//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod server;

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::{
    EngineId, InstanceId, ServiceSpec,
    instance::EngineRestarts,
    spec::{ProbeSpec, Signal, Source},
};
use locald_engine::{
    EngineIdentity, EngineKind, InstanceSpec,
    conformance::{Foreign, Outside},
};
use locald_engine_docker::{Access, DockerEngine};
use locald_engine_testbed::{BUSYBOX, Dockerd, Podman, TestEngine, busybox_image, required};

/// A dockerd with the test image, or `None` where the test is skipped.
pub fn dockerd() -> Option<Dockerd> {
    required(Dockerd::start().and_then(|dockerd| busybox_image(&dockerd, BUSYBOX).map(|()| dockerd)))
}

/// A Podman with the test image, or `None` where the test is skipped.
pub fn podman(started: Result<Podman, String>) -> Option<Podman> {
    required(started.and_then(|podman| busybox_image(&podman, BUSYBOX).map(|()| podman)))
}

/// The test image with a volume of its own, at `/var/lib/kept/data`.
pub fn volume_image(engine: &impl TestEngine) -> &'static str {
    const NAME: &str = "lt/volume:dev";
    let made = engine
        .command_ok(&["create", "--name", "of-volume-image", BUSYBOX, "true"])
        .unwrap();
    let commit = ["commit", "--change", "VOLUME /var/lib/kept/data", &made, NAME];
    engine.command_ok(&commit).unwrap();
    engine.command_ok(&["rm", &made]).unwrap();
    NAME
}

/// The engine at a socket.
pub fn engine_at(socket: &Path) -> DockerEngine {
    engine(&format!("unix://{}", socket.display()))
}

/// The engine at an endpoint.
pub fn engine(endpoint: &str) -> DockerEngine {
    DockerEngine::new(identity(endpoint), Access::default()).unwrap()
}

/// Who an engine at an endpoint is.
pub fn identity(endpoint: &str) -> EngineIdentity {
    EngineIdentity {
        id: EngineId::from("docker"),
        kind: EngineKind::Docker,
        endpoint: endpoint.to_owned(),
        source: "made by a test".to_owned(),
    }
}

/// A container that runs until it is asked to end.
pub fn sleeper() -> InstanceSpec {
    let mut service = ServiceSpec::container("shop/db".parse().unwrap(), BUSYBOX);
    let command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"];
    service.source = Source::Container {
        image: BUSYBOX.to_owned(),
        command: Some(command.map(str::to_owned).to_vec()),
    };
    InstanceSpec {
        service: Arc::new(service),
    }
}

/// Somebody with the `docker` or `podman` command.
pub struct Person<E>(pub Arc<E>);

impl<E: TestEngine + 'static> Person<E> {
    pub async fn command(&self, arguments: Vec<String>) -> Result<String, String> {
        let engine = Arc::clone(&self.0);
        let work = move || engine.command_ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| error.to_string())?
    }
}

pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// The arguments of `run` that make it.
fn arguments(foreign: &Foreign) -> Vec<String> {
    let mut arguments = words(&["run", "-d", "--name", &foreign.name]);
    if foreign.ports.is_empty() {
        arguments.push("--network=none".to_owned());
    }
    for port in &foreign.ports {
        arguments.push(format!("--publish={port}"));
    }
    if foreign.tty {
        arguments.push("-t".to_owned());
    }
    if !foreign.keeps_logs {
        arguments.extend(words(&["--log-driver", "none"]));
    }
    if let Some(compose) = &foreign.compose {
        let one_off = if compose.one_off { "True" } else { "False" };
        for (label, value) in [
            ("project", compose.project.as_str()),
            ("service", compose.service.as_str()),
            ("container-number", &compose.number.to_string()),
            ("oneoff", one_off),
        ] {
            arguments.push(format!("--label=com.docker.compose.{label}={value}"));
        }
    }
    if let Some(check) = &foreign.health_check
        && let ProbeSpec::Command { command } = &check.probe
    {
        arguments.push(format!("--health-cmd={}", command.last().unwrap()));
        // What is usual is left to the engine.
        for (flag, time, usual) in [
            ("interval", check.interval, 30),
            ("timeout", check.timeout, 30),
            ("start-period", check.start_period, 0),
        ] {
            if time != Duration::from_secs(usual) {
                arguments.push(format!("--health-{flag}={}ms", time.as_millis()));
            }
        }
        if check.retries != 3 {
            arguments.push(format!("--health-retries={}", check.retries));
        }
    }
    match foreign.engine_restarts {
        None => {}
        Some(EngineRestarts::Always) => arguments.push("--restart=always".to_owned()),
        Some(EngineRestarts::OnFailure { max: None }) => arguments.push("--restart=on-failure".to_owned()),
        Some(EngineRestarts::OnFailure { max: Some(max) }) => arguments.push(format!("--restart=on-failure:{max}")),
    }
    if let Some(bytes) = foreign.memory_bytes {
        arguments.push(format!("--memory={bytes}"));
        arguments.push(format!("--memory-swap={bytes}"));
    }
    arguments.extend(words(&[&foreign.image, "sh", "-c", &foreign.script]));
    arguments
}

impl<E: TestEngine + 'static> Outside for Person<E> {
    fn run(&self, foreign: Foreign) -> BoxFuture<'_, Result<InstanceId, String>> {
        async move { Ok(InstanceId::from(self.command(arguments(&foreign)).await?.as_str())) }.boxed()
    }

    fn stop<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async { self.command(words(&["stop", id.as_str()])).await.map(drop) }.boxed()
    }

    fn kill<'a>(&'a self, id: &'a InstanceId, signal: Signal) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let signal = signal.0.to_string();
            self.command(words(&["kill", "-s", &signal, id.as_str()]))
                .await
                .map(drop)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async {
            match self.command(words(&["rm", "-f", id.as_str()])).await {
                // Only Docker takes that for success.
                Err(error) if error.to_lowercase().contains("no such container") => Ok(()),
                done => done.map(drop),
            }
        }
        .boxed()
    }

    fn restart<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async { self.command(words(&["restart", id.as_str()])).await.map(drop) }.boxed()
    }

    fn pause<'a>(&'a self, id: &'a InstanceId, paused: bool) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let verb = if paused { "pause" } else { "unpause" };
            self.command(words(&[verb, id.as_str()])).await.map(drop)
        }
        .boxed()
    }
}
