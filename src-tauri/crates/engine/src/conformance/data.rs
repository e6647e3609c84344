//! Data of services, and files.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use locald_core::{
    ProblemCode, ServiceSpec,
    spec::{ContainerForm, Credentials, Managed, Source, Transfer, VolumeMount, VolumeSource},
};

use super::{
    Ability, Bench, Outcome, Verdict,
    bench::{SERVE, debug, ensure, same},
};
use crate::{InstanceSpec, LogOptions};

const GRACE: Duration = Duration::from_secs(5);

/// A service from the catalog as far as data goes: a script, with its data at `/data`.
fn managed(bench: &Bench, name: &str, format: &str, script: &str) -> Result<ServiceSpec, String> {
    let mut service = bench.service(name, script)?;
    let command = Some(["sh", "-c", script].map(str::to_owned).to_vec());
    service.source = Source::Managed(Box::new(Managed {
        entry: "postgres".to_owned(),
        title: "PostgreSQL".to_owned(),
        version: format.to_owned(),
        data_format: Some(format.to_owned()),
        generation: 1,
        container: ContainerForm {
            image: bench.image.clone(),
            command,
            env: [].into(),
            volumes: vec![VolumeMount {
                source: VolumeSource::Named { name: name.to_owned() },
                target: "/data".to_owned(),
                read_only: false,
            }],
        },
        native: None,
        credentials: Credentials::default(),
        credentials_in_data: false,
        change_credentials: None,
        transfer: Transfer::Files,
    }));
    Ok(service)
}

fn spec(service: ServiceSpec) -> InstanceSpec {
    InstanceSpec {
        service: Arc::new(service),
    }
}

/// Runs a script to its end; gives what it wrote.
async fn run(bench: &Bench, spec: &InstanceSpec) -> Result<Vec<String>, String> {
    let id = bench.start(spec).await?.id;
    if !bench.is_real() {
        bench.stop(&id, GRACE).await?;
        bench.remove(&id).await?;
        return Ok(Vec::new());
    }
    let ended = bench.ended(&id).await?;
    let options = LogOptions {
        tail: None,
        follow: false,
        since: None,
    };
    let lines = bench.lines(&id, options).await?;
    let lines: Vec<_> = (lines.iter())
        .map(|line| String::from_utf8_lossy(&line.bytes).into_owned())
        .collect();
    ensure(ended.code == Some(0), || format!("{ended:?}: {lines:?}"))?;
    bench.remove(&id).await?;
    Ok(lines)
}

fn volumes(bench: &Bench) -> Option<Verdict> {
    bench.lack(&[Ability::Volumes])
}

pub(super) async fn none_then_there(bench: &Bench) -> Outcome {
    if let Some(lack) = volumes(bench) {
        return Ok(lack);
    }
    let first = spec(managed(bench, "fresh", "17", "echo 17 > /data/PG_VERSION")?);
    same("before", bench.engine.data(&first).await.map_err(debug)?, None)?;
    run(bench, &first).await?;
    let other = spec(managed(bench, "fresh", "17", SERVE)?);
    let facts = bench.engine.data(&other).await.map_err(debug)?.ok_or("there is none")?;
    same("format", facts.format.as_deref(), Some("17"))?;
    ensure(facts.place.contains("locald-suite-fresh"), || facts.place.clone())?;
    let next = spec(other.service.with_generation(2));
    same("of the next", bench.engine.data(&next).await.map_err(debug)?, None)?;
    Ok(Verdict::Passed)
}

