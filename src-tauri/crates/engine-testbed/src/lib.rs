//! Real engines for tests. Each has its own socket, storage and network, so that no engine of the person running
//! the tests is touched, and nothing is left of them afterwards.

mod dockerd;
mod image;
mod podman;
mod server;
mod user;

use std::{
    fs::File,
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

pub use dockerd::Dockerd;
pub use image::{BUSYBOX, busybox_image};
pub use podman::Podman;
pub use server::{Server, server_image};
pub use user::{TestUser, test_user};

/// How long a daemon may take to answer after its start. It takes 0.3 s on an idle machine.
const READY: Duration = Duration::from_secs(30);

/// A port of 127.0.0.1 that nobody has and that nothing else is about to be given: the system hands out the upper ones, and the
/// well-known ones are for those that are about them.
pub fn free_port() -> u16 {
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut ports = std::iter::repeat_with(|| fastrand::u16(20_000..32_000));
    ports.find(is_free).unwrap_or_default()
}

/// Waits until every thread of these processes stands still: a stop signal takes a moment to reach them all.
fn await_standstill(processes: &[u32]) {
    let stands = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The name before it may hold anything; one that is gone answers nobody.
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with(['T', 't', 'Z', 'X']))
    };
    let moves = |pid: &u32| {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        tasks.is_ok_and(|tasks| !tasks.flatten().all(stands))
    };
    let deadline = std::time::Instant::now() + READY;
    while processes.iter().any(moves) && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What every engine here has.
pub trait TestEngine: Send + Sync {
    /// Its folder.
    fn root(&self) -> &Path;

    /// Runs the program a person has for this engine, `docker` or `podman`, against it.
    ///
    /// # Errors
    /// When the program can't be run; that it failed shows in the output.
    fn command(&self, arguments: &[&str]) -> io::Result<Output>;

    /// Its socket.
    fn socket(&self) -> PathBuf {
        self.root().join("s")
    }

    /// The same as `unix://…`.
    fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// A folder that lives as long as this engine, for files a test needs.
    ///
    /// # Errors
    /// When it can't be made.
    fn scratch(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.root().join("scratch").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Runs the person's program and gives what it printed.
    ///
    /// # Errors
    /// What it complained of.
    fn command_ok(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self
            .command(arguments)
            .map_err(|error| format!("the engine's program: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!(
                "{}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        }
    }
}

fn log_of(root: &Path) -> Result<(File, File), String> {
    File::options()
        .create(true)
        .append(true)
        .open(root.join("log"))
        .and_then(|log| Ok((log.try_clone()?, log)))
        .map_err(|error| format!("no log: {error}"))
}

fn log_end(root: &Path) -> String {
    let log = std::fs::read_to_string(root.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// One HTTP exchange with nothing but the standard library.
fn ping(socket: &Path) -> io::Result<()> {
    use std::io::{Read as _, Write as _};
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    if start.ends_with(b"200") {
        Ok(())
    } else {
        Err(io::Error::other("not ready"))
    }
}

/// Says what has to be installed, or that this user may not.
fn lacks_nothing(needed: &[(&'static str, &'static str)]) -> Result<(), String> {
    let in_path = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.extend(["/usr/sbin", "/sbin", "/usr/bin", "/usr/lib/podman"].map(PathBuf::from));
        folders.iter().any(|folder| folder.join(program).exists())
    };
    let mut missing: Vec<&str> = needed
        .iter()
        .filter(|(program, _)| !in_path(program))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if !missing.is_empty() {
        return Err(format!(
            "missing here; install the Debian packages: {}",
            missing.join(" ")
        ));
    }
    let user = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = user
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    if root {
        Ok(())
    } else {
        Err("an engine of the tests' own has to be started as root".to_owned())
    }
}

/// The engine, or `None` after saying loudly that the test is skipped.
///
/// # Panics
/// Where `CI` is set: there nothing is skipped.
#[must_use]
#[expect(clippy::panic, clippy::print_stderr, reason = "the tests' way to fail and to speak")]
pub fn required<T>(made: Result<T, String>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(reason) if std::env::var_os("CI").is_some_and(|value| !value.is_empty()) => panic!("{reason}"),
        Err(reason) => {
            eprintln!("SKIPPED: {reason}");
            None
        }
    }
}
