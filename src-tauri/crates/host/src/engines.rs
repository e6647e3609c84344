//! The engines that are connected, and finding them.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use locald_config::edit::free_name;
use locald_core::{EngineId, Event, Problem, ProblemCode, offers::Server};
use locald_engine::{EngineIdentity, SharedEngine};
use locald_engine_docker::{Candidate, DockerEngine, Sources, discover};

use crate::{link::Restart, store::Store, supervisor::SupervisorHandle};

/// How often the usual places are looked at for a socket that came to be: a look at a dozen paths.
const LOOK_AROUND: Duration = Duration::from_secs(5);

/// The engines by id. What is known of them is in the state; this is only the way to them.
#[derive(Clone, Default)]
pub(crate) struct Engines {
    known: Arc<RwLock<BTreeMap<EngineId, Entry>>>,
    servers: Arc<RwLock<Vec<Server>>>,
}

#[derive(Clone)]
struct Entry {
    engine: SharedEngine,
    restart: Restart,
    /// What the engine behind it calls itself, while it is connected.
    key: Option<String>,
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.read().keys()).finish()
    }
}

impl Engines {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<EngineId, Entry>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<EngineId, Entry>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Servers that run without a container, as of the last look.
    pub(crate) fn servers(&self) -> Vec<Server> {
        self.servers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note_servers(&self, servers: &[Server]) {
        *self.servers.write().unwrap_or_else(PoisonError::into_inner) = servers.to_vec();
    }

    /// Adds one; `false` when its id is taken.
    pub(crate) fn add(&self, engine: SharedEngine, restart: Restart) -> bool {
        let id = engine.identity().id.clone();
        let mut engines = self.write();
        if engines.contains_key(&id) {
            return false;
        }
        let key = None;
        engines.insert(id, Entry { engine, restart, key });
        true
    }

    pub(crate) fn get(&self, id: &EngineId) -> Option<SharedEngine> {
        self.read().get(id).map(|entry| SharedEngine::clone(&entry.engine))
    }

    /// The engine, or why nothing can be asked of it.
    pub(crate) fn find(&self, id: &EngineId) -> Result<SharedEngine, Problem> {
        self.get(id)
            .ok_or_else(|| Problem::new(ProblemCode::NoEngine, format!("there is no engine {id}")))
    }

    pub(crate) fn restart(&self, id: &EngineId) {
        if let Some(entry) = self.read().get(id) {
            entry.restart.request();
        }
    }

    /// Notes what an engine that answered calls itself. When another one of that name is connected already, both are
    /// ways to one engine: this one is dropped, and the other one's id returned.
    pub(crate) fn claim(&self, id: &EngineId, key: Option<&str>) -> Option<EngineId> {
        let key = key?;
        let mut engines = self.write();
        let twin = engines
            .iter()
            .find(|(other, entry)| *other != id && entry.key.as_deref() == Some(key))
            .map(|(other, _)| other.clone());
        if twin.is_some() {
            engines.remove(id);
        } else if let Some(entry) = engines.get_mut(id) {
            entry.key = Some(key.to_owned());
        }
        twin
    }

    /// It is not connected any more.
    pub(crate) fn release(&self, id: &EngineId) {
        if let Some(entry) = self.write().get_mut(id) {
            entry.key = None;
        }
    }

    fn has_endpoint(&self, endpoint: &str) -> bool {
        self.read()
            .values()
            .any(|entry| entry.engine.identity().endpoint == endpoint)
    }

    fn is_connected(&self, id: &EngineId) -> bool {
        self.read().get(id).is_some_and(|entry| entry.key.is_some())
    }
}

/// Which ways to one engine were dropped, by endpoint, and for which engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Merged(Arc<RwLock<BTreeMap<String, EngineId>>>);

impl Merged {
    pub(crate) fn note(&self, endpoint: &str, into: EngineId) {
        let mut merged = self.0.write().unwrap_or_else(PoisonError::into_inner);
        merged.insert(endpoint.to_owned(), into);
    }

