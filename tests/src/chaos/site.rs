//! A real engine, the way to it that locald has, and the way past it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use locald_engine_testbed::{BUSYBOX, Dockerd, Podman, TestEngine, busybox_image};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::EngineProxy;

/// An engine that can be taken down.
#[derive(Debug)]
pub enum Engine {
    /// A dockerd.
    Docker(Dockerd),
    /// A Podman as root.
    Podman(Podman),
}

impl Engine {
    fn any(&self) -> &dyn TestEngine {
        match self {
            Self::Docker(docker) => docker,
            Self::Podman(podman) => podman,
        }
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        match self {
            Self::Docker(docker) => docker.stop(),
            Self::Podman(podman) => podman.stop(),
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        match self {
            Self::Docker(docker) => docker.kill(),
            Self::Podman(podman) => podman.kill(),
        }
    }

    /// Starts it again.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn boot(&mut self) -> Result<(), String> {
        match self {
            Self::Docker(docker) => docker.boot(),
            Self::Podman(podman) => podman.boot(),
        }
    }
}

/// An engine behind a proxy.
#[derive(Debug)]
pub struct Site {
    /// What locald calls it.
    pub name: &'static str,
    /// The way that locald has.
    pub proxy: EngineProxy,
    engine: Arc<RwLock<Engine>>,
    socket: PathBuf,
}

impl Site {
    /// Docker, with its proxy in `folder`.
    ///
    /// # Errors
    /// What this machine lacks.
    pub fn docker(folder: &Path) -> Result<Self, String> {
        let docker = Dockerd::start()?;
        busybox_image(&docker, BUSYBOX)?;
        Ok(Self::of("docker", Engine::Docker(docker), folder))
    }

    /// Podman as root, with its proxy in `folder`.
    ///
    /// # Errors
    /// What this machine lacks.
    pub fn podman(folder: &Path) -> Result<Self, String> {
        let podman = Podman::rootful()?;
        busybox_image(&podman, BUSYBOX)?;
        Ok(Self::of("podman", Engine::Podman(podman), folder))
    }

    fn of(name: &'static str, engine: Engine, folder: &Path) -> Self {
        let socket = engine.any().socket();
        Self {
            name,
            proxy: EngineProxy::start(&folder.join(format!("{name}.sock")), &socket),
            engine: Arc::new(RwLock::new(engine)),
            socket,
        }
    }

    /// The engine's own socket, past the proxy.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs the engine's own program; gives what it printed, or what it complained of.
    ///
    /// # Errors
    /// What it complained of.
    ///
    /// # Panics
    /// When the program cannot be run at all.
    pub async fn command(&self, arguments: &[&str]) -> Result<String, String> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let engine = Arc::clone(&self.engine);
        let run = move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let engine = engine.read().unwrap_or_else(PoisonError::into_inner);
            engine.any().command_ok(&arguments)
        };
        tokio::task::spawn_blocking(run)
            .await
            .expect("the command's thread lives")
    }

    /// Does something to the engine while nobody else uses it.
    ///
    /// # Panics
    /// When that panics.
    pub async fn with_engine<T: Send + 'static>(&self, act: impl FnOnce(&mut Engine) -> T + Send + 'static) -> T {
        let engine = Arc::clone(&self.engine);
        let run = move || act(&mut engine.write().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(run)
            .await
            .expect("the engine's thread lives")
    }

    /// The engine's own list of all containers.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn list(&self) -> Result<Vec<Value>, String> {
        let ask = async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            stream
                .write_all(b"GET /containers/json?all=1 HTTP/1.0\r\nHost: localhost\r\n\r\n")
                .await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<String, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(Duration::from_secs(20), ask)
            .await
            .map_err(|_| format!("{} gave no list", self.name))?
            .map_err(|error| format!("{}'s list: {error}", self.name))?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).map_err(|error| format!("{}'s list: {error}: {answer}", self.name))
    }

    /// Passes on every event of the engine, as a bare listener sees it: what `docker events` shows.
    pub fn listen(&self, heard: mpsc::UnboundedSender<Value>) {
        let socket = self.socket.clone();
        tokio::spawn(async move {
            while !heard.is_closed() {
                let _ = follow(&socket, &heard).await;
                // The engine is down, and says in no way when it is back.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
}

async fn follow(socket: &Path, heard: &mpsc::UnboundedSender<Value>) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream
        .write_all(b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        if let Ok(event) = serde_json::from_str(&line)
            && heard.send(event).is_err()
        {
            break;
        }
    }
    Ok(())
}
