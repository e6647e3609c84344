//! What most tests begin with: a desktop, an engine, and words to wait for states with.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use locald_tests::{
    App, Desktop, EngineProxy, engines,
    engines::{BUSYBOX, Dockerd},
    needs,
    wait::{LATER, eventually},
};
use serde_json::Value;

/// A desktop with an engine behind a proxy.
pub struct Stage {
    // In the order they end: what talks to the engine before the engine.
    pub desktop: Desktop,
    pub engine: EngineProxy,
    pub dockerd: Dockerd,
}

impl Stage {
    /// Starts it; `None`, after a loud word, where this machine can't.
    pub async fn new() -> Option<Self> {
        Self::on(Desktop::with()).await
    }

    /// Starts it on another kind of desktop.
    pub async fn on(options: locald_tests::desktop::Options) -> Option<Self> {
        if !needs::desktop() {
            return None;
        }
        let dockerd = engines::dockerd()?;
        let desktop = options.start().await;
        let engine = engines::proxied(&dockerd, desktop.root());
        desktop.use_docker(engine.socket());
        Some(Self {
            desktop,
            engine,
            dockerd,
        })
    }

    /// The app, in the tray, and ready: nothing else starts a host in its place.
    pub async fn app(&self) -> App {
        self.ready(self.desktop.app().hidden()).await
    }

    /// Starts this app and waits until it is the host.
    pub async fn ready(&self, app: locald_tests::app::Builder) -> App {
        let app = app.start().await;
        self.desktop.tray.wait_for_item("locald", LATER).await;
        app
    }

    /// A project of these services, each `name = "…"` with a table's body, known to the host.
    pub async fn project(&self, name: &str, services: &[(&str, &str)]) -> PathBuf {
        let folder = self.desktop.project(name, &project(name, services));
        self.desktop.cli_in(&folder, &["status"]).await.ok();
        folder
    }

    /// `docker …` on the engine itself, past the proxy.
    pub fn docker(&self, args: &[&str]) -> String {
        self.dockerd.docker_ok(args).unwrap()
    }

    /// Waits until a service looks like this in `status --json`, and gives it.
    pub async fn service(&self, id: &str, what: &str, accept: impl Fn(&Value) -> bool) -> Value {
        wait_for_service(&self.desktop, id, what, LATER, accept).await
    }

    pub async fn state(&self, id: &str, state: &str) -> Value {
        self.service(id, state, |service| service["state"] == state).await
    }
}

/// The text of a project file.
pub fn project(name: &str, services: &[(&str, &str)]) -> String {
    let mut text = format!("[project]\nname = \"{name}\"\n");
    for (service, body) in services {
        text += &format!("\n[services.{service}]\nimage = \"{BUSYBOX}\"\n{body}\n");
    }
    text
}

/// A process that runs until it is told to end, and then does.
pub const SLEEPER: &str = r#"command = ["sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]"#;

/// The picture, of the host that runs.
pub async fn status(desktop: &Desktop) -> Value {
    desktop.cli(&["status", "--json"]).await.ok().json()
}

pub async fn wait_for_service(
    desktop: &Desktop,
    id: &str,
    what: &str,
    deadline: Duration,
    accept: impl Fn(&Value) -> bool,
) -> Value {
    eventually(&format!("{id} to be {what}"), deadline, async || {
        let status = status(desktop).await;
        let services = status["services"].as_array().cloned().unwrap_or_default();
        match services.into_iter().find(|service| service["id"] == id) {
            Some(service) if accept(&service) => Ok(service),
            Some(service) => Err(service.to_string()),
            None => Err(status.to_string()),
        }
    })
    .await
}

/// Notifications of crashes so far, each as it was when all was said: one that had to wait for the last line of the log
/// is shown without it first, and replaced.
pub fn crash_notices(desktop: &Desktop) -> Vec<String> {
    let mut told: Vec<locald_tests::Notification> = Vec::new();
    for notice in desktop.notifications.all() {
        if !notice.summary.contains("crash") {
            continue;
        }
        match told.iter_mut().rev().find(|told| told.id == notice.id) {
            Some(draft) if draft.body.is_empty() => *draft = notice,
            _ => told.push(notice),
        }
    }
    told.into_iter().map(|notice| notice.summary).collect()
}

/// Appends to a file as an editor that saves in place does.
pub fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
