//! Services come into a project file and go out of it.

use std::{path::PathBuf, sync::Arc};

use locald_config::edit;
use locald_core::{
    ServiceId, ServiceName, ServiceSpec,
    view::managed::{CatalogItem, TrashItem},
};

use super::{
    Keeper,
    file::{file_in, refused},
    records::Record,
    trash::Discarded,
    work::not_saved,
};
use crate::RequestError;

impl Keeper {
    /// The catalog, with what is on this machine.
    pub(crate) async fn catalog(&self) -> Vec<CatalogItem> {
        self.projects.catalog_items().await
    }

    /// Adds a managed service to a project file and loads it.
    pub(crate) async fn add(
        &self,
        folder: Option<PathBuf>,
        entry: &str,
        version: Option<&str>,
        name: Option<&str>,
    ) -> Result<ServiceId, RequestError> {
        let folder = folder.unwrap_or_else(|| self.folders.config.clone());
        let (entry, version) = self.projects.choose(entry, version).await?;
        let path = file_in(&folder);
        let name = edit::add_service(&path, name, &entry, Some(&version)).map_err(refused)?;
        match self.projects.load(&folder).await {
            Ok(project) => {
                let name = ServiceName::new(&name).map_err(|error| RequestError::BadEntry(error.to_string()))?;
                Ok(ServiceId::new(project, name))
            }
            Err(error) => {
                // As it was: another folder has the project's name.
                if let Err(undone) = edit::remove_service(&path, &name) {
                    tracing::warn!(path = %path.display(), undone = %undone.summary(), "not taken back");
                }
                Err(error)
            }
        }
    }

    /// Stops a service, takes it out of its file and puts its data into the trash.
    pub(crate) async fn remove(&self, service: &ServiceId) -> Result<Option<TrashItem>, RequestError> {
        let held = self.hold(service).await?;
        let removed = self.remove_held(&held.spec, held.folder.clone()).await;
        if removed.is_err() {
            self.release(held).await;
        }
        removed
    }

    async fn remove_held(&self, spec: &Arc<ServiceSpec>, folder: PathBuf) -> Result<Option<TrashItem>, RequestError> {
        let service = &spec.id;
        let seen = self.seen(service);
        let may_be_held = seen.as_ref().is_some_and(|seen| self.may_be_held(seen));
        let engine = self.engine_of(service).ok().filter(|_| may_be_held);
        let has_volumes = spec.container_form().is_some_and(|form| !form.volumes.is_empty());
        let holder = engine.as_ref().filter(|_| spec.managed().is_some() || has_volumes);
        let path = file_in(&folder);
        let discarded = Discarded {
            record: Some(self.gate.records.get(service)),
            section: edit::section_text(&path, service.name.as_str()),
            ..self
                .to_discard(spec, holder, folder.clone(), "removed".to_owned())
                .await?
        };
        self.trash.add(discarded.clone()).map_err(not_saved)?;
        if let Err(errors) = edit::remove_service(&path, service.name.as_str()) {
            self.trash.forget(&discarded.id).map_err(not_saved)?;
            return Err(refused(errors));
        }
        if let (Some(engine), Some(instance)) = (&engine, seen.and_then(|seen| seen.instance.clone()))
            && let Err(error) = engine.remove(&instance).await
        {
            tracing::warn!(%service, %error, "what is left of it was not removed");
        }
        // One of the same name begins anew.
        self.change(service, |now| {
            let next = now.last_generation.max(now.generation) + 1;
            *now = Record {
                generation: next,
                last_generation: next,
                ..Record::default()
            };
        })?;
        self.projects.load(&folder).await?;
        Ok(Some(discarded.item()))
    }
}
