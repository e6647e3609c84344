//! What an engine tells of instances, its own and those of others.

use std::{net::TcpListener, time::Duration};

use locald_core::{
    instance::{ComposeOrigin, EngineRestarts, RunState},
    snapshot::HealthKind,
    spec::{HealthCheck, ProbeSpec},
};

use super::{
    Ability, Bench, Foreign, Outcome, Verdict,
    bench::{SERVE, debug, ensure, same},
};
use crate::EngineEventKind;

fn check(command: &[&str]) -> HealthCheck {
    HealthCheck {
        probe: ProbeSpec::Command {
            command: command.iter().map(|&word| word.to_owned()).collect(),
        },
        // What an engine takes where nothing is said.
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        start_period: Duration::ZERO,
        retries: 3,
    }
}

pub(super) async fn foreign(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    let id = bench.run_foreign(Foreign::new("suite-foreign", SERVE)).await?;
    let listed = bench.listed(&id).await?;
    same("service", listed.service, None)?;
    same("compose", listed.compose, None)?;
    same("name", listed.name.as_str(), "suite-foreign")?;
    same("state", listed.run, RunState::Running)?;
    Ok(Verdict::Passed)
}

pub(super) async fn foreign_events(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    let mut events = bench.events().await?;
    let id = bench
        .run_foreign(Foreign::new("suite-foreign", "sleep 0.3; exit 5"))
        .await?;
    let seen = events
        .until(&id, |kind| matches!(kind, EngineEventKind::Exited(_)))
        .await?;
    ensure(seen.iter().all(|event| event.service.is_none()), || debug(&seen))?;
    match seen.last().map(|event| &event.kind) {
        Some(EngineEventKind::Exited(facts)) => same("code", facts.code, Some(5))?,
        other => return Err(debug(other)),
    }
    same("code", bench.ended(&id).await?.code, Some(5))?;
    match bench.listed(&id).await?.run {
        RunState::Exited(facts) => same("code in the list", facts.code, Some(5))?,
        other => return Err(debug(other)),
    }
    bench.outside.remove(&id).await?;
    let seen = events.until(&id, |kind| *kind == EngineEventKind::Removed).await?;
    ensure(seen.iter().all(|event| event.service.is_none()), || debug(&seen))?;
    Ok(Verdict::Passed)
}

