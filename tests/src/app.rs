//! The programs under test: the desktop app and the command.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::process::Command;

use crate::desktop::Shared;
use crate::proc::{Process, Tree};
use crate::wait::eventually;
use crate::webdriver::WebView;

/// The desktop app: `$LOCALD_DESKTOP_BIN`, else `locald-desktop` where cargo puts it.
pub fn desktop_program() -> PathBuf {
    built("LOCALD_DESKTOP_BIN", "locald-desktop")
}

/// The command: `$LOCALD_BIN`, else `locald` where cargo puts it.
pub fn cli_program() -> PathBuf {
    built("LOCALD_BIN", "locald")
}

/// Cargo builds no binaries of other packages for a test, so `cargo xtask test` builds them first.
fn built(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running program has a path");
    // target/debug/deps/<test>
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are two folders below the profile's");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built: run `cargo xtask test`, or `cargo build -p locald-desktop -p locald-cli`, or set {variable}",
        path.display()
    );
    path
}

/// How to start the app.
#[derive(Debug)]
pub struct Builder {
    shared: Arc<Shared>,
    program: Option<PathBuf>,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    folder: Option<PathBuf>,
    inspector: Option<u16>,
    log: String,
}

impl Builder {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            program: None,
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
            inspector: None,
            log: "locald-desktop.log".to_owned(),
        }
    }

    /// Another program than `locald-desktop`.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        self.log = format!("{}.log", program.file_name().unwrap_or_default().to_string_lossy());
        self.program = Some(program);
        self
    }

    /// Starts in the tray, without a window.
    pub fn hidden(self) -> Self {
        self.arg("--hidden")
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable for the app alone.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), Some(value.into())));
        self
    }

    /// Unsets a variable for the app alone.
    pub fn without_env(mut self, key: impl Into<OsString>) -> Self {
        self.env.push((key.into(), None));
        self
    }

    /// The folder it is started in, `$HOME` if not set.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Lets [`App::web_view`] drive the window. WebKit then keeps the first web view alive after its window closed, so
    /// tests of memory or of a closed window do without.
    pub fn driven(mut self) -> Self {
        // The display's number is ours alone among all tests that run now, and so is a port made of it.
        let port = u16::try_from(self.shared.display % 5000).expect("below 5000") * 2 + 21_000;
        self.inspector = Some(port);
        self.env("WEBKIT_INSPECTOR_SERVER", format!("127.0.0.1:{port}"))
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
    }

    /// Starts it; it may not be ready yet.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(self) -> App {
        let program = self.program.clone().unwrap_or_else(desktop_program);
        let mut command = self.shared.command(&program);
        command.args(&self.args);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        for (key, value) in &self.env {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        let log = self.shared.log(&self.log);
        let tree = Tree::spawn(&program.display().to_string(), command, &log, false);
        App {
            tree,
            shared: self.shared,
            inspector: self.inspector,
            started: Instant::now(),
        }
    }
}

/// The running app. Dropped, it is killed with all its children.
#[derive(Debug)]
pub struct App {
    tree: Tree,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inspector: Option<u16>,
    started: Instant,
}

impl App {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.tree.pid()
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// It and everything it started.
    pub fn processes(&self) -> Vec<Process> {
        self.tree.processes()
    }

    /// The web view's processes among them.
    pub fn web_processes(&self) -> Vec<Process> {
        self.processes()
            .into_iter()
            .filter(|process| process.name.starts_with("WebKit"))
            .collect()
    }

    /// Waits until it has no web view process.
    ///
    /// # Panics
    /// When it still has one at the deadline.
    pub async fn wait_for_no_web_process(&self, deadline: Duration) {
        eventually("no web view process", deadline, async || {
            let names: Vec<_> = self.web_processes().into_iter().map(|process| process.name).collect();
            if names.is_empty() {
                Ok(())
            } else {
                Err(format!("{names:?}"))
            }
        })
        .await;
    }

    /// What it wrote to stdout and stderr.
    pub fn log(&self) -> String {
        self.tree.log()
    }

    /// Waits for a line of its output that contains `text`.
    ///
    /// # Panics
    /// When there is none at the deadline, or the app has ended before.
    pub async fn wait_for_log(&mut self, text: &str, deadline: Duration) -> String {
        eventually(&format!("{text:?} in the app's output"), deadline, async || {
            let log = self.log();
            let found = log.lines().find(|line| line.contains(text)).map(str::to_owned);
            found.ok_or_else(|| crate::proc::last_lines(&log))
        })
        .await
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.tree.exited().is_none()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.tree.signal(signal);
    }

    /// Waits for its exit.
    ///
    /// # Panics
    /// When it still runs at the deadline.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        self.tree.wait(deadline).await
    }

    /// SIGTERM, then its exit within the 5 s it has for that.
    ///
    /// # Panics
    /// When it still runs after 5 s.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(Duration::from_secs(5)).await
    }

    /// `kill -9` of the app alone; what it started lives on, if that is its way.
    pub async fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(5)).await
    }

    /// Drives the window's web view. The app must have been started [`driven`](Builder::driven).
    ///
    /// # Panics
    /// When no window can be driven at the deadline.
    pub async fn web_view(&self, deadline: Duration) -> WebView {
        WebView::attach(self, deadline).await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Now, because the window is gone from the screen a moment later.
        self.shared.on_panic(|folder| {
            let mut text = String::new();
            for process in self.processes() {
                let _ = writeln!(text, "{process:?}\n    {}", process.command_line());
            }
            let _ = std::fs::write(folder.join("processes.txt"), text);
        });
    }
}

/// The result of a command that ran to its end.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code, `None` when a signal ended it.
    pub code: Option<i32>,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

impl Output {
    /// Stdout as JSON.
    ///
    /// # Panics
    /// When it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("stdout is not JSON ({error})\n{self}"))
    }

    /// Stdout as one JSON value a line.
    ///
    /// # Panics
    /// When it is not.
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}\n{self}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Itself, after a check of the exit code.
    ///
    /// # Panics
    /// When the code is another.
    pub fn expect_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        self
    }

    /// Itself, after a check that it succeeded.
    ///
    /// # Panics
    /// When it did not.
    pub fn ok(self) -> Self {
        self.expect_code(0)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {:?} after {:?}", self.code, self.took)?;
        writeln!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

pub(crate) async fn run(mut command: Command, transcript: &Path, deadline: Duration) -> Output {
    let started = Instant::now();
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(deadline, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("still running after {deadline:?}: {:?}", command.as_std()));
    let output = output.unwrap_or_else(|error| panic!("cannot run {:?}: {error}", command.as_std()));
    let output = Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: started.elapsed(),
    };
    let args: Vec<_> = command
        .as_std()
        .get_args()
        .skip(3)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(transcript) {
        let _ = std::io::Write::write_all(&mut file, format!("$ {}\n{output}\n", args.join(" ")).as_bytes());
    }
    output
}
