//! Real engines for tests. Each has its own socket, storage and bridge, so that no engine of the person running
//! the tests is touched, any number of them run side by side, and nothing is left of them afterwards.

mod image;

use std::{
    fs::File,
    io,
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    time::{Duration, Instant},
};

pub use image::{BUSYBOX, busybox_image};

/// How long a daemon may take to answer after its start. It takes 0.3 s on an idle machine.
const READY: Duration = Duration::from_secs(30);

/// A dockerd of the test's own. Dropped, or however the test ends, it goes with its containers, bridges and files.
#[derive(Debug)]
pub struct Dockerd {
    root: PathBuf,
    bridge: Bridge,
    daemon: Option<Child>,
    reaper: Child,
    /// Closing it lets the reaper begin.
    reaper_stdin: Option<ChildStdin>,
}

/// A bridge that was free, and the subnet that goes with it.
#[derive(Debug)]
struct Bridge {
    name: String,
    number: u8,
}

impl Dockerd {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// What this machine lacks, or how the daemon failed.
    pub fn start() -> Result<Self, String> {
        lacks_nothing()?;
        let root = tempfile::Builder::new()
            .prefix("ldt")
            .tempdir()
            .map_err(|error| format!("no folder: {error}"))?;
        let root = root.keep();
        let bridge = Bridge::add()?;
        let mut reaper = Command::new("sh")
            .args(["-c", include_str!("reaper.sh")])
            .envs([
                ("ROOT", root.as_os_str()),
                ("BRIDGE", bridge.name.as_ref()),
                ("CGROUP", bridge.name.as_ref()),
            ])
            .env("SUBNET", bridge.subnet())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A test runner that gives up kills the test's process group; this one has to survive that.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let reaper_stdin = reaper.stdin.take();
        let mut dockerd = Self {
            root,
            bridge,
            daemon: None,
            reaper,
            reaper_stdin,
        };
        dockerd.boot()?;
        Ok(dockerd)
    }

