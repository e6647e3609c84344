//! Saved states of a service's data: save, list, put back, remove.

use std::sync::Arc;

use jiff::Timestamp;
use locald_core::{
    ServiceId,
    view::managed::{SavedSnapshot, TrashItem},
};

use super::{
    Keeper,
    records::Made,
    saved::{Saved, is_name},
    work::{Held, failed, instance_of, not_saved},
};
use crate::RequestError;

impl Keeper {
    pub(crate) async fn snapshots(&self, service: &ServiceId) -> Result<Vec<SavedSnapshot>, RequestError> {
        self.declared(service).await?;
        Ok(self.saved.of(service))
    }

    pub(crate) async fn save_snapshot(
        &self,
        service: &ServiceId,
        name: Option<String>,
    ) -> Result<SavedSnapshot, RequestError> {
        let (spec, _) = self.declared(service).await?;
        if spec.managed().is_none() {
            let detail = format!("{service} is not made from the catalog, so locald doesn't know what its data is");
            return Err(RequestError::NotPossible(detail));
        }
        let at = Timestamp::now();
        let name = match name {
            Some(name) => name,
            None => at.strftime("%Y-%m-%d.%H%M%S").to_string(),
        };
        if !is_name(&name) {
            return Err(RequestError::NotPossible(format!(
                "`{name}` can't be the name of a snapshot: use up to 64 letters, digits, `-`, `_` and `.`"
            )));
        }
        if self.saved.get(service, &name).is_some() {
            return Err(RequestError::NotPossible(format!(
                "{service} has a snapshot `{name}` already"
            )));
        }
        self.while_held(service, async |held| self.save(held, name, at).await)
            .await
    }

    async fn save(&self, held: &Held, name: String, at: Timestamp) -> Result<SavedSnapshot, RequestError> {
        let spec = &held.spec;
        let engine = self.engine_of(&spec.id)?;
        let instance = instance_of(spec);
        let facts = engine.data(&instance).await.map_err(|error| failed(&error))?;
        let (Some(_), Some(managed)) = (facts, spec.managed()) else {
            return Err(RequestError::NotPossible(format!("{} has no data yet", spec.id)));
        };
        self.saved.make_folder(&spec.id).map_err(not_saved)?;
        engine
            .export_data(&instance, &self.saved.archive(&spec.id, &name))
            .await
            .map_err(|error| failed(&error))?;
        let made = self.gate.records.made(spec);
        let saved = Saved {
            name,
            service: spec.id.clone(),
            at,
            entry: managed.entry.clone(),
            origin: format!("{} {}", managed.title, managed.version),
            made: made.unwrap_or_else(|| Made::of(managed, &engine.identity().id)),
        };
        self.saved.describe(&saved).map_err(not_saved)?;
        Ok(self.saved.shown(&saved))
    }

    pub(crate) async fn restore_snapshot(
        &self,
        service: &ServiceId,
        name: &str,
    ) -> Result<Option<TrashItem>, RequestError> {
        let (spec, _) = self.declared(service).await?;
        let saved = self.saved.get(service, name).ok_or_else(|| no_such(service, name))?;
        let managed = spec.managed().filter(|managed| managed.entry == saved.entry);
        let Some(managed) = managed else {
            return Err(RequestError::NotPossible(format!(
                "`{name}` is of {}, and {service} isn't",
                saved.origin
            )));
        };
        if saved.made.format != managed.data_format {
            return Err(RequestError::NotPossible(format!(
                "`{name}` is of {}, and {service} is {} {}: set `version = \"{}\"` in locald.toml first",
                saved.origin, managed.title, managed.version, saved.made.version
            )));
        }
        self.while_held(service, async |held| self.restore(held, &saved).await)
            .await
    }

    async fn restore(&self, held: &Held, saved: &Saved) -> Result<Option<TrashItem>, RequestError> {
        let spec = &held.spec;
        let engine = self.engine_of(&spec.id)?;
        let generation = self.next_generation(&spec.id)?;
        let fresh = instance_of(&Arc::new(spec.with_generation(generation)));
        engine
            .import_data(&fresh, &self.saved.archive(&spec.id, &saved.name))
            .await
            .map_err(|error| failed(&error))?;
        let why = format!("replaced by the snapshot {}", saved.name);
        let discarded = self.discard(spec, &engine, held.folder.clone(), why).await?;
        let made = Made {
            engine: engine.identity().id.clone(),
            ..saved.made.clone()
        };
        self.switch(&spec.id, generation, Some(made)).await?;
        Ok(discarded.map(|discarded| discarded.item()))
    }

    pub(crate) async fn remove_snapshot(&self, service: &ServiceId, name: &str) -> Result<(), RequestError> {
        self.saved.get(service, name).ok_or_else(|| no_such(service, name))?;
        self.saved.remove(service, name).map_err(not_saved)
    }
}

fn no_such(service: &ServiceId, name: &str) -> RequestError {
    RequestError::NoSuchThing(format!("{service} has no snapshot `{name}`"))
}
