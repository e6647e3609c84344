//! Who works in a data folder. Two servers in one would destroy it, so that a lock file is removed only when it is known
//! that nobody does.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use locald_core::ProblemCode;

use super::fault::Fault;

/// How long what a killed server left may take to end by itself, and then when it is told to.
const BY_ITSELF: Duration = Duration::from_secs(2);
const TOLD: Duration = Duration::from_secs(5);
const KILLED: Duration = Duration::from_secs(8);

/// A PostgreSQL that works in a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process.
    pub pid: i32,
    /// The name of the process that started it, as far as is known.
    pub started_by: Option<String>,
}

/// The server that works in this data folder, if one does.
#[must_use]
pub fn holder(data: &Path) -> Option<Holder> {
    let data = data.canonicalize().ok()?;
    processes(&data)
        .into_iter()
        .find(|process| !process.child)
        .map(|process| Holder {
            started_by: started_by(process.pid),
            pid: process.pid,
        })
}

/// A process of PostgreSQL's in a data folder.
struct Process {
    pid: i32,
    /// Has a server started it, for one of its tasks?
    child: bool,
}

/// Sees to it that nothing works in this folder, and clears away what a killed server left: its processes, and a lock file
/// that would stop the next one.
pub(crate) fn clear(data: &Path) -> Result<(), Fault> {
    let data = data
        .canonicalize()
        .map_err(|error| Fault::file("could not read", data, &error))?;
    let begun = Instant::now();
    loop {
        let there = processes(&data);
        if let Some(server) = there.iter().find(|process| !process.child) {
            return Err(held(&data, server.pid));
        }
        if there.is_empty() {
            break;
        }
        let passed = begun.elapsed();
        if passed > KILLED {
            let pids: Vec<String> = there.iter().map(|process| process.pid.to_string()).collect();
            return Err(Fault::new(
                ProblemCode::StartFailed,
                format!(
                    "what a killed server left in {} does not end: pid {}",
                    data.display(),
                    pids.join(", ")
                ),
            ));
        }
        if passed > BY_ITSELF {
            for process in &there {
                end(process.pid, &data, passed > TOLD);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    lock_file(&data)
}

fn held(data: &Path, pid: i32) -> Fault {
    let by = started_by(pid).map_or_else(String::new, |name| format!(", started by {name}"));
    Fault::new(
        ProblemCode::StartFailed,
        format!(
            "a PostgreSQL (pid {pid}{by}) runs in {} already, and two would destroy the data. Stop that one first",
            data.display()
        ),
    )
}

/// PostgreSQL itself takes over from a pid that is dead. It stops at an empty file (a disk that was full, a power cut),
/// and at a pid that another program of the same user has by now.
fn lock_file(data: &Path) -> Result<(), Fault> {
    let path = data.join("postmaster.pid");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Fault::file("could not read", &path, &error)),
    };
    let pid = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
    let stale = match pid {
        None => true,
        Some(pid) => unrelated(pid.saturating_abs(), data),
    };
    if stale {
        tracing::info!(path = %path.display(), "a lock file that nobody holds is removed");
        std::fs::remove_file(&path).map_err(|error| Fault::file("could not remove", &path, &error))?;
    }
    Ok(())
}

/// Is this pid that of a living process which has nothing to do with the folder?
#[cfg(target_os = "linux")]
fn unrelated(pid: i32, data: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // One that ended and was not waited for is no server any more, and yet PostgreSQL takes it for one.
    if crate::process::look(pid).is_some_and(|seen| seen.zombie) {
        return true;
    }
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let Ok(meta) = proc.metadata() else { return false };
    match std::fs::read_link(proc.join("cwd")) {
        Ok(cwd) => cwd != data,
        // Another user's. A server has to be the folder's owner.
        Err(_) => data.metadata().is_ok_and(|folder| folder.uid() != meta.uid()),
    }
}

/// Without a way to tell, PostgreSQL's own judgement stands.
#[cfg(not(target_os = "linux"))]
fn unrelated(_pid: i32, _data: &Path) -> bool {
    false
}

/// The processes of PostgreSQL's that work in this folder: they all have it as their working directory.
#[cfg(target_os = "linux")]
fn processes(data: &Path) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            in_folder(&entry.path(), data).then_some(())?;
            // A server's own processes say what they do: `postgres: checkpointer`.
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            // One that has ended and was not waited for yet works on nothing.
            (!command.is_empty()).then_some(Process {
                pid,
                child: command.starts_with(b"postgres: "),
            })
        })
        .collect()
}

#[cfg(target_os = "linux")]
fn in_folder(proc: &Path, data: &Path) -> bool {
    std::fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd == data)
        && std::fs::read_link(proc.join("exe")).is_ok_and(|exe| {
            let name = exe.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("postgres") || name.starts_with("postmaster")
        })
}

/// By the lock file alone: whether the process it names lives.
#[cfg(not(target_os = "linux"))]
fn processes(data: &Path) -> Vec<Process> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let pid = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
    // A lock file without a socket or an address in it is of a server that never came up.
    pid.and_then(rustix::process::Pid::from_raw)
        .filter(|&pid| rustix::process::test_kill_process(pid).is_ok() && text.lines().count() > 5)
        .map(|pid| Process {
            pid: pid.as_raw_nonzero().get(),
            child: false,
        })
        .into_iter()
        .collect()
}

/// Ends one of them. By a descriptor, so that it is no other one that has its number by now.
#[cfg(target_os = "linux")]
fn end(pid: i32, data: &Path, kill: bool) {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let signal = if kill { Signal::KILL } else { Signal::QUIT };
    if let Some(raw) = Pid::from_raw(pid)
        && let Ok(held) = pidfd_open(raw, PidfdFlags::empty())
        && in_folder(&PathBuf::from(format!("/proc/{pid}")), data)
    {
        // It may have ended by now, which is what was wanted.
        let _ = pidfd_send_signal(&held, signal);
    }
}

#[cfg(not(target_os = "linux"))]
fn end(_pid: i32, _data: &Path, _kill: bool) {}

#[cfg(target_os = "linux")]
fn started_by(pid: i32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim();
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    Some(name.trim().to_owned())
}

#[cfg(not(target_os = "linux"))]
fn started_by(_pid: i32) -> Option<String> {
    None
}
