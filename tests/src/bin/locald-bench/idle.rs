//! What locald costs while nothing happens.

use std::time::{Duration, Instant};

use locald_tests::{
    App, proc,
    wait::{LATER, eventually},
};

use crate::Stage;

const SERVICES: usize = 20;
const WATCH: Duration = Duration::from_secs(60);

pub async fn run() {
    println!("\nIdle, with {SERVICES} running containers");
    let stage = Stage::new().await;
    let app = stage.desktop.app().hidden().start().await;
    stage.desktop.tray.wait_for_item("locald", LATER).await;
    let names = (0..SERVICES).map(|n| format!("s{n:02}"));
    let folder = stage.project(names, "command = [\"sleep\", \"9999\"]\nstop_grace = \"0s\"");
    stage.desktop.cli_in(&folder, &["up"]).await.ok();
    quiet(&stage).await;
    measure("window closed, at login", &stage, &app).await;

    stage.desktop.app().start().await.wait(LATER).await;
    stage.desktop.wait_for_window("locald", LATER).await;
    eventually("a web process", LATER, async || {
        if app.web_processes().is_empty() {
            Err("none")
        } else {
            Ok(())
        }
    })
    .await;
    // The page has settled once it opened its streams of numbers.
    let since = Instant::now();
    stage
        .engine
        .wait_for("numbers", since, LATER, |request| request.is("GET", "/stats"))
        .await;
    println!(
        "{:<40} {:>7.1} MiB PSS in {} processes",
        "window open",
        mib(app.pid()),
        app.processes().len()
    );
    stage.desktop.close_window("locald").await;
    stage.desktop.wait_for_no_window("locald", LATER).await;
    app.wait_for_no_web_process(LATER).await;
    quiet(&stage).await;
    measure("window closed again", &stage, &app).await;

    let dockerd = proc::all()
        .into_iter()
        .find(|process| process.command_line().contains("dockerd --data-root"));
    if let Some(dockerd) = dockerd {
        println!(
            "{:<40} {:>7.1} MiB PSS, for comparison",
            "dockerd and containerd of this run",
            mib(dockerd.pid)
        );
    }
}

/// Waits until nothing is asked of the engine any more but its events.
async fn quiet(stage: &Stage) {
    eventually("one open connection to the engine", LATER, async || {
        match stage.engine.open_connections() {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

async fn measure(what: &str, stage: &Stage, app: &App) {
    let (began, ticks) = (Instant::now(), proc::cpu_ticks(app.pid()));
    // Nothing is to happen, so there is nothing to wait for but the time itself.
    tokio::time::sleep(WATCH).await;
    let requests = stage.engine.requests_since(began).len();
    // A tick is a hundredth of a second (USER_HZ).
    let cpu = (proc::cpu_ticks(app.pid()) - ticks) as f64 / WATCH.as_secs_f64();
    println!(
        "{what:<40} {:>7.1} MiB PSS in {} processes, {requests} requests to the engine in {} s, {cpu:.2} % of a core",
        mib(app.pid()),
        app.processes().len(),
        WATCH.as_secs(),
    );
    assert!(app.web_processes().is_empty(), "no web view process is left");
    assert_eq!(requests, 0, "{:?}", stage.engine.requests_since(began));
}

fn mib(pid: u32) -> f64 {
    proc::pss_kib(pid) as f64 / 1024.0
}
