//! What outlives the host: what people asked for, and which projects they use.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use locald_config::{Folders, write_atomically};
use locald_core::{EngineId, ProjectName, state::Memory};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::watch;

/// A project that `locald up` ran on once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownProject {
    pub name: ProjectName,
    pub folder: PathBuf,
}

#[derive(Debug, Clone)]
pub(crate) struct Store {
    memory: PathBuf,
    projects: PathBuf,
    engines: PathBuf,
}

impl Store {
    pub(crate) fn new(folders: &Folders) -> Self {
        Self {
            memory: folders.state.join("services.json"),
            engines: folders.state.join("engines.json"),
            projects: folders.state.join("projects.json"),
        }
    }

    pub(crate) fn memory(&self) -> Memory {
        read(&self.memory)
    }

    /// The id of each endpoint that was ever used.
    pub(crate) fn engine_ids(&self) -> BTreeMap<String, EngineId> {
        read(&self.engines)
    }

    pub(crate) fn save_engine_ids(&self, ids: &BTreeMap<String, EngineId>) -> io::Result<()> {
        write(&self.engines, ids)
    }

    pub(crate) fn projects(&self) -> Vec<KnownProject> {
        read(&self.projects)
    }

    pub(crate) fn save_projects(&self, projects: &[KnownProject]) -> io::Result<()> {
        write(&self.projects, &projects)
    }

    /// Writes every change of what is to be remembered, until the sender is gone.
    pub(crate) async fn keep_memory(self, mut changes: watch::Receiver<Memory>) {
        while changes.changed().await.is_ok() {
            let memory = changes.borrow_and_update().clone();
            let path = self.memory.clone();
            let written = tokio::task::spawn_blocking(move || write(&path, &memory)).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(path = %self.memory.display(), %error, "not saved"),
                Err(error) => tracing::error!(%error, "not saved"),
            }
        }
    }
}

/// A file that is missing is empty. One that is damaged is set aside, never overwritten: a person may want to look.
pub(crate) fn read<T: DeserializeOwned + Default>(path: &Path) -> T {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(path = %path.display(), %error, "not read");
            }
            return T::default();
        }
    };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        let aside = path.with_extension("damaged");
        tracing::error!(path = %path.display(), aside = %aside.display(), %error, "damaged, set aside");
        if let Err(error) = std::fs::rename(path, &aside) {
            tracing::error!(%error, "not set aside");
        }
        T::default()
    })
}

pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    write_atomically(path, &bytes, 0o600)
}
