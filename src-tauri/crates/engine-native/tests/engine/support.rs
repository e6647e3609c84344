//! What these tests share.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use locald_core::{
    EngineId, InstanceId, ServiceSpec,
    instance::{ExitFacts, RunState},
    spec::Source,
};
use locald_engine::{Engine as _, EngineIdentity, EngineKind, InstanceSpec, LogOptions, StopRequest};
use locald_engine_native::{NativeEngine, NativeOptions, servers::Sources};

/// How long a condition may take to become true.
pub const SOON: Duration = Duration::from_secs(20);

/// Folders of a locald of the test's own. All that was started in them ends with this.
pub struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("ldtn-").tempdir().unwrap();
        Self { folder }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn engine(&self) -> NativeEngine {
        engine_in(self.root(), Vec::new())
    }

    pub fn instance_folder(&self, service: &str) -> PathBuf {
        self.root().join("data/native").join(service)
    }

    /// The state that the monitor wrote.
    pub fn state(&self, service: &str) -> serde_json::Value {
        let bytes = fs::read(self.instance_folder(service).join("state.json")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    pub fn pid(&self, service: &str, whose: &str) -> i32 {
        let pid = self.state(service)[whose]["pid"].as_i64().unwrap();
        i32::try_from(pid).unwrap()
    }
}

/// The engine of a folder.
pub fn engine_in(root: &Path, wanted: Vec<locald_engine_native::servers::Wanted>) -> NativeEngine {
    let identity = EngineIdentity {
        id: EngineId::from("native"),
        kind: EngineKind::Native,
        endpoint: "this machine".to_owned(),
        source: "made by a test".to_owned(),
    };
    let options = NativeOptions {
        data: root.join("data"),
        state: root.join("state"),
        cache: root.join("cache"),
        runtime: root.join("r"),
        monitor: Some(env!("CARGO_BIN_EXE_locald-monitor").into()),
        sources: Sources {
            find: true,
            ..Sources::default()
        },
        wanted,
        releases: None,
    };
    NativeEngine::new(identity, options)
}

impl Drop for Machine {
    fn drop(&mut self) {
        let root = self.root().to_string_lossy().into_owned();
        let ids = ids_in(self.root());
        // An engine that still lives in this process would give what is killed another monitor.
        for service in services_in(self.root()) {
            let _ = fs::remove_file(service.join("instance.json"));
        }
        let left = || -> Vec<i32> {
            let ours = |pid: &i32| text(*pid, "cmdline").contains(&root) || ids.iter().any(|id| carries(*pid, id));
            processes().into_iter().filter(ours).collect()
        };
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let left = left();
            if left.is_empty() {
                break;
            }
            for pid in left {
                kill(pid, "KILL");
            }
        }
        let _ = fs::remove_dir_all(self.root());
    }
}

fn services_in(root: &Path) -> Vec<PathBuf> {
    let folders = |path: PathBuf| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    folders(root.join("data/native"))
        .into_iter()
        .flat_map(folders)
        .collect()
}

fn ids_in(root: &Path) -> Vec<String> {
    let id = |folder: PathBuf| -> Option<String> {
        let bytes = fs::read(folder.join("instance.json")).ok()?;
        let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        Some(json["id"].as_str()?.to_owned())
    };
    services_in(root).into_iter().filter_map(id).collect()
}

pub fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

fn text(pid: i32, file: &str) -> String {
    fs::read(format!("/proc/{pid}/{file}"))
        .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Is it a living process of the instance?
fn carries(pid: i32, id: &str) -> bool {
    let wanted = format!("LOCALD_INSTANCE={id}");
    text(pid, "environ").split('\0').any(|variable| variable == wanted)
}

/// The living processes of an instance.
pub fn alive(id: &InstanceId) -> Vec<i32> {
    processes()
        .into_iter()
        .filter(|&pid| carries(pid, id.as_str()))
        .collect()
}

pub fn exists(pid: i32) -> bool {
    let stat = text(pid, "stat");
    stat.rsplit_once(')')
        .is_some_and(|(_, tail)| !tail.trim_start().starts_with('Z'))
}

pub fn kill(pid: i32, signal: &str) {
    let pid = pid.to_string();
    let _ = std::process::Command::new("kill").args(["-s", signal, &pid]).output();
}

/// Waits for a condition.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A plain process that runs a script.
pub fn spec(id: &str, script: &str) -> InstanceSpec {
    let mut service = ServiceSpec::container(id.parse().unwrap(), "none");
    service.source = Source::Process {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
    };
    service.workdir = Some("/".to_owned());
    service.stop_grace = Duration::from_millis(300);
    InstanceSpec {
        service: Arc::new(service),
    }
}

pub async fn lines(engine: &NativeEngine, id: &InstanceId) -> Vec<String> {
    let options = LogOptions {
        tail: None,
        follow: false,
        since: None,
    };
    let stream = engine.logs(id, options).await.unwrap();
    stream
        .map(|line| String::from_utf8_lossy(&line.unwrap().bytes).into_owned())
        .collect()
        .await
}

pub async fn until_written(engine: &NativeEngine, id: &InstanceId, count: usize) {
    let deadline = Instant::now() + SOON;
    while lines(engine, id).await.len() < count {
        assert!(
            Instant::now() < deadline,
            "not {count} lines: {:?}",
            lines(engine, id).await
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn run_state(engine: &NativeEngine, id: &InstanceId) -> RunState {
    engine.inspect(id).await.unwrap().unwrap().run
}

pub async fn ended(engine: &NativeEngine, id: &InstanceId) -> ExitFacts {
    let deadline = Instant::now() + SOON;
    loop {
        if let RunState::Exited(facts) = run_state(engine, id).await {
            return facts;
        }
        assert!(Instant::now() < deadline, "it runs on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn stop(engine: &NativeEngine, id: &InstanceId, grace: Duration) {
    engine.stop(id, StopRequest { signal: None, grace }).await.unwrap();
}

/// A program of this test's own.
pub fn program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
