//! What is on disk of an instance: written by the engine (`instance.json`) and by its monitor (`state.json`).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use locald_core::{ServiceId, instance::PublishedPort};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Launch, process::Identity};

/// An instance as the engine made it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// The engine's id of it; an instance that is made anew has another one.
    pub id: String,
    pub service: ServiceId,
    pub spec_hash: String,
    pub launch: Launch,
    pub ports: Vec<PublishedPort>,
    /// Sockets, configuration files, pipes.
    pub run: PathBuf,
    pub logs: PathBuf,
    /// The folder of its data, where it has one.
    pub data: Option<PathBuf>,
    /// The folder of its server's programs.
    pub bin: Option<PathBuf>,
    /// What client programs get beside the environment.
    pub client_env: std::collections::BTreeMap<String, String>,
    /// The signal that asks it to end, where a stop names none.
    pub stop_signal: u8,
}

/// What its monitor knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The boot of this machine that all process ids are of.
    pub boot: String,
    pub main: Identity,
    pub monitor: Identity,
    pub started_at: i64,
    /// Somebody asked for its end.
    pub asked: Option<Asked>,
    /// The main process ended.
    pub exit: Option<Exit>,
    /// So did all that it had started, and its output is on disk.
    pub over: bool,
}

/// A request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub signal: u8,
    pub at: i64,
}

/// An end. All is `None` when nobody was there to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub at: Option<i64>,
}

impl Exit {
    /// The code as shells and container engines tell it: 128 and the signal's number for an end by a signal.
    pub(crate) fn told(&self) -> Option<i32> {
        self.code.or(self.signal.map(|signal| 128 + signal))
    }
}

/// Where what is, in an instance's folder.
#[derive(Debug, Clone)]
pub(crate) struct Place(pub PathBuf);

impl Place {
    pub(crate) fn instance(&self) -> io::Result<Option<Instance>> {
        read(&self.0.join("instance.json"))
    }

    pub(crate) fn run(&self) -> io::Result<Option<Run>> {
        read(&self.0.join("state.json"))
    }

    pub(crate) fn write_instance(&self, instance: &Instance) -> io::Result<()> {
        write(&self.0.join("instance.json"), instance)
    }

    pub(crate) fn write_run(&self, run: &Run) -> io::Result<()> {
        write(&self.0.join("state.json"), run)
    }

    pub(crate) fn forget_run(&self) -> io::Result<()> {
        gone_is_fine(fs::remove_file(self.0.join("state.json")))
    }

    pub(crate) fn forget(&self) -> io::Result<()> {
        self.forget_run()?;
        gone_is_fine(fs::remove_file(self.0.join("instance.json")))
    }

    /// The file that a monitor holds a lock on as long as it lives.
    pub(crate) fn lock(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.0.join("lock"))
    }
}

/// The socket that a monitor listens on.
pub(crate) fn socket(run: &Path) -> PathBuf {
    run.join("c")
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

pub(crate) fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

/// Replaces a file as a whole, so that a power cut leaves the old or the new one.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let temp = path.with_extension(format!("{}.new", std::process::id()));
    let done = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temp)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&temp, path)
    })();
    if done.is_err() {
        let _ = fs::remove_file(&temp);
    }
    done
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place(folder.path().to_owned());
        assert!(place.run().unwrap().is_none());
        let identity = Identity { pid: 7, start: 9 };
        let run = Run {
            boot: "b".to_owned(),
            main: identity,
            monitor: identity,
            started_at: 1,
            asked: None,
            exit: Some(Exit {
                code: None,
                signal: Some(9),
                at: Some(2),
            }),
            over: true,
        };
        place.write_run(&run).unwrap();
        assert_eq!(place.run().unwrap().unwrap(), run);
        assert_eq!(run.exit.unwrap().told(), Some(137));
        fs::write(folder.path().join("state.json"), "{").unwrap();
        assert!(place.run().unwrap_err().to_string().contains("state.json"));
    }
}
