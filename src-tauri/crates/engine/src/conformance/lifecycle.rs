//! Starting, stopping, removing, and what shows of it.

use std::{sync::Arc, time::Duration};

use locald_core::{
    instance::RunState,
    spec::{PortMapping, Protocol, Signal, VolumeMount, VolumeSource},
};

use super::{
    Ability, Bench, Outcome, Verdict,
    bench::{SERVE, STUBBORN, debug, ensure, same},
};
use crate::{EngineEventKind, InstanceSpec, LogOptions};

const GRACE: Duration = Duration::from_secs(5);
const ALL: LogOptions = LogOptions {
    tail: None,
    follow: false,
    since: None,
};

pub(super) async fn connects(bench: &Bench) -> Outcome {
    let version = bench.engine.connect().await.map_err(debug)?;
    ensure(!version.version.is_empty() && version.api.contains('.'), || {
        debug(&version)
    })?;
    Ok(Verdict::Passed)
}

pub(super) async fn prepares_present(bench: &Bench) -> Outcome {
    let (progress, _kept) = tokio::sync::mpsc::channel(1);
    bench
        .engine
        .prepare(&bench.spec("here", SERVE)?, progress)
        .await
        .map_err(debug)?;
    Ok(Verdict::Passed)
}

pub(super) async fn creates(bench: &Bench) -> Outcome {
    let mut service = bench.service("made", SERVE)?;
    service.ports = vec![PortMapping {
        host: None,
        port: 80,
        protocol: Protocol::Tcp,
    }];
    let spec = InstanceSpec {
        service: Arc::new(service),
    };
    let started = bench.start(&spec).await?;
    same("reused", started.reused, false)?;
    let seen = bench.inspect(&started.id).await?.ok_or("it is gone")?;
    let listed = bench
        .list()
        .await?
        .into_iter()
        .find(|listed| listed.id == started.id)
        .ok_or("it isn't listed")?;
    same("list and inspection", &listed, &seen)?;
    same("service", seen.service.as_ref(), Some(&spec.service.id))?;
    same("hash", seen.spec_hash, Some(spec.service.hash()))?;
    same("name", seen.name, spec.instance_name())?;
    same("state", seen.run, RunState::Running)?;
    ensure(seen.started_at.is_some(), || "no start time".to_owned())?;
    let [port] = &seen.ports[..] else {
        return Err(format!("ports: {:?}", seen.ports));
    };
    same("address", port.host_ip.as_str(), "127.0.0.1")?;
    same("inner port", port.port, 80)?;
    ensure(port.host_port > 0, || "no host port".to_owned())?;
    Ok(Verdict::Passed)
}

