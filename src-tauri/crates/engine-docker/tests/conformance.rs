//! Real engines pass the suite.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use std::sync::Arc;

use locald_engine::{
    Engine as _,
    conformance::{self, Ability, Bench},
};
use locald_engine_testbed::{BUSYBOX, Podman, TestEngine};

/// Runs the suite and leaves the engine's column of the table.
async fn passes<E: TestEngine + 'static>(column: &str, tested: E, lacks: &[(Ability, &'static str)]) {
    let tested = Arc::new(tested);
    let engine = Arc::new(support::engine_at(&tested.socket()));
    eprintln!("{:?}", engine.connect().await.unwrap());
    let person = Arc::new(support::Person(Arc::clone(&tested)));
    let volume_image = support::volume_image(&*tested);
    let mut bench = Bench::new(engine, person, BUSYBOX).with_volume_image(volume_image);
    for &(ability, reason) in lacks {
        bench = bench.without(ability, reason);
    }
    let report = conformance::run(Arc::new(bench)).await;
    report.write_column(column).unwrap();
    eprintln!("{report}");
    let log = std::fs::read_to_string(tested.root().join("log")).unwrap_or_default();
    let end: Vec<_> = log.lines().rev().take(12).collect();
    assert!(report.failures().is_empty(), "{:#?}\n{end:#?}", report.failures());
}

/// Podman 4.3, whoever runs it.
const PODMAN: [(Ability, &str); 4] = [
    (
        Ability::StopIntent,
        "its events don't always say that an end was asked for",
    ),
    (
        Ability::HealthRuns,
        "it leaves health checks to systemd; locald runs them",
    ),
    (Ability::MemoryEvents, "it has no event for it"),
    (Ability::CacheNumbers, "it doesn't tell the page cache apart"),
];

/// Is the memory of containers counted in control groups of the first version?
fn cgroups_are_old() -> bool {
    !std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_passes_the_suite() {
    if let Some(dockerd) = support::dockerd() {
        passes("docker", dockerd, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_rootful_passes_the_suite() {
    let Some(podman) = support::podman(Podman::rootful()) else {
        return;
    };
    let mut lacks = PODMAN.to_vec();
    if cgroups_are_old() {
        lacks.push((Ability::MemoryFacts, "it says so with cgroups v2 only"));
    }
    passes("podman rootful", podman, &lacks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_rootless_passes_the_suite() {
    let Some(podman) = support::podman(Podman::rootless()) else {
        return;
    };
    let mut lacks = PODMAN.to_vec();
    if cgroups_are_old() {
        for ability in [Ability::MemoryFacts, Ability::Pause, Ability::Numbers] {
            lacks.push((ability, "an ordinary user's has no cgroups v1"));
        }
    }
    passes("podman rootless", podman, &lacks).await;
}
