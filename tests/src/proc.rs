//! Processes as the kernel sees them: trees by parent, CPU time, memory, and children that never outlive a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use crate::wait::eventually;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// The kernel's short name of it, at most 15 bytes.
    pub name: String,
    /// `R`, `S`, `Z` and so on.
    pub state: char,
    /// CPU time used so far, user and system, in clock ticks (100 a second on Linux).
    pub cpu_ticks: u64,
}

impl Process {
    /// Reads `/proc/<pid>/stat`; `None` when it is gone.
    pub fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may itself hold spaces and parentheses, so the fields are counted from the last one.
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            name,
            state: fields.first()?.chars().next()?,
            cpu_ticks: fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?,
        })
    }

    /// Proportional set size in KiB, `None` when the process is gone or not ours to look at.
    pub fn pss_kib(&self) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Memory of its own in KiB: what it allocated, whoever else runs the same program. `None` when the process is gone.
    pub fn anonymous_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Its command line.
    pub fn command_line(&self) -> String {
        let raw = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let text = String::from_utf8_lossy(&raw);
        text.split('\0')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// How many file descriptors it holds.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid)).map_or(0, Iterator::count)
    }
}

/// Every process there is.
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Process::read)
        .collect()
}

/// `root` first, then everything that descends from it. Empty when `root` is gone.
pub fn tree(root: u32) -> Vec<Process> {
    let mut by_parent: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
    for process in all() {
        by_parent.entry(process.parent).or_default().push(process);
    }
    let mut found: Vec<Process> = Process::read(root).into_iter().collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.pid) {
        found.extend(by_parent.remove(&parent).unwrap_or_default());
        next += 1;
    }
    found
}

/// CPU ticks of a whole tree.
pub fn cpu_ticks(root: u32) -> u64 {
    tree(root).iter().map(|process| process.cpu_ticks).sum()
}

/// Memory (PSS, KiB) of a whole tree.
pub fn pss_kib(root: u32) -> u64 {
    tree(root).iter().filter_map(Process::pss_kib).sum()
}

/// A child whose whole tree is killed when this is dropped, and which dies with the test process even when that is
/// killed itself.
#[derive(Debug)]
pub struct Tree {
    name: String,
    child: Child,
    pid: u32,
    log: PathBuf,
}

impl Tree {
    /// Starts `command` in a process group of its own. Output goes to `log`, stdout too unless the caller piped it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(name: &str, mut command: Command, log: &Path, piped_stdout: bool) -> Self {
        let out = fs::OpenOptions::new().create(true).append(true).open(log);
        let out = out.unwrap_or_else(|error| panic!("cannot write {}: {error}", log.display()));
        command
            .stdin(Stdio::null())
            .stderr(out.try_clone().expect("a file handle can be duplicated"))
            .stdout(if piped_stdout { Stdio::piped() } else { out.into() })
            .process_group(0)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        let pid = child.id().expect("a process just started has an id");
        Self {
            name: name.to_owned(),
            child,
            pid,
            log: log.to_owned(),
        }
    }

    /// The id of the child itself.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The piped stdout, once.
    ///
    /// # Panics
    /// When it was not piped or was taken before.
    pub fn take_stdout(&mut self) -> tokio::process::ChildStdout {
        self.child.stdout.take().expect("stdout was piped and not taken before")
    }

    /// The child and its descendants now.
    pub fn processes(&self) -> Vec<Process> {
        tree(self.pid)
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map_or_else(|_| String::new(), |raw| String::from_utf8_lossy(&raw).into_owned())
    }

    /// Its exit, when it has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends `signal` to the child alone.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid.cast_signed()) {
            // It may have ended already: nothing to signal then.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its exit.
    ///
    /// # Panics
    /// When it still runs at the deadline.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} (pid {}) to exit", self.name, self.pid);
        eventually(&what, deadline, async || {
            self.exited().ok_or_else(|| match Process::read(self.pid) {
                Some(process) => format!("state {}, log ends: {}", process.state, last_lines(&self.log())),
                None => "already reaped".to_owned(),
            })
        })
        .await
    }

    /// Kills the whole tree now and waits until it is gone.
    pub async fn kill(&mut self) {
        self.kill_tree();
        // Only reaping is left, which cannot fail in a way that matters here.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
    }

    fn kill_tree(&mut self) {
        // A child that was reaped may have given its id to someone else.
        if self.exited().is_none() {
            // Collected first: a child of a killed parent belongs to pid 1 and cannot be found any more.
            let pids: BTreeSet<u32> = tree(self.pid).iter().map(|process| process.pid).collect();
            for pid in pids.iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
                let _ = kill_process(pid, Signal::KILL);
            }
            if let Some(group) = Pid::from_raw(self.pid.cast_signed()) {
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.kill_tree();
    }
}

/// The last few lines of a log, for a failure text.
pub fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n    ")
}
