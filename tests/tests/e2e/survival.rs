//! The host may be killed at any moment: services stay, and it finds them again.

use locald_tests::wait::{LATER, eventually};
use rustix::process::Signal;

use crate::stage::{SLEEPER, Stage, crash_notices};

fn ids(stage: &Stage) -> Vec<String> {
    let list = stage.docker(&["ps", "-aq", "--no-trunc"]);
    let mut ids: Vec<String> = list.split_whitespace().map(str::to_owned).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_finds_everything_again() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let mut app = stage.app().await;
    let checked =
        format!("{SLEEPER}\nhealth_check = {{ type = \"command\", command = [\"true\"], interval = \"300ms\" }}");
    let dies = r#"command = ["sh", "-c", "trap 'exit 3' USR1; while :; do sleep 0.1; done"]"#;
    let folder = stage
        .project(
            "shop",
            &[("db", &checked), ("api", SLEEPER), ("off", SLEEPER), ("dies", dies)],
        )
        .await;
    desktop
        .cli_in(&folder, &["up", "db", "api", "dies", "--wait"])
        .await
        .ok();
    let before = ids(&stage);
    app.kill().await;
    // One dies while nobody watches.
    stage.docker(&["kill", "-s", "USR1", "locald-shop-dies"]);
    eventually("the container to be gone", LATER, async || {
        let running = stage.docker(&["ps", "--format", "{{.Names}}"]);
        if running.contains("dies") { Err(running) } else { Ok(()) }
    })
    .await;
    let _again = stage.app().await;
    desktop.tray.wait_for_item("locald", LATER).await;
    stage
        .service("shop/db", "healthy", |db| db["health"] == "healthy")
        .await;
    stage.state("shop/api", "running").await;
    stage.state("shop/off", "stopped").await;
    let dies = stage.state("shop/dies", "exited").await;
    assert_eq!(dies["exit"]["code"], 3);
    assert_eq!(ids(&stage), before, "nothing was made anew");
    assert_eq!(crash_notices(desktop), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desktop_takes_over_from_a_host_without_one() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let folder = stage.project("shop", &[("db", SLEEPER)]).await;
    desktop.cli_in(&folder, &["up"]).await.ok();
    let headless = crate::stage::status(desktop).await;
    assert_eq!(headless["host"]["shell"], false);
    let before = ids(&stage);
    let app = stage.app().await;
    desktop.tray.wait_for_item("locald", LATER).await;
    let status = eventually("the desktop app to be the host", LATER, async || {
        let status = crate::stage::status(desktop).await;
        if status["host"]["shell"] == true {
            Ok(status)
        } else {
            Err(status.to_string())
        }
    })
    .await;
    assert_eq!(status["host"]["pid"], app.pid());
    stage.state("shop/db", "running").await;
    assert_eq!(ids(&stage), before);
    drop(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn quit_and_sigterm_end_the_app_and_leave_services() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let mut app = stage.ready(desktop.app()).await;
    let folder = stage.project("shop", &[("db", SLEEPER)]).await;
    desktop.cli_in(&folder, &["up"]).await.ok();
    desktop.wait_for_window("locald", LATER).await;
    app.signal(Signal::TERM);
    let status = app.wait(std::time::Duration::from_secs(5)).await;
    assert!(status.success(), "{status}");
    assert!(
        stage
            .docker(&["ps", "--format", "{{.Names}}"])
            .contains("locald-shop-db")
    );

    let mut app = stage.app().await;
    let tray = desktop.tray.wait_for_item("locald", LATER).await;
    tray.wait_for_menu("Quit", LATER, |menu| menu.item("Quit").is_some())
        .await;
    tray.click("Quit").await;
    let status = app.wait(std::time::Duration::from_secs(5)).await;
    assert!(status.success(), "{status}");
    assert!(
        stage
            .docker(&["ps", "--format", "{{.Names}}"])
            .contains("locald-shop-db")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_restarted_is_found_again_and_nothing_crashed() {
    let Some(mut stage) = Stage::new().await else { return };
    let folder = stage
        .project("shop", &[("a", SLEEPER), ("b", SLEEPER), ("off", SLEEPER)])
        .await;
    let _app = stage.app().await;
    stage.desktop.cli_in(&folder, &["up", "a", "b"]).await.ok();
    stage.dockerd.stop();
    for id in ["shop/a", "shop/b", "shop/off"] {
        stage.state(id, "unknown").await;
    }
    let status = crate::stage::status(&stage.desktop).await;
    assert_eq!(status["engines"][0]["state"], "offline");
    stage.dockerd.boot().unwrap();
    // What was wanted to run is started again, and nothing else.
    for (id, state) in [("shop/a", "running"), ("shop/b", "running"), ("shop/off", "stopped")] {
        stage.state(id, state).await;
    }
    assert_eq!(crash_notices(&stage.desktop), Vec::<String>::new());
    let lost = stage
        .desktop
        .notifications
        .all()
        .into_iter()
        .filter(|notice| notice.summary.contains("does not answer"));
    assert!(lost.count() <= 1);
    stage.desktop.cli_in(&folder, &["stop", "a"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_made_again_and_the_truth_read_anew() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let app = stage.app().await;
    let folder = stage.project("shop", &[("a", SLEEPER), ("b", SLEEPER)]).await;
    desktop.cli_in(&folder, &["start", "a"]).await.ok();
    stage.engine.set_mode(locald_tests::engine_proxy::Mode::Refuse);
    stage.engine.cut();
    stage.state("shop/a", "unknown").await;
    // Behind locald's back, while it can't see.
    stage.docker(&["stop", "-t", "1", "locald-shop-a"]);
    stage.engine.set_mode(locald_tests::engine_proxy::Mode::Pass);
    stage
        .service("shop/a", "not running", |a| {
            a["state"] == "stopped" || a["state"] == "exited"
        })
        .await;
    let threads = || {
        app.processes()
            .iter()
            .map(locald_tests::proc::Process::threads)
            .sum::<usize>()
    };
    let (before, files) = (
        threads(),
        app.processes()
            .iter()
            .map(locald_tests::proc::Process::open_files)
            .sum::<usize>(),
    );
    // The wait doubles from one to the next, up to four seconds.
    for _ in 0..7 {
        stage.engine.cut();
        stage.state("shop/b", "stopped").await;
    }
    let after = app
        .processes()
        .iter()
        .map(locald_tests::proc::Process::open_files)
        .sum::<usize>();
    assert!(threads() <= before + 4, "{} threads, {before} before", threads());
    assert!(after <= files + 8, "{after} open files, {files} before");
    assert_eq!(crash_notices(desktop), Vec::<String>::new());
}
