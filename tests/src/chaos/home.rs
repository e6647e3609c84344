//! A person's folders, and the host that runs in them without a desktop.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::app::cli_program;
use crate::failure;
use crate::proc::{Tree, last_lines};
use crate::servers;
use crate::session::tied_command;
use crate::wait::{LATER, eventually};

/// How long a command may take. One that asks for the picture waits some seconds for engines that don't answer.
const COMMAND: Duration = Duration::from_secs(30);

/// Private folders, and an environment that names nothing of the caller's.
#[derive(Debug)]
pub struct Home {
    root: TempDir,
    env: BTreeMap<OsString, OsString>,
}

impl Home {
    /// Folders where only the engines that the environment names are looked at.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn new() -> Self {
        // A short path: names of unix sockets end at 107 bytes.
        let root = tempfile::Builder::new()
            .prefix("lt-")
            .tempdir_in("/tmp")
            .expect("/tmp is writable");
        let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
        for key in ["PATH", "USER", "LOGNAME", "LOCALD_LOG"] {
            if let Some(value) = std::env::var_os(key) {
                env.insert(key.into(), value);
            }
        }
        for (key, folder) in [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "home/.config"),
            ("XDG_DATA_HOME", "home/.local/share"),
            ("XDG_STATE_HOME", "home/.local/state"),
            ("XDG_CACHE_HOME", "home/.cache"),
            ("XDG_RUNTIME_DIR", "run"),
        ] {
            let path = root.path().join(folder);
            fs::create_dir_all(&path).expect("the run's folder is writable");
            env.insert(key.into(), path.into());
        }
        env.insert("LANG".into(), "C.UTF-8".into());
        env.insert("RUST_BACKTRACE".into(), "1".into());
        fs::create_dir_all(root.path().join("logs")).expect("the run's folder is writable");
        fs::set_permissions(root.path().join("run"), fs::Permissions::from_mode(0o700)).expect("our own folder");
        let home = Self { root, env };
        home.write("home/.config/locald/settings.toml", "[engine]\nfind = false\n");
        home
    }

    /// Lets servers without a container keep their data below it.
    ///
    /// # Panics
    /// When the folders cannot be made.
    pub fn lend_data_folder(&self) {
        servers::lend_data_folder(self.root(), &self.data());
    }

    /// locald's data folder.
    pub fn data(&self) -> PathBuf {
        self.root().join("home/.local/share/locald")
    }

    /// Sets a variable for every program from now on.
    pub fn set_env(&mut self, key: &str, value: impl Into<OsString>) {
        self.env.insert(key.into(), value.into());
    }

    /// The folder that holds all others.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A file below the root, made with its folders.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the run's folder is writable");
        fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// A file of what programs wrote.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root().join("logs").join(name)
    }

    /// `locald` with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tied_command(&cli_program());
        command
            .args(arguments)
            .env_clear()
            .envs(&self.env)
            .current_dir(self.root().join("home"));
        command
    }

    /// Runs `locald` to its end; `Err` with what it said when it failed or took too long.
    ///
    /// # Errors
    /// What it said.
    pub async fn cli(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.command(arguments);
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND, command.output())
            .await
            .map_err(|_| format!("locald {}: no answer within {COMMAND:?}", arguments.join(" ")))?
            .map_err(|error| format!("locald {}: {error}", arguments.join(" ")))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("locald {}: {}", arguments.join(" "), said.trim()))
        }
    }

    /// The picture.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn status(&self) -> Result<Value, String> {
        let text = self.cli(&["status", "--json"]).await?;
        serde_json::from_str(&text).map_err(|error| format!("status is not JSON: {error}: {text}"))
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        servers::sweep(self.root());
        if std::thread::panicking() {
            let folder = failure::folder();
            if fs::create_dir_all(&folder).is_ok() {
                failure::copy_logs(&self.root().join("logs"), &folder);
                eprintln!("logs: {}", folder.display());
            }
        }
    }
}

/// A running host, and a reader of all it tells.
#[derive(Debug)]
pub struct Host {
    host: Tree,
    /// `locald events`, `locald status --watch`.
    readers: Vec<Tree>,
}

/// A line of one of a host's readers.
#[derive(Debug)]
pub enum Told {
    /// Of `locald events --json`.
    Record(Value),
    /// Of `locald status --watch --json`.
    Picture(Value),
}

impl Host {
    /// Starts it, waits until it answers, and passes on what it tells.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start(home: &Home, told: &mpsc::UnboundedSender<Told>) -> Self {
        let mut host = Self::alone(home).await;
        host.readers = vec![
            reader(home, &["events", "--json"], Told::Record, told),
            reader(home, &["status", "--watch", "--json"], Told::Picture, told),
        ];
        host
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn alone(home: &Home) -> Self {
        let host = Tree::spawn("locald host", home.command(&["host"]), &home.log("host.log"), false);
        // Not by a command: without a host that would start one.
        let ready = format!("pid={}", host.pid());
        eventually("the host to be ready", LATER, async || {
            let log = host.log();
            if log.lines().any(|line| line.contains("ready") && line.ends_with(&ready)) {
                Ok(())
            } else {
                Err(last_lines(&log))
            }
        })
        .await;
        Self {
            host,
            readers: Vec::new(),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.host.pid()
    }

    /// `kill -9`. The readers go first: a command that loses its host may start another.
    pub async fn kill(mut self) {
        for mut reader in self.readers {
            reader.kill().await;
        }
        // It alone: monitors that it started live on.
        self.host.signal(Signal::KILL);
        self.host.wait(LATER).await;
    }
}

fn reader(home: &Home, arguments: &[&str], kind: fn(Value) -> Told, told: &mpsc::UnboundedSender<Told>) -> Tree {
    let mut tree = Tree::spawn("a reader", home.command(arguments), &home.log("readers.log"), true);
    let mut lines = BufReader::new(tree.take_stdout()).lines();
    let told = told.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(value) = serde_json::from_str(&line) {
                let _ = told.send(kind(value));
            }
        }
    });
    tree
}
