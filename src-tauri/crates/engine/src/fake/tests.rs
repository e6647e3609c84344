#![expect(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use locald_core::{ProblemCode, ServiceSpec, instance::RunState, spec::Signal};

use super::*;
use crate::{
    Engine as _, InstanceSpec, StopRequest,
    conformance::{self, Ability, Bench},
};

#[tokio::test(start_paused = true)]
async fn the_fake_passes_the_suite() {
    let fake = Arc::new(FakeEngine::new());
    let bench = Bench::new(fake.clone(), fake, "lt/bb:dev")
        .without(Ability::RealPrograms, "it runs no programs")
        .without(Ability::RealPorts, "it opens no ports")
        .without(Ability::HealthRuns, "it runs no programs");
    let report = conformance::run(Arc::new(bench)).await;
    report.write_column("fake").unwrap();
    assert!(report.failures().is_empty(), "{report}");
}

fn spec(id: &str) -> InstanceSpec {
    InstanceSpec {
        service: Arc::new(ServiceSpec::container(id.parse().unwrap(), "image")),
    }
}

#[tokio::test(start_paused = true)]
async fn faults_delays_and_counts_are_as_ordered() {
    let fake = FakeEngine::new();
    let spec = spec("shop/db");
    let fault = EngineError::List { detail: "once".into() };
    fake.fail_next(Op::List, fault.clone());
    assert_eq!(fake.list().await, Err(fault));
    assert_eq!(fake.list().await, Ok(Vec::new()));
    fake.delay(Op::Start, Duration::from_secs(3));
    let begun = tokio::time::Instant::now();
    fake.start(&spec, None).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    assert_eq!(
        (
            fake.requests(Op::List),
            fake.requests(Op::Start),
            fake.requests(Op::Stop)
        ),
        (2, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn going_offline_ends_streams_and_keeps_instances() {
    let fake = FakeEngine::new();
    let id = fake.start(&spec("shop/db"), None).await.unwrap().id;
    let mut events = fake.events().await.unwrap();
    fake.set_online(false);
    assert!(events.next().await.is_none());
    assert_eq!(fake.list().await.unwrap_err().code(), ProblemCode::EngineRefused);
    fake.set_online(true);
    assert_eq!(fake.inspect(&id).await.unwrap().unwrap().run, RunState::Running);
}

#[tokio::test(start_paused = true)]
async fn exits_on_demand_and_from_outside_look_like_docker() {
    let fake = FakeEngine::new();
    let service = "shop/db".parse().unwrap();
    let id = fake.start(&spec("shop/db"), None).await.unwrap().id;
    fake.exit(&service, 3, Some("out of luck"));
    let RunState::Exited(facts) = fake.inspect(&id).await.unwrap().unwrap().run else {
        unreachable!()
    };
    assert_eq!(facts.code, Some(3));
    fake.external_start(&service);
    fake.external_kill(&service, Signal::KILL);
    let RunState::Exited(facts) = fake.inspect(&id).await.unwrap().unwrap().run else {
        unreachable!()
    };
    assert_eq!(facts.code, Some(137));
    fake.external_remove(&service);
    assert_eq!(fake.inspect(&id).await.unwrap(), None);
    fake.stop(
        &id,
        StopRequest {
            signal: None,
            grace: Duration::ZERO,
        },
    )
    .await
    .unwrap();
}
