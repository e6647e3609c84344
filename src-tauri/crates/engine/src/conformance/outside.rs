//! What shows of that which others do with an instance.

use locald_core::{instance::RunState, spec::Signal};

use super::{
    Ability, Bench, Outcome, Verdict,
    bench::{STUBBORN, debug, ensure, same},
};
use crate::{EngineEvent, EngineEventKind};

/// Ends with this code when asked, and tells that it is ready to be.
const POLITE: &str = "trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done";

fn is_exit(kind: &EngineEventKind) -> bool {
    matches!(kind, EngineEventKind::Exited(_))
}

/// The code in the one exit among them.
fn code_in(seen: &[EngineEvent]) -> Result<Option<i32>, String> {
    let mut codes = seen.iter().filter_map(|event| match &event.kind {
        EngineEventKind::Exited(facts) => Some(facts.code),
        _ => None,
    });
    match (codes.next(), codes.next()) {
        (Some(code), None) => Ok(code),
        _ => Err(format!("not one exit in {seen:?}")),
    }
}

pub(super) async fn stop(bench: &Bench) -> Outcome {
    let id = bench.run("meddled", POLITE).await?;
    bench.written(&id, 1).await?;
    let mut events = bench.events().await?;
    bench.outside.stop(&id).await?;
    let seen = events.until(&id, is_exit).await?;
    same("code in the event", code_in(&seen)?, Some(4))?;
    same("code", bench.ended(&id).await?.code, Some(4))?;
    let started = bench.start(&bench.spec("meddled", POLITE)?).await?;
    same("the one started again", &started.id, &id)?;
    Ok(Verdict::Passed)
}

pub(super) async fn stop_intent(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::StopIntent]) {
        return Ok(lack);
    }
    let id = bench.run("asked", POLITE).await?;
    bench.written(&id, 1).await?;
    let mut events = bench.events().await?;
    bench.outside.stop(&id).await?;
    let seen = events.until(&id, is_exit).await?;
    let asked = |event: &EngineEvent| {
        event.kind
            == EngineEventKind::Signaled {
                signal: Some(Signal::TERM),
            }
    };
    ensure(seen.iter().any(asked), || format!("no TERM in {seen:?}"))?;
    Ok(Verdict::Passed)
}

pub(super) async fn remove(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Meddlers]) {
        return Ok(lack);
    }
    let id = bench.run("swept", STUBBORN).await?;
    let mut events = bench.events().await?;
    bench.outside.remove(&id).await?;
    let seen = events.until(&id, |kind| *kind == EngineEventKind::Removed).await?;
    same("code", code_in(&seen)?, Some(137))?;
    ensure(seen.iter().all(|event| event.service.is_some()), || debug(&seen))?;
    same("after it", bench.inspect(&id).await?, None)?;
    Ok(Verdict::Passed)
}

pub(super) async fn restart(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Meddlers]) {
        return Ok(lack);
    }
    let id = bench.run("again", POLITE).await?;
    bench.written(&id, 1).await?;
    let before = bench.inspect(&id).await?.ok_or("it is gone")?;
    let mut events = bench.events().await?;
    bench.outside.restart(&id).await?;
    // One engine tells of the restart first, the other last.
    let (mut told, mut started) = (false, false);
    let mut seen = Vec::new();
    while !(told && started) {
        let more = events
            .until(&id, |kind| {
                matches!(kind, EngineEventKind::RestartRequested | EngineEventKind::Started)
            })
            .await?;
        told |= more.iter().any(|event| event.kind == EngineEventKind::RestartRequested);
        started |= more.iter().any(|event| event.kind == EngineEventKind::Started);
        seen.extend(more);
    }
    // Podman's own command gives it no time to end by itself.
    ensure(matches!(code_in(&seen)?, Some(4 | 137)), || debug(&seen))?;
    let after = bench
        .seen(&id, |seen| {
            seen.run == RunState::Running && seen.started_at > before.started_at
        })
        .await?;
    same("hash", after.spec_hash, before.spec_hash)?;
    Ok(Verdict::Passed)
}

pub(super) async fn pause(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Pause]) {
        return Ok(lack);
    }
    let id = bench.run("frozen", POLITE).await?;
    let mut events = bench.events().await?;
    for (paused, kind, run) in [
        (true, EngineEventKind::Paused, RunState::Paused),
        (false, EngineEventKind::Unpaused, RunState::Running),
    ] {
        bench.outside.pause(&id, paused).await?;
        events.until(&id, |seen| *seen == kind).await?;
        same(
            "state",
            bench.inspect(&id).await?.map(|seen| seen.run),
            Some(run.clone()),
        )?;
        same("in the list", bench.listed(&id).await?.run, run)?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn kill_hup(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::RealPrograms]) {
        return Ok(lack);
    }
    let id = bench
        .run(
            "signaled",
            "trap '' HUP; trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done",
        )
        .await?;
    bench.written(&id, 1).await?;
    let mut events = bench.events().await?;
    bench.outside.kill(&id, Signal(1)).await?;
    same(
        "state",
        bench.inspect(&id).await?.map(|seen| seen.run),
        Some(RunState::Running),
    )?;
    bench.outside.kill(&id, Signal::KILL).await?;
    let seen = events.until(&id, is_exit).await?;
    same("code", code_in(&seen)?, Some(137))?;
    ensure(!bench.ended(&id).await?.oom, || "it ran out of no memory".to_owned())?;
    Ok(Verdict::Passed)
}
