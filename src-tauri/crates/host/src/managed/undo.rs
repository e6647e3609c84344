//! Out of the trash again, or out of the world.

use std::sync::Arc;

use locald_config::edit;
use locald_core::{
    ServiceId, ServiceSpec,
    spec::{Source, VolumeSource},
    view::managed::TrashItem,
};

use super::{
    Keeper,
    file::{file_in, refused},
    trash::Discarded,
    work::{failed, instance_of, not_saved},
};
use crate::RequestError;

impl Keeper {
    pub(crate) fn trash(&self) -> Vec<TrashItem> {
        self.trash.all().iter().map(Discarded::item).collect()
    }

    /// Puts back what is in the trash. What is in its place goes there.
    pub(crate) async fn restore_trash(&self, id: &str) -> Result<(ServiceId, Option<TrashItem>), RequestError> {
        let discarded = self.trash.get(id).ok_or_else(|| no_such(id))?;
        let service = discarded.service().clone();
        let replaced = if self.projects.declared(&service).await.is_some() {
            self.take_the_place_of_now(&discarded).await?
        } else {
            self.declare_again(&discarded).await?;
            None
        };
        self.trash.forget(id).map_err(not_saved)?;
        Ok((service, replaced))
    }

    async fn take_the_place_of_now(&self, discarded: &Discarded) -> Result<Option<TrashItem>, RequestError> {
        let service = discarded.service();
        let Some(generation) = discarded.spec.managed().map(|managed| managed.generation) else {
            return Err(RequestError::NotPossible(format!(
                "{service} is in its project file already"
            )));
        };
        self.while_held(service, async |held| {
            if held.spec.managed().map(|now| &now.entry) != discarded.spec.managed().map(|then| &then.entry) {
                let detail = format!("{service} is another kind of service now; remove it first");
                return Err(RequestError::NotPossible(detail));
            }
            let why = "replaced by what was in the trash".to_owned();
            let engine = self.engine_of(service)?;
            let replaced = self.discard(&held.spec, &engine, held.folder.clone(), why).await?;
            self.switch(service, generation, discarded.made.clone()).await?;
            self.settle_on(discarded).await;
            Ok(replaced.map(|replaced| replaced.item()))
        })
        .await
    }

    /// Puts a removed service into its project file again.
    async fn declare_again(&self, discarded: &Discarded) -> Result<(), RequestError> {
        let service = discarded.service();
        let section = discarded.section.as_deref().ok_or_else(|| {
            RequestError::NotPossible(format!(
                "{service} is in no project file; add it there, then put its data back"
            ))
        })?;
        if let Some(record) = discarded.record.clone() {
            self.change(service, |now| {
                let last = now.last_generation.max(record.last_generation);
                *now = record;
                now.last_generation = last;
            })?;
        }
        edit::insert_section(&file_in(&discarded.folder), service.name.as_str(), section).map_err(refused)?;
        self.projects.load(&discarded.folder).await?;
        self.settle_on(discarded).await;
        Ok(())
    }

    /// The data is on this engine, so the service is.
    async fn settle_on(&self, discarded: &Discarded) {
        if let Some(engine) = &discarded.engine {
            self.relocate(discarded.service(), engine.clone()).await;
        }
    }

    /// Removes for good what is in the trash, or one thing of it.
    pub(crate) async fn empty_trash(&self, id: Option<&str>) -> Result<Vec<TrashItem>, RequestError> {
        let chosen = match id {
            Some(id) => vec![self.trash.get(id).ok_or_else(|| no_such(id))?],
            None => self.trash.all(),
        };
        let mut erased = Vec::new();
        for discarded in chosen {
            if let Some(engine) = &discarded.engine {
                let engine = self.engine(engine)?;
                let spec = self.without_what_is_in_use(&discarded).await?;
                engine
                    .erase_data(&instance_of(&Arc::new(spec)))
                    .await
                    .map_err(|error| failed(&error))?;
            }
            self.trash.forget(&discarded.id).map_err(not_saved)?;
            erased.push(discarded.item());
        }
        Ok(erased)
    }

    /// The last look before data goes: nothing that a service of now uses goes with it.
    async fn without_what_is_in_use(&self, discarded: &Discarded) -> Result<ServiceSpec, RequestError> {
        let mut spec = discarded.spec.clone();
        let id = &spec.id;
        let now = self.projects.declared(id).await.map(|(now, _)| now);
        if let (Some(then), Some(now)) = (spec.managed(), now.as_ref().and_then(|now| now.managed()))
            && then.generation == now.generation
            && self.gate.records.get(id).generation == then.generation
            && self.seen(id).is_some_and(|seen| seen.engine == discarded.engine)
        {
            return Err(RequestError::NotPossible(format!(
                "the data in {} is in use",
                discarded.id
            )));
        }
        if matches!(spec.source, Source::Container { .. }) {
            let used: Vec<String> = self
                .projects
                .all_declared()
                .await
                .iter()
                .filter(|other| other.id.project == id.project)
                .filter_map(|other| other.container_form().map(|form| form.volumes))
                .flatten()
                .filter_map(|mount| match mount.source {
                    VolumeSource::Named { name } => Some(name),
                    VolumeSource::Path { .. } => None,
                })
                .collect();
            spec.volumes
                .retain(|mount| !matches!(&mount.source, VolumeSource::Named { name } if used.contains(name)));
        }
        Ok(spec)
    }
}

fn no_such(id: &str) -> RequestError {
    RequestError::NoSuchThing(format!("there is no `{id}` in the trash"))
}
