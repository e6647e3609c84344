//! Work on the data of services, for a person who asked for it. A service is stopped for as long as its data is copied.
//! Whatever goes wrong, what was there is there.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use locald_core::{
    Command, EngineId, ServiceId, ServiceSpec, Snapshot,
    offers::EngineReason,
    snapshot::{EngineLink, HealthKind, ServiceSnapshot, StateKind},
    view::message,
};
use locald_engine::{EngineError, InstanceSpec, SharedEngine};

use super::{
    Keeper,
    gate::Closed,
    records::{Made, Record},
    trash::Discarded,
};
use crate::RequestError;

/// How long a service may take to go down. Its own grace period ends it long before.
const DOWN: Duration = Duration::from_secs(120);
/// How long one may take to come up with data of its own: recovery after a crash is part of it.
const UP: Duration = Duration::from_secs(180);

/// How long work that is done waits for the service to answer again.
const BACK: Duration = Duration::from_secs(30);

/// A service that is held down for work on its data.
pub(super) struct Held {
    /// What it was as the work began.
    pub(super) spec: Arc<ServiceSpec>,
    /// The project's folder.
    pub(super) folder: PathBuf,
    /// Did it run, or was it to?
    pub(super) ran: bool,
    pub(super) closed: Closed,
}

pub(super) fn instance_of(spec: &Arc<ServiceSpec>) -> InstanceSpec {
    InstanceSpec {
        service: Arc::clone(spec),
    }
}

/// Has a start come to something?
fn settled(seen: &ServiceSnapshot) -> bool {
    match seen.state {
        StateKind::Running => matches!(seen.health, HealthKind::Healthy | HealthKind::None),
        StateKind::Failed | StateKind::Exited | StateKind::Unknown => true,
        _ => false,
    }
}

pub(super) fn failed(error: &EngineError) -> RequestError {
    RequestError::Failed(error.to_string())
}

pub(super) fn not_saved(error: io::Error) -> RequestError {
    RequestError::NotSaved(error.to_string())
}

