//! A real dockerd.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::{READY, TestEngine, await_standstill, lacks_nothing, log_end, log_of, ping};

/// Programs it takes, and the Debian packages that have them.
const NEEDED: [(&str, &str); 7] = [
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("busybox", "busybox-static"),
    ("tar", "tar"),
];

/// A dockerd of the test's own. Dropped, or however the test ends, it goes with its containers, bridges and files.
#[derive(Debug)]
pub struct Dockerd {
    root: PathBuf,
    options: Vec<String>,
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
        Self::start_with(Vec::new())
    }

    /// Starts one with options of `dockerd`'s own besides, and waits until it answers.
    ///
    /// # Errors
    /// What this machine lacks, or how the daemon failed.
    pub fn start_with(options: Vec<String>) -> Result<Self, String> {
        lacks_nothing(&NEEDED)?;
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
            options,
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
        TestEngine::socket(self)
    }

    /// The same as `unix://…`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        TestEngine::endpoint(self)
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
        self.command_ok(arguments)
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
        if let Some(daemon) = &self.daemon {
            await_standstill(&[daemon.id()]);
        }
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
        let log = log_of(&self.root)?;
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
            .args(&self.options)
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
        log_end(&self.root)
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

impl TestEngine for Dockerd {
    fn root(&self) -> &Path {
        &self.root
    }

    fn command(&self, arguments: &[&str]) -> io::Result<Output> {
        self.docker(arguments)
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