pub(super) async fn format_without_start(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Volumes, Ability::RealPrograms]) {
        return Ok(lack);
    }
    for (name, script, format) in [
        (
            "old",
            "echo 14 > /data/PG_VERSION; mkdir -p /data/base/1; echo 14 > /data/base/1/PG_VERSION",
            "14",
        ),
        (
            "new",
            "mkdir -p /data/18/docker; echo 18 > /data/18/docker/PG_VERSION",
            "18",
        ),
    ] {
        run(bench, &spec(managed(bench, name, format, script)?)).await?;
        let mut events = bench.events().await?;
        let wanted = spec(managed(bench, name, "15", SERVE)?);
        let facts = bench
            .engine
            .data(&wanted)
            .await
            .map_err(debug)?
            .ok_or("there is none")?;
        same(name, facts.format.as_deref(), Some(format))?;
        same("instances", bench.list().await?.len(), 0)?;
        // Whatever it took is nobody's business: the next event is of what is started next.
        let id = bench.run("after", SERVE).await?;
        events.first_is(&id).await?;
        bench.outside.remove(&id).await?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn foreign(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Volumes, Ability::RealPrograms]) {
        return Ok(lack);
    }
    run(
        bench,
        &spec(managed(bench, "strange", "17", "echo hello > /data/photo")?),
    )
    .await?;
    let wanted = spec(managed(bench, "strange", "17", SERVE)?);
    match bench.engine.data(&wanted).await {
        Ok(facts) => return Err(format!("it was taken for data: {facts:?}")),
        Err(error) => same("code", error.code(), ProblemCode::DataForeign)?,
    }
    Ok(Verdict::Passed)
}

/// What a script tells of all files: names, modes, numeric owners, sizes, times, contents.
const TELL: &str = "cd /data && find . | sort | xargs stat -c '%n %f %u:%g %h %Y' && cat PG_VERSION dev/zero/file link";