    fn into(&self, endpoint: &str) -> Option<EngineId> {
        let merged = self.0.read().unwrap_or_else(PoisonError::into_inner);
        merged.get(endpoint).cloned()
    }
}

/// Finds the engines there are now, and adds those that come to be, until the host ends.
pub(crate) struct Finder {
    pub(crate) supervisor: SupervisorHandle,
    pub(crate) store: Store,
    /// `[engine] docker_host`.
    pub(crate) setting: Option<String>,
    /// Look at the usual places too, or use only what somebody named?
    pub(crate) usual_places: bool,
}

impl Finder {
    /// Looks once. Endpoints that aren't understood become sentences for the person.
    pub(crate) fn look(&self) -> Vec<String> {
        let home = std::env::home_dir();
        let env = |name: &str| std::env::var(name).ok();
        let sources = Sources::new(self.setting.clone(), &env, home.as_deref());
        let mut ids = self.store.engine_ids();
        let known = ids.clone();
        let mut complaints = Vec::new();
        for candidate in discover(&sources) {
            if !candidate.explicit && !self.usual_places {
                continue;
            }
            let engines = self.supervisor.engines();
            let merged = self.supervisor.merged().into(&candidate.endpoint);
            if engines.has_endpoint(&candidate.endpoint) || merged.is_some_and(|into| engines.is_connected(&into)) {
                continue;
            }
            let id = id_for(&candidate, &mut ids);
            let identity = EngineIdentity {
                id,
                kind: candidate.kind,
                endpoint: candidate.endpoint,
                source: candidate.source,
            };
            match DockerEngine::new(identity, candidate.access) {
                Ok(engine) => self.supervisor.add_engine(Arc::new(engine)),
                Err(error) => complaints.push(error.to_string()),
            }
        }
        if ids != known
            && let Err(error) = self.store.save_engine_ids(&ids)
        {
            tracing::error!(%error, "the names of the engines are not saved");
        }
        complaints
    }

    pub(crate) async fn keep_looking(self) {
        loop {
            tokio::time::sleep(LOOK_AROUND).await;
            // What isn't understood was said at the start.
            let _ = self.look();
        }
    }
}

/// The id an endpoint had before, for services are remembered with it; else the name it comes with, or that with a
/// number.
fn id_for(candidate: &Candidate, ids: &mut BTreeMap<String, EngineId>) -> EngineId {
    let place = canonical(&candidate.endpoint);
    if let Some(id) = ids.get(&place) {
        return id.clone();
    }
    let name = free_name(ids.values().map(EngineId::as_str), &candidate.name);
    let id = EngineId::from(name.as_str());
    ids.insert(place, id.clone());
    id
}

/// One socket by two paths is one place.
fn canonical(endpoint: &str) -> String {
    let path = endpoint.strip_prefix("unix://").map(Path::new);
    match path.and_then(|path| path.canonicalize().ok()) {
        Some(path) => format!("unix://{}", path.display()),
        None => endpoint.to_owned(),
    }
}

/// What an engine is to the state before it has answered.
pub(crate) fn found(engine: &SharedEngine) -> Event {
    let identity = engine.identity();
    Event::EngineFound {
        engine: identity.id.clone(),
        kind: identity.kind.as_str().to_owned(),
        endpoint: identity.endpoint.clone(),
        source: identity.source.clone(),
    }
}

#[cfg(test)]
mod tests {
    use locald_engine::EngineKind;

    use super::*;

    #[test]
    fn an_endpoint_keeps_the_id_it_had() {
        let candidate = |endpoint: &str| Candidate {
            name: "docker".into(),
            kind: EngineKind::Docker,
            endpoint: endpoint.into(),
            source: "test".into(),
            access: locald_engine_docker::Access::default(),
            explicit: true,
        };
        let mut ids = BTreeMap::new();
        assert_eq!(id_for(&candidate("tcp://a:1"), &mut ids).as_str(), "docker");
        assert_eq!(id_for(&candidate("tcp://b:1"), &mut ids).as_str(), "docker-2");
        assert_eq!(id_for(&candidate("tcp://a:1"), &mut ids).as_str(), "docker");
        assert_eq!(id_for(&candidate("tcp://b:1"), &mut ids).as_str(), "docker-2");
    }
}
