//! Starting the app once, twice, and beside one that hangs.

use std::time::{Duration, Instant};

use locald_tests::{
    Desktop, needs,
    wait::{LATER, eventually},
};
use rustix::process::Signal;

use crate::stage::{SLEEPER, Stage, project};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_launch_focuses_the_first_with_its_argument() {
    if !needs::web_view() {
        return;
    }
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let first = stage.ready(desktop.app().hidden().driven()).await;
    desktop.tray.wait_for_item("locald", LATER).await;
    let folder = stage.project("shop", &[("db", SLEEPER)]).await;
    desktop.cli_in(&folder, &["start", "db"]).await.ok();
    let second = desktop.app().arg("shop/db").start().await.wait(LATER).await;
    assert!(second.success());
    desktop.wait_for_window("locald", LATER).await;
    let web_view = first.web_view(LATER).await;
    eventually("db's log in the window", LATER, async || {
        let text = web_view.page_text().await;
        if text.lines().any(|line| line.trim() == "up" || line.ends_with(" up")) {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    // The same by the command.
    desktop.cli_in(&folder, &["open", "db"]).await.ok();
    desktop.cli_in(&folder, &["open", "nope"]).await.expect_code(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_hangs_is_named_within_seconds_and_one_that_was_killed_is_forgotten() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::start().await;
    let mut first = desktop.app().hidden().start().await;
    desktop.tray.wait_for_item("locald", LATER).await;
    first.signal(Signal::STOP);
    let began = Instant::now();
    let mut second = desktop.app().start().await;
    let status = second.wait(LATER).await;
    assert!(!status.success());
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    assert!(second.log().contains(&first.pid().to_string()), "{}", second.log());
    first.signal(Signal::CONT);
    first.kill().await;
    let mut third = desktop.app().hidden().start().await;
    desktop.tray.wait_for_item("locald", LATER).await;
    assert!(third.is_running());
    // Nobody else may read or write the control socket.
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&desktop.runtime()), 0o700);
    assert_eq!(mode(&desktop.runtime().join("control.sock")), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_display_it_says_so_and_the_command_works() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::start().await;
    let mut app = desktop.app().without_env("DISPLAY").start().await;
    let status = app.wait(LATER).await;
    assert!(!status.success());
    assert!(app.log().contains("locald host"), "{}", app.log());
    assert!(!app.log().contains("panicked"), "{}", app.log());
    desktop.unset_env("DISPLAY");
    let folder = desktop.project("shop", &project("shop", &[("db", SLEEPER)]));
    let status = desktop.cli_in(&folder, &["status", "--json"]).await.ok().json();
    assert_eq!(status["host"]["shell"], false);
}
