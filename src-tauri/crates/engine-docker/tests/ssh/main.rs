//! An engine on another machine, which here is the same one behind a real ssh server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod sshd;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use locald_core::ProblemCode;
use locald_engine::{ConnectFault, Engine as _, EngineError, EngineEventKind, StopRequest};
use locald_engine_docker::{Access, DockerEngine};
use locald_engine_testbed::required;
use sshd::{Sshd, open_to_all};

fn engine(endpoint: &str, access: Access) -> DockerEngine {
    DockerEngine::new(support::identity(endpoint), access).unwrap()
}

async fn fault(engine: &DockerEngine) -> ConnectFault {
    let begun = Instant::now();
    let error = engine.connect().await.unwrap_err();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{error} took {:?}",
        begun.elapsed()
    );
    match error {
        EngineError::Connect(fault) => fault,
        other => panic!("{other:?}"),
    }
}

/// Asks again until it answers.
async fn connected(engine: &DockerEngine) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = engine.connect().await {
        assert!(Instant::now() < deadline, "{error}");
    }
}

/// The folders of this process's `ssh`, and the ids of those.
fn tunnels() -> Vec<(PathBuf, String)> {
    let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let bases = [base, std::env::temp_dir()];
    let folders = bases
        .iter()
        .flat_map(|base| std::fs::read_dir(base).into_iter().flatten());
    let mine = format!("{} ", std::process::id());
    let mut found: Vec<_> = folders
        .filter_map(|folder| {
            let folder = folder.unwrap().path();
            let owner = std::fs::read_to_string(folder.join("owner")).ok()?;
            Some((folder, owner.strip_prefix(&mine)?.to_owned()))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ssh_carries_all_that_is_asked_of_the_engine_and_ends_with_it() {
    let Some(dockerd) = support::dockerd() else { return };
    let Some(sshd) = required(Sshd::start("")) else { return };
    open_to_all(&dockerd.socket());
    let local = support::engine_at(&dockerd.socket()).connect().await.unwrap();
    let engine = engine(&sshd.endpoint(&dockerd.socket()), sshd.access("known", "key"));
    let version = engine.connect().await.unwrap();
    assert!(version.key.is_some());
    assert_eq!(version, local);

    let mut events = engine.events().await.unwrap();
    let id = engine.start(&support::sleeper(), None).await.unwrap().id;
    assert_eq!(engine.list().await.unwrap().len(), 1);
    assert!(engine.inspect(&id).await.unwrap().unwrap().run.is_alive());
    let outcome = engine.exec(&id, &["echo".to_owned(), "far".to_owned()]).await.unwrap();
    assert_eq!((outcome.code, outcome.output.as_str()), (0, "far\n"));
    let request = StopRequest {
        signal: None,
        grace: Duration::from_secs(5),
    };
    engine.stop(&id, request).await.unwrap();
    let ended = async {
        while let Some(event) = events.next().await {
            if matches!(event.unwrap().kind, EngineEventKind::Exited(_)) {
                return;
            }
        }
        panic!("the stream ended before the container");
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    engine.remove(&id).await.unwrap();

    let [(folder, ssh)] = &tunnels()[..] else {
        panic!("{:?}", tunnels())
    };
    drop((engine, events));
    let deadline = Instant::now() + Duration::from_secs(5);
    let state = || std::fs::read_to_string(format!("/proc/{ssh}/stat")).unwrap_or_default();
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(Instant::now() < deadline, "ssh goes on");
        tokio::task::yield_now().await;
    }
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_not_getting_in_has_its_own_words_in_time() {
    let Some(sshd) = required(Sshd::start("")) else { return };
    let nowhere = Path::new("/nonexistent/docker.sock");
    std::fs::write(sshd.path("empty"), "").unwrap();
    let stranger = std::fs::read_to_string(sshd.path("stranger.pub")).unwrap();
    std::fs::write(sshd.path("changed"), format!("[127.0.0.1]:{} {stranger}", sshd.port)).unwrap();
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = sshd.endpoint(nowhere);
    let mut all = Vec::new();
    for (address, access, words) in [
        (address.clone(), sshd.access("empty", "key"), "is not known yet"),
        (address.clone(), sshd.access("changed", "key"), "ssh-keygen -R"),
        (address.clone(), sshd.access("known", "stranger"), "may not log in"),
        (address.clone(), sshd.access("known", "no-such-key"), "no-such-key"),
        (
            format!("ssh://127.0.0.1:{unused}"),
            sshd.access("known", "key"),
            "no ssh server answers",
        ),
        (
            "ssh://no-such-host.invalid".to_owned(),
            sshd.access("known", "key"),
            "no host named",
        ),
        (
            address,
            sshd.access("known", "key"),
            "/nonexistent/docker.sock can't be opened there",
        ),
    ] {
        let engine = engine(&address, access);
        let ConnectFault::Unreachable { endpoint, detail } = fault(&engine).await else {
            panic!("{address}")
        };
        assert!(
            endpoint.starts_with(&address) && detail.contains(words),
            "{endpoint}: {detail}"
        );
        all.push(detail);
    }
    // A virtual machine of Podman's: its key is given, and its host key can't be known.
    let mut machine = sshd.access("empty", "stranger");
    machine.ssh.machine = true;
    machine.ssh.identity = Some(sshd.path("key"));
    let machine = fault(&engine(&sshd.endpoint(nowhere), machine)).await.to_string();
    assert!(machine.contains("can't be opened there"), "{machine}");
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// Set for the child of the test below.
const WITHOUT_SSH: &str = "LOCALD_TEST_WITHOUT_SSH";

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_ssh_is_told_what_to_install() {
    if std::env::var_os(WITHOUT_SSH).is_some() {
        let said = fault(&engine("ssh://box", Access::default())).await.to_string();
        assert!(said.contains("openssh-client"), "{said}");
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_machine_without_ssh_is_told_what_to_install"])
        .env(WITHOUT_SSH, "1")
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_silent_until_it_speaks() {
    let Some(mut sshd) = required(Sshd::start("")) else {
        return;
    };
    let server = support::server::Server::start(&[(
        "GET /version",
        200,
        r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#,
    )]);
    open_to_all(&server.socket());
    let engine = engine(&sshd.endpoint(&server.socket()), sshd.access("known", "key"));
    sshd.kill();
    let mute = std::net::TcpListener::bind(("127.0.0.1", sshd.port)).unwrap();
    assert!(matches!(fault(&engine).await, ConnectFault::Silent { .. }));
    drop(mute);
    sshd.boot();
    connected(&engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_ends_the_streams_and_comes_back() {
    let Some(mut dockerd) = support::dockerd() else { return };
    let Some(mut sshd) = required(Sshd::start("")) else {
        return;
    };
    open_to_all(&dockerd.socket());
    let engine = engine(&sshd.endpoint(&dockerd.socket()), sshd.access("known", "key"));
    let limit = Duration::from_secs(10);

    let mut events = engine.events().await.unwrap();
    sshd.kill();
    tokio::time::timeout(limit, async { while events.next().await.is_some() {} })
        .await
        .unwrap();
    let deadline = Instant::now() + limit;
    loop {
        // The first one may still be in time to see `ssh` end.
        let gone = fault(&engine).await.to_string();
        if gone.contains("no ssh server answers") {
            break;
        }
        assert!(Instant::now() < deadline, "{gone}");
    }
    sshd.boot();
    connected(&engine).await;

    let mut events = engine.events().await.unwrap();
    let [(_, ssh)] = &tunnels()[..] else {
        panic!("{:?}", tunnels())
    };
    assert!(
        std::process::Command::new("kill")
            .args(["-KILL", ssh])
            .status()
            .unwrap()
            .success()
    );
    tokio::time::timeout(limit, async { while events.next().await.is_some() {} })
        .await
        .unwrap();
    connected(&engine).await;

    dockerd.kill();
    let gone = fault(&engine).await.to_string();
    assert!(gone.contains("can't be opened there"), "{gone}");
    let lists = engine.list().await.unwrap_err();
    assert_eq!(lists.code(), ProblemCode::EngineFault);
    assert!(matches!(lists, EngineError::Connect(_)), "{lists:?}");
    let starts = engine.start(&support::sleeper(), None).await.unwrap_err();
    assert!(matches!(starts, EngineError::Connect(_)), "{starts:?}");
    dockerd.boot().unwrap();
    open_to_all(&dockerd.socket());
    connected(&engine).await;
}
