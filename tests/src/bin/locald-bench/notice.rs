//! From the engine's `die` event to the notification on the bus.

use std::time::{Duration, Instant};

use locald_tests::wait::LATER;

use crate::{Stage, figures};

const RUNS: usize = 20;
const DIE: &str = "\"Action\":\"die\"";
/// A word that only the answer to an inspection has.
const INSPECTED: &str = "\"LogPath\":";

pub async fn run() {
    println!("\nFrom the engine's `die` event to the notification on the bus");
    let stage = Stage::new().await;
    stage.engine.mark(DIE);
    stage.engine.mark(INSPECTED);
    let _app = stage.desktop.app().hidden().start().await;
    stage.desktop.tray.wait_for_item("locald", LATER).await;
    let folder = stage.project(
        ["api".to_owned()],
        "command = [\"sh\", \"-c\", \"sleep 0.5; echo last words; exit 3\"]",
    );
    let (mut ours, mut complete) = (Vec::new(), Vec::new());
    let (mut engine, mut docker) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        stage.desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
        let notice = stage
            .desktop
            .notifications
            .wait_for("the crash", LATER, |notice| {
                notice.received_at > began && !notice.body.is_empty()
            })
            .await;
        assert!(notice.body.contains("last words"), "{}", notice.body);
        let died = stage.engine.marked(DIE).into_iter().rfind(|at| *at >= began).unwrap();
        let all = stage.desktop.notifications.all();
        let first = all.into_iter().find(|notice| notice.received_at >= died).unwrap();
        assert_eq!(first.id, notice.id, "one notification, which is completed in its place");
        ours.push(first.received_at.duration_since(died));
        complete.push(notice.received_at.duration_since(died));
        // The engine answers no question about a container while it clears up after it: its part of the time.
        let answered = stage
            .engine
            .marked(INSPECTED)
            .into_iter()
            .rfind(|at| *at >= died && *at <= notice.received_at);
        engine.push(answered.map_or(Duration::ZERO, |at| at.duration_since(died)));
        // Docker's own commands for the same, which a person would type.
        let began = Instant::now();
        stage.dockerd.docker_ok(&["inspect", "locald-bench-api"]).unwrap();
        stage
            .dockerd
            .docker_ok(&["logs", "--tail", "5", "locald-bench-api"])
            .unwrap();
        docker.push(began.elapsed());
    }
    let ours = figures("locald: die event to the notification", &mut ours);
    let complete = figures("locald: die event to its last log line in it", &mut complete);
    let engine = figures("of which the engine, to its answer to an inspection", &mut engine);
    let docker = figures("docker inspect and docker logs --tail, typed afterwards", &mut docker);
    println!(
        "ratio {:.2}; locald's own part of the line {:.1} ms; the target is 50 ms at the median",
        ours / docker,
        complete - engine
    );
}
