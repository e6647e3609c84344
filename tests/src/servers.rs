//! Servers that run as processes of this machine: folders they may use, and none of them left behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::proc;

/// Who servers run as where the tests are root: `nobody`.
pub const NOBODY: u32 = 65534;

/// Gives locald's data folder below `root` to an ordinary user, where the tests are root: servers refuse to run as root,
/// and locald runs them as the owner of that folder.
///
/// # Panics
/// When the folders cannot be made.
pub fn lend_data_folder(root: &Path, data: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    fs::create_dir_all(data).expect("the test's folder is writable");
    // That user has to get there.
    for folder in data.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("our own folder");
    }
    chown(data, Some(NOBODY), Some(NOBODY)).expect("root may give its folders away");
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).expect("our own folder");
}

/// The processes that have something of `root` on their command line, in their environment or as their folder: monitors
/// and servers of a host in it, and hosts.
pub fn of(root: &Path) -> Vec<proc::Process> {
    let text = root.to_string_lossy();
    let here = |process: &proc::Process| {
        process.command_line().contains(&*text)
            || fs::read_link(format!("/proc/{}/cwd", process.pid)).is_ok_and(|folder| folder.starts_with(root))
            // A host that a command started has nothing else of it.
            || fs::read(format!("/proc/{}/environ", process.pid)).is_ok_and(|raw| String::from_utf8_lossy(&raw).contains(&*text))
    };
    let own = std::process::id();
    proc::all()
        .into_iter()
        .filter(|process| process.pid != own && here(process))
        .collect()
}

/// Ends them: they outlive their host, and must not outlive their test.
pub fn sweep(root: &Path) {
    // A monitor may be about to start another one.
    for _ in 0..5 {
        let left = of(root);
        if left.is_empty() {
            return;
        }
        for process in left {
            if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
                // Gone by itself is as good.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