pub(super) async fn odd_neighbours(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    let ended = bench.run_foreign(Foreign::new("suite-ended", "exit 0")).await?;
    bench.ended(&ended).await?;
    let mute = Foreign {
        keeps_logs: false,
        tty: true,
        ..Foreign::new("suite-x.y_z-9", SERVE)
    };
    let mute = bench.run_foreign(mute).await?;
    let frozen = bench.run_foreign(Foreign::new("suite-frozen", SERVE)).await?;
    let pauses = bench.lack(&[Ability::Pause]).is_none();
    if pauses {
        bench.outside.pause(&frozen, true).await?;
    }
    let ours = bench.run("ours", SERVE).await?;
    let list = bench.list().await?;
    let run = |id| list.iter().find(|seen| seen.id == id).map(|seen| seen.run.clone());
    same("ours", run(ours), Some(RunState::Running))?;
    same("the mute one", run(mute), Some(RunState::Running))?;
    let expected = if pauses { RunState::Paused } else { RunState::Running };
    same("the frozen one", run(frozen.clone()), Some(expected))?;
    ensure(matches!(run(ended), Some(RunState::Exited(_))), || debug(&list))?;
    if pauses {
        bench.outside.pause(&frozen, false).await?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn image(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Images]) {
        return Ok(lack);
    }
    let id = bench.run("pictured", SERVE).await?;
    let seen = bench.inspect(&id).await?.ok_or("it is gone")?;
    same("inspected", &seen.image, &bench.image)?;
    let id = bench.run_foreign(Foreign::new("suite-pictured", SERVE)).await?;
    same("listed", &bench.listed(&id).await?.image, &bench.image)?;
    same(
        "inspected",
        bench.inspect(&id).await?.map(|seen| seen.image),
        Some(bench.image.clone()),
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn compose(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    for one_off in [false, true] {
        let origin = ComposeOrigin {
            project: "shop".to_owned(),
            service: "web".to_owned(),
            number: 2,
            one_off,
        };
        let foreign = Foreign {
            compose: Some(origin.clone()),
            ..Foreign::new(if one_off { "suite-run" } else { "suite-up" }, SERVE)
        };
        let id = bench.run_foreign(foreign).await?;
        same("listed", bench.listed(&id).await?.compose, Some(origin.clone()))?;
        same(
            "inspected",
            bench.inspect(&id).await?.map(|seen| seen.compose),
            Some(Some(origin)),
        )?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn health_check(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    let set = HealthCheck {
        interval: Duration::from_millis(1500),
        timeout: Duration::from_secs(65),
        retries: 7,
        start_period: Duration::from_secs(3),
        ..check(&["sh", "-c", "test -e /tmp"])
    };
    let usual = check(&["sh", "-c", "true"]);
    for (name, check) in [
        ("suite-set", Some(set)),
        ("suite-usual", Some(usual)),
        ("suite-unchecked", None),
    ] {
        let foreign = Foreign {
            health_check: check.clone(),
            ..Foreign::new(name, SERVE)
        };
        let id = bench.run_foreign(foreign).await?;
        let seen = bench.inspect(&id).await?.ok_or("it is gone")?;
        let command = |check: &HealthCheck| match &check.probe {
            ProbeSpec::Command { command } => command.last().cloned(),
            ProbeSpec::Tcp { .. } | ProbeSpec::Http { .. } | ProbeSpec::Service { .. } => None,
        };
        same(
            "command",
            seen.health_check.as_ref().and_then(command),
            check.as_ref().and_then(command),
        )?;
        let times = |check: HealthCheck| (check.interval, check.timeout, check.retries, check.start_period);
        same("times", seen.health_check.map(times), check.map(times))?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn health_result(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours, Ability::HealthRuns]) {
        return Ok(lack);
    }
    let mut events = bench.events().await?;
    let foreign = Foreign {
        health_check: Some(HealthCheck {
            interval: Duration::from_millis(200),
            timeout: Duration::from_secs(20),
            retries: 1,
            ..check(&["sh", "-c", "test ! -e /tmp/ill"])
        }),
        ..Foreign::new("suite-probed", "sleep 3; touch /tmp/ill; sleep 1000")
    };
    let id = bench.run_foreign(foreign).await?;
    for status in [HealthKind::Healthy, HealthKind::Unhealthy] {
        events
            .until(&id, |kind| *kind == EngineEventKind::EngineHealth { status })
            .await?;
        same(
            "inspected",
            bench.inspect(&id).await?.and_then(|seen| seen.engine_health),
            Some(status),
        )?;
    }
    bench.outside.kill(&id, locald_core::spec::Signal::KILL).await?;
    bench.ended(&id).await?;
    same(
        "once it has ended",
        bench.inspect(&id).await?.and_then(|seen| seen.engine_health),
        None,
    )?;
    let plain = bench.run_foreign(Foreign::new("suite-unprobed", SERVE)).await?;
    same(
        "without a check",
        bench.inspect(&plain).await?.and_then(|seen| seen.engine_health),
        None,
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn engine_restarts(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    for (name, policy) in [
        ("suite-plain", None),
        ("suite-always", Some(EngineRestarts::Always)),
        ("suite-on-failure", Some(EngineRestarts::OnFailure { max: None })),
        ("suite-three", Some(EngineRestarts::OnFailure { max: Some(3) })),
    ] {
        let foreign = Foreign {
            engine_restarts: policy,
            ..Foreign::new(name, SERVE)
        };
        let id = bench.run_foreign(foreign).await?;
        let seen = bench.inspect(&id).await?.ok_or("it is gone")?;
        same(name, seen.engine_restarts, policy)?;
    }
    let ours = bench.run("unrestarted", SERVE).await?;
    let seen = bench.inspect(&ours).await?.ok_or("it is gone")?;
    same("ours", seen.engine_restarts, None)?;
    Ok(Verdict::Passed)
}

pub(super) async fn crash_loop(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours, Ability::RealPrograms]) {
        return Ok(lack);
    }
    let mut events = bench.events().await?;
    let foreign = Foreign {
        engine_restarts: Some(EngineRestarts::OnFailure { max: Some(3) }),
        ..Foreign::new("suite-looping", "sleep 0.1; exit 7")
    };
    let id = bench.run_foreign(foreign).await?;
    // Once of itself, and three times again.
    for _ in 0..4 {
        let seen = events
            .until(&id, |kind| matches!(kind, EngineEventKind::Exited(_)))
            .await?;
        match seen.last().map(|event| &event.kind) {
            Some(EngineEventKind::Exited(facts)) => same("code", facts.code, Some(7))?,
            other => return Err(debug(other)),
        }
        let run = bench.inspect(&id).await?.ok_or("it is gone")?.run;
        ensure(!matches!(run, RunState::Unknown(_)), || debug(&run))?;
    }
    same("code in the end", bench.ended(&id).await?.code, Some(7))?;
    Ok(Verdict::Passed)
}

pub(super) async fn oom_alive(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours, Ability::RealPrograms, Ability::MemoryEvents]) {
        return Ok(lack);
    }
    let mut events = bench.events().await?;
    // Again and again: an engine begins to watch for it a moment after the start, and tells nothing of what was before.
    let foreign = Foreign {
        memory_bytes: Some(8 * 1024 * 1024),
        ..Foreign::new("suite-hungry", "while :; do tail /dev/zero; sleep 1; done")
    };
    let id = bench.run_foreign(foreign).await?;
    let seen = events.until(&id, |kind| *kind == EngineEventKind::OutOfMemory).await?;
    ensure(
        !seen
            .iter()
            .any(|event| matches!(event.kind, EngineEventKind::Exited(_))),
        || debug(&seen),
    )?;
    same(
        "state",
        bench.inspect(&id).await?.map(|seen| seen.run),
        Some(RunState::Running),
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn ports_once(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours, Ability::RealPorts]) {
        return Ok(lack);
    }
    let free = || -> Result<u16, String> {
        let listener = TcpListener::bind("0.0.0.0:0").map_err(debug)?;
        Ok(listener.local_addr().map_err(debug)?.port())
    };
    let (one, two) = (free()?, free()?);
    let foreign = Foreign {
        ports: vec![format!("{one}:80"), format!("{two}:80")],
        ..Foreign::new("suite-open", SERVE)
    };
    let id = bench.run_foreign(foreign).await?;
    let mut expected = vec![(one, 80), (two, 80)];
    expected.sort_unstable();
    for ports in [
        bench.listed(&id).await?.ports,
        bench.inspect(&id).await?.ok_or("it is gone")?.ports,
    ] {
        let mut found: Vec<_> = ports.iter().map(|port| (port.host_port, port.port)).collect();
        found.sort_unstable();
        same("ports", found, expected.clone())?;
        ensure(ports.iter().all(|port| port.host_ip == "0.0.0.0"), || debug(&ports))?;
    }
    let two_addresses = Foreign {
        ports: vec![format!("127.0.0.1:{}:82", free()?), format!("127.0.0.2:{}:82", free()?)],
        ..Foreign::new("suite-twice", SERVE)
    };
    let id = bench.run_foreign(two_addresses).await?;
    same("mappings", bench.listed(&id).await?.ports.len(), 2)?;
    Ok(Verdict::Passed)
}
