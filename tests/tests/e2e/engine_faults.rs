//! What is wrong with the way to an engine is told apart, soon, and mends by itself.

use std::{os::unix::fs::PermissionsExt as _, time::Instant};

use locald_tests::{
    Desktop, engines, needs,
    wait::{LATER, eventually},
};
use serde_json::Value;

use crate::stage::{self, SLEEPER};

async fn fault(desktop: &Desktop) -> (Value, std::time::Duration) {
    let began = Instant::now();
    let engines = desktop.cli(&["engines", "--json"]).await.ok().json();
    (engines["engines"][0].clone(), began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_faults_five_messages_and_recovery_by_itself() {
    if !needs::desktop() {
        return;
    }
    let Some(dockerd) = engines::dockerd() else { return };
    let mut messages = Vec::new();
    for kind in ["missing", "refused", "directory", "silent", "not permitted"] {
        let desktop = Desktop::start().await;
        let socket = desktop.root().join("engine.sock");
        let mut proxy = None;
        match kind {
            "missing" => {}
            // A listener that is gone leaves its file behind.
            "refused" => drop(std::os::unix::net::UnixListener::bind(&socket).unwrap()),
            "directory" => std::fs::create_dir(&socket).unwrap(),
            "not permitted" => {
                // Root may open everything, so what stands in for it is a folder on the way that nobody may pass: a loop.
                continue;
            }
            _ => {
                let held = locald_tests::EngineProxy::start(&socket, &dockerd.socket());
                held.set_mode(locald_tests::engine_proxy::Mode::Hold);
                proxy = Some(held);
            }
        }
        desktop.use_docker(&socket);
        let (engine, took) = fault(&desktop).await;
        assert_eq!(engine["state"], "offline", "{kind}: {engine}");
        let message = engine["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&socket.display().to_string()), "{kind}: {message}");
        assert!(engine["error"]["hint"].is_string(), "{kind}: {engine}");
        assert!(
            took.as_secs() < 5,
            "{kind} took {took:?}, the host's own start included"
        );
        messages.push(engine["error"]["code"].as_str().unwrap().to_owned());

        // A start says so too, with the exit code for it.
        let folder = desktop.project("shop", &stage::project("shop", &[("db", SLEEPER)]));
        let start = desktop.cli_in(&folder, &["start", "db", "--json"]).await.expect_code(4);
        assert!(start.stderr.contains(&messages[messages.len() - 1]), "{}", start.stderr);

        // Mended, it is found without a word from anybody.
        let _proxy = match proxy {
            Some(proxy) => {
                proxy.set_mode(locald_tests::engine_proxy::Mode::Pass);
                proxy
            }
            None => {
                let _ = std::fs::remove_dir(&socket);
                let _ = std::fs::remove_file(&socket);
                locald_tests::EngineProxy::start(&socket, &dockerd.socket())
            }
        };
        eventually("the engine to be online", LATER, async || {
            let (engine, _) = fault(&desktop).await;
            if engine["state"] == "online" {
                Ok(())
            } else {
                Err(engine.to_string())
            }
        })
        .await;
        desktop.cli_in(&folder, &["start", "db"]).await.ok();
        desktop.cli_in(&folder, &["stop", "db"]).await.ok();
        let _ = dockerd.docker(&["rm", "-f", "locald-shop-db"]);
    }
    messages.sort();
    messages.dedup();
    assert_eq!(
        messages,
        [
            "engine_is_directory",
            "engine_missing",
            "engine_refused",
            "engine_silent"
        ]
    );
}

/// Root is refused nothing, so this one runs the command as another user.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_may_not_be_opened_says_so() {
    if !needs::desktop() || !needs::programs(&[("setpriv", "util-linux")]) {
        return;
    }
    let desktop = Desktop::start().await;
    // The desktop's own folder is closed to others; this user needs one of its own.
    let home = tempfile::Builder::new().prefix("ldn").tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let own = home.path().join("home");
    std::fs::create_dir(&own).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&own, Some(65534), Some(65534)).unwrap();
    }
    let socket = home.path().join("engine.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let program = home.path().join("locald");
    std::fs::copy(locald_tests::app::cli_program(), &program).unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &own)
            .env("XDG_RUNTIME_DIR", own.join("run"))
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .current_dir(&own)
            .output()
            .unwrap()
    };
    let output = run(&["engines", "--json"]);
    let engines: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let pid = serde_json::from_slice::<Value>(&run(&["status", "--json"]).stdout).unwrap()["host"]["pid"].clone();
    if let Some(pid) = pid
        .as_i64()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let error = &engines["engines"][0]["error"];
    assert_eq!(error["code"], "engine_not_permitted", "{engines}");
    assert!(error["hint"].as_str().unwrap().contains("group"), "{error}");
    drop(desktop);
}
