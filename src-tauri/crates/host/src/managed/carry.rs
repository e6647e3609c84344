//! Data on its way onto another engine. The old is kept in the trash.

use std::{path::PathBuf, sync::Arc};

use locald_core::{Command, EngineId, ServiceId, spec::Transfer, view::managed::TrashItem};
use locald_engine::{InstanceSpec, SharedEngine};

use super::{
    Keeper,
    records::Made,
    work::{Held, failed, instance_of, not_saved},
};
use crate::RequestError;

impl Keeper {
    /// Has a service run on another engine from now on, with its data.
    pub(crate) async fn move_to(
        &self,
        service: &ServiceId,
        target: EngineId,
    ) -> Result<Option<TrashItem>, RequestError> {
        let (spec, _) = self.declared(service).await?;
        let old = self.engine_of(service);
        let same = matches!(&old, Ok(old) if old.identity().id == target);
        let Some(managed) = spec.managed().filter(|_| !same) else {
            self.relocate(service, target).await;
            return Ok(None);
        };
        let old = old?;
        let new = self.engine(&target)?;
        if !new.offers().await.covers(&spec.source) {
            return Err(RequestError::NotPossible(format!(
                "{target} can't run {} {}: its server is not on this machine and can't be fetched",
                managed.title, managed.version
            )));
        }
        let there = old.data(&instance_of(&spec)).await.map_err(|error| failed(&error))?;
        if there.is_none() {
            self.relocate(service, target).await;
            return Ok(None);
        }
        // While all runs as it did: the engine may be away, or have to fetch the image first.
        ready(&new, &instance_of(&spec)).await?;
        let why = format!("moved to {target}");
        match &managed.transfer {
            Transfer::Files => self.carry_files(service, &old, &new, why).await,
            Transfer::Dump { .. } => {
                let made = self.gate.records.made(&spec);
                let made = made.unwrap_or_else(|| Made::of(managed, &old.identity().id));
                let held = self.hold(service).await?;
                let target = new.identity().id.clone();
                self.carry_dump(held, &old, Some(target), made, why).await
            }
        }
    }

    pub(super) async fn relocate(&self, service: &ServiceId, engine: EngineId) {
        let engine = engine.as_str().to_owned();
        let service = service.clone();
        self.supervisor.command(Command::Move { service, engine }).await;
    }

    /// Copies the files of a stopped service onto another engine.
    async fn carry_files(
        &self,
        service: &ServiceId,
        old: &SharedEngine,
        new: &SharedEngine,
        why: String,
    ) -> Result<Option<TrashItem>, RequestError> {
        self.while_held(service, async |held| {
            let carried = self.copy_files(held, old, new, why).await?;
            if carried.is_some() {
                self.relocate(service, new.identity().id.clone()).await;
            }
            Ok(carried)
        })
        .await
    }

    async fn copy_files(
        &self,
        held: &Held,
        old: &SharedEngine,
        new: &SharedEngine,
        why: String,
    ) -> Result<Option<TrashItem>, RequestError> {
        let spec = &held.spec;
        let generation = self.next_generation(&spec.id)?;
        let fresh = instance_of(&Arc::new(spec.with_generation(generation)));
        let folder = self.scratch()?;
        let archive = folder.path().join("data.tar");
        old.export_data(&instance_of(spec), &archive)
            .await
            .map_err(|error| failed(&error))?;
        new.import_data(&fresh, &archive)
            .await
            .map_err(|error| failed(&error))?;
        let made = spec.managed().map(|managed| Made::of(managed, &new.identity().id));
        let discarded = self.discard(spec, old, held.folder.clone(), why).await?;
        self.switch(&spec.id, generation, made).await?;
        Ok(discarded.map(|discarded| discarded.item()))
    }

    /// Puts data of a service into the trash, as far as there is any.
    pub(super) async fn set_aside(&self, service: &ServiceId, generation: u32, folder: PathBuf, why: &str) {
        let Ok((spec, _)) = self.declared(service).await else {
            return;
        };
        let Ok(engine) = self.engine_of(service) else { return };
        let spec = Arc::new(spec.with_generation(generation));
        if let Err(error) = self.discard(&spec, &engine, folder, why.to_owned()).await {
            tracing::warn!(%service, %error, "not set aside");
        }
    }

    /// A private folder for what is on its way, removed when it goes.
    fn scratch(&self) -> Result<tempfile::TempDir, RequestError> {
        let folder = self.scratch_folder()?;
        tempfile::Builder::new()
            .prefix("carry-")
            .tempdir_in(folder)
            .map_err(not_saved)
    }

    pub(super) fn scratch_folder(&self) -> Result<PathBuf, RequestError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let folder = self.folders.data.join("tmp");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(not_saved)?;
        Ok(folder)
    }
}

async fn ready(engine: &SharedEngine, spec: &InstanceSpec) -> Result<(), RequestError> {
    // Nobody watches the progress of this.
    let (progress, _) = tokio::sync::mpsc::channel(1);
    engine.prepare(spec, progress).await.map_err(|error| failed(&error))
}
