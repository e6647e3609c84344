//! Desktops that lack something: no tray, no notification service, no bus.

use std::time::{Duration, Instant};

use locald_tests::{
    Desktop,
    desktop::Notifications,
    needs,
    wait::{LATER, SOON, eventually},
};

use crate::stage::{SLEEPER, Stage};

const EXITS_WITH_3: &str = r#"command = ["sh", "-c", "echo oops; sleep 0.2; exit 3"]"#;

async fn notices(desktop: &Desktop) -> String {
    crate::stage::status(desktop).await["notices"].to_string()
}

async fn wait_for_notice(desktop: &Desktop, text: &str) {
    eventually(&format!("a notice with {text:?}"), LATER, async || {
        let notices = notices(desktop).await;
        if notices.contains(text) { Ok(()) } else { Err(notices) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tray_a_closed_window_stays_within_reach_and_a_late_tray_is_found() {
    if !needs::web_view() {
        return;
    }
    let desktop = Desktop::with().without_tray().start().await;
    let mut app = desktop.app().start().await;
    desktop.wait_for_window("locald", LATER).await;
    wait_for_notice(&desktop, "no tray").await;
    desktop.close_window("locald").await;
    // Minimised, not gone: a second launch brings it back.
    let second = desktop.app().start().await.wait(LATER).await;
    assert!(second.success());
    desktop.wait_for_window("locald", LATER).await;
    assert!(app.is_running());
    for _ in 0..2 {
        desktop.tray.start().await;
        desktop.tray.wait_for_item("locald", LATER).await;
        eventually("no word of a missing tray", LATER, async || {
            let notices = notices(&desktop).await;
            if notices.contains("no tray") {
                Err(notices)
            } else {
                Ok(())
            }
        })
        .await;
        desktop.tray.stop().await;
        wait_for_notice(&desktop, "no tray").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_tray_a_closed_window_frees_its_web_view() {
    if !needs::web_view() {
        return;
    }
    let desktop = Desktop::start().await;
    let mut app = desktop.app().start().await;
    let tray = desktop.tray.wait_for_item("locald", LATER).await;
    desktop.wait_for_window("locald", LATER).await;
    eventually("a web process", LATER, async || {
        if app.web_processes().is_empty() {
            Err("none")
        } else {
            Ok(())
        }
    })
    .await;
    desktop.close_window("locald").await;
    desktop.wait_for_no_window("locald", LATER).await;
    app.wait_for_no_web_process(LATER).await;
    assert!(app.is_running());
    tray.activate().await;
    desktop.wait_for_window("locald", LATER).await;
    desktop.close_window("locald").await;
    desktop.wait_for_no_window("locald", LATER).await;
    tray.wait_for_menu("Open dashboard", LATER, |menu| menu.item("Open dashboard").is_some())
        .await;
    tray.click("Open dashboard").await;
    desktop.wait_for_window("locald", LATER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bus_it_works_and_says_what_is_missing() {
    let Some(stage) = Stage::on(Desktop::with().without_bus().without_tray()).await else {
        return;
    };
    let mut app = stage.desktop.app().start().await;
    stage.desktop.wait_for_window("locald", LATER).await;
    wait_for_notice(&stage.desktop, "no session bus").await;
    let folder = stage.project("shop", &[("api", EXITS_WITH_3), ("db", SLEEPER)]).await;
    stage.desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
    stage.state("shop/api", "exited").await;
    stage.desktop.cli_in(&folder, &["start", "db"]).await.ok();
    assert!(app.is_running());
    assert!(!app.log().contains("panicked"), "{}", app.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_bus_and_runtime_folder_it_still_starts_and_ends() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::with().without_bus().without_tray().start().await;
    desktop.unset_env("XDG_RUNTIME_DIR");
    let mut app = desktop.app().start().await;
    desktop.wait_for_window("locald", LATER).await;
    wait_for_notice(&desktop, "no session bus").await;
    app.signal(rustix::process::Signal::TERM);
    assert!(app.wait(SOON).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_is_drawn_without_a_gpu() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::start().await;
    let _app = desktop.app().start().await;
    desktop.wait_for_window("locald", LATER).await;
    let picture = desktop.root().join("window.png");
    eventually("more than a blank page in the window", LATER, async || {
        desktop.screenshot(&picture).await;
        let mut count = desktop.command("identify");
        let output = count.args(["-format", "%k"]).arg(&picture).output().await.unwrap();
        let colors: u32 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
        // Text alone, with its smooth edges, has some hundred shades; the frame and an empty page have about fifty.
        if colors > 200 {
            Ok(())
        } else {
            Err(format!("{colors} colours"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_means_that_the_engine_is_asked_nothing() {
    let Some(stage) = Stage::new().await else { return };
    let _app = stage.app().await;
    let folder = stage
        .project("shop", &[("a", SLEEPER), ("b", SLEEPER), ("c", SLEEPER)])
        .await;
    stage.desktop.cli_in(&folder, &["up"]).await.ok();
    eventually("only the event stream to be open", LATER, async || {
        match stage.engine.open_connections() {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let quiet_from = Instant::now();
    // Nothing is to happen, so there is no condition to wait for; `cargo xtask bench idle` watches for a minute.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let requests = stage.engine.requests_since(quiet_from);
    assert!(requests.is_empty(), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_or_missing_notification_service_holds_nothing_up() {
    for kind in [
        Notifications::Absent,
        Notifications::NeverClaimed,
        Notifications::Unanswered,
    ] {
        let Some(stage) = Stage::on(Desktop::with().notifications(kind)).await else {
            return;
        };
        let mut app = stage.app().await;
        let tray = stage.desktop.tray.wait_for_item("locald", LATER).await;
        let folder = stage.project("shop", &[("api", EXITS_WITH_3), ("db", SLEEPER)]).await;
        stage.desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
        stage.state("shop/api", "exited").await;
        tray.wait_for_menu("api says how it ended", LATER, |menu| {
            menu.all().iter().any(|item| item.label.contains("exited with code 3"))
        })
        .await;
        // The next click is served at once, whatever became of the notification.
        let clicked = tray.click("db").await;
        let request = stage
            .engine
            .wait_for("db", clicked, SOON, |request| request.method == "POST")
            .await;
        assert!(request.at.duration_since(clicked) < Duration::from_secs(2), "{kind:?}");
        assert!(app.is_running());
        if kind == Notifications::Absent {
            // One that comes later is used without a restart.
            stage.desktop.notifications.start().await;
            let began = Instant::now();
            stage.desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
            stage
                .desktop
                .notifications
                .wait_for("the crash", LATER, |notice| {
                    notice.received_at > began && notice.summary.contains("shop/api crashed")
                })
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_buttons_where_the_service_has_none() {
    let Some(stage) = Stage::new().await else { return };
    stage.desktop.notifications.set_capabilities(&["body"]);
    let _app = stage.app().await;
    let folder = stage.project("shop", &[("api", EXITS_WITH_3)]).await;
    stage.desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
    let notice = stage
        .desktop
        .notifications
        .wait_for("the crash", LATER, |notice| !notice.body.is_empty())
        .await;
    assert!(notice.actions.is_empty(), "{:?}", notice.actions);
    assert_eq!(notice.body, "oops");
}
