//! Copies a folder, fast: without copying a byte where the file system can share them (Btrfs, XFS), else with several
//! threads. Never as hard links, through which one server would write into another's data.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::Owner;

/// Which modes the copies have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modes {
    /// As the originals have.
    Kept,
    /// For its owner alone.
    Private,
}

/// One file to copy.
struct Job {
    from: PathBuf,
    to: PathBuf,
    mode: u32,
}

/// Copies `from`, which is a folder, to `to`, which is made.
pub(crate) fn tree(from: &Path, to: &Path, owner: Option<Owner>, modes: Modes) -> io::Result<()> {
    let mut jobs = Vec::new();
    folder(from, to, owner, modes, &mut jobs)?;
    let shares = AtomicBool::new(true);
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8));
    each(&jobs, cores, |job| file(job, owner, &shares))
}

/// Does something with each of these, on several threads, until one fails.
fn each<T: Sync>(jobs: &[T], threads: usize, work: impl Fn(&T) -> io::Result<()> + Sync) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let worker = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed))
            && !failed.load(Ordering::Relaxed)
        {
            work(job).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a copy broke off")))
        })
    })
}

fn folder(from: &Path, to: &Path, owner: Option<Owner>, modes: Modes, jobs: &mut Vec<Job>) -> io::Result<()> {
    let mode = |kept: u32, private: u32| if modes == Modes::Kept { kept } else { private };
    let kept = from.metadata()?.permissions().mode() & 0o7777;
    DirBuilder::new().mode(mode(kept, 0o700)).create(to)?;
    give(to, owner)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            folder(&from, &to, owner, modes, jobs)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&from)?, &to)?;
        } else if kind.is_file() {
            let kept = if modes == Modes::Kept {
                entry.metadata()?.permissions().mode() & 0o7777
            } else {
                0
            };
            jobs.push(Job {
                from,
                to,
                mode: mode(kept, 0o600),
            });
        }
    }
    Ok(())
}

fn file(job: &Job, owner: Option<Owner>, shares: &AtomicBool) -> io::Result<()> {
    let mut from = File::open(&job.from)?;
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(job.mode)
        .open(&job.to)?;
    if to.metadata()?.permissions().mode() & 0o7777 != job.mode {
        to.set_permissions(Permissions::from_mode(job.mode))?;
    }
    if let Some(owner) = owner {
        std::os::unix::fs::fchown(&to, Some(owner.uid), Some(owner.gid))?;
    }
    if shares.load(Ordering::Relaxed) {
        if share(&from, &to) {
            return Ok(());
        }
        shares.store(false, Ordering::Relaxed);
    }
    io::copy(&mut from, &mut to).map(drop)
}

/// Has the copy share the original's blocks until one of them is written to.
#[cfg(target_os = "linux")]
fn share(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn share(_from: &File, _to: &File) -> bool {
    false
}

/// Gives a file or folder to the user that the server runs as.
pub(crate) fn give(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some(owner) => std::os::unix::fs::lchown(path, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    }
}

/// How many files are waited for at the same time: a file system writes what waits together in one go.
const SYNCS: usize = 32;

/// Has all of a folder on the disk before this returns. File by file: syncing the whole file system would wait for what
/// every other program wrote, which is seconds beside a build.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                paths.push(entry.path());
            }
        }
        paths.push(folder);
    }
    each(&paths, SYNCS, |path| File::open(path)?.sync_all())
}

/// Renames a finished folder to where it belongs, so that it is there whole or not at all, also after a power cut.
pub(crate) fn settle(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    match to.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
