//! Managed services of any server that is installed.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _, path::Path, sync::Arc, time::Duration};

use locald_core::{
    ProblemCode, ServiceSpec,
    spec::{ContainerForm, Credentials, Managed, NativeForm, PortMapping, Protocol, Source, Transfer},
};
use locald_engine::{Engine as _, InstanceSpec};
use locald_engine_native::NativeEngine;

use crate::support::{Machine, engine_in, lines, program, stop, until_written};

/// A server that tells what it was given and keeps a file.
const SERVER: &str = r#"
case "$1" in --version) echo "ldt-server 7.2.1"; exit 0;; esac
case "$1" in init) echo made > "$2/made"; exit 0;; esac
echo "conf $(cat "$1/server.conf")"
echo "data $(cat "$2/made") as $(id -u)"
echo "password $PASSWORD"
echo started >> "$2/starts"
trap 'exit 0' TERM
while :; do sleep 0.02; done
"#;

fn managed(machine: &Machine, init: Option<Vec<String>>) -> InstanceSpec {
    let mut service = ServiceSpec::container("shop/db".parse().unwrap(), "none");
    service.stop_grace = Duration::from_secs(5);
    service.source = Source::Managed(Box::new(Managed {
        entry: "ldt".to_owned(),
        title: "Test server".to_owned(),
        version: "7".to_owned(),
        data_format: Some("7".to_owned()),
        generation: 1,
        container: ContainerForm {
            image: "none".to_owned(),
            command: None,
            env: BTreeMap::new(),
            volumes: Vec::new(),
        },
        native: Some(NativeForm {
            programs: vec!["ldt-server".to_owned()],
            folders: vec![machine.root().join("bin").to_string_lossy().into_owned()],
            postgres: false,
            args: ["{run}", "{data}"].map(str::to_owned).to_vec(),
            files: BTreeMap::from([("server.conf".to_owned(), "folder={data} secret=s3cret".to_owned())]),
            init,
            env: BTreeMap::from([("PASSWORD".to_owned(), "s3cret".to_owned())]),
            client_env: BTreeMap::from([("CLIENT".to_owned(), "{run}".to_owned())]),
        }),
        credentials: Credentials::default(),
        credentials_in_data: false,
        change_credentials: None,
        transfer: Transfer::Files,
    }));
    InstanceSpec {
        service: Arc::new(service),
    }
}

fn init() -> Option<Vec<String>> {
    Some(["{bin}/ldt-server", "init", "{data}"].map(str::to_owned).to_vec())
}

