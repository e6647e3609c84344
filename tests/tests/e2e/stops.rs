//! Whoever stops a service, it is no crash.

use locald_tests::wait::LATER;

use crate::stage::{SLEEPER, Stage, crash_notices};

const DEAF: &str = "command = [\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 0.1; done\"]\nstop_grace = \"1s\"";
const PLAIN: &str = r#"command = ["sleep", "999"]"#;

#[tokio::test(flavor = "multi_thread")]
async fn stops_by_the_person_by_docker_and_by_removal_are_no_crashes() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let folder = stage
        .project("shop", &[("polite", SLEEPER), ("deaf", DEAF), ("plain", PLAIN)])
        .await;
    let all = ["polite", "deaf", "plain"];
    let up = || async { desktop.cli_in(&folder, &["up"]).await.ok() };

    up().await;
    desktop.cli_in(&folder, &["down"]).await.ok();
    for name in all {
        stage.state(&format!("shop/{name}"), "stopped").await;
    }
    up().await;
    for name in all {
        stage.docker(&["stop", "-t", "1", &format!("locald-shop-{name}")]);
        stage.state(&format!("shop/{name}"), "stopped").await;
    }
    up().await;
    for name in all {
        stage.docker(&["rm", "-f", &format!("locald-shop-{name}")]);
        stage.state(&format!("shop/{name}"), "stopped").await;
    }
    up().await;
    stage.docker(&["restart", "-t", "1", "locald-shop-deaf"]);
    stage.state("shop/deaf", "running").await;
    stage.docker(&["kill", "locald-shop-plain"]);
    stage.state("shop/plain", "stopped").await;
    assert_eq!(crash_notices(desktop), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_signal_hides_no_later_crash_and_a_kill_from_inside_is_one() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let on_hup = r#"command = ["sh", "-c", "trap 'sleep 0.3; exit 1' HUP; while :; do sleep 0.1; done"]"#;
    let suicide = r#"command = ["sh", "-c", "sh -c 'sleep 0.5; kill -9 $PPID' & wait"]"#;
    let folder = stage.project("shop", &[("hup", on_hup), ("suicide", suicide)]).await;
    desktop.cli_in(&folder, &["start", "hup"]).await.ok();
    stage.docker(&["kill", "-s", "HUP", "locald-shop-hup"]);
    let notice = desktop
        .notifications
        .wait_for("the crash", LATER, |notice| notice.summary.contains("hup"))
        .await;
    assert_eq!(notice.summary, "shop/hup crashed: exited with code 1");
    desktop.cli_in(&folder, &["start", "suicide", "--no-wait"]).await.ok();
    // PID 1 of a container ignores SIGKILL from inside; what matters is that nothing is said while it runs.
    stage.state("shop/suicide", "running").await;
    assert_eq!(crash_notices(desktop).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_contain_one_another_are_told_apart() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let services = [
        ("web", SLEEPER),
        ("web_stage", SLEEPER),
        ("\"my.web\"", SLEEPER),
        ("myxweb", SLEEPER),
    ];
    let folder = stage.project("shop", &services).await;
    desktop.cli_in(&folder, &["up"]).await.ok();
    desktop.cli_in(&folder, &["stop", "web"]).await.ok();
    stage.state("shop/web", "stopped").await;
    for other in ["shop/web_stage", "shop/my.web", "shop/myxweb"] {
        stage.state(other, "running").await;
    }
    let running = stage.docker(&["ps", "--format", "{{.Names}}"]);
    let mut running: Vec<&str> = running.split_whitespace().collect();
    running.sort_unstable();
    assert_eq!(
        running,
        ["locald-shop-my.web", "locald-shop-myxweb", "locald-shop-web_stage"]
    );
}
