//! A real Podman, rootful or rootless.

use std::{
    io::{self, BufRead as _, BufReader},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::UnixListener,
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{READY, TestEngine, TestUser, await_standstill, lacks_nothing, log_end, log_of, ping, test_user};

/// Programs it takes, and the Debian packages that have them.
const NEEDED: [(&str, &str); 10] = [
    ("podman", "podman"),
    ("runc", "runc"),
    ("netavark", "netavark"),
    ("aardvark-dns", "aardvark-dns"),
    ("slirp4netns", "slirp4netns"),
    ("newuidmap", "uidmap"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("busybox", "busybox-static"),
    ("unshare", "util-linux"),
];

/// The networks of rootful ones, out of the way of everybody's usual ranges; and the same as a pattern.
const POOL: &str = "10.251.0.0/16";
const DEFAULT_SUBNET: &str = "10.252.0.0/24";
const DEFAULT_GATEWAY: &str = "10.252.0.1";
const SUBNETS: &str = r"10[.]25[12][.]";
/// Held by whoever has a rootful one.
const LOCK: &str = "/run/lock/locald-test-podman.lock";

/// A Podman of the test's own. Dropped, or however the test ends, it goes with its containers, networks and files.
///
/// Of rootful ones there is one at a time on a machine: [`Podman::rootful`] waits for its turn.
#[derive(Debug)]
pub struct Podman {
    root: PathBuf,
    /// Who runs it; `None` for root.
    user: Option<TestUser>,
    service: Service,
    /// The first process of its namespaces.
    first: u32,
    reaper: Child,
    /// Closing it lets the reaper begin.
    reaper_stdin: Option<ChildStdin>,
}

/// What answers at the socket.
#[derive(Debug)]
enum Service {
    None,
    /// A service that stays.
    Lasting(Child),
    /// One that is started by a connection and ends when nobody needs it.
    Activated {
        end: Arc<AtomicBool>,
        thread: Option<std::thread::JoinHandle<()>>,
    },
}

impl Podman {
    /// Starts one as root and waits until it answers.
    ///
    /// # Errors
    /// What this machine lacks, or how the service failed.
    pub fn rootful() -> Result<Self, String> {
        Self::start(None)
    }

    /// Starts one as an ordinary user and waits until it answers.
    ///
    /// # Errors
    /// What this machine lacks, or how the service failed.
    pub fn rootless() -> Result<Self, String> {
        lacks_nothing(&NEEDED)?;
        Self::start(Some(test_user()?))
    }

    fn start(user: Option<TestUser>) -> Result<Self, String> {
        let mut podman = Self::prepared(user)?;
        podman.boot()?;
        Ok(podman)
    }

    /// All but the service.
    fn prepared(user: Option<TestUser>) -> Result<Self, String> {
        lacks_nothing(&NEEDED)?;
        let root = tempfile::Builder::new()
            .prefix("ldt")
            .tempdir()
            .map_err(|error| format!("no folder: {error}"))?;
        let root = root.keep();
        settle(&root, user.as_ref()).map_err(|error| format!("the engine's folder: {error}"))?;
        let mut reaper = Command::new("sh")
            .args(["-c", include_str!("podman_reaper.sh")])
            .env("ROOT", &root)
            .env("SUBNETS", if user.is_none() { SUBNETS } else { "" })
            .env("LOCK", LOCK)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A test runner that gives up kills the test's process group; this one has to survive that.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let reaper_stdin = reaper.stdin.take();
        let mut said = String::new();
        if let Some(stdout) = reaper.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut said)
                .map_err(|error| format!("the reaper: {error}"))?;
        }
        let mut podman = Self {
            root,
            user,
            service: Service::None,
            first: 0,
            reaper,
            reaper_stdin,
        };
        podman.first = said.trim().parse().map_err(|_| said)?;
        Ok(podman)
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

    /// Is it an ordinary user's?
    #[must_use]
    pub fn is_rootless(&self) -> bool {
        self.user.is_some()
    }

    /// Runs `podman` against this engine, as somebody else who uses it.
    ///
    /// # Errors
    /// When the program can't be run; that it failed shows in the output.
    pub fn podman(&self, arguments: &[&str]) -> io::Result<Output> {
        Command::new("podman")
            .args(["--remote", "--url", &self.endpoint()])
            .args(arguments)
            .env("HOME", self.root.join("cli"))
            .env("CONTAINERS_CONF", self.root.join("containers.conf"))
            .env_remove("CONTAINER_HOST")
            .env_remove("XDG_RUNTIME_DIR")
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
    }

    /// Runs `podman` and gives what it printed.
    ///
    /// # Errors
    /// What it complained of.
    pub fn podman_ok(&self, arguments: &[&str]) -> Result<String, String> {
        self.command_ok(arguments)
    }

    /// Starts the service again after [`Self::stop`] or [`Self::kill`] and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn boot(&mut self) -> Result<(), String> {
        let socket = self.endpoint();
        let log = log_of(&self.root)?;
        let service = command(&self.root, self.user.as_ref(), self.first)
            .args(["podman", "system", "service", "--time=0", &socket])
            .stdin(Stdio::null())
            .stdout(log.0)
            .stderr(log.1)
            .spawn()
            .map_err(|error| format!("nsenter: {error}"))?;
        self.service = Service::Lasting(service);
        self.answers()
    }

    /// Like [`Self::boot`], but as systemd would do it: a service is started by the first connection and ends when
    /// it was idle for so many seconds; the next connection starts another.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn boot_on_demand(&mut self, idle_seconds: u32) -> Result<(), String> {
        // One that was killed leaves it behind.
        let _ = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket()).map_err(|error| format!("the socket: {error}"))?;
        let end = Arc::new(AtomicBool::new(false));
        let (root, user, first, ended) = (self.root.clone(), self.user.clone(), self.first, Arc::clone(&end));
        let thread = std::thread::spawn(move || {
            activate(&listener, &ended, || {
                let log = log_of(&root).ok()?;
                // Which process it is stands in LISTEN_PID, so only the process itself can say.
                let script = format!(
                    "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec podman system service --time={idle_seconds}"
                );
                command(&root, user.as_ref(), first)
                    .args(["sh", "-c", &script])
                    .stdin(std::os::fd::OwnedFd::from(listener.try_clone().ok()?))
                    .stdout(log.0)
                    .stderr(log.1)
                    .spawn()
                    .ok()
            });
        });
        self.service = Service::Activated {
            end,
            thread: Some(thread),
        };
        self.answers()
    }

    /// Is a process of the service there at this moment?
    #[must_use]
    pub fn is_served(&self) -> bool {
        !self.processes().is_empty()
    }

    /// Ends the service in order. Its containers run on.
    pub fn stop(&mut self) {
        self.end("-TERM");
    }

    /// Kills the service; the socket's file stays behind, and containers run on.
    pub fn kill(&mut self) {
        self.end("-KILL");
    }

    /// Keeps the service from answering: connections are taken and nothing comes back.
    pub fn freeze(&self) {
        self.signal("-STOP");
        await_standstill(&self.processes());
    }

    /// Undoes [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// The last lines of the service's log.
    #[must_use]
    pub fn log_end(&self) -> String {
        log_end(&self.root)
    }

    fn answers(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + READY;
        while ping(&self.socket()).is_err() {
            let ended = match &mut self.service {
                Service::Lasting(service) => service.try_wait().ok().flatten().is_some(),
                Service::Activated { .. } | Service::None => false,
            };
            if ended || Instant::now() > deadline {
                return Err(format!("podman did not come up: {}", self.log_end()));
            }
            // The service announces itself in no other way than by answering.
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The service's processes: a rootless one is a chain of several. Never what else is started by it (the
    /// network's helper, say), which outlives it.
    fn processes(&self) -> Vec<u32> {
        let service_line = |pid: u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains("podman") && line.contains("system service") && !line.contains("nsenter")
        };
        let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = namespace(self.first);
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|&pid| own.is_some() && namespace(pid) == own && service_line(pid))
            .collect()
    }

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.arg(signal).args(self.processes().iter().map(u32::to_string));
        // `nsenter` stops itself when its child is stopped, and has to be woken too.
        if let (Service::Lasting(service), "-CONT") = (&self.service, signal) {
            kill.arg(service.id().to_string());
        }
        let _ = kill.stderr(Stdio::null()).status();
    }

    fn end(&mut self, signal: &str) {
        if let Service::Activated { end, .. } = &self.service {
            end.store(true, Ordering::Relaxed);
        }
        self.signal(signal);
        match std::mem::replace(&mut self.service, Service::None) {
            Service::None => {}
            Service::Lasting(mut service) => drop(service.wait()),
            Service::Activated { thread, .. } => drop(thread.map(std::thread::JoinHandle::join)),
        }
    }
}