    /// The engine's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.root.join("s")
    }

    /// The same as `unix://…`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// A folder that lives as long as this engine, for files a test needs.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn scratch(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.root.join("scratch").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Runs `docker` against this engine.
    ///
    /// # Errors
    /// When the program can't be run; that it failed shows in the output.
    pub fn docker(&self, arguments: &[&str]) -> io::Result<Output> {
        // A newer client elsewhere in the PATH may refuse to speak with an engine as old as the distribution's.
        let distribution = Path::new("/usr/bin/docker");
        let program = if distribution.exists() {
            distribution
        } else {
            Path::new("docker")
        };
        Command::new(program)
            .args(arguments)
            .env("DOCKER_HOST", self.endpoint())
            .env("DOCKER_CONFIG", self.root.join("cli"))
            .env_remove("DOCKER_CONTEXT")
            .stdin(Stdio::null())
            .output()
    }

    /// Runs `docker` and gives what it printed.
    ///
    /// # Errors
    /// What it complained of.
    pub fn docker_ok(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.docker(arguments).map_err(|error| format!("docker: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!(
                "docker {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        }
    }

    /// Ends the daemon in order, containers too; the socket's file goes.
    pub fn stop(&mut self) {
        self.end("-TERM");
    }

    /// Kills the daemon; the socket's file stays behind, and so do the containers until the next [`Self::boot`].
    pub fn kill(&mut self) {
        self.end("-KILL");
        // The kernel ends its containerd with it, a moment later; the next daemon would still take it for alive.
        let pid_file = self.root.join("exec/containerd/containerd.pid");
        if let Ok(pid) = std::fs::read_to_string(&pid_file) {
            let _ = Command::new("kill")
                .args(["-KILL", pid.trim()])
                .stderr(Stdio::null())
                .status();
            let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            let deadline = Instant::now() + READY;
            while !state().is_empty() && !state().contains(") Z ") && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = std::fs::remove_file(pid_file);
        let _ = std::fs::remove_file(self.root.join("exec/containerd/containerd.sock"));
    }

    /// Keeps the daemon from answering: connections are taken and nothing comes back.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Undoes [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Starts the daemon again after [`Self::stop`] or [`Self::kill`] and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn boot(&mut self) -> Result<(), String> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.root.join("log"))
            .and_then(|log| Ok((log.try_clone()?, log)))
            .map_err(|error| format!("no log: {error}"))?;
        // A killed daemon leaves its pid behind and the next one would take it for alive.
        let _ = std::fs::remove_file(self.root.join("pid"));
        let path = |name: &str| self.root.join(name).display().to_string();
        let number = self.bridge.number;
        let daemon = Command::new("dockerd")
            .args([
                "--data-root",
                &path("data"),
                "--exec-root",
                &path("exec"),
                "--pidfile",
                &path("pid"),
            ])
            .args(["-H", &self.endpoint(), "--bridge", &self.bridge.name, "--cgroup-parent"])
            .arg(format!("/{}", self.bridge.name))
            // Daemons would fight over the machine's one `DOCKER` chain. Ports on 127.0.0.1 and containers on one
            // network need none of it.
            .args([
                "--iptables=false",
                "--ip6tables=false",
                "--ip-masq=false",
                "--ip-forward=false",
            ])
            .args(["--default-address-pool", &format!("base=10.{number}.128.0/17,size=24")])
            .stdin(Stdio::null())
            .stdout(log.0)
            .stderr(log.1)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))?;
        self.daemon = Some(daemon);
        let deadline = Instant::now() + READY;
        loop {
            if ping(&self.socket()).is_ok() {
                return Ok(());
            }
            let ended = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > deadline {
                return Err(format!("dockerd did not come up: {}", self.log_end()));
            }
            // The daemon announces itself in no other way than by answering.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last lines of the daemon's log.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.root.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    fn signal(&self, signal: &str) {
        if let Some(daemon) = &self.daemon {
            let _ = Command::new("kill").args([signal, &daemon.id().to_string()]).status();
        }
    }

    fn end(&mut self, signal: &str) {
        self.signal(signal);
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.wait();
        }
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        drop(self.reaper_stdin.take());
        let _ = self.reaper.wait();
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.wait();
        }
    }
}

impl Bridge {
    /// Adding fails when the name is taken, so no two daemons get the same one.
    fn add() -> Result<Self, String> {
        let ip = |arguments: &[&str]| {
            Command::new("ip")
                .args(arguments)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        for number in 100..250_u8 {
            let name = format!("ldt{number}");
            if !ip(&["link", "add", &name, "type", "bridge"]) {
                continue;
            }
            let bridge = Self {
                name: name.clone(),
                number,
            };
            if ip(&["addr", "add", &format!("10.{number}.0.1/24"), "dev", &name]) && ip(&["link", "set", &name, "up"]) {
                bridge.let_through();
                return Ok(bridge);
            }
            ip(&["link", "del", &name]);
        }
        Err("no network bridge could be added (ip link add … type bridge)".to_owned())
    }

    fn subnet(&self) -> String {
        format!("10.{}.0.0/16", self.number)
    }

    /// Another dockerd on this machine has the firewall drop what it doesn't know, also between our containers. Its
    /// own rules stay as they are; the reaper takes this one away.
    fn let_through(&self) {
        let subnet = self.subnet();
        let rule = ["-w", "-I", "FORWARD", "-s", &subnet, "-d", &subnet, "-j", "ACCEPT"];
        // Without iptables there is no such firewall either.
        let _ = Command::new("iptables")
            .args(rule)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
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
fn lacks_nothing() -> Result<(), String> {
    let in_path = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.extend(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from));
        folders.iter().any(|folder| folder.join(program).exists())
    };
    let needed = [
        ("dockerd", "docker.io"),
        ("docker", "docker.io"),
        ("containerd", "containerd"),
        ("runc", "runc"),
        ("ip", "iproute2"),
        ("busybox", "busybox-static"),
        ("tar", "tar"),
    ];
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
        Err("a dockerd of the tests' own has to be started as root".to_owned())
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