pub(super) async fn carried(bench: &Bench) -> Outcome {
    if let Some(lack) = volumes(bench) {
        return Ok(lack);
    }
    let folder = Folder::new("carried")?;
    let archive = folder.0.join("archive");
    let fill = "cd /data && echo 17 > PG_VERSION && mkdir -p dev/zero sys && echo content > dev/zero/file \
        && ln PG_VERSION hard && ln -s PG_VERSION link && mkfifo pipe && chmod 600 PG_VERSION && chmod 1770 dev \
        && chown -R 70:71 /data && chown 5:6 dev/zero/file && chmod 700 /data";
    let from = spec(managed(bench, "origin", "17", &format!("{fill} && {TELL}"))?);
    let before = run(bench, &from).await?;
    bench.engine.export_data(&from, &archive).await.map_err(debug)?;
    let mode = std::fs::metadata(&archive).map_err(debug)?.permissions().mode();
    same("mode of the archive", mode & 0o777, 0o600)?;
    let to = spec(managed(bench, "origin", "17", TELL)?.with_generation(2));
    bench.engine.import_data(&to, &archive).await.map_err(debug)?;
    let facts = bench.engine.data(&to).await.map_err(debug)?.ok_or("there is none")?;
    same("format", facts.format.as_deref(), Some("17"))?;
    same("content", run(bench, &to).await?, before.clone())?;
    // What it came from is as it was.
    same(
        "the origin",
        run(bench, &spec(managed(bench, "origin", "17", TELL)?)).await?,
        before,
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn import_refuses(bench: &Bench) -> Outcome {
    if let Some(lack) = volumes(bench) {
        return Ok(lack);
    }
    let folder = Folder::new("refuses")?;
    let archive = folder.0.join("archive");
    let keep = "[ -e /data/PG_VERSION ] || echo 17 > /data/PG_VERSION; cat /data/PG_VERSION";
    let there = spec(managed(bench, "taken", "17", keep)?);
    run(bench, &there).await?;
    bench.engine.export_data(&there, &archive).await.map_err(debug)?;
    let error = bench.engine.import_data(&there, &archive).await;
    ensure(error.is_err(), || "data was written over".to_owned())?;
    let lines = run(bench, &there).await?;
    if bench.is_real() {
        same("content", lines, vec!["17".to_owned()])?;
    }
    // What is broken leaves nothing.
    let text = std::fs::read(&archive).map_err(debug)?;
    std::fs::write(&archive, &text[..text.len().min(700)]).map_err(debug)?;
    if !bench.is_real() {
        std::fs::write(&archive, b"{").map_err(debug)?;
    }
    let next = spec(there.service.with_generation(2));
    let error = bench.engine.import_data(&next, &archive).await;
    ensure(error.is_err(), || {
        "a broken archive was taken for a whole one".to_owned()
    })?;
    same("what is left", bench.engine.data(&next).await.map_err(debug)?, None)?;
    let nowhere = folder.0.join("no/such/folder");
    let error = bench.engine.export_data(&there, &nowhere).await;
    ensure(error.is_err(), || "it was copied to nowhere".to_owned())?;
    Ok(Verdict::Passed)
}

pub(super) async fn erased(bench: &Bench) -> Outcome {
    if let Some(lack) = volumes(bench) {
        return Ok(lack);
    }
    let script = format!("echo 17 > /data/PG_VERSION; {SERVE}");
    let first = spec(managed(bench, "dropped", "17", &script)?);
    let second = spec(first.service.with_generation(2));
    let id = bench.start(&first).await?.id;
    bench.written_data(&first).await?;
    ensure(bench.engine.erase_data(&first).await.is_err(), || {
        "data in use was erased".to_owned()
    })?;
    bench.stop(&id, GRACE).await?;
    let id = bench.start(&second).await?.id;
    bench.written_data(&second).await?;
    // Nobody uses it while the other one is erased, which has a name that this one's begins with.
    bench.stop(&id, GRACE).await?;
    bench.remove(&id).await?;
    for _ in 0..2 {
        bench.engine.erase_data(&first).await.map_err(debug)?;
    }
    same("after it", bench.engine.data(&first).await.map_err(debug)?, None)?;
    ensure(bench.engine.data(&second).await.map_err(debug)?.is_some(), || {
        "the next generation went along".to_owned()
    })?;
    let id = bench.start(&second).await?.id;
    bench.stop(&id, GRACE).await?;
    bench.engine.erase_data(&second).await.map_err(debug)?;
    same("instance", bench.inspect(&id).await?, None)?;
    Ok(Verdict::Passed)
}

pub(super) async fn files(bench: &Bench) -> Outcome {
    let folder = Folder::new("files")?;
    let (from, to) = (folder.0.join("from"), folder.0.join("to"));
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    std::fs::write(&from, &content).map_err(debug)?;
    let id = bench.run("copied", SERVE).await?;
    let inside = if bench.runs_processes() {
        "{run}/a file"
    } else {
        "/tmp/a file"
    };
    bench.engine.copy_in(&id, &from, inside).await.map_err(debug)?;
    bench.engine.copy_out(&id, inside, &to).await.map_err(debug)?;
    ensure(std::fs::read(&to).map_err(debug)? == content, || {
        "another content".to_owned()
    })?;
    let mode = std::fs::metadata(&to).map_err(debug)?.permissions().mode();
    same("mode", mode & 0o777, 0o600)?;
    let nowhere = folder.0.join("none");
    let missing = bench.engine.copy_out(&id, "/tmp/none", &nowhere).await;
    ensure(missing.is_err() && !nowhere.exists(), || debug(missing))?;
    let unplaced = bench.engine.copy_in(&id, &from, "/no/such/folder/file").await;
    ensure(unplaced.is_err(), || "it was copied to nowhere".to_owned())?;
    Ok(Verdict::Passed)
}

pub(super) async fn uncovered(bench: &Bench) -> Outcome {
    let Some(image) = &bench.volume_image else {
        return Ok(Verdict::NotApplicable("it has no images"));
    };
    // Nothing mounted, and a volume mounted above it.
    for (name, mounts) in [("bare", Vec::new()), ("above", vec!["/var/lib/kept"])] {
        let with = |script: &str| -> Result<InstanceSpec, String> {
            let mut service = bench.service(name, script)?;
            let command = Some(["sh", "-c", script].map(str::to_owned).to_vec());
            service.source = Source::Container {
                image: image.clone(),
                command,
            };
            service.volumes = mounts
                .iter()
                .map(|target| VolumeMount {
                    source: VolumeSource::Named { name: name.to_owned() },
                    target: (*target).to_owned(),
                    read_only: false,
                })
                .collect();
            Ok(spec(service))
        };
        // Each script is another spec, so that each run is in a container of its own.
        let first = with("echo precious > /var/lib/kept/data/file")?;
        let id = bench.start(&first).await?.id;
        same("code", bench.ended(&id).await?.code, Some(0))?;
        let second = with("cat /var/lib/kept/data/file; exit 0")?;
        same("replaced", run(bench, &second).await?, vec!["precious".to_owned()])?;
        let third = with("cat /var/lib/kept/data/file")?;
        same("removed", run(bench, &third).await?, vec!["precious".to_owned()])?;
    }
    Ok(Verdict::Passed)
}

/// A folder that goes with the case.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("ldt-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(debug)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
