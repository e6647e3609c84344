//! What can't be started says why, as a code and with the thing's name.

use std::{net::TcpListener, path::PathBuf, sync::Arc, time::Duration};

use locald_core::{
    ProblemCode, ServiceSpec,
    instance::RunState,
    spec::{PortMapping, Protocol, Source, VolumeMount, VolumeSource},
};

use super::{
    Ability, Bench, Foreign, Outcome, Verdict,
    bench::{SERVE, debug, ensure, same},
};
use crate::InstanceSpec;

/// Starts what can't be started; gives code and message.
async fn refused(bench: &Bench, service: ServiceSpec) -> Result<(ProblemCode, String), String> {
    let spec = InstanceSpec {
        service: Arc::new(service),
    };
    match bench.engine.start(&spec, None).await {
        Ok(started) => Err(format!("it started: {started:?}")),
        Err(error) => {
            let left = bench
                .list()
                .await?
                .into_iter()
                .find(|seen| seen.service.as_ref() == Some(&spec.service.id));
            same("what is left of it", left, None)?;
            Ok((error.code(), error.to_string()))
        }
    }
}

fn on_port(bench: &Bench, name: &str, port: u16) -> Result<ServiceSpec, String> {
    let mut service = bench.service(name, SERVE)?;
    service.ports = vec![PortMapping {
        host: Some(port),
        port: 80,
        protocol: Protocol::Tcp,
    }];
    Ok(service)
}

pub(super) async fn image_local(bench: &Bench) -> Outcome {
    let spec = bench.spec("local", SERVE)?;
    let first = bench.start(&spec).await?;
    for _ in 0..2 {
        let (progress, _kept) = tokio::sync::mpsc::channel(1);
        let begun = tokio::time::Instant::now();
        bench.engine.prepare(&spec, progress).await.map_err(debug)?;
        ensure(begun.elapsed() < Duration::from_secs(5), || {
            format!("{:?}", begun.elapsed())
        })?;
        let again = bench.start(&spec).await?;
        same("the instance", &again.id, &first.id)?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn image_missing(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Images, Ability::RealPrograms]) {
        return Ok(lack);
    }
    let mut service = bench.service("imageless", SERVE)?;
    service.source = Source::Container {
        image: "localhost:9/no/such:image".into(),
        command: None,
    };
    let spec = InstanceSpec {
        service: Arc::new(service.clone()),
    };
    let (progress, _kept) = tokio::sync::mpsc::channel(1);
    let begun = tokio::time::Instant::now();
    let Err(error) = bench.engine.prepare(&spec, progress).await else {
        return Err("it was found".into());
    };
    ensure(begun.elapsed() < Duration::from_secs(10), || {
        format!("it took {:?}", begun.elapsed())
    })?;
    same("code", error.code(), ProblemCode::ImageMissing)?;
    let message = error.to_string();
    ensure(
        message.contains("no/such:image") && message.contains("can't be reached"),
        || message.clone(),
    )?;
    let (code, _) = refused(bench, service).await?;
    same("code of a start without it", code, ProblemCode::ImageMissing)?;
    Ok(Verdict::Passed)
}

