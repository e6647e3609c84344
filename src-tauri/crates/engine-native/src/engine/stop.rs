//! Stopping and removing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use locald_core::InstanceId;
use locald_engine::{EngineError, EngineEventKind, StopRequest};

use super::{Shared, monitors::Talk, watch};
use crate::{
    process,
    record::{Instance, Place, gone_is_fine},
    wire::{Request, Told},
};

/// How long what was killed has to be gone.
const AFTER_KILL: Duration = Duration::from_secs(15);

pub(super) async fn stop(shared: &Arc<Shared>, id: &InstanceId, request: StopRequest) -> Result<(), EngineError> {
    let Some((_, place)) = shared.place_of(id) else {
        return Ok(());
    };
    let failed = |detail: String| EngineError::Stop {
        instance: id.to_string(),
        detail,
    };
    let Some(instance) = place.instance().map_err(|error| failed(error.to_string()))? else {
        return Ok(());
    };
    end(shared, &place, &instance, request).await.map_err(failed)
}

/// Ends an instance and returns when all of it is gone.
pub(super) async fn end(
    shared: &Arc<Shared>,
    place: &Place,
    instance: &Instance,
    request: StopRequest,
) -> Result<(), String> {
    let deadline = Instant::now() + request.grace;
    let work = async {
        loop {
            let Some(run) = place.run().map_err(|error| error.to_string())? else {
                return Ok(());
            };
            if run.over || run.boot != process::boot() {
                break;
            }
            watch::watch(shared, place, instance);
            let grace = deadline.saturating_duration_since(Instant::now());
            let request = Request::Stop {
                signal: request.signal.map_or(instance.stop_signal, |signal| signal.0),
                grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
            };
            if let Ok(mut talk) = Talk::begin(&instance.run, request).await {
                while let Some(told) = talk.next().await {
                    if matches!(told, Told::Over { .. }) {
                        break;
                    }
                }
            }
            // Gone by now, or its monitor died and another one has to take over first.
            watch::keep(shared, place).await.map_err(|error| error.to_string())?;
        }
        watch::told(shared, &instance.id).await;
        Ok(())
    };
    match tokio::time::timeout(request.grace + AFTER_KILL, work).await {
        Ok(done) => done,
        Err(_) => {
            let left = place.run().ok().flatten().map_or_else(Vec::new, |run| {
                process::members(run.main, Some(run.monitor), &instance.id, true)
            });
            let left: Vec<_> = left
                .iter()
                .map(|seen| format!("`{}`, pid {}", seen.name, seen.identity.pid))
                .collect();
            Err(format!("killed, and still there: {}", left.join(", ")))
        }
    }
}

pub(super) async fn remove(shared: &Arc<Shared>, id: &InstanceId) -> Result<(), EngineError> {
    let Some((service, place)) = shared.place_of(id) else {
        return Ok(());
    };
    let failed = |detail: String| EngineError::Remove {
        instance: id.to_string(),
        detail,
    };
    let turn = shared.turn(&service);
    let _turn = turn.lock().await;
    let Some(instance) = place.instance().map_err(|error| failed(error.to_string()))? else {
        return Ok(());
    };
    let run = watch::keep(shared, &place)
        .await
        .map_err(|error| failed(error.to_string()))?;
    if run.is_some_and(|run| !run.over) {
        return Err(failed("it runs; stop it first".to_owned()));
    }
    forget(shared, &place, &instance).map_err(|error| failed(error.to_string()))
}

/// Removes all but the data of an instance that is over.
pub(super) fn forget(shared: &Shared, place: &Place, instance: &Instance) -> std::io::Result<()> {
    place.forget()?;
    gone_is_fine(std::fs::remove_dir_all(&instance.logs))?;
    gone_is_fine(std::fs::remove_dir_all(&instance.run))?;
    super::data::tidy(shared, place);
    let at = Some(jiff::Timestamp::now());
    shared.emit(&instance.id, &instance.service, EngineEventKind::Removed, at);
    Ok(())
}
