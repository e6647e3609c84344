//! A real Docker that goes away and comes back.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use futures_util::StreamExt as _;
use locald_core::ProblemCode;
use locald_engine::{Engine as _, LogOptions};

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_the_engine_and_instances_are_found_again() {
    let Some(mut dockerd) = support::dockerd() else { return };
    let engine = support::engine_at(&dockerd.socket());
    let spec = support::sleeper();
    let id = engine.start(&spec, None).await.unwrap().id;
    let mut events = engine.events().await.unwrap();
    let mut logs = engine
        .logs(
            &id,
            LogOptions {
                tail: None,
                follow: true,
                since: None,
            },
        )
        .await
        .unwrap();
    let mut stats = engine.stats(&id).await.unwrap();

    dockerd.kill();
    let all_end = async {
        while events.next().await.is_some() {}
        while logs.next().await.is_some() {}
        while stats.next().await.is_some() {}
    };
    tokio::time::timeout(Duration::from_secs(10), all_end).await.unwrap();
    assert_eq!(engine.connect().await.unwrap_err().code(), ProblemCode::EngineRefused);
    assert_eq!(engine.list().await.unwrap_err().code(), ProblemCode::EngineRefused);
    assert_eq!(
        engine.start(&spec, Some(id.clone())).await.unwrap_err().code(),
        ProblemCode::EngineRefused
    );

    dockerd.boot().unwrap();
    engine.connect().await.unwrap();
    let started = engine.start(&spec, None).await.unwrap();
    assert_eq!((started.id, started.reused), (id, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_engine_is_told_apart_in_every_state_and_found_again_by_itself() {
    let Some(mut dockerd) = support::dockerd() else { return };
    let socket = dockerd.socket();
    let engine = support::engine_at(&socket);
    let code = async || engine.connect().await.unwrap_err().code();
    dockerd.stop();
    assert_eq!(code().await, ProblemCode::EngineMissing);
    // As a container's mount leaves it that was started before the engine.
    std::fs::create_dir(&socket).unwrap();
    assert_eq!(code().await, ProblemCode::EngineIsDirectory);
    std::fs::remove_dir(&socket).unwrap();
    dockerd.boot().unwrap();
    let first = engine.connect().await.unwrap();
    dockerd.kill();
    assert_eq!(code().await, ProblemCode::EngineRefused);
    dockerd.boot().unwrap();
    assert_eq!(engine.connect().await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_engine_is_silent_and_a_thawed_one_answers() {
    let Some(dockerd) = support::dockerd() else { return };
    let engine = support::engine_at(&dockerd.socket());
    dockerd.freeze();
    assert_eq!(engine.connect().await.unwrap_err().code(), ProblemCode::EngineSilent);
    dockerd.thaw();
    engine.connect().await.unwrap();
}