/// A machine with the server, whose data belongs to an ordinary user also where the tests run as root.
fn machine() -> (Machine, NativeEngine) {
    let machine = Machine::new();
    fs::create_dir_all(machine.root().join("bin")).unwrap();
    fs::create_dir_all(machine.root().join("data")).unwrap();
    program(&machine.root().join("bin/ldt-server"), SERVER);
    if is_root() {
        // Nobody by that number has to exist.
        std::os::unix::fs::chown(machine.root().join("data"), Some(45_321), Some(45_321)).unwrap();
        fs::set_permissions(machine.root(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let engine = engine_in(machine.root(), Vec::new());
    (machine, engine)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn data(machine: &Machine) -> std::path::PathBuf {
    machine.instance_folder("shop/db").join("1")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_runs_with_its_data_and_files_and_never_as_root() {
    let (machine, engine) = machine();
    let spec = managed(&machine, init());
    assert_eq!(engine.data(&spec).await.unwrap(), None);
    let id = engine.start(&spec, None).await.unwrap().id;
    until_written(&engine, &id, 3).await;
    let text = lines(&engine, &id).await;
    let folder = data(&machine);
    assert_eq!(text[0], format!("conf folder={} secret=s3cret", folder.display()));
    let uid = folder.metadata().unwrap().uid();
    assert_ne!(uid, 0);
    assert_eq!(text[1..], [format!("data made as {uid}"), "password s3cret".to_owned()]);
    assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
    let facts = engine.data(&spec).await.unwrap().unwrap();
    assert_eq!(
        (facts.format.as_deref(), facts.place.as_str()),
        (Some("7"), folder.to_str().unwrap())
    );

    let ask = [
        "sh",
        "-c",
        "echo $CLIENT $(id -u); command -v ldt-server; ls {run}/server.conf",
    ]
    .map(str::to_owned);
    let told = engine.exec(&id, &ask).await.unwrap();
    let words: Vec<_> = told.output.split_whitespace().collect();
    assert_eq!(words[1], uid.to_string());
    assert_eq!(words[2], machine.root().join("bin/ldt-server").to_str().unwrap());
    assert_eq!(words[3], format!("{}/server.conf", words[0]));
    let conf = Path::new(words[3]).metadata().unwrap();
    assert_eq!((conf.mode() & 0o777, conf.uid()), (0o600, uid));
    let kept = machine.root().join("kept");
    engine
        .copy_in(&id, &machine.root().join("bin/ldt-server"), "{run}/dump")
        .await
        .unwrap();
    engine.copy_out(&id, "{run}/dump", &kept).await.unwrap();
    assert!(fs::read_to_string(&kept).unwrap().contains("ldt-server 7.2.1"));

    stop(&engine, &id, Duration::from_secs(5)).await;
    assert!(!Path::new(words[0]).exists(), "what held passwords stays");
    let again = engine.start(&spec, None).await.unwrap();
    assert_eq!((again.id, again.reused), (id.clone(), true));
    until_written(&engine, &id, 6).await;
    stop(&engine, &id, Duration::from_secs(5)).await;
    assert_eq!(fs::read_to_string(folder.join("starts")).unwrap(), "started\nstarted\n");
    engine.remove(&id).await.unwrap();
    assert!(folder.join("starts").exists(), "data went with the instance");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_through_an_archive_and_is_erased_only_by_name() {
    let (machine, engine) = machine();
    let spec = managed(&machine, init());
    let id = engine.start(&spec, None).await.unwrap().id;
    until_written(&engine, &id, 3).await;
    let archive = machine.root().join("kept.tar");
    let busy = engine.export_data(&spec, &archive).await.unwrap_err();
    assert!(busy.to_string().contains("runs"), "{busy}");
    assert!(engine.erase_data(&spec).await.is_err());
    stop(&engine, &id, Duration::from_secs(5)).await;
    engine.export_data(&spec, &archive).await.unwrap();
    assert_eq!(archive.metadata().unwrap().mode() & 0o777, 0o600);
    assert!(
        engine.import_data(&spec, &archive).await.is_err(),
        "it was written over"
    );

    let next = InstanceSpec {
        service: Arc::new(spec.service.with_generation(2)),
    };
    engine.import_data(&next, &archive).await.unwrap();
    let second = data(&machine).with_file_name("2");
    assert_eq!(fs::read_to_string(second.join("made")).unwrap(), "made\n");
    let owners = |path: &Path| (path.metadata().unwrap().uid(), path.metadata().unwrap().mode());
    assert_eq!(owners(&second.join("made")), owners(&data(&machine).join("made")));
    let id = engine.start(&next, None).await.unwrap().id;
    until_written(&engine, &id, 3).await;
    stop(&engine, &id, Duration::from_secs(5)).await;

    let broken = machine.root().join("broken.tar");
    fs::write(&broken, &fs::read(&archive).unwrap()[..1500]).unwrap();
    let third = InstanceSpec {
        service: Arc::new(spec.service.with_generation(3)),
    };
    assert!(engine.import_data(&third, &broken).await.is_err());
    assert_eq!(engine.data(&third).await.unwrap(), None);

    for spec in [&spec, &next] {
        engine.erase_data(spec).await.unwrap();
        assert_eq!(engine.data(spec).await.unwrap(), None);
        engine.erase_data(spec).await.unwrap();
    }
    assert!(!machine.instance_folder("shop/db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_something_else_s_is_left_alone() {
    let (machine, engine) = machine();
    let spec = managed(&machine, init());
    fs::create_dir_all(data(&machine)).unwrap();
    fs::write(data(&machine).join("thesis.txt"), "years of work").unwrap();
    for error in [
        engine.start(&spec, None).await.unwrap_err(),
        engine.data(&spec).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), ProblemCode::DataForeign, "{error}");
        assert!(error.to_string().contains(data(&machine).to_str().unwrap()), "{error}");
    }
    assert_eq!(fs::read_dir(data(&machine)).unwrap().count(), 1);
    assert_eq!(engine.list().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_s_data_is_refused_and_a_failed_making_leaves_none() {
    let (machine, engine) = machine();
    let bad = managed(
        &machine,
        Some(["sh", "-c", "echo no room >&2; exit 1"].map(str::to_owned).to_vec()),
    );
    let error = engine.start(&bad, None).await.unwrap_err();
    assert!(error.to_string().contains("no room"), "{error}");
    assert_eq!(engine.data(&bad).await.unwrap(), None);
    let spec = managed(&machine, init());
    let id = engine.start(&spec, None).await.unwrap().id;
    stop(&engine, &id, Duration::from_secs(5)).await;
    let mut service = (*spec.service).clone();
    let Source::Managed(other) = &mut service.source else {
        unreachable!("it is managed")
    };
    other.data_format = Some("8".to_owned());
    let other = InstanceSpec {
        service: Arc::new(service),
    };
    let error = engine.start(&other, None).await.unwrap_err();
    assert_eq!(error.code(), ProblemCode::VersionDiffers, "{error}");
    engine.start(&spec, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn root_is_refused_where_the_data_is_root_s_too() {
    if !is_root() {
        // Nothing to refuse: an ordinary user's tests show that it runs.
        return;
    }
    let machine = Machine::new();
    fs::create_dir_all(machine.root().join("bin")).unwrap();
    program(&machine.root().join("bin/ldt-server"), SERVER);
    let engine = machine.engine();
    let error = engine.start(&managed(&machine, init()), None).await.unwrap_err();
    assert_eq!(error.code(), ProblemCode::RootRefused);
    assert!(error.to_string().contains("as root"), "{error}");
    assert_eq!(engine.list().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_here_is_named_and_so_is_who_holds_its_port() {
    let (machine, engine) = machine();
    let (progress, _unheard) = tokio::sync::mpsc::channel(1);
    let missing = |version: &str, program: &str| {
        let mut service = (*managed(&machine, init()).service).clone();
        if let Source::Managed(missing) = &mut service.source {
            missing.version = version.to_owned();
            missing.native.as_mut().unwrap().programs = vec![program.to_owned()];
        }
        InstanceSpec {
            service: Arc::new(service),
        }
    };
    let old = engine
        .prepare(&missing("9", "ldt-server"), progress.clone())
        .await
        .unwrap_err();
    assert_eq!(old.code(), ProblemCode::ServerMissing);
    assert!(old.to_string().contains("there is 7"), "{old}");
    let none = engine
        .prepare(&missing("7", "no-such-server"), progress)
        .await
        .unwrap_err();
    assert!(none.to_string().contains("`no-such-server`"), "{none}");

    let held = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let mut spec = managed(&machine, init());
    Arc::make_mut(&mut spec.service).ports = vec![PortMapping {
        host: Some(port),
        port: 6379,
        protocol: Protocol::Tcp,
    }];
    let error = engine.start(&spec, None).await.unwrap_err();
    assert_eq!(error.code(), ProblemCode::PortInUse);
    let text = error.to_string();
    assert!(
        text.contains(&format!("port {port} on 127.0.0.1 is in use by `")),
        "{text}"
    );
    assert!(
        text.contains(&format!("pid {}, started by ", std::process::id())),
        "{text}"
    );
}