impl TestEngine for Podman {
    fn root(&self) -> &Path {
        &self.root
    }

    fn command(&self, arguments: &[&str]) -> io::Result<Output> {
        self.podman(arguments)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        drop(self.reaper_stdin.take());
        let _ = self.reaper.wait();
        self.end("-KILL");
    }
}

/// Waits for somebody at the socket, has a service started, and waits for its end; again and again.
fn activate(listener: &UnixListener, ended: &AtomicBool, start: impl Fn() -> Option<Child>) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let brief = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    while !ended.load(Ordering::Relaxed) {
        let mut sockets = [PollFd::new(listener, PollFlags::IN)];
        if poll(&mut sockets, Some(&brief)).is_ok_and(|ready| ready > 0)
            && let Some(mut service) = start()
        {
            let _ = service.wait();
        }
    }
}

/// A command in the engine's namespaces, as its user.
fn command(root: &Path, user: Option<&TestUser>, first: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &first.to_string(), "-m", "-p"]);
    if let Some(user) = user {
        let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
        command.args(["setpriv", "--reuid", &uid, "--regid", &gid, "--clear-groups"]);
    }
    command
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", root.join("home"))
        .env("XDG_RUNTIME_DIR", root.join("run"))
        .env("CONTAINERS_CONF", root.join("containers.conf"))
        .process_group(0);
    if user.is_none() {
        command.env("CONTAINERS_STORAGE_CONF", root.join("storage.conf"));
    }
    command
}

