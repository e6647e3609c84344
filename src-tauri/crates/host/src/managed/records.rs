//! What managed services were given, and what their data was made with: remembered for good, open to this user only.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use locald_core::{
    EngineId, ServiceId, ServiceSpec,
    spec::{Credentials, Managed, Secret},
};
use serde::{Deserialize, Serialize};

use crate::store;

/// What one service was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its version, where its file names none.
    #[serde(default)]
    pub version: Option<String>,
    /// Its ports on this machine, in the order of its entry's; 0 for one that was never given.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// The password that was made for it.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Which of its data is in use.
    #[serde(default = "first")]
    pub generation: u32,
    /// The highest number that was ever used, so that none is used twice.
    #[serde(default = "first")]
    pub last_generation: u32,
    /// By generation.
    #[serde(default)]
    pub made: BTreeMap<u32, Made>,
    /// What it is while its data is carried over.
    #[serde(skip)]
    pub meanwhile: Option<Meanwhile>,
    /// Work that hasn't come to its end: how it was before.
    #[serde(default)]
    pub unfinished: Option<Unfinished>,
}

/// What a service is while work is done on its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meanwhile {
    /// The version and credentials that the data needs.
    pub made: Made,
    /// Ports that no program knows, so that none writes what would be lost; none: its own.
    pub ports: Vec<u16>,
}

/// What a service goes back to when work on its data comes to nothing, or locald ends in the middle of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// The data that it has.
    pub generation: u32,
    /// Where that is.
    pub engine: EngineId,
    /// Did it run?
    pub ran: bool,
    /// The data that was begun.
    pub attempt: Option<u32>,
}

fn first() -> u32 {
    1
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: None,
            ports: Vec::new(),
            password: None,
            generation: 1,
            last_generation: 1,
            made: BTreeMap::new(),
            meanwhile: None,
            unfinished: None,
        }
    }
}

/// What a service's data was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// On which engine.
    pub engine: EngineId,
    /// By which version.
    pub version: String,
    /// What reads it.
    pub format: Option<String>,
    /// Who may connect to it.
    pub credentials: Credentials,
}

impl Made {
    pub(crate) fn of(managed: &Managed, engine: &EngineId) -> Self {
        Self {
            engine: engine.clone(),
            version: managed.version.clone(),
            format: managed.data_format.clone(),
            credentials: managed.credentials.clone(),
        }
    }
}

/// All of them, by service.
#[derive(Clone, Default)]
pub(crate) struct Records(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// `None` in tests of the supervisor alone.
    path: Option<PathBuf>,
    services: BTreeMap<ServiceId, Record>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.lock().services.keys()).finish()
    }
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is remembered, and writes there from now on.
    pub(crate) fn open(&self, path: PathBuf) {
        let mut inner = self.lock();
        inner.services = store::read(&path);
        for record in inner.services.values_mut() {
            if let Some(before) = &record.unfinished {
                record.generation = before.generation;
            }
        }
        inner.path = Some(path);
    }

    pub(crate) fn get(&self, service: &ServiceId) -> Record {
        self.lock().services.get(service).cloned().unwrap_or_default()
    }

    /// What the data that a spec is about was made with.
    pub(crate) fn made(&self, spec: &ServiceSpec) -> Option<Made> {
        let generation = spec.managed()?.generation;
        self.lock().services.get(&spec.id)?.made.get(&generation).cloned()
    }

    /// Those whose work hasn't come to its end.
    pub(crate) fn unfinished(&self) -> Vec<(ServiceId, Unfinished)> {
        let inner = self.lock();
        let all = inner.services.iter();
        all.filter_map(|(id, record)| Some((id.clone(), record.unfinished.clone()?)))
            .collect()
    }

    /// The ports that others than this service were given.
    pub(crate) fn ports_of_others(&self, service: &ServiceId) -> Vec<u16> {
        let inner = self.lock();
        let others = inner.services.iter().filter(|(id, _)| *id != service);
        others.flat_map(|(_, record)| record.ports.clone()).collect()
    }

    /// Changes what is remembered of one; on disk when this returns.
    pub(crate) fn change<T>(&self, service: &ServiceId, change: impl FnOnce(&mut Record) -> T) -> io::Result<T> {
        let mut inner = self.lock();
        let old = inner.services.get(service).cloned();
        let record = inner.services.entry(service.clone()).or_default();
        let answer = change(record);
        if old.as_ref() == Some(record) {
            return Ok(answer);
        }
        let written = match &inner.path {
            Some(path) => store::write(path, &inner.services),
            None => Ok(()),
        };
        if let Err(error) = written {
            // As it is on disk, so that memory never says more.
            match old {
                Some(old) => inner.services.insert(service.clone(), old),
                None => inner.services.remove(service),
            };
            return Err(error);
        }
        Ok(answer)
    }

    /// A number for new data of a service.
    pub(crate) fn next_generation(&self, service: &ServiceId) -> io::Result<u32> {
        self.change(service, |record| {
            record.last_generation = record.last_generation.max(record.generation) + 1;
            record.last_generation
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_remembered_is_private_and_found_again_and_numbers_are_never_used_twice() {
        use std::os::unix::fs::PermissionsExt as _;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("services.json");
        let db: ServiceId = "shop/db".parse().unwrap();
        let records = Records::default();
        records.open(path.clone());
        records
            .change(&db, |record| record.password = Some(Secret::new("p")))
            .unwrap();
        assert_eq!(records.next_generation(&db).unwrap(), 2);
        assert_eq!(records.next_generation(&db).unwrap(), 3);
        let again = Records::default();
        again.open(path.clone());
        assert_eq!(again.get(&db).generation, 1);
        assert_eq!(again.next_generation(&db).unwrap(), 4);
        assert_eq!(again.get(&db).password, Some(Secret::new("p")));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