pub(super) async fn reuses(bench: &Bench) -> Outcome {
    let spec = bench.spec("again", SERVE)?;
    let first = bench.start(&spec).await?.id;
    bench.stop(&first, GRACE).await?;
    let second = bench.engine.start(&spec, Some(first.clone())).await.map_err(debug)?;
    same("id", &second.id, &first)?;
    same("reused", second.reused, true)?;
    same(
        "state",
        bench.inspect(&first).await?.map(|seen| seen.run),
        Some(RunState::Running),
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn reuses_unasked(bench: &Bench) -> Outcome {
    let spec = bench.spec("found", SERVE)?;
    let first = bench.start(&spec).await?.id;
    bench.stop(&first, GRACE).await?;
    let second = bench.start(&spec).await?;
    same("id", &second.id, &first)?;
    same("reused", second.reused, true)?;
    Ok(Verdict::Passed)
}

pub(super) async fn recreates(bench: &Bench) -> Outcome {
    for running in [true, false] {
        let first = bench.run("changed", SERVE).await?;
        if !running {
            bench.stop(&first, GRACE).await?;
        }
        let mut service = bench.service("changed", SERVE)?;
        service.env.insert("CHANGED".into(), running.to_string());
        let second = bench
            .start(&InstanceSpec {
                service: Arc::new(service),
            })
            .await?;
        ensure(second.id != first && !second.reused, || {
            "the old one was kept".to_owned()
        })?;
        same("the old one", bench.inspect(&first).await?, None)?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn starts_running(bench: &Bench) -> Outcome {
    let spec = bench.spec("running", SERVE)?;
    let first = bench.start(&spec).await?.id;
    let before = bench.inspect(&first).await?;
    for existing in [None, Some(first.clone())] {
        let second = bench.engine.start(&spec, existing).await.map_err(debug)?;
        same("id", &second.id, &first)?;
    }
    same("the instance", bench.inspect(&first).await?, before)?;
    Ok(Verdict::Passed)
}

pub(super) async fn survives_gone(bench: &Bench) -> Outcome {
    let spec = bench.spec("vanished", SERVE)?;
    let first = bench.start(&spec).await?.id;
    bench.outside.remove(&first).await?;
    let second = bench.engine.start(&spec, Some(first.clone())).await.map_err(debug)?;
    ensure(second.id != first && !second.reused, || debug(&second))?;
    Ok(Verdict::Passed)
}

pub(super) async fn exit_code(bench: &Bench) -> Outcome {
    let mut events = bench.events().await?;
    let id = bench.run("three", "echo bye; exit 3").await?;
    let seen = events
        .until(&id, |kind| matches!(kind, EngineEventKind::Exited(_)))
        .await?;
    let kinds: Vec<_> = seen.iter().map(|event| &event.kind).collect();
    match kinds[..] {
        [
            EngineEventKind::Created,
            EngineEventKind::Started,
            EngineEventKind::Exited(facts),
        ] => {
            same("code in the event", facts.code, Some(3))?;
        }
        _ => return Err(format!("events: {kinds:?}")),
    }
    let service = bench.spec("three", "")?.service.id.clone();
    ensure(
        seen.iter()
            .all(|event| event.service.as_ref() == Some(&service) && event.at.is_some()),
        || debug(&seen),
    )?;
    let facts = bench.ended(&id).await?;
    same("code", facts.code, Some(3))?;
    ensure(facts.at.is_some() && !facts.oom, || debug(&facts))?;
    let listed = bench
        .list()
        .await?
        .into_iter()
        .find(|listed| listed.id == id)
        .ok_or("it isn't listed")?;
    same("in the list", listed.run, RunState::Exited(facts))?;
    Ok(Verdict::Passed)
}

pub(super) async fn stops(bench: &Bench) -> Outcome {
    let id = bench
        .run("polite", &format!("trap 'exit 7' TERM; echo ready; {}", endless()))
        .await?;
    bench.written(&id, 1).await?;
    bench.stop(&id, Duration::from_secs(30)).await?;
    same("code", bench.ended(&id).await?.code, Some(7))?;
    Ok(Verdict::Passed)
}

pub(super) async fn kills(bench: &Bench) -> Outcome {
    let id = bench
        .run("stubborn", &format!("trap '' TERM; echo ready; {}", endless()))
        .await?;
    bench.written(&id, 1).await?;
    let begun = tokio::time::Instant::now();
    bench.stop(&id, Duration::from_millis(300)).await?;
    let took = begun.elapsed();
    same("code", bench.ended(&id).await?.code, Some(137))?;
    ensure(
        took >= Duration::from_millis(300) && took < Duration::from_secs(8),
        || format!("it took {took:?}"),
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn stops_again(bench: &Bench) -> Outcome {
    let id = bench.run("twice", SERVE).await?;
    for _ in 0..2 {
        bench.stop(&id, GRACE).await?;
    }
    bench.remove(&id).await?;
    bench.stop(&id, GRACE).await?;
    Ok(Verdict::Passed)
}

pub(super) async fn removes(bench: &Bench) -> Outcome {
    let id = bench.run("gone", STUBBORN).await?;
    ensure(bench.engine.remove(&id).await.is_err(), || {
        "a running one was removed".to_owned()
    })?;
    bench.stop(&id, Duration::ZERO).await?;
    for _ in 0..2 {
        bench.remove(&id).await?;
    }
    same("after it", bench.inspect(&id).await?, None)?;
    Ok(Verdict::Passed)
}

pub(super) async fn lists_exactly(bench: &Bench) -> Outcome {
    let mut ids = Vec::new();
    for name in ["web", "web_stage", "my.web", "myxweb"] {
        ids.push(bench.run(name, SERVE).await?);
    }
    let again = bench.start(&bench.spec("web", SERVE)?).await?;
    same("the one named web", &again.id, &ids[0])?;
    bench.stop(&ids[0], GRACE).await?;
    bench.remove(&ids[0]).await?;
    for id in &ids[1..] {
        same(
            "another",
            bench.inspect(id).await?.map(|seen| seen.run),
            Some(RunState::Running),
        )?;
    }
    let again = bench.start(&bench.spec("web", SERVE)?).await?;
    ensure(!ids.contains(&again.id), || {
        "another's instance was taken for web's".to_owned()
    })?;
    Ok(Verdict::Passed)
}

pub(super) async fn inspects_gone(bench: &Bench) -> Outcome {
    same("it", bench.inspect(&"0123456789abcdef".into()).await?, None)?;
    Ok(Verdict::Passed)
}

pub(super) async fn port_automatic(bench: &Bench) -> Outcome {
    let mut service = bench.service("anywhere", SERVE)?;
    if bench.runs_processes() {
        service = bench.service("anywhere", "exec busybox httpd -f -p 127.0.0.1:$PORT -h /")?;
    } else if bench.is_real() {
        service = bench.service("anywhere", "exec httpd -f -p 80 -h /")?;
    }
    service.ports = vec![PortMapping {
        host: None,
        port: 80,
        protocol: Protocol::Tcp,
    }];
    let spec = InstanceSpec {
        service: Arc::new(service),
    };
    for _ in 0..2 {
        let id = bench.start(&spec).await?.id;
        let ports = bench.listed(&id).await?.ports;
        let [port] = &ports[..] else {
            return Err(format!("ports: {ports:?}"));
        };
        if bench.is_real() {
            let answers = async || {
                tokio::net::TcpStream::connect(("127.0.0.1", port.host_port))
                    .await
                    .is_ok()
            };
            let deadline = tokio::time::Instant::now() + GRACE;
            while !answers().await {
                ensure(tokio::time::Instant::now() < deadline, || {
                    format!("{port:?} doesn't answer")
                })?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        bench.stop(&id, Duration::ZERO).await?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn out_of_memory(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::RealPrograms, Ability::MemoryFacts]) {
        return Ok(lack);
    }
    let mut service = bench.service("hungry", "exec tail /dev/zero")?;
    service.resources.memory_bytes = Some(16 * 1024 * 1024);
    let id = bench
        .start(&InstanceSpec {
            service: Arc::new(service),
        })
        .await?
        .id;
    let facts = bench.ended(&id).await?;
    same("out of memory, code", (facts.oom, facts.code), (true, Some(137)))?;
    let id = bench.run("killed", STUBBORN).await?;
    bench.outside.kill(&id, Signal::KILL).await?;
    let facts = bench.ended(&id).await?;
    same("killed, code", (facts.oom, facts.code), (false, Some(137)))?;
    Ok(Verdict::Passed)
}

pub(super) async fn resolves(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Network, Ability::RealPrograms]) {
        return Ok(lack);
    }
    bench
        .run(
            "server",
            "mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www",
        )
        .await?;
    // Of busybox's programs the one whose static build can look up names everywhere.
    let asking = "for i in 1 2 3 4 5 6 7 8; do printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 server 80 && exit 0; sleep 0.3; done; exit 1";
    let id = bench.run("client", asking).await?;
    let code = bench.ended(&id).await?.code;
    let lines = bench.lines(&id, ALL).await?;
    let text: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(&line.bytes)).collect();
    ensure(code == Some(0) && text.iter().any(|line| line == "hello"), || {
        format!("code {code:?}, {text:?}")
    })?;
    Ok(Verdict::Passed)
}

pub(super) async fn volume_stays(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Mounts, Ability::RealPrograms]) {
        return Ok(lack);
    }
    let with_volume = |script: &str| -> Result<InstanceSpec, String> {
        let mut service = bench.service("keeper", script)?;
        let source = VolumeSource::Named { name: "kept".into() };
        service.volumes = vec![VolumeMount {
            source,
            target: "/kept".into(),
            read_only: false,
        }];
        Ok(InstanceSpec {
            service: Arc::new(service),
        })
    };
    let first = bench.start(&with_volume("echo precious > /kept/file")?).await?.id;
    same("code", bench.ended(&first).await?.code, Some(0))?;
    bench.remove(&first).await?;
    let second = bench.start(&with_volume("cat /kept/file")?).await?.id;
    same("code", bench.ended(&second).await?.code, Some(0))?;
    let lines = bench.lines(&second, ALL).await?;
    same(
        "content",
        lines.first().map(|line| &line.bytes[..]),
        Some(&b"precious"[..]),
    )?;
    Ok(Verdict::Passed)
}

fn endless() -> &'static str {
    "while :; do sleep 0.05; done"
}