/// Fills the engine's folder.
fn settle(root: &Path, user: Option<&TestUser>) -> io::Result<()> {
    for name in ["networks", "run", "home", "cli"] {
        std::fs::create_dir(root.join(name))?;
    }
    std::fs::set_permissions(root.join("run"), std::fs::Permissions::from_mode(0o700))?;
    // Equal limits: 4.3 swaps hard and soft over its Docker API. runc: crun refuses hybrid cgroups.
    let mut settings = String::from(
        "[containers]\n\
         default_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n\
         [engine]\n\
         runtime = \"runc\"\n\
         events_logger = \"file\"\n\
         cgroup_manager = \"cgroupfs\"\n",
    );
    let at = root.display();
    if user.is_none() {
        settings.push_str(&format!(
            "tmp_dir = \"{at}/tmp\"\n\
             volume_path = \"{at}/volumes\"\n\
             [network]\n\
             network_backend = \"netavark\"\n\
             network_config_dir = \"{at}/networks\"\n\
             default_subnet = \"{DEFAULT_SUBNET}\"\n\
             default_subnet_pools = [{{\"base\" = \"{POOL}\", \"size\" = 24}}]\n"
        ));
        let storage =
            format!("[storage]\ndriver = \"overlay\"\ngraphroot = \"{at}/data\"\nrunroot = \"{at}/runroot\"\n");
        std::fs::write(root.join("storage.conf"), storage)?;
        // The usual one would share its bridge with the machine's own Podman.
        let id = "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9";
        let network = format!(
            r#"{{"name":"podman","id":"{id}","driver":"bridge","network_interface":"ldp0",
            "created":"2026-01-01T00:00:00Z","subnets":[{{"subnet":"{DEFAULT_SUBNET}","gateway":"{DEFAULT_GATEWAY}"}}],
            "ipv6_enabled":false,"internal":false,"dns_enabled":false,"ipam_options":{{"driver":"host-local"}}}}"#
        );
        std::fs::write(root.join("networks/podman.json"), network)?;
    } else {
        settings.push_str("[network]\nnetwork_backend = \"netavark\"\n");
    }
    std::fs::write(root.join("containers.conf"), settings)?;
    if let Some(user) = user {
        for path in [
            root.to_owned(),
            root.join("run"),
            root.join("home"),
            root.join("networks"),
        ] {
            chown(path, Some(user.uid), Some(user.gid))?;
        }
    }
    Ok(())
}
