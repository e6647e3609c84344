//! What there is.

use std::{io, sync::Arc};

use locald_core::instance::{ExitFacts, ObservedInstance, RunState};
use locald_engine::EngineError;

use super::{
    Shared, time,
    watch::{self, facts},
};
use crate::{
    process,
    record::{Instance, Place},
};

/// Every instance of this user's, with its folder. What can't be read is left out.
pub(super) fn instances(shared: &Shared) -> Vec<(Place, Instance)> {
    let mut found = Vec::new();
    let folders = |path: &std::path::Path| -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    for service in folders(&shared.root()).iter().flat_map(|project| folders(project)) {
        let place = Place(service);
        match place.instance() {
            Ok(Some(instance)) => found.push((place, instance)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "an instance is left out"),
        }
    }
    found.sort_by(|(_, one), (_, other)| one.service.cmp(&other.service));
    found
}

pub(super) async fn list(shared: &Arc<Shared>) -> Result<Vec<ObservedInstance>, EngineError> {
    let mut list = Vec::new();
    for (place, _) in instances(shared) {
        match observe(shared, &place).await {
            Ok(Some(seen)) => list.push(seen),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "an instance is left out"),
        }
    }
    Ok(list)
}

pub(super) async fn observe(shared: &Arc<Shared>, place: &Place) -> io::Result<Option<ObservedInstance>> {
    let Some(instance) = place.instance()? else {
        return Ok(None);
    };
    let run_state = state(shared, place, &instance).await?;
    let mut seen = ObservedInstance::new(instance.id.as_str().into(), &watch::name(&instance.service), run_state);
    seen.service = Some(instance.service);
    seen.spec_hash = Some(instance.spec_hash);
    seen.started_at = place.run()?.and_then(|run| time(run.started_at));
    if seen.run.is_alive() {
        seen.ports = instance.ports;
    }
    Ok(Some(seen))
}

async fn state(shared: &Arc<Shared>, place: &Place, instance: &Instance) -> io::Result<RunState> {
    let Some(run) = place.run()? else {
        return Ok(RunState::Created);
    };
    if run.over {
        return Ok(RunState::Exited(run.exit.map(facts).unwrap_or_default()));
    }
    if run.boot != process::boot() {
        return Ok(RunState::Exited(run.exit.map_or_else(ExitFacts::default, facts)));
    }
    let main = run.main.seen();
    let monitored = run.monitor.seen().is_some();
    if !monitored {
        // Somebody has to keep it, or to write down how it ended.
        watch::keep(shared, place).await?;
        if main.is_none() {
            let over = place.run()?.filter(|run| run.over);
            if let Some(run) = over {
                return Ok(RunState::Exited(run.exit.map(facts).unwrap_or_default()));
            }
        }
    }
    watch::watch(shared, place, instance);
    Ok(if main.is_some_and(|main| main.frozen) {
        RunState::Paused
    } else {
        // Also while what it left behind is being ended: until then nothing of it is free.
        RunState::Running
    })
}
