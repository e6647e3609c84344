//! From the engine's `die` event to the notification on the bus.

use std::time::Instant;

use locald_tests::wait::LATER;

use crate::{Stage, figures};

const RUNS: usize = 20;
const DIE: &str = "\"Action\":\"die\"";

pub async fn run() {
    println!("\nFrom the engine's `die` event to the notification on the bus");
    let stage = Stage::new().await;
    stage.engine.mark(DIE);
    let _app = stage.desktop.app().hidden().start().await;
    let folder = stage.project(
        ["api".to_owned()],
        "command = [\"sh\", \"-c\", \"echo last words; exit 3\"]",
    );
    stage.desktop.tray.wait_for_item("locald", LATER).await;
    let (mut ours, mut inspect) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        stage.desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
        let notice = stage
            .desktop
            .notifications
            .wait_for("the crash", LATER, |notice| {
                notice.received_at > began && notice.summary.contains("crashed")
            })
            .await;
        assert!(notice.body.contains("last words"), "{}", notice.body);
        let died = stage.engine.marked(DIE).into_iter().rfind(|at| *at >= began).unwrap();
        ours.push(notice.received_at.duration_since(died));
        // What the engine itself takes for what the notification has to ask: an inspection and a tail of the log.
        let began = Instant::now();
        stage.dockerd.docker_ok(&["inspect", "locald-bench-api"]).unwrap();
        stage
            .dockerd
            .docker_ok(&["logs", "--tail", "5", "locald-bench-api"])
            .unwrap();
        inspect.push(began.elapsed());
    }
    let ours = figures("locald: die event to Notify, with the last log line", &mut ours);
    let docker = figures("docker inspect and docker logs --tail of it", &mut inspect);
    println!("ratio {:.2}; the target is 50 ms at the median", ours / docker);
}
