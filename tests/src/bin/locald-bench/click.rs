//! From a click on a tray item to the engine's receiving the start.

use std::time::Instant;

use locald_tests::wait::LATER;

use crate::{Stage, figures};

const RUNS: usize = 20;

pub async fn run() {
    println!("\nFrom the click on a tray item to the engine receiving the start call");
    let stage = Stage::new().await;
    let _app = stage.desktop.app().hidden().start().await;
    let tray = stage.desktop.tray.wait_for_item("locald", LATER).await;
    let folder = stage.project(["db".to_owned()], "command = [\"sleep\", \"999\"]\nstop_grace = \"0s\"");
    stage.desktop.cli_in(&folder, &["start", "db"]).await.ok();
    stage.desktop.cli_in(&folder, &["stop", "db"]).await.ok();
    let (mut ours, mut docker) = (Vec::new(), Vec::new());
    // These return once the picture says so. A check mark alone is no proof: the desktop flips it with the click.
    let up = async || drop(stage.desktop.cli_in(&folder, &["start", "db"]).await.ok());
    let down = async || {
        stage.desktop.cli_in(&folder, &["stop", "db"]).await.ok();
        tray.wait_for_menu("db is off", LATER, |menu| {
            menu.item("db").is_some_and(|db| !db.checked())
        })
        .await;
    };
    for _ in 0..RUNS {
        down().await;
        let clicked = tray.click("db").await;
        let start = stage
            .engine
            .wait_for("start", clicked, LATER, |request| request.is("POST", "/start"))
            .await;
        ours.push(start.at.duration_since(clicked));
        up().await;
        down().await;

        // The same container, by Docker's own command, through the same socket.
        let mut command = stage.desktop.command("docker");
        command.args(["start", "locald-bench-db"]);
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let start = stage
            .engine
            .wait_for("docker start", began, LATER, |request| request.is("POST", "/start"))
            .await;
        docker.push(start.at.duration_since(began));
        assert!(child.wait().await.unwrap().success());
        up().await;
    }
    let ours = figures("locald: click to POST …/start", &mut ours);
    let docker = figures("docker start: its launch to POST …/start", &mut docker);
    println!(
        "ratio {:.2}; the target for the click is 20 ms at the median",
        ours / docker
    );
}
