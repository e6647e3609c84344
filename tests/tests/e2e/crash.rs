//! A service that dies is told of once, with its last words and buttons that work.

use locald_tests::{
    needs,
    wait::{LATER, eventually},
};

use crate::stage::{SLEEPER, Stage, crash_notices};

const EXITS_WITH_3: &str =
    r#"command = ["sh", "-c", "echo starting; echo 'cannot open <b>/data</b>' >&2; sleep 0.3; exit 3"]"#;

#[tokio::test(flavor = "multi_thread")]
async fn exit_3_is_one_notification_and_its_buttons_do_what_they_say() {
    if !needs::web_view() {
        return;
    }
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    desktop
        .notifications
        .set_capabilities(&["actions", "body", "body-markup"]);
    let app = stage.ready(desktop.app().hidden().driven()).await;
    let folder = stage.project("shop", &[("api", EXITS_WITH_3)]).await;
    desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
    let notice = desktop
        .notifications
        .wait_for("the crash", LATER, |notice| {
            notice.summary.contains("crashed") && !notice.body.is_empty()
        })
        .await;
    assert_eq!(notice.app_name, "locald");
    assert_eq!(notice.summary, "shop/api crashed: exited with code 3");
    assert_eq!(notice.body, "cannot open &lt;b&gt;/data&lt;/b&gt;");

    let restart = notice.action("Restart").expect("a Restart button").to_owned();
    desktop.notifications.invoke(notice.id, &restart).await;
    eventually("a second crash after the restart", LATER, async || {
        let notices = crash_notices(desktop);
        if notices.len() == 2 {
            Ok(())
        } else {
            Err(format!("{notices:?}"))
        }
    })
    .await;
    let last = desktop.notifications.all().pop().unwrap();

    let view_log = last.action("View log").expect("a View log button").to_owned();
    desktop.notifications.invoke(last.id, &view_log).await;
    desktop.wait_for_window("locald", LATER).await;
    let web_view = app.web_view(LATER).await;
    eventually("the log in the window", LATER, async || {
        let text = web_view.page_text().await;
        if text.contains("cannot open <b>/data</b>") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_0_is_finished_and_a_late_click_is_harmless() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let mut app = stage.app().await;
    let folder = stage
        .project(
            "shop",
            &[
                ("job", r#"command = ["sh", "-c", "echo done; sleep 0.3"]"#),
                ("bad", EXITS_WITH_3),
            ],
        )
        .await;
    desktop
        .cli_in(&folder, &["start", "job", "bad", "--no-wait"])
        .await
        .ok();
    let job = stage.state("shop/job", "exited").await;
    assert_eq!(job["exit"]["crashed"], false);
    assert_eq!(job["state_text"], "finished");
    let notice = desktop
        .notifications
        .wait_for("the crash", LATER, |notice| notice.summary.contains("bad"))
        .await;
    assert_eq!(crash_notices(desktop).len(), 1);
    // The service goes; then its old notification is clicked.
    std::fs::write(folder.join("locald.toml"), "[project]\nname = \"shop\"\n").unwrap();
    eventually("the service to be gone", LATER, async || {
        let status = crate::stage::status(desktop).await;
        if status["services"].as_array().is_some_and(Vec::is_empty) {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    desktop.notifications.invoke(notice.id, "restart").await;
    desktop.cli(&["status"]).await.ok();
    assert!(app.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_health_checks_and_execs_are_no_crashes() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let body = format!(
        "{SLEEPER}\nhealth_check = {{ type = \"command\", command = [\"false\"], interval = \"200ms\", retries = 2, start_period = \"0s\" }}"
    );
    let folder = stage.project("shop", &[("api", &body)]).await;
    desktop.cli_in(&folder, &["start", "api"]).await.ok();
    stage
        .service("shop/api", "unhealthy", |service| service["health"] == "unhealthy")
        .await;
    let lists = || {
        stage
            .engine
            .requests()
            .iter()
            .filter(|request| request.is("GET", "/containers/json"))
            .count()
    };
    let before = lists();
    let _ = stage.dockerd.docker(&["exec", "locald-shop-api", "false"]);
    stage.docker(&["kill", "-s", "HUP", "locald-shop-api"]);
    let api = stage.state("shop/api", "running").await;
    assert_eq!(api["exit"], serde_json::Value::Null);
    assert!(crash_notices(desktop).is_empty());
    desktop.cli(&["stop", "shop/api"]).await.ok();
    assert!(crash_notices(desktop).is_empty());
    assert_eq!(
        lists(),
        before,
        "each probe is three events on the stream; none is a reason to read everything again"
    );
}