impl Keeper {
    /// Changes what is remembered of a service; on disk when this returns.
    pub(super) fn change<T>(
        &self,
        service: &ServiceId,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Result<T, RequestError> {
        self.gate.records.change(service, change).map_err(not_saved)
    }

    /// Its spec and the folder of its project.
    pub(super) async fn declared(&self, service: &ServiceId) -> Result<(Arc<ServiceSpec>, PathBuf), RequestError> {
        let snapshot = self.supervisor.snapshot();
        let known = snapshot
            .service(service)
            .ok_or_else(|| RequestError::NoSuchService(service.clone()))?;
        if known.external {
            return Err(RequestError::NotOurs(service.clone()));
        }
        self.projects
            .declared(service)
            .await
            .ok_or_else(|| RequestError::NoSuchService(service.clone()))
    }

    /// The engine that a service is on, which has to answer.
    pub(super) fn engine_of(&self, service: &ServiceId) -> Result<SharedEngine, RequestError> {
        let snapshot = self.supervisor.snapshot();
        let id = snapshot.service(service).and_then(|service| service.engine.clone());
        let id = id.ok_or_else(|| RequestError::NotPossible(format!("no engine is there for {service}")))?;
        self.engine(&id)
    }

    pub(super) fn engine(&self, id: &EngineId) -> Result<SharedEngine, RequestError> {
        self.supervisor
            .engines()
            .find(id)
            .map_err(|problem| RequestError::NotPossible(problem.detail))
    }

    /// Takes a service down and keeps it there. It comes up again with [`Keeper::release`].
    pub(super) async fn hold(&self, service: &ServiceId) -> Result<Held, RequestError> {
        let busy = || RequestError::NotPossible(format!("other work on the data of {service} is under way"));
        // Asked first: of one that isn't there nothing is under way.
        self.declared(service).await?;
        let closed = self.gate.close(service).ok_or_else(busy)?;
        let (spec, folder, ran) = self.take_down(service).await?;
        Ok(Held {
            spec,
            folder,
            ran,
            closed,
        })
    }

    /// Gives its spec, the folder of its project, and whether it ran or was to.
    pub(super) async fn take_down(
        &self,
        service: &ServiceId,
    ) -> Result<(Arc<ServiceSpec>, PathBuf, bool), RequestError> {
        let (spec, folder) = self.declared(service).await?;
        let ran = self
            .seen(service)
            .is_some_and(|seen| !seen.click_turns_on() || seen.state == StateKind::Stopping);
        self.bring_down(service).await?;
        Ok((spec, folder, ran))
    }

    /// Does work on the data of a service that is down meanwhile. However the work ends, the service runs again when it ran.
    pub(super) async fn while_held<T>(
        &self,
        service: &ServiceId,
        work: impl AsyncFnOnce(&Held) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let held = self.hold(service).await?;
        let done = work(&held).await;
        self.release(held).await;
        done
    }

    /// Lets a service be started again, and starts it when it ran before: who asked for the work wants to go on with it.
    pub(super) async fn release(&self, held: Held) {
        let Held { spec, ran, closed, .. } = held;
        drop(closed);
        if ran {
            self.supervisor.command(Command::Start(vec![spec.id.clone()])).await;
            if self.wait(&spec.id, BACK, settled).await.is_none() {
                tracing::info!(service = %spec.id, "it takes long to come up again");
            }
        }
    }

    pub(super) async fn bring_down(&self, service: &ServiceId) -> Result<(), RequestError> {
        self.supervisor.command(Command::Stop(vec![service.clone()])).await;
        let down = |seen: &ServiceSnapshot| {
            matches!(
                seen.state,
                StateKind::Stopped | StateKind::Exited | StateKind::Failed | StateKind::Unknown
            )
        };
        match self.wait(service, DOWN, down).await {
            // Nothing of it is anywhere.
            Some(seen) if seen.state == StateKind::Unknown && !self.may_be_held(&seen) => Ok(()),
            Some(seen) if seen.state == StateKind::Unknown => Err(RequestError::NotPossible(format!(
                "whether {service} runs is not known: its engine doesn't answer"
            ))),
            Some(_) => Ok(()),
            None => Err(RequestError::Failed(format!("{service} did not stop"))),
        }
    }

    /// Starts a service and waits until it answers.
    pub(super) async fn bring_up(&self, service: &ServiceId) -> Result<Arc<ServiceSnapshot>, RequestError> {
        self.supervisor.command(Command::Start(vec![service.clone()])).await;
        match self.wait(service, UP, settled).await {
            Some(seen) if seen.state == StateKind::Running => Ok(seen),
            Some(seen) => {
                let why = seen.problem.as_ref().map(|problem| problem.detail.clone());
                let why = why.unwrap_or_else(|| message::state_text(&seen));
                Err(RequestError::Failed(format!("{service} did not start: {why}")))
            }
            None => Err(RequestError::Failed(format!("{service} did not come up in time"))),
        }
    }

    pub(super) fn seen(&self, service: &ServiceId) -> Option<Arc<ServiceSnapshot>> {
        self.supervisor.snapshot().service(service).cloned()
    }

    /// Can an engine have anything of a service? One that is only being asked may.
    pub(super) fn may_be_held(&self, seen: &ServiceSnapshot) -> bool {
        let snapshot = self.supervisor.snapshot();
        let engine = seen
            .engine
            .as_ref()
            .and_then(|id| snapshot.engines.iter().find(|engine| engine.id == *id));
        let away = engine.is_none_or(|engine| matches!(engine.link, EngineLink::Offline { .. }));
        seen.engine_reason == Some(EngineReason::HoldsData) || !away
    }

    pub(super) async fn wait(
        &self,
        service: &ServiceId,
        patience: Duration,
        is: impl Fn(&ServiceSnapshot) -> bool,
    ) -> Option<Arc<ServiceSnapshot>> {
        let mut snapshots = self.supervisor.snapshots();
        let there =
            snapshots.wait_for(|snapshot: &Arc<Snapshot>| snapshot.service(service).is_some_and(|seen| is(seen)));
        let snapshot = tokio::time::timeout(patience, there).await.ok()?.ok()?.clone();
        snapshot.service(service).cloned()
    }

    /// Puts what a spec is about into the trash: nothing of it is touched. `None` when there is no data.
    pub(super) async fn discard(
        &self,
        spec: &Arc<ServiceSpec>,
        engine: &SharedEngine,
        folder: PathBuf,
        why: String,
    ) -> Result<Option<Discarded>, RequestError> {
        let discarded = self.to_discard(spec, Some(engine), folder, why).await?;
        if discarded.engine.is_none() {
            return Ok(None);
        }
        self.trash.add(discarded.clone()).map_err(not_saved)?;
        Ok(Some(discarded))
    }

    /// What the trash is to know of a spec. It has an engine where that holds data of it.
    pub(super) async fn to_discard(
        &self,
        spec: &Arc<ServiceSpec>,
        engine: Option<&SharedEngine>,
        folder: PathBuf,
        why: String,
    ) -> Result<Discarded, RequestError> {
        let mut size_bytes = None;
        let mut holder = None;
        if let Some(engine) = engine {
            let there = match engine.data(&instance_of(spec)).await {
                Ok(None) => false,
                Ok(Some(facts)) => {
                    size_bytes = facts.size_bytes;
                    true
                }
                // What can't be read is set aside as well.
                Err(EngineError::Data { .. }) => true,
                Err(error) => return Err(failed(&error)),
            };
            holder = there.then(|| engine.identity().id.clone());
        }
        let at = Timestamp::now();
        Ok(Discarded {
            id: self.trash.free_id(&spec.id, at),
            at,
            why,
            engine: holder,
            spec: ServiceSpec::clone(spec),
            made: self.gate.records.made(spec),
            record: None,
            size_bytes,
            folder,
            section: None,
        })
    }

    /// Has a service use this generation of its data from now on.
    pub(super) async fn switch(
        &self,
        service: &ServiceId,
        generation: u32,
        made: Option<Made>,
    ) -> Result<(), RequestError> {
        self.change(service, |record| {
            record.generation = generation;
            record.last_generation = record.last_generation.max(generation);
            if let Some(made) = made {
                // Data asks for the password that it was made with. One that the file names is the file's all the same.
                if made.credentials.password.is_some() {
                    record.password.clone_from(&made.credentials.password);
                }
                record.made.insert(generation, made);
            }
        })?;
        self.projects.refresh(service).await
    }

    pub(super) fn next_generation(&self, service: &ServiceId) -> Result<u32, RequestError> {
        self.gate.records.next_generation(service).map_err(not_saved)
    }
}
