//! Data on its way: onto another engine, or into another version. The old is kept in the trash.

use std::{path::PathBuf, sync::Arc};

use locald_core::{Command, EngineId, InstanceId, ServiceId, ServiceSpec, spec::Transfer, view::managed::TrashItem};
use locald_engine::{EngineKind, InstanceSpec, SharedEngine};

use super::{
    Keeper,
    records::Made,
    work::{Held, failed, instance_of},
};
use crate::RequestError;

/// Output of a failed command that a person gets to see, in characters.
const SAID: usize = 600;

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
        let why = format!("moved to {target}");
        match &managed.transfer {
            Transfer::Files => self.carry_files(service, &old, &new, why).await,
            Transfer::Dump { dump, restore } => {
                let dump = self.dump(service, &old, dump).await?;
                let held = self.hold(service).await?;
                let carried = self
                    .into_new(held, &old, Some(new.identity().id.clone()), &dump, restore, why)
                    .await;
                // The dump has all the data in the clear.
                drop(dump);
                carried
            }
        }
    }

    async fn relocate(&self, service: &ServiceId, engine: EngineId) {
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
        let held = self.hold(service).await?;
        let carried = self.copy_files(&held, old, new, why).await;
        if let Ok(Some(_)) = &carried {
            self.relocate(service, new.identity().id.clone()).await;
        }
        self.release(held).await;
        carried
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
        ready(new, &fresh).await?;
        new.import_data(&fresh, &archive)
            .await
            .map_err(|error| failed(&error))?;
        let made = spec.managed().map(|managed| Made::of(managed, &new.identity().id));
        let discarded = self.discard(spec, old, held.folder.clone(), why).await?;
        self.switch(&spec.id, generation, made).await?;
        Ok(discarded.map(|discarded| discarded.item()))
    }

    /// Has the old server write all it has.
    pub(super) async fn dump(
        &self,
        service: &ServiceId,
        engine: &SharedEngine,
        command: &[String],
    ) -> Result<tempfile::TempPath, RequestError> {
        let seen = self.bring_up(service).await?;
        let instance = seen.instance.clone().ok_or_else(|| gone(service))?;
        let inside = inside(engine);
        run(engine, &instance, command, inside, "dumped").await?;
        let folder = self.scratch_folder()?;
        let to = tempfile::Builder::new()
            .prefix("dump-")
            .suffix(".sql")
            .tempfile_in(&folder)
            .map_err(|error| RequestError::NotSaved(error.to_string()))?
            .into_temp_path();
        let copied = engine.copy_out(&instance, inside, &to).await;
        forget(engine, &instance, inside).await;
        copied.map_err(|error| failed(&error))?;
        Ok(to)
    }

    /// Begins with new data on the engine that it is to be on, and has the new server read the dump. When that goes
    /// wrong, the service has its old data again.
    pub(super) async fn into_new(
        &self,
        held: Held,
        old: &SharedEngine,
        target: Option<EngineId>,
        dump: &std::path::Path,
        restore: &[String],
        why: String,
    ) -> Result<Option<TrashItem>, RequestError> {
        let (spec, folder, ran) = (Arc::clone(&held.spec), held.folder.clone(), held.ran);
        let service = spec.id.clone();
        let before = self.gate.records.get(&service).generation;
        let generation = self.next_generation(&service)?;
        self.switch(&service, generation, None).await?;
        if let Some(target) = target.clone() {
            self.relocate(&service, target).await;
        }
        drop(held);
        let filled = self.fill(&service, dump, restore).await;
        if let Err(error) = filled {
            tracing::warn!(%service, %error, "data could not be carried over");
            // What was begun is set aside, and the old is in use again.
            self.bring_down(&service).await?;
            self.set_aside(&service, folder, "an attempt that failed").await;
            self.switch(&service, before, None).await?;
            if target.is_some() {
                self.relocate(&service, old.identity().id.clone()).await;
            }
            if ran {
                self.supervisor.command(Command::Start(vec![service])).await;
            }
            return Err(error);
        }
        let discarded = self.discard(&spec, old, folder, why).await?;
        if !ran {
            self.bring_down(&service).await?;
        }
        Ok(discarded.map(|discarded| discarded.item()))
    }

    async fn fill(&self, service: &ServiceId, dump: &std::path::Path, restore: &[String]) -> Result<(), RequestError> {
        let seen = self.bring_up(service).await?;
        let instance = seen.instance.clone().ok_or_else(|| gone(service))?;
        let engine = self.engine_of(service)?;
        let inside = inside(&engine);
        engine
            .copy_in(&instance, dump, inside)
            .await
            .map_err(|error| failed(&error))?;
        let restored = run(&engine, &instance, restore, inside, "restored").await;
        forget(&engine, &instance, inside).await;
        restored
    }

    /// Puts the data that a service has now into the trash, as far as there is any.
    pub(super) async fn set_aside(&self, service: &ServiceId, folder: PathBuf, why: &str) {
        let Ok((spec, _)) = self.declared(service).await else {
            return;
        };
        let Ok(engine) = self.engine_of(service) else { return };
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
            .map_err(|error| RequestError::NotSaved(error.to_string()))
    }

    fn scratch_folder(&self) -> Result<PathBuf, RequestError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let folder = self.folders.data.join("tmp");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| RequestError::NotSaved(error.to_string()))?;
        Ok(folder)
    }
}

/// Where a dump lies for the server's own programs. `{run}` is the native engine's private folder of the instance.
fn inside(engine: &SharedEngine) -> &'static str {
    if engine.identity().kind == EngineKind::Native {
        "{run}/locald-dump.sql"
    } else {
        "/tmp/locald-dump.sql"
    }
}

async fn ready(engine: &SharedEngine, spec: &InstanceSpec) -> Result<(), RequestError> {
    // Nobody watches the progress of this.
    let (progress, _) = tokio::sync::mpsc::channel(1);
    engine.prepare(spec, progress).await.map_err(|error| failed(&error))
}

async fn run(
    engine: &SharedEngine,
    instance: &InstanceId,
    command: &[String],
    file: &str,
    done: &str,
) -> Result<(), RequestError> {
    let command: Vec<String> = command.iter().map(|word| word.replace("{file}", file)).collect();
    let outcome = engine.exec(instance, &command).await.map_err(|error| failed(&error))?;
    if outcome.code == 0 {
        return Ok(());
    }
    let said: String = outcome.output.trim().chars().take(SAID).collect();
    let program = command.first().cloned().unwrap_or_default();
    Err(RequestError::Failed(format!(
        "the data was not {done}: `{program}` ended with code {}: {said}",
        outcome.code
    )))
}

/// The dump has all the data in the clear: it doesn't stay inside.
async fn forget(engine: &SharedEngine, instance: &InstanceId, file: &str) {
    let command = ["rm", "-f", file].map(str::to_owned);
    if let Err(error) = engine.exec(instance, &command).await {
        tracing::warn!(%error, "a dump was left behind");
    }
}

fn gone(service: &ServiceId) -> RequestError {
    RequestError::Failed(format!("{service} is gone"))
}

/// What a service is made from in another version, for its data to be read.
pub(super) fn dump_commands(spec: &ServiceSpec) -> Option<(&[String], &[String])> {
    match &spec.managed()?.transfer {
        Transfer::Dump { dump, restore } => Some((dump, restore)),
        Transfer::Files => None,
    }
}
