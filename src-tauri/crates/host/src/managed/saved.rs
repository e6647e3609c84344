//! Saved states of services' data: one archive and one description each, in a folder of their own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use locald_config::write_atomically;
use locald_core::{ServiceId, view::managed::SavedSnapshot};
use serde::{Deserialize, Serialize};

use super::records::Made;

/// What is known of one, beside its archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub name: String,
    pub service: ServiceId,
    pub at: Timestamp,
    /// The catalog entry.
    pub entry: String,
    /// `PostgreSQL 17`.
    pub origin: String,
    /// What the data was made with.
    pub made: Made,
}

/// Where they are.
#[derive(Debug, Clone)]
pub(crate) struct SavedStates(pub(crate) PathBuf);

impl SavedStates {
    fn folder(&self, service: &ServiceId) -> PathBuf {
        self.0.join(service.project.as_str()).join(service.name.as_str())
    }

    pub(crate) fn archive(&self, service: &ServiceId, name: &str) -> PathBuf {
        self.folder(service).join(format!("{name}.tar"))
    }

    fn description(&self, service: &ServiceId, name: &str) -> PathBuf {
        self.folder(service).join(format!("{name}.json"))
    }

    /// Makes the folder of a service's, open to this user only.
    pub(crate) fn make_folder(&self, service: &ServiceId) -> io::Result<PathBuf> {
        use std::os::unix::fs::DirBuilderExt as _;
        let folder = self.folder(service);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(folder)
    }

    /// Describes an archive that is complete; only then does it count.
    pub(crate) fn describe(&self, saved: &Saved) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(saved)?;
        write_atomically(&self.description(&saved.service, &saved.name), &json, 0o600)
    }

    pub(crate) fn get(&self, service: &ServiceId, name: &str) -> Option<Saved> {
        read(&self.description(service, name))
    }

    /// Those of a service, newest first.
    pub(crate) fn of(&self, service: &ServiceId) -> Vec<SavedSnapshot> {
        let files = fs::read_dir(self.folder(service)).into_iter().flatten().flatten();
        let mut all: Vec<SavedSnapshot> = files
            .filter(|file| file.path().extension().is_some_and(|extension| extension == "json"))
            .filter_map(|file| read(&file.path()))
            .map(|saved| self.shown(&saved))
            .collect();
        all.sort_by_key(|saved| std::cmp::Reverse(saved.at));
        all
    }

    pub(crate) fn shown(&self, saved: &Saved) -> SavedSnapshot {
        let archive = self.archive(&saved.service, &saved.name);
        SavedSnapshot {
            name: saved.name.clone(),
            service: saved.service.clone(),
            at: saved.at,
            size_bytes: archive.metadata().map_or(0, |metadata| metadata.len()),
            engine: saved.made.engine.clone(),
            origin: saved.origin.clone(),
        }
    }

    /// Removes one for good: first what makes it count.
    pub(crate) fn remove(&self, service: &ServiceId, name: &str) -> io::Result<()> {
        fs::remove_file(self.description(service, name))?;
        match fs::remove_file(self.archive(service, name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> Option<Saved> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "not a saved state"))
        .ok()
}

/// May a saved state be called so? It becomes a file's name.
pub(crate) fn is_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() <= 64
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_never_leads_out_of_its_folder() {
        assert!(is_name("before-migration_2.0"));
        for name in ["", "..", ".hidden", "a/b", "a\\b", "ä", "-x", "a b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
