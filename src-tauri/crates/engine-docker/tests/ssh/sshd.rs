//! An ssh server of the test's own, run by an ordinary user, and keys for it.

use std::{
    fs::{self, Permissions},
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use locald_engine_docker::{Access, SshLogin};
use locald_engine_testbed::{TestUser, test_user};

const READY: Duration = Duration::from_secs(10);

/// A running one; dropped it goes with its connections.
pub struct Sshd {
    folder: tempfile::TempDir,
    pub port: u16,
    pub user: TestUser,
    daemon: Option<Child>,
}

impl Sshd {
    /// Starts one with lines of its own in its configuration.
    pub fn start(more: &str) -> Result<Self, String> {
        if !Path::new("/usr/sbin/sshd").exists() {
            return Err("missing here; install the Debian packages: openssh-server openssh-client".to_owned());
        }
        let user = test_user()?;
        let folder = tempfile::Builder::new().prefix("lds").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "key", "stranger"] {
            keygen(&path(key));
        }
        fs::copy(path("key.pub"), path("authorized")).unwrap();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n{more}\n",
            path("host").display(),
            path("authorized").display()
        );
        fs::write(path("config"), config).unwrap();
        let host = fs::read_to_string(path("host.pub")).unwrap();
        fs::write(path("known"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        for name in ["", "host", "authorized", "config"] {
            chown(path(name), Some(user.uid), Some(user.gid)).unwrap();
        }
        let mut sshd = Self {
            folder,
            port,
            user,
            daemon: None,
        };
        sshd.boot();
        Ok(sshd)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The address of a socket behind this server.
    pub fn endpoint(&self, socket: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user.name, self.port, socket.display())
    }

    /// Login with these known hosts and this key.
    pub fn access(&self, known: &str, key: &str) -> Access {
        let config = self.path(&format!("client-{known}-{key}"));
        let text = format!(
            "UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nIdentityFile {}\n\
             IdentitiesOnly yes\nIdentityAgent none\n",
            self.path(known).display(),
            self.path(key).display()
        );
        fs::write(&config, text).unwrap();
        Access {
            ssh: SshLogin {
                config: Some(config),
                ..SshLogin::default()
            },
            ..Access::default()
        }
    }

    /// Starts it (again) and waits until it takes connections.
    pub fn boot(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap();
        let daemon = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(self.path("config"))
            .current_dir("/")
            .uid(self.user.uid)
            .gid(self.user.gid)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        let deadline = Instant::now() + READY;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "sshd did not come up: {}", self.log());
            // It announces itself in no other way than by taking connections.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it and all its connections, without a word to anybody.
    pub fn kill(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let connections = children(&daemon.id().to_string());
        let _ = daemon.kill();
        let _ = daemon.wait();
        for pid in connections {
            let _ = Command::new("kill")
                .args(["-KILL", &pid])
                .stderr(Stdio::null())
                .status();
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A process's children, and theirs: each connection has a process that watches and one that works.
fn children(pid: &str) -> Vec<String> {
    let output = Command::new("ps").args(["-o", "pid=", "--ppid", pid]).output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let direct = output.split_whitespace();
    direct
        .flat_map(|child| std::iter::once(child.to_owned()).chain(children(child)))
        .collect()
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

/// Lets everybody reach a socket of root's, as its group lets its members.
pub fn open_to_all(socket: &Path) {
    let folder = socket.parent().unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o711)).unwrap();
    fs::set_permissions(socket, Permissions::from_mode(0o666)).unwrap();
}
