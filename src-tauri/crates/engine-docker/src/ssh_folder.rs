//! Where `ssh` puts its local end, and how nothing of it is left behind, also when locald was killed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PREFIX: &str = "locald-ssh-";
/// Names in it locald's process and `ssh`'s.
const OWNER: &str = "owner";

/// A folder that only this user may enter; it goes when dropped.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    /// Makes one, and ends what a killed locald left.
    pub(crate) fn make() -> io::Result<Self> {
        let base = base();
        sweep(&base);
        tempfile::Builder::new().prefix(PREFIX).tempdir_in(&base).map(Self)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.path().join("s")
    }

    /// Notes whose process uses it.
    pub(crate) fn belongs_to(&self, ssh: Option<u32>) -> io::Result<()> {
        let ssh = ssh.unwrap_or_default();
        fs::write(self.0.path().join(OWNER), format!("{} {ssh}", std::process::id()))
    }
}

/// A short one: the path of a socket has a limit of some 100 bytes.
fn base() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute() && folder.is_dir() && folder.as_os_str().len() < 60)
        .unwrap_or_else(std::env::temp_dir)
}

/// Nothing ends a child of a process that was killed, and this one would hold its connection for days.
fn sweep(base: &Path) {
    let entries = fs::read_dir(base).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let folder = entry.path();
        // Another user's can't be read.
        let Ok(owner) = fs::read_to_string(folder.join(OWNER)) else {
            continue;
        };
        let mut numbers = owner
            .split(' ')
            .map(|number| number.parse::<i32>().ok().and_then(Pid::from_raw));
        let (Some(Some(locald)), Some(ssh)) = (numbers.next(), numbers.next()) else {
            continue;
        };
        if rustix::process::test_kill_process(locald) != Err(rustix::io::Errno::SRCH) {
            continue;
        }
        // The number alone may be another process's by now.
        if let Some(ssh) = ssh.filter(|ssh| mentions(*ssh, &folder)) {
            let _ = kill_process(ssh, Signal::TERM);
        }
        let _ = fs::remove_dir_all(folder);
    }
}

fn mentions(process: Pid, folder: &Path) -> bool {
    let command = fs::read(format!("/proc/{}/cmdline", process.as_raw_nonzero())).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_a_killed_locald_left_is_ended_and_what_a_living_one_has_is_not() {
        let base = tempfile::tempdir().unwrap();
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let place = |name: &str, locald: u32| {
            let folder = base.path().join(format!("{PREFIX}{name}"));
            fs::create_dir(&folder).unwrap();
            // What names the folder in its command line stands for `ssh`.
            let ssh = Command::new("tail")
                .args(["-f", "--", "/dev/null"])
                .arg(&folder)
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            fs::write(folder.join(OWNER), format!("{locald} {}", ssh.id())).unwrap();
            (folder, ssh)
        };
        let (left, mut orphan) = place("left", gone.id());
        let (used, mut child) = place("used", std::process::id());
        sweep(base.path());
        assert!(!orphan.wait().unwrap().success());
        assert!(!left.exists() && used.exists());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
