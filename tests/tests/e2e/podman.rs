//! The main job on a real Podman, whose events tell little of who asked for an end.

use locald_tests::{
    Desktop,
    engines::{self, BUSYBOX},
    needs,
    wait::{LATER, eventually},
};

use crate::stage::{SLEEPER, crash_notices, project, status, wait_for_service};

/// Ends only by a kill.
const DEAF: &str = "command = [\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 0.1; done\"]\nstop_grace = \"1s\"";
const EXITS_WITH_3: &str = r#"command = ["sh", "-c", "echo starting; sleep 1; echo no table >&2; exit 3"]"#;

async fn crashes_to_be(desktop: &Desktop, expected: &[&str]) {
    eventually("these crashes and no others", LATER, async || {
        let mut told = crash_notices(desktop);
        told.sort();
        if told == expected {
            Ok(())
        } else {
            Err(format!("{told:?}"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_rootful_is_toggled_and_only_what_nobody_asked_for_is_a_crash() {
    if !needs::desktop() {
        return;
    }
    let Some(mut podman) = engines::podman() else { return };
    let desktop = Desktop::with().start().await;
    desktop.use_docker(&podman.socket());
    let _app = desktop.app().hidden().start().await;
    desktop.tray.wait_for_item("locald", LATER).await;
    let text = project("shop", &[("ok", SLEEPER), ("deaf", DEAF), ("bad", EXITS_WITH_3)]);
    let folder = desktop.project("shop", &text);
    desktop.cli_in(&folder, &["start", "ok", "deaf"]).await.ok();
    assert_eq!(status(&desktop).await["engines"][0]["kind"], "podman");

    // A crash by itself: told once, with its code.
    desktop.cli_in(&folder, &["start", "bad"]).await.ok();
    crashes_to_be(&desktop, &["shop/bad crashed: exited with code 3"]).await;

    // A stop by locald that ends in a kill, and a restart.
    desktop.cli_in(&folder, &["stop", "deaf"]).await.ok();
    desktop.cli_in(&folder, &["restart", "ok"]).await.ok();
    let ok = wait_for_service(&desktop, "shop/ok", "running", LATER, |ok| ok["state"] == "running").await;

    // Others' containers: one that crashes, and one that is removed while it runs.
    let run = |name: &str, script: &str| {
        podman
            .podman_ok(&["run", "-d", "--name", name, BUSYBOX, "sh", "-c", script])
            .unwrap();
    };
    run("theirs", "sleep 2; exit 4");
    run("gone", "trap '' TERM; while :; do sleep 0.1; done");
    let running = |service: &serde_json::Value| service["state"] == "running";
    wait_for_service(&desktop, "containers/gone", "running", LATER, running).await;
    podman.podman_ok(&["rm", "-f", "-t", "0", "gone"]).unwrap();
    let both = [
        "containers/theirs crashed: exited with code 4",
        "shop/bad crashed: exited with code 3",
    ];
    crashes_to_be(&desktop, &both).await;
    eventually("the removed one to be gone from the list", LATER, async || {
        let status = status(&desktop).await;
        let left = status["services"].as_array().into_iter().flatten();
        match left.into_iter().find(|service| service["id"] == "containers/gone") {
            None => Ok(()),
            Some(service) => Err(service.to_string()),
        }
    })
    .await;

    // Podman's service goes; its containers live on.
    podman.stop();
    wait_for_service(&desktop, "shop/ok", "unknown", LATER, |ok| ok["state"] == "unknown").await;
    podman.boot().unwrap();
    let back = wait_for_service(&desktop, "shop/ok", "running", LATER, running).await;
    assert_eq!(back["instance"], ok["instance"]);
    crashes_to_be(&desktop, &both).await;
}
