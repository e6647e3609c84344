//! Who dies, and what lives on.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::StreamExt as _;
use locald_core::instance::RunState;
use locald_engine::{Engine as _, EngineEventKind};

use crate::support::{
    Machine, alive, ended, engine_in, exists, kill, lines, run_state, spec, stop, until, until_written,
};

const COUNTS: &str = "trap 'exit 5' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done";

/// Lines are whole and none is missing.
fn assert_counted(lines: &[String]) {
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(*line, (at + 1).to_string(), "after {at} lines");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_monitor_is_killed_gets_another_one() {
    let machine = Machine::new();
    let engine = machine.engine();
    let mut events = engine.events().await.unwrap();
    let id = engine.start(&spec("shop/app", COUNTS), None).await.unwrap().id;
    let main = machine.pid("shop/app", "main");
    for _ in 0..3 {
        let before = lines(&engine, &id).await.len();
        let monitor = machine.pid("shop/app", "monitor");
        kill(monitor, "KILL");
        until("another monitor", || machine.pid("shop/app", "monitor") != monitor).await;
        until_written(&engine, &id, before + 20).await;
    }
    assert_eq!(machine.pid("shop/app", "main"), main);
    assert_eq!(run_state(&engine, &id).await, RunState::Running);
    stop(&engine, &id, Duration::from_secs(10)).await;
    assert_eq!(alive(&id), [0; 0]);
    // Nobody that could be told was its parent.
    assert_eq!(ended(&engine, &id).await.code, None);
    assert_counted(&lines(&engine, &id).await);
    let mut kinds = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        kinds.push(event.unwrap().kind);
    }
    let exits = kinds
        .iter()
        .filter(|kind| matches!(kind, EngineEventKind::Exited(_)))
        .count();
    assert_eq!(exits, 1, "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_goes_on_when_the_monitor_dies_meanwhile() {
    let machine = Machine::new();
    let engine = machine.engine();
    let script = "trap 'sleep 1; echo saved; exit 0' TERM; echo up; while :; do sleep 0.02; done";
    let id = engine.start(&spec("shop/app", script), None).await.unwrap().id;
    until_written(&engine, &id, 1).await;
    let asked = || !machine.state("shop/app")["asked"].is_null();
    let killing = async {
        until("it was asked", asked).await;
        kill(machine.pid("shop/app", "monitor"), "KILL");
    };
    tokio::join!(stop(&engine, &id, Duration::from_secs(15)), killing);
    assert_eq!(alive(&id), [0; 0]);
    assert_eq!(lines(&engine, &id).await.last().map(String::as_str), Some("saved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_nobody_saw_is_told_without_a_code() {
    let machine = Machine::new();
    let engine = machine.engine();
    let mut events = engine.events().await.unwrap();
    let script = "setsid sleep 999 & echo up; while :; do sleep 0.05; done";
    let id = engine.start(&spec("shop/app", script), None).await.unwrap().id;
    until_written(&engine, &id, 1).await;
    let (main, monitor) = (machine.pid("shop/app", "main"), machine.pid("shop/app", "monitor"));
    kill(monitor, "KILL");
    kill(main, "KILL");
    let facts = ended(&engine, &id).await;
    // The next monitor may have been there in time to see that it ended, but not how.
    assert_eq!(facts.code, None);
    assert_eq!(alive(&id), [0; 0]);
    let kinds: Vec<_> = events.by_ref().take(3).map(|event| event.unwrap().kind).collect().await;
    assert!(matches!(kinds[2], EngineEventKind::Exited(_)), "{kinds:?}");
    // It can be started again as the same.
    let again = engine.start(&spec("shop/app", script), None).await.unwrap();
    assert_eq!((again.id, again.reused), (id, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_monitor_refuses() {
    let machine = Machine::new();
    let engine = machine.engine();
    let id = engine.start(&spec("shop/app", COUNTS), None).await.unwrap().id;
    let state = machine.state("shop/app");
    for verb in ["run", "adopt"] {
        let second = Command::new(env!("CARGO_BIN_EXE_locald-monitor"))
            .arg(verb)
            .arg(machine.instance_folder("shop/app"))
            .output()
            .unwrap();
        assert!(!second.status.success());
        assert!(String::from_utf8_lossy(&second.stdout).contains("held"));
    }
    assert_eq!(machine.state("shop/app"), state);
    until_written(&engine, &id, 5).await;
    assert_counted(&lines(&engine, &id).await);
}

/// Where the test below runs this one as a host that is killed; by itself it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_starts_services_and_waits() {
    let Some(root) = std::env::var_os("LOCALD_TEST_HOST_ROOT") else {
        return;
    };
    let engine = engine_in(root.as_ref(), Vec::new());
    engine.start(&spec("shop/app", COUNTS), None).await.unwrap();
    let brief =
        "echo up; while [ ! -e \"$0/end\" ]; do sleep 0.01; done; exit 7".replace("$0", &root.to_string_lossy());
    engine.start(&spec("shop/brief", &brief), None).await.unwrap();
    std::fs::write(std::path::Path::new(&root).join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_outlive_the_host_and_are_found_with_their_codes() {
    let machine = Machine::new();
    let since = jiff::Timestamp::now();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "survival::a_host_that_starts_services_and_waits"])
        .env("LOCALD_TEST_HOST_ROOT", machine.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let ready = machine.root().join("ready");
    until("the host is ready", || ready.exists()).await;
    // The whole group, as a terminal that is closed would.
    let group = format!("-{}", host.id());
    Command::new("kill")
        .args(["-s", "KILL", "--", &group])
        .output()
        .unwrap();
    host.wait().unwrap();
    std::fs::write(machine.root().join("end"), "").unwrap();
    let brief = machine.pid("shop/brief", "main");
    until("the other one ends meanwhile", || !exists(brief)).await;
    until("its end is on disk", || machine.state("shop/brief")["over"] == true).await;
    let engine = machine.engine();
    let mut events = engine.events_since(since).await.unwrap();
    let told = events.next().await.unwrap().unwrap();
    assert!(matches!(told.kind, EngineEventKind::Exited(facts) if facts.code == Some(7)));
    let list = engine.list().await.unwrap();
    let names: Vec<_> = list.iter().map(|seen| seen.name.as_str()).collect();
    assert_eq!(names, ["locald-shop-app", "locald-shop-brief"]);
    assert_eq!(list[0].run, RunState::Running);
    assert!(matches!(&list[1].run, RunState::Exited(facts) if facts.code == Some(7) && facts.at.is_some()));
    let id = list[0].id.clone();
    let again = engine.start(&spec("shop/app", COUNTS), None).await.unwrap();
    assert_eq!((&again.id, again.reused), (&id, true));
    stop(&engine, &id, Duration::from_secs(10)).await;
    assert_eq!(ended(&engine, &id).await.code, Some(5));
    assert_counted(&lines(&engine, &id).await);
}
