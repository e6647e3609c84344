//! C41: what a process started ends with it, and nobody else does.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use locald_core::{InstanceId, spec::Signal};
use locald_engine::{Engine as _, EngineEventKind, LogOptions};

use crate::support::{Machine, alive, ended, exists, kill, lines, spec, stop, until, until_written};

/// Starts a script and waits until it has written its first line.
async fn begun(machine: &Machine, script: &str) -> (locald_engine_native::NativeEngine, InstanceId) {
    let engine = machine.engine();
    let id = engine.start(&spec("shop/app", script), None).await.unwrap().id;
    until_written(&engine, &id, 1).await;
    (engine, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn children_that_ignore_the_request_are_gone_when_a_stop_returns() {
    // The case's own, one in a session of its own, and a daemon whose parents are gone.
    for child in [
        r#"sh -c 'trap "" TERM; echo up; sleep 999' & wait"#,
        r#"setsid sh -c 'trap "" TERM HUP; echo up; sleep 999' & wait"#,
        r#"(setsid sh -c 'trap "" TERM HUP; (trap "" TERM HUP; echo up; exec sleep 999) & exit 0' &) ; while :; do sleep 0.05; done"#,
    ] {
        let machine = Machine::new();
        let (engine, id) = begun(&machine, &format!("trap 'exit 0' TERM; {child}")).await;
        assert!(alive(&id).len() >= 2, "{child}");
        let begun = Instant::now();
        stop(&engine, &id, Duration::from_millis(400)).await;
        assert_eq!(alive(&id), [0; 0], "{child}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{child}");
        assert_eq!(ended(&engine, &id).await.code, Some(0), "{child}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn children_that_are_asked_have_the_time_of_the_stop() {
    let machine = Machine::new();
    let child = "trap 'sleep 0.3; echo saved; exit 0' TERM; echo up; while :; do sleep 0.02; done";
    let (engine, id) = begun(&machine, &format!("sh -c \"{child}\" & wait; echo never")).await;
    stop(&engine, &id, Duration::from_secs(10)).await;
    // The shell may say in between that its `sleep` was ended too.
    let lines = lines(&engine, &id).await;
    assert_eq!(lines.last().map(String::as_str), Some("saved"), "{lines:?}");
    assert_eq!(ended(&engine, &id).await.code, Some(143));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_that_ends_by_itself_leaves_behind_ends_before_its_end_is_told() {
    let machine = Machine::new();
    let engine = machine.engine();
    let mut events = engine.events().await.unwrap();
    let script = "sh -c 'trap \"\" TERM; sleep 999' & sleep 999 & exit 3";
    let id = engine.start(&spec("shop/app", script), None).await.unwrap().id;
    let facts = loop {
        let event = tokio::time::timeout(crate::support::SOON, events.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if let EngineEventKind::Exited(facts) = event.kind {
            break facts;
        }
    };
    assert_eq!(alive(&id), [0; 0]);
    assert_eq!(facts.code, Some(3));
    assert_eq!(ended(&engine, &id).await, facts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_who_asked_and_an_end_by_somebody_else_does_not() {
    let machine = Machine::new();
    let script = "echo up; while :; do sleep 0.05; done";
    let (engine, id) = begun(&machine, script).await;
    let mut events = engine.events().await.unwrap();
    let mut next = async || {
        tokio::time::timeout(crate::support::SOON, events.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
            .kind
    };
    kill(machine.pid("shop/app", "main"), "KILL");
    let EngineEventKind::Exited(facts) = next().await else {
        unreachable!("nobody asked")
    };
    assert_eq!(facts.code, Some(137));
    engine.start(&spec("shop/app", script), None).await.unwrap();
    assert_eq!(next().await, EngineEventKind::Started);
    stop(&engine, &id, Duration::from_secs(5)).await;
    let signal = Some(Signal::TERM);
    assert_eq!(next().await, EngineEventKind::Signaled { signal });
    assert!(matches!(next().await, EngineEventKind::Exited(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_id_that_somebody_else_has_by_now_is_nobody_s() {
    let machine = Machine::new();
    let (engine, id) = begun(&machine, "echo up; while :; do sleep 0.05; done").await;
    let (main, monitor) = (machine.pid("shop/app", "main"), machine.pid("shop/app", "monitor"));
    kill(monitor, "KILL");
    kill(main, "KILL");
    until("both are gone", || !exists(main) && !exists(monitor)).await;
    drop(engine);
    let mut stranger = Stranger(Command::new("sleep").arg("999").stdin(Stdio::null()).spawn().unwrap());
    // As if its number had come round.
    let path = machine.instance_folder("shop/app").join("state.json");
    let mut state = machine.state("shop/app");
    for whose in ["main", "monitor"] {
        state[whose]["pid"] = stranger.0.id().into();
        state[whose]["start"] = 1.into();
    }
    state["exit"] = serde_json::Value::Null;
    state["over"] = false.into();
    std::fs::write(&path, state.to_string()).unwrap();
    let engine = machine.engine();
    assert_eq!(engine.list().await.unwrap().len(), 1);
    assert_eq!(ended(&engine, &id).await.code, None);
    state["over"] = false.into();
    std::fs::write(&path, state.to_string()).unwrap();
    stop(&engine, &id, Duration::ZERO).await;
    engine.remove(&id).await.unwrap();
    assert!(stranger.0.try_wait().unwrap().is_none(), "the stranger was killed");
}

/// A process that nobody may touch.
struct Stranger(std::process::Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_and_new_files_lose_nothing_to_somebody_who_follows() {
    let machine = Machine::new();
    let engine = machine.engine();
    // 25 MB, so that two files are begun meanwhile.
    let script = "i=0; while [ $i -lt 250 ]; do i=$((i+1)); head -c 100000 /dev/zero | tr '\\0' x; echo \" $i\"; done";
    let id = engine.start(&spec("shop/app", script), None).await.unwrap().id;
    let options = LogOptions {
        tail: None,
        follow: true,
        since: None,
    };
    let lines = engine.logs(&id, options).await.unwrap().map(|line| line.unwrap().bytes);
    let numbers: Vec<u32> = lines
        .map(|bytes| String::from_utf8_lossy(&bytes[100_001..]).parse::<u32>().unwrap())
        .collect()
        .await;
    assert_eq!(numbers, (1..=250).collect::<Vec<u32>>());
    let files = std::fs::read_dir(machine.root().join("state/logs/native/shop/app"))
        .unwrap()
        .count();
    assert_eq!(files, 3);
    let options = LogOptions {
        tail: Some(2),
        follow: false,
        ..options
    };
    assert_eq!(engine.logs(&id, options).await.unwrap().count().await, 2);
}
