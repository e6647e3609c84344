//! A real Docker passes the suite.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use std::sync::Arc;

use locald_engine::{
    Engine as _,
    conformance::{self, Bench},
};
use locald_engine_testbed::BUSYBOX;

#[tokio::test(flavor = "multi_thread")]
async fn docker_passes_the_suite() {
    let Some(dockerd) = support::dockerd() else { return };
    let dockerd = Arc::new(dockerd);
    let engine = Arc::new(support::engine_at(&dockerd.socket()));
    eprintln!("{:?}", engine.connect().await.unwrap());
    let person = Arc::new(support::Person(Arc::clone(&dockerd)));
    let report = conformance::run(Arc::new(Bench::new(engine, person, BUSYBOX, true))).await;
    eprintln!("{report}");
    assert!(
        report.failures().is_empty(),
        "{:#?}\n{}",
        report.failures(),
        dockerd.log_end()
    );
}