pub(super) async fn port_in_use_by_program(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::RealPorts]) {
        return Ok(lack);
    }
    let held = TcpListener::bind("127.0.0.1:0").map_err(debug)?;
    let port = held.local_addr().map_err(debug)?.port();
    let (code, message) = refused(bench, on_port(bench, "second", port)?).await?;
    same("code", code, ProblemCode::PortInUse)?;
    ensure(
        // Who it is can be told where the engine runs on this machine.
        message.contains(&format!("port {port} on 127.0.0.1 is in use by another program"))
            || message.contains(&format!("port {port} on 127.0.0.1 is in use by `"))
                && message.contains(&format!("pid {}", std::process::id())),
        || message.clone(),
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn port_in_use_by_instance(bench: &Bench) -> Outcome {
    let free = TcpListener::bind("127.0.0.1:0").map_err(debug)?;
    let port = free.local_addr().map_err(debug)?.port();
    drop(free);
    bench
        .start(&InstanceSpec {
            service: Arc::new(on_port(bench, "first", port)?),
        })
        .await?;
    let (code, message) = refused(bench, on_port(bench, "second", port)?).await?;
    same("code", code, ProblemCode::PortInUse)?;
    ensure(
        message.contains(&format!(
            "port {port} on 127.0.0.1 is in use by the service suite/first"
        )),
        || message.clone(),
    )?;
    Ok(Verdict::Passed)
}

/// C44: what is stopped has its port written down somewhere, and yet it is free.
pub(super) async fn port_of_stopped(bench: &Bench) -> Outcome {
    let free = TcpListener::bind("127.0.0.1:0").map_err(debug)?;
    let port = free.local_addr().map_err(debug)?.port();
    drop(free);
    let spec = |name: &str| -> Result<InstanceSpec, String> {
        Ok(InstanceSpec {
            service: Arc::new(on_port(bench, name, port)?),
        })
    };
    let first = bench.start(&spec("first")?).await?.id;
    bench.stop(&first, Duration::ZERO).await?;
    let second = bench.start(&spec("second")?).await?.id;
    bench.stop(&second, Duration::ZERO).await?;
    bench.engine.start(&spec("first")?, Some(first)).await.map_err(debug)?;
    Ok(Verdict::Passed)
}

pub(super) async fn port_free_again(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::RealPorts]) {
        return Ok(lack);
    }
    let held = TcpListener::bind("127.0.0.1:0").map_err(debug)?;
    let port = held.local_addr().map_err(debug)?.port();
    let mut service = on_port(bench, "patient", port)?;
    // Another one, which the engine may have taken before it was refused.
    let spare = TcpListener::bind("127.0.0.1:0").map_err(debug)?;
    let other = spare.local_addr().map_err(debug)?.port();
    drop(spare);
    service.ports.insert(
        0,
        PortMapping {
            host: Some(other),
            port: 81,
            protocol: Protocol::Tcp,
        },
    );
    let is_free = || {
        TcpListener::bind(("127.0.0.1", other))
            .map(drop)
            .map_err(|error| format!("{other}: {error}"))
    };
    refused(bench, service.clone()).await?;
    is_free()?;
    drop(held);
    let spec = InstanceSpec {
        service: Arc::new(service),
    };
    let id = bench.start(&spec).await?.id;
    // The same for one that is there already and only started again.
    bench.stop(&id, Duration::ZERO).await?;
    let held = TcpListener::bind(("127.0.0.1", port)).map_err(debug)?;
    match bench.engine.start(&spec, Some(id.clone())).await {
        Ok(started) => return Err(format!("it started: {started:?}")),
        Err(error) => same("code", error.code(), ProblemCode::PortInUse)?,
    }
    is_free()?;
    drop(held);
    bench.engine.start(&spec, Some(id)).await.map_err(debug)?;
    Ok(Verdict::Passed)
}

pub(super) async fn command_missing(bench: &Bench) -> Outcome {
    for program in ["no-such-program", "/no/such/program"] {
        if !bench.is_real() && program.starts_with('/') {
            continue;
        }
        let mut service = bench.service("lost", SERVE)?;
        service.source = bench.source(vec![program.to_owned()]);
        let (code, message) = refused(bench, service).await?;
        same("code", code, ProblemCode::CommandNotFound)?;
        ensure(message.contains(program), || message.clone())?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn mount_missing(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Mounts]) {
        return Ok(lack);
    }
    let path = PathBuf::from("/no/such/folder-of-locald");
    let mut service = bench.service("mountless", SERVE)?;
    service.volumes = vec![VolumeMount {
        source: VolumeSource::Path { path: path.clone() },
        target: "/data".into(),
        read_only: false,
    }];
    let (code, message) = refused(bench, service).await?;
    same("code", code, ProblemCode::MountMissing)?;
    ensure(message.contains("/no/such/folder-of-locald"), || message.clone())?;
    ensure(!path.exists(), || "the engine made the folder".to_owned())?;
    Ok(Verdict::Passed)
}

pub(super) async fn name_taken(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    let service = bench.service("claimed", SERVE)?;
    let foreign = bench.run_foreign(Foreign::new("locald-suite-claimed", SERVE)).await?;
    let (code, message) = refused(bench, service).await?;
    same("code", code, ProblemCode::NameTaken)?;
    ensure(message.contains("locald-suite-claimed"), || message.clone())?;
    same(
        "the other one",
        bench.inspect(&foreign).await?.map(|seen| seen.run),
        Some(RunState::Running),
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn leaves_nothing(bench: &Bench) -> Outcome {
    let mut service = bench.service("retried", SERVE)?;
    service.source = bench.source(vec!["no-such-program".to_owned()]);
    for _ in 0..2 {
        refused(bench, service.clone()).await?;
    }
    bench.run("retried", SERVE).await?;
    Ok(Verdict::Passed)
}
