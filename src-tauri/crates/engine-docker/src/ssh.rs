//! An engine on another machine: one `ssh` process carries all connections to its socket.

use std::{
    fmt,
    io::{self, ErrorKind},
    path::Path,
    process::Stdio,
    time::Duration,
};

use locald_engine::ConnectFault;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    net::UnixStream,
    process::{Child, Command},
    sync::{Mutex, watch},
    time::Instant,
};

use crate::{SshLogin, ssh_faults, ssh_folder::Folder, ssh_target::Target};

/// `ssh` announces a standing forward in no other way than by its socket; looked for only while it logs in.
const LOOK: Duration = Duration::from_millis(15);
/// How long a complaint may be on its way from `ssh` after the connection it is about broke.
const COMPLAINT: Duration = Duration::from_millis(300);
/// A refusal this fresh is about the connections that break now.
const RECENT: Duration = Duration::from_secs(2);
/// A login that takes longer is stuck, and a new one is tried.
const LOGIN: Duration = Duration::from_secs(30);
/// More lines than any complaint has; a chatty server doesn't fill the memory.
const KEPT_LINES: usize = 40;

/// The way to a socket on another machine. The `ssh` process starts at the first connection, ends with this, and is
/// replaced at the next connection once it died.
pub(crate) struct Tunnel {
    pub(crate) target: Target,
    login: SshLogin,
    running: Mutex<Option<Running>>,
}

struct Running {
    child: Child,
    folder: Folder,
    said: watch::Receiver<Said>,
    since: Instant,
}

/// What `ssh` wrote to stderr.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    /// When the other side last refused to pass a connection on.
    refused: Option<Instant>,
    /// Has it closed stderr?
    ended: bool,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tunnel({})", self.target)
    }
}

impl Tunnel {
    pub(crate) fn new(target: Target, login: SshLogin) -> Self {
        Self {
            target,
            login,
            running: Mutex::new(None),
        }
    }

    /// A connection to the socket over there. Given up while `ssh` still logs in, that goes on, and the next call
    /// finds it further along.
    pub(crate) async fn open(&self) -> Result<UnixStream, ConnectFault> {
        let mut running = self.running.lock().await;
        let alive = running
            .as_mut()
            .is_some_and(|one| matches!(one.child.try_wait(), Ok(None)));
        if !alive {
            // The old one's folder goes before there is a new one.
            *running = None;
        }
        let one = match running.as_mut() {
            Some(one) => one,
            None => running.insert(self.start().map_err(|error| self.not_started(&error))?),
        };
        let socket = one.folder.socket();
        loop {
            match UnixStream::connect(&socket).await {
                Ok(stream) => return Ok(stream),
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                    return Err(self.unreachable(error.to_string()));
                }
                Err(_) => {}
            }
            if let Ok(Some(_)) = one.child.try_wait() {
                let said = one.last_words().await;
                *running = None;
                return Err(self.unreachable(ssh_faults::login(&self.target, &said)));
            }
            if one.since.elapsed() > LOGIN {
                *running = None;
                return Err(self.unreachable("the login over ssh does not come to an end".to_owned()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Why a connection that was opened broke before an answer: over there nobody took it, or `ssh` itself ended.
    pub(crate) async fn complaint(&self) -> Option<ConnectFault> {
        let mut said = self.running.lock().await.as_ref()?.said.clone();
        let told = |said: &Said| said.ended || said.refused.is_some_and(|at| at.elapsed() < RECENT);
        let waited = tokio::time::timeout(COMPLAINT, said.wait_for(told)).await;
        let said = waited.ok()?.ok()?;
        Some(self.unreachable(if said.ended {
            ssh_faults::login(&self.target, &said.lines)
        } else {
            ssh_faults::socket(&self.target)
        }))
    }

    fn start(&self) -> io::Result<Running> {
        let folder = Folder::make()?;
        let mut child = self.command(&folder.socket()).spawn()?;
        folder.belongs_to(child.id())?;
        let (lines, said) = watch::channel(Said::default());
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(listen(stderr, lines));
        }
        Ok(Running {
            child,
            folder,
            said,
            since: Instant::now(),
        })
    }

    fn command(&self, socket: &Path) -> Command {
        let mut command = Command::new("ssh");
        if let Some(config) = &self.login.config {
            command.arg("-F").arg(config);
        }
        // No command, no terminal, nothing of this machine lent to the other one.
        command.args(["-N", "-T", "-a", "-x"]);
        for option in [
            // Nobody is there to type a password or to confirm a key.
            "BatchMode=yes",
            // A person's shared connection would keep the forward, and this process would not be it.
            "ControlMaster=no",
            "ControlPath=none",
            "ConnectTimeout=10",
            // A machine that lost its power or network is noticed after 15 s.
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "StreamLocalBindUnlink=yes",
            "StreamLocalBindMask=0177",
            // Forwards of the person's own configuration may be taken by their own session; that ours stands shows
            // in its socket.
            "ExitOnForwardFailure=no",
            // Their commands are for their own sessions.
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            // What is wrong is read from what it says.
            "LogLevel=INFO",
        ] {
            command.args(["-o", option]);
        }
        if let Some(identity) = &self.login.identity {
            command.args(["-o", "IdentitiesOnly=yes"]).arg("-i").arg(identity);
        }
        if self.login.machine {
            command.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        }
        if let Some(user) = &self.target.user {
            command.args(["-l", user]);
        }
        if let Some(port) = self.target.port {
            command.args(["-p", &port.to_string()]);
        }
        command
            .arg("-L")
            .arg(format!("{}:{}", socket.display(), self.target.socket.display()))
            .args(["--", &self.target.host])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn not_started(&self, error: &io::Error) -> ConnectFault {
        self.unreachable(if error.kind() == ErrorKind::NotFound {
            "the program `ssh` is not here; install OpenSSH's client (package openssh-client)".to_owned()
        } else {
            format!("`ssh` could not be started: {error}")
        })
    }

    fn unreachable(&self, detail: String) -> ConnectFault {
        ConnectFault::Unreachable {
            endpoint: self.target.to_string(),
            detail,
        }
    }
}

impl Running {
    /// All it said, once it has ended.
    async fn last_words(&mut self) -> Vec<String> {
        // A process it left behind may hold the pipe open.
        let _ = tokio::time::timeout(COMPLAINT, self.said.wait_for(|said| said.ended)).await;
        self.said.borrow().lines.clone()
    }
}

async fn listen(stderr: impl AsyncRead + Unpin, said: watch::Sender<Said>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(%line, "ssh");
        said.send_modify(|said| {
            if ssh_faults::is_refusal(&line) {
                said.refused = Some(Instant::now());
            } else {
                if said.lines.len() == KEPT_LINES {
                    said.lines.remove(0);
                }
                said.lines.push(line);
            }
        });
    }
    said.send_modify(|said| said.ended = true);
}
