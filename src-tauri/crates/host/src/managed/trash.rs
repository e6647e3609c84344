//! The trash: data that a person removed or replaced. It stays where it is; the trash only knows of it.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use locald_config::edit::free_name;
use locald_core::{EngineId, ServiceId, ServiceSpec, view::managed::TrashItem};
use serde::{Deserialize, Serialize};

use super::records::{Made, Record};
use crate::store;

/// Something in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Discarded {
    /// By which it is named.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Why, in a few words.
    pub why: String,
    /// The engine that holds its data; `None` when there is none.
    pub engine: Option<EngineId>,
    /// What it was, with the generation of the data. A process has none.
    pub spec: ServiceSpec,
    /// What its data was made with.
    pub made: Option<Made>,
    /// All that its service was given, when the service was removed.
    pub record: Option<Record>,
    /// Bytes, where they were cheap to know.
    pub size_bytes: Option<u64>,
    /// The project's folder.
    pub folder: PathBuf,
    /// Its section of the project file, when it was removed from there.
    pub section: Option<String>,
}

impl Discarded {
    pub(crate) fn service(&self) -> &ServiceId {
        &self.spec.id
    }

    pub(crate) fn item(&self) -> TrashItem {
        let origin = match self.spec.managed() {
            Some(managed) => {
                // What its file asked for last may be another.
                let made = self.made.as_ref().map(|made| &made.version);
                format!("{} {}", managed.title, made.unwrap_or(&managed.version))
            }
            None => "container".to_owned(),
        };
        TrashItem {
            id: self.id.clone(),
            service: self.spec.id.clone(),
            origin,
            engine: self.engine.clone().unwrap_or_else(|| EngineId::from("none")),
            at: self.at,
            why: self.why.clone(),
            size_bytes: self.size_bytes,
        }
    }
}

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Trash(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    discarded: Vec<Discarded>,
}

impl Trash {
    pub(crate) fn open(path: PathBuf) -> Self {
        let discarded = store::read(&path);
        Self(Arc::new(Mutex::new(Inner { path, discarded })))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Newest first.
    pub(crate) fn all(&self) -> Vec<Discarded> {
        let mut all = self.lock().discarded.clone();
        all.sort_by_key(|one| std::cmp::Reverse(one.at));
        all
    }

    pub(crate) fn get(&self, id: &str) -> Option<Discarded> {
        self.lock().discarded.iter().find(|one| one.id == id).cloned()
    }

    /// A name that none in the trash has: `shop-db-20260101T100000`.
    pub(crate) fn free_id(&self, service: &ServiceId, at: Timestamp) -> String {
        let time = at.strftime("%Y%m%dT%H%M%S").to_string();
        let base = format!("{}-{}-{time}", service.project, service.name);
        free_name(self.lock().discarded.iter().map(|one| one.id.as_str()), &base)
    }

    /// Adds one; on disk when this returns.
    pub(crate) fn add(&self, discarded: Discarded) -> io::Result<()> {
        self.change(|all| all.push(discarded))
    }

    /// Forgets one, because its data is gone or in use again.
    pub(crate) fn forget(&self, id: &str) -> io::Result<()> {
        self.change(|all| all.retain(|one| one.id != id))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Discarded>)) -> io::Result<()> {
        let mut inner = self.lock();
        let mut next = inner.discarded.clone();
        change(&mut next);
        store::write(&inner.path, &next)?;
        inner.discarded = next;
        Ok(())
    }
}
