//! An engine with many running services that is stopped and started.
#![expect(clippy::print_stdout, reason = "its figures are part of the result")]

use std::time::Instant;

use locald_tests::wait::{LATER, eventually};
use serde_json::Value;

use crate::stage::{Stage, crash_notices, status};

const SERVICES: usize = 30;

/// How many services are in each of these states.
fn count(status: &Value, state: &str) -> usize {
    let services = status["services"].as_array().into_iter().flatten();
    services.filter(|service| service["state"] == state).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_with_thirty_services_that_is_stopped_and_started_is_one_notice_and_no_crash() {
    let Some(mut stage) = Stage::new().await else { return };
    let names: Vec<String> = (0..SERVICES).map(|number| format!("s{number:02}")).collect();
    // Of all manners: it ends with 0, with 1, or by a kill, and is or isn't restarted.
    let bodies = |number: usize| {
        let trap = ["exit 0", "exit 1", ""][number % 3];
        let restart = ["no", "on-failure", "always"][number / 3 % 3];
        format!(
            "command = [\"sh\", \"-c\", \"trap '{trap}' TERM; while :; do sleep 1000 & wait $!; done\"]\n\
             stop_grace = \"1s\"\nrestart = \"{restart}\""
        )
    };
    let bodies: Vec<String> = (0..SERVICES).map(bodies).collect();
    let services: Vec<(&str, &str)> = names
        .iter()
        .zip(&bodies)
        .map(|(name, body)| (name.as_str(), body.as_str()))
        .collect();
    let _app = stage.app().await;
    let folder = stage.project("shop", &services).await;
    stage.desktop.cli_in(&folder, &["up"]).await.ok();
    let running = |stage: &Stage| {
        let list = stage.docker(&["ps", "-q"]);
        list.split_whitespace().count()
    };
    assert_eq!(running(&stage), SERVICES);

    stage.dockerd.stop();
    eventually("all to be unknown", LATER, async || {
        let status = status(&stage.desktop).await;
        match count(&status, "unknown") {
            SERVICES => Ok(()),
            other => Err(format!("{other} are")),
        }
    })
    .await;
    stage.dockerd.boot().unwrap();
    let back = Instant::now();
    // Right is that nothing is unknown, and that nothing is shown as running that doesn't run; all are on their way up.
    let took = eventually("every row to be what the engine's list says", LATER, async || {
        let status = status(&stage.desktop).await;
        let at = back.elapsed();
        let (runs, unknown) = (count(&status, "running"), count(&status, "unknown"));
        let there = running(&stage);
        if unknown == 0 && runs <= there {
            Ok(at)
        } else {
            Err(format!(
                "{runs} running, {unknown} unknown, {there} running on the engine"
            ))
        }
    })
    .await;
    // All were wanted to run, and nobody but the engine ended them.
    let again = eventually("all to run again", LATER, async || {
        let status = status(&stage.desktop).await;
        match (count(&status, "running"), running(&stage)) {
            (SERVICES, SERVICES) => Ok(back.elapsed()),
            (shown, there) => Err(format!("{shown} shown as running, {there} running on the engine")),
        }
    })
    .await;
    println!("{SERVICES} rows right {took:.1?} after the engine answered, all run again after {again:.1?}");
    assert_eq!(crash_notices(&stage.desktop), Vec::<String>::new());
    let told = stage.desktop.notifications.all();
    let engine: Vec<&str> = told
        .iter()
        .map(|notice| notice.summary.as_str())
        .filter(|summary| summary.contains("does not answer"))
        .collect();
    assert_eq!(engine.len(), 1, "{engine:?}");
    assert_eq!(told.len(), 1, "{told:?}");
}
