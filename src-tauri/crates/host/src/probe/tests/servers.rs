//! Real servers on 127.0.0.1, each with a folder and a port of its own, as an ordinary user.

use std::{
    fs::Permissions,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use locald_engine_testbed::free_port;

use super::*;

/// How long a server may take to come up on a busy machine.
const READY: Duration = Duration::from_secs(120);
/// Debian's `nobody`: some servers refuse to run as root.
const NOBODY: u32 = 65534;

pub(super) const USER: &str = "app";
/// With what has to be escaped somewhere.
pub(super) const PASSWORD: &str = "s3'cr\"et p@ss/wörd";

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) root: PathBuf,
    reaper: Child,
    /// Closing it lets the reaper begin.
    reaper_stdin: Option<ChildStdin>,
}

/// A folder for a server, and what is needed to run something in it.
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) port: u16,
    environment: Vec<(String, String)>,
}

impl Place {
    pub(super) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("ldp").tempdir().unwrap().keep();
        let place = Self {
            port: free_port(),
            environment: vec![("HOME".to_owned(), root.display().to_string())],
            root,
        };
        place.own(&place.root);
        place
    }

    /// The path of something in the folder.
    pub(super) fn path(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    /// Writes a file there that the server may read.
    pub(super) fn file(&self, name: &str, content: &str) -> String {
        let path = self.root.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        self.own(&path);
        path.display().to_string()
    }

    pub(super) fn folder(&self, name: &str) -> String {
        let path = self.root.join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        self.own(&path);
        path.display().to_string()
    }

    pub(super) fn environment(&mut self, name: &str, value: impl ToString) {
        self.environment.push((name.to_owned(), value.to_string()));
    }

    fn own(&self, path: &Path) {
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    fn command_line(&self, words: &[&str]) -> Vec<String> {
        let mut line: Vec<String> = Vec::new();
        if rustix::process::geteuid().is_root() {
            let id = NOBODY.to_string();
            line.extend(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"].map(str::to_owned));
        }
        line.extend(words.iter().map(|&word| word.to_owned()));
        line
    }

    /// Runs something to its end, as what makes a data folder.
    pub(super) fn run(&self, words: &[&str]) {
        let line = self.command_line(words);
        let output = Command::new(&line[0])
            .args(&line[1..])
            .envs(self.environment.iter().cloned())
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said));
    }

    /// Runs the server, until the test ends.
    pub(super) fn serve(self, signal: &str, words: &[&str]) -> Server {
        let mut reaper = Command::new("sh")
            .args(["-c", include_str!("serve.sh"), "sh"])
            .args(self.command_line(words))
            .envs(self.environment)
            .env("LDP_ROOT", &self.root)
            .env("LDP_SIGNAL", signal)
            .current_dir(&self.root)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A test runner that gives up kills the test's process group; this one has to survive that.
            .process_group(0)
            .spawn()
            .unwrap();
        Server {
            address: SocketAddr::from(([127, 0, 0, 1], self.port)),
            root: self.root,
            reaper_stdin: reaper.stdin.take(),
            reaper,
        }
    }
}

impl Server {
    /// Asks until this is the answer.
    pub(super) async fn answers(
        &self,
        protocol: ServiceProtocol,
        credentials: &Credentials,
        wanted: &Result<(), String>,
    ) {
        let deadline = Instant::now() + READY;
        loop {
            let answer = ask_service(self.address, protocol, credentials, PATIENT).await;
            if answer == *wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{answer:?}, not {wanted:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.reaper_stdin.take());
        let _ = self.reaper.wait();
    }
}

/// Is the server here? Where `CI` is set it has to be.
#[expect(clippy::print_stderr, reason = "a test is skipped loudly")]
pub(super) fn have(program: &str, package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/bin".into()])
        .any(|folder| folder.join(program).exists());
    if !found {
        assert!(
            std::env::var_os("CI").is_none_or(|value| value.is_empty()),
            "missing here; install the Debian package {package}"
        );
        eprintln!("SKIPPED: the Debian package {package} is missing here");
    }
    found
}

pub(super) async fn ask_service(
    address: SocketAddr,
    protocol: ServiceProtocol,
    credentials: &Credentials,
    timeout: Duration,
) -> Result<(), String> {
    let target = ProbeTarget::Service {
        protocol,
        address,
        credentials: credentials.clone(),
    };
    let answer = ask(None, &target, timeout).await;
    answer.map_err(|said| said.replace(&address.port().to_string(), "PORT"))
}

pub(super) fn credentials(user: &str, password: &str, database: Option<&str>) -> Credentials {
    Credentials {
        user: Some(user.to_owned()),
        password: Some(Secret::new(password)),
        database: database.map(str::to_owned),
    }
}
