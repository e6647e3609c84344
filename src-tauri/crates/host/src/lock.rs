//! One host per user: an advisory lock on a file in the runtime folder, with the holder's pid in it.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

/// Held while this process is the user's host. The system releases it however the process ends.
#[derive(Debug)]
pub struct HostLock {
    file: File,
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process is the host.
    #[error("locald runs already (pid {})", pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    Held {
        /// Its pid, where it has written it by now.
        pid: Option<u32>,
    },
    /// The file can't be opened or locked.
    #[error("the lock file {path} can't be used: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl HostLock {
    /// Takes the lock or says who has it.
    ///
    /// # Errors
    /// When another process has it, or the file can't be used.
    pub fn acquire(runtime: &Path) -> Result<Self, LockError> {
        let path = runtime.join("lock");
        let io = |source| LockError::Io {
            path: path.display().to_string(),
            source,
        };
        let mut options = OpenOptions::new();
        // Never truncated on opening: its pid belongs to whoever holds the lock.
        options.read(true).write(true).create(true).truncate(false);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                return Err(LockError::Held {
                    pid: pid.trim().parse().ok(),
                });
            }
            Err(error) => return Err(io(error.into())),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { file })
    }
}

impl Drop for HostLock {
    fn drop(&mut self) {
        // A reader that comes now must not take this pid for the next holder's.
        let _ = self.file.set_len(0);
    }
}
