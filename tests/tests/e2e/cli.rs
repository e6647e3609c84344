//! The command: exit codes, waiting, JSON.

use locald_tests::{
    Desktop, needs,
    wait::{LATER, eventually},
};

use crate::stage::{SLEEPER, Stage, project};

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_are_as_designed() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let slow =
        format!("{SLEEPER}\nhealth_check = {{ type = \"command\", command = [\"false\"], start_period = \"10m\" }}");
    let blocked = format!("{SLEEPER}\nports = [\"{port}:80\"]");
    let dependent = format!("{SLEEPER}\ndepends_on = [\"blocked\"]");
    let services = [
        ("db", SLEEPER),
        ("slow", slow.as_str()),
        ("blocked", blocked.as_str()),
        ("dependent", dependent.as_str()),
    ];
    let folder = stage.project("shop", &services).await;
    desktop.cli_in(&folder, &["start", "db"]).await.expect_code(0);
    desktop.cli_in(&folder, &["start", "db"]).await.expect_code(0);
    desktop.cli_in(&folder, &["start"]).await.expect_code(2);
    desktop.cli_in(&folder, &["nonsense"]).await.expect_code(2);
    let unknown = desktop.cli_in(&folder, &["start", "nope"]).await.expect_code(3);
    assert!(unknown.stderr.contains("db, slow"), "{}", unknown.stderr);
    let timed_out = desktop
        .cli_in(&folder, &["start", "slow", "--wait", "--timeout", "1s"])
        .await
        .expect_code(5);
    assert!(timed_out.stderr.contains("1 s"), "{}", timed_out.stderr);
    let blocked = desktop.cli_in(&folder, &["start", "dependent"]).await.expect_code(1);
    assert!(blocked.stderr.contains(&port.to_string()), "{}", blocked.stderr);
    assert!(blocked.stderr.contains("blocked"), "{}", blocked.stderr);
    let empty = desktop.cli(&["up"]).await.expect_code(2);
    assert!(empty.stderr.contains("locald.toml"), "{}", empty.stderr);
    desktop.cli(&["--project", "/nowhere", "status"]).await.expect_code(2);
    let json = desktop
        .cli_in(&folder, &["start", "nope", "--json"])
        .await
        .expect_code(3);
    let error: serde_json::Value = serde_json::from_str(json.stderr.trim()).unwrap();
    assert_eq!(error["error"]["code"], "no_such_service");
}

#[tokio::test(flavor = "multi_thread")]
async fn dependents_start_after_what_they_need_is_healthy_and_stop_before_it() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let db = format!(
        "{SLEEPER}\nhealth_check = {{ type = \"command\", command = [\"test\", \"-e\", \"/tmp/ready\"], interval = \"100ms\" }}"
    );
    let api = format!("{SLEEPER}\ndepends_on = [\"db\"]");
    let folder = stage.project("shop", &[("api", &api), ("db", &db)]).await;
    let log = desktop.root().join("events.txt");
    let mut events = desktop.command(locald_tests::app::cli_program());
    events
        .current_dir(&folder)
        .args(["events", "--json"])
        .stdout(std::fs::File::create(&log).unwrap());
    let mut events = events.kill_on_drop(true).spawn().unwrap();
    // `events` begins with what comes after it; the first change it sees shows that it listens.
    let seen = || std::fs::read_to_string(&log).unwrap();
    eventually("events to be listened to", LATER, async || {
        desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
        desktop.cli_in(&folder, &["stop", "api", "db"]).await.ok();
        if seen().is_empty() { Err("nothing yet") } else { Ok(()) }
    })
    .await;
    desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
    let waiting = stage.state("shop/api", "waiting").await;
    assert_eq!(waiting["state_text"], "waiting for db");
    stage.state("shop/db", "running").await;
    stage.docker(&["exec", "locald-shop-db", "touch", "/tmp/ready"]);
    desktop.cli_in(&folder, &["up", "--wait"]).await.ok();
    desktop.cli_in(&folder, &["down"]).await.ok();
    let position = |service: &str, to: &str| {
        let lines: Vec<serde_json::Value> = seen().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter().rposition(|line| {
            line["kind"] == "state_changed" && line["service"] == service && line["to"] == to && line["at"].is_string()
        })
    };
    eventually("the end to be told", LATER, async || {
        if position("shop/db", "stopped") > position("shop/api", "starting") {
            Ok(())
        } else {
            Err(seen())
        }
    })
    .await;
    assert!(
        position("shop/api", "starting") > position("shop/db", "running"),
        "{}",
        seen()
    );
    assert!(
        position("shop/db", "stopped") > position("shop/api", "stopped"),
        "{}",
        seen()
    );
    let _ = events.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_has_the_designed_shape_and_completions_are_written() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::start().await;
    let folder = desktop.project("shop", &project("shop", &[("db", SLEEPER)]));
    let status = desktop.cli_in(&folder, &["status", "--json"]).await.ok().json();
    let service = &status["services"][0];
    let fields = [
        "id", "project", "name", "type", "engine", "external", "desired", "state", "health", "since", "ports", "url",
        "restarts", "exit", "error",
    ];
    for field in fields {
        assert!(service.get(field).is_some(), "{field} is missing: {service}");
    }
    assert_eq!(status["engines"][0]["id"], "docker");
    for shell in ["bash", "zsh", "fish"] {
        let script = desktop.cli(&["completions", shell]).await.ok().stdout;
        assert!(script.contains("locald") && script.contains("restart"), "{shell}");
    }
}
