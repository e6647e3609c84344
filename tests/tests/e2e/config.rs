//! Project files: read, watched, and never half believed.

use locald_tests::{
    Desktop, needs,
    wait::{LATER, eventually},
};

use crate::stage::{self, SLEEPER, Stage, project};

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_picked_up_and_a_broken_one_keeps_the_last_good() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let folder = stage.project("shop", &[("db", SLEEPER)]).await;
    let file = folder.join("locald.toml");
    desktop.cli_in(&folder, &["up"]).await.ok();

    // Another service appears by itself.
    stage::write(&file, &project("shop", &[("db", SLEEPER), ("cache", SLEEPER)]));
    stage.service("shop/cache", "there", |_| true).await;

    // A slip: all stays, and the slip is shown with its place.
    stage::write(&file, &project("shop", &[("db", "imag = 1")]));
    let projects = eventually("the slip to be told", LATER, async || {
        let status = status_elsewhere(desktop).await;
        if status["projects"][0]["error"].is_object() {
            Ok(status)
        } else {
            Err(status.to_string())
        }
    })
    .await;
    let error = &projects["projects"][0]["error"];
    assert_eq!(error["code"], "config_broken");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("locald.toml:6:1") && message.contains("`imag`"),
        "{message}"
    );
    assert_eq!(projects["services"].as_array().unwrap().len(), 2);
    let up = desktop.cli_in(&folder, &["up"]).await.expect_code(1);
    assert!(up.stderr.contains("imag = 1"), "the line itself: {}", up.stderr);
    stage::wait_for_service(desktop, "shop/db", "running", LATER, |db| db["state"] == "running").await;

    // Mended, with a change to what runs: shown as outdated, applied by `up`.
    let changed = format!("{SLEEPER}\nenv = {{ A = \"1\" }}");
    stage::write(&file, &project("shop", &[("db", &changed), ("cache", SLEEPER)]));
    let before = stage.service("shop/db", "outdated", |db| db["outdated"] == true).await;
    assert_eq!(before["state"], "running");
    desktop.cli_in(&folder, &["up"]).await.ok();
    let after = stage
        .service("shop/db", "up to date", |db| {
            db["outdated"] == false && db["state"] == "running"
        })
        .await;
    assert_ne!(before["instance"], after["instance"]);

    // Taken out of the file it runs on, and says so, until it is stopped.
    stage::write(&file, &project("shop", &[("cache", SLEEPER)]));
    let left = stage
        .service("shop/db", "left over", |db| db["error"]["code"] == "not_in_config")
        .await;
    assert_eq!(left["state"], "running");
    desktop.cli_in(&folder, &["stop", "shop/db"]).await.ok();
    eventually("db to be gone from the list", LATER, async || {
        let status = stage::status(desktop).await;
        if status["services"]
            .as_array()
            .unwrap()
            .iter()
            .any(|service| service["id"] == "shop/db")
        {
            return Err(status.to_string());
        }
        Ok(())
    })
    .await;

    // The file itself goes: services stay as they are.
    std::fs::remove_file(&file).unwrap();
    eventually("the file to be missed", LATER, async || {
        let status = status_elsewhere(desktop).await;
        if status["projects"][0]["error"]["code"] == "config_missing" {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    let cache = status_elsewhere(desktop).await["services"][0].clone();
    assert_eq!(cache["state"], "running", "{cache}");
}

/// From a folder with no project, so that the host isn't asked to read the file again.
async fn status_elsewhere(desktop: &Desktop) -> serde_json::Value {
    desktop.cli(&["status", "--json"]).await.ok().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_refused_with_file_line_column_and_a_suggestion() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::start().await;
    let cases = [
        (
            "unknown-key",
            "[services.db]\nimage = \"x\"\nprots = [1]\n",
            ":3:1",
            "ports",
        ),
        ("wrong-type", "[services.db]\nimage = 7\n", ":2:9", "string"),
        (
            "duplicate",
            "[services.db]\nimage = \"x\"\n[services.db]\nimage = \"y\"\n",
            ":3:",
            "db",
        ),
        (
            "cycle",
            "[services.a]\nimage = \"x\"\ndepends_on = [\"b\"]\n[services.b]\nimage = \"x\"\ndepends_on = [\"a\"]\n",
            ":3:",
            "a → b → a",
        ),
        (
            "unknown-dependency",
            "[services.api]\nimage = \"x\"\ndepends_on = [\"dbb\"]\n[services.db]\nimage = \"x\"\n",
            ":3:",
            "db",
        ),
        ("syntax", "[services.db\n", ":1:", "]"),
    ];
    for (name, text, place, suggestion) in cases {
        let folder = desktop.project(name, text);
        let output = desktop.cli_in(&folder, &["up"]).await.expect_code(1);
        assert!(output.stderr.contains("locald.toml"), "{name}: {}", output.stderr);
        assert!(output.stderr.contains(place), "{name}: {}", output.stderr);
        assert!(output.stderr.contains(suggestion), "{name}: {}", output.stderr);
        assert!(output.stdout.is_empty(), "{name}: {}", output.stdout);
    }
    let status = desktop.cli(&["status", "--json"]).await.ok().json();
    assert_eq!(status["services"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_folders_with_one_project_name_are_told_apart() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::start().await;
    let text = project("shop", &[("db", SLEEPER)]);
    let one = desktop.project("one", &text);
    let two = desktop.project("two", &text);
    desktop.cli_in(&one, &["status"]).await.ok();
    let refused = desktop.cli_in(&two, &["up"]).await.expect_code(1);
    assert!(
        refused.stderr.contains(&one.display().to_string()),
        "{}",
        refused.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_folders_and_files_work_or_say_why_not() {
    if !needs::desktop() {
        return;
    }
    use std::os::unix::ffi::OsStringExt as _;
    let desktop = Desktop::start().await;
    let odd = desktop
        .home()
        .join(std::ffi::OsString::from_vec(b"\xff \xc3\xbc \"q\"".to_vec()));
    std::fs::create_dir(&odd).unwrap();
    // A byte order mark and Windows line ends.
    let text = format!("\u{feff}{}", project("odd", &[("db", SLEEPER)]).replace('\n', "\r\n"));
    std::fs::write(odd.join("locald.toml"), text).unwrap();
    let status = desktop.cli_in(&odd, &["status", "--json"]).await.ok().json();
    assert_eq!(status["services"][0]["id"], "odd/db");

    let folder = desktop.home().join("directory");
    std::fs::create_dir_all(folder.join("locald.toml")).unwrap();
    let output = desktop.cli_in(&folder, &["up"]).await.expect_code(1);
    assert!(output.stderr.contains("directory"), "{}", output.stderr);

    // Relative values of XDG variables are to be ignored.
    desktop.set_env("XDG_STATE_HOME", "relative");
    desktop.cli(&["status"]).await.ok();
    assert!(!desktop.home().join("relative").exists());

    desktop.unset_env("HOME");
    for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
        desktop.unset_env(name);
    }
    let output = desktop.cli(&["status"]).await.expect_code(1);
    assert!(output.stderr.contains("HOME"), "{}", output.stderr);
}
