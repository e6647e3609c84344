//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod server;

use std::{path::Path, sync::Arc};

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::{
    EngineId, InstanceId, ServiceSpec,
    spec::{Signal, Source},
};
use locald_engine::{
    EngineIdentity, EngineKind, InstanceSpec,
    conformance::{Foreign, Outside},
};
use locald_engine_docker::{Access, DockerEngine};
use locald_engine_testbed::{BUSYBOX, Dockerd, busybox_image, required};

/// A dockerd with the test image, or `None` where the test is skipped.
pub fn dockerd() -> Option<Dockerd> {
    required(Dockerd::start().and_then(|dockerd| busybox_image(&dockerd, BUSYBOX).map(|()| dockerd)))
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

/// Somebody with the `docker` command.
pub struct Person(pub Arc<Dockerd>);

impl Person {
    async fn docker(&self, arguments: Vec<String>) -> Result<String, String> {
        let dockerd = Arc::clone(&self.0);
        let work = move || dockerd.docker_ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| error.to_string())?
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

impl Outside for Person {
    fn run(&self, foreign: Foreign) -> BoxFuture<'_, Result<InstanceId, String>> {
        async move {
            let mut arguments = words(&["run", "-d", "--network", "none", "--name", &foreign.name]);
            if foreign.tty {
                arguments.push("-t".to_owned());
            }
            if !foreign.keeps_logs {
                arguments.extend(words(&["--log-driver", "none"]));
            }
            arguments.extend(words(&[BUSYBOX, "sh", "-c", &foreign.script]));
            Ok(InstanceId::from(self.docker(arguments).await?.as_str()))
        }
        .boxed()
    }

    fn stop<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async { self.docker(words(&["stop", id.as_str()])).await.map(drop) }.boxed()
    }

    fn kill<'a>(&'a self, id: &'a InstanceId, signal: Signal) -> BoxFuture<'a, Result<(), String>> {
        async move {
            self.docker(words(&["kill", "-s", &signal.0.to_string(), id.as_str()]))
                .await
                .map(drop)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async { self.docker(words(&["rm", "-f", id.as_str()])).await.map(drop) }.boxed()
    }
}
