//! Logs, in a terminal and in the window.

use locald_tests::{
    needs,
    wait::{LATER, eventually},
};

use crate::stage::{SLEEPER, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn long_lines_come_whole_and_hostile_ones_as_text() {
    if !needs::web_view() {
        return;
    }
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let long = r#"command = ["sh", "-c", "head -c 40000 /dev/zero | tr '\\0' a; echo; echo after; sleep 999"]"#;
    let hostile = r#"command = ["sh", "-c", "printf '\\033[\\n\\033]0;title\\007x\\n<img src=x onerror=\"document.title=1\">\\n50%%\\r100%%\\nend\\n'; sleep 999"]"#;
    let folder = stage.project("shop", &[("long", long), ("hostile", hostile)]).await;
    let app = stage.ready(desktop.app().driven()).await;
    desktop.tray.wait_for_item("locald", LATER).await;
    desktop.cli_in(&folder, &["up"]).await.ok();
    let text = eventually("the lines", LATER, async || {
        let text = desktop.cli_in(&folder, &["logs", "long"]).await.ok().stdout;
        if text.contains("after") {
            Ok(text)
        } else {
            Err(text.len())
        }
    })
    .await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0].len(), lines[1]), (40000, "after"));
    assert!(lines[0].bytes().all(|byte| byte == b'a'));

    let web_view = app.web_view(LATER).await;
    desktop.cli_in(&folder, &["open", "hostile"]).await.ok();
    let page = eventually("the log in the window", LATER, async || {
        let text = web_view.page_text().await;
        if text.contains("onerror") && text.contains("end") {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .await;
    assert!(page.contains("100%") && !page.contains("50%100%"), "{page}");
    assert_eq!(web_view.run("return document.title").await, "locald");
    assert_eq!(
        web_view
            .run("return document.querySelectorAll('img[src=x]').length")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn following_goes_on_over_a_restart() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let counts =
        r#"command = ["sh", "-c", "trap 'exit 0' TERM; echo begin $$ $(date +%s%N); while :; do sleep 0.1; done"]"#;
    let folder = stage.project("shop", &[("db", counts)]).await;
    desktop.cli_in(&folder, &["start", "db"]).await.ok();
    let log = desktop.root().join("follow.txt");
    let mut command = desktop.command(locald_tests::app::cli_program());
    command
        .current_dir(&folder)
        .args(["logs", "-f", "db"])
        .stdout(std::fs::File::create(&log).unwrap());
    let mut follow = command.kill_on_drop(true).spawn().unwrap();
    let begun = |count: usize| {
        let log = log.clone();
        async move {
            eventually(&format!("{count} beginnings in the log"), LATER, async || {
                let text = std::fs::read_to_string(&log).unwrap();
                let lines = text.lines().filter(|line| line.starts_with("begin")).count();
                if lines == count { Ok(()) } else { Err(text) }
            })
            .await;
        }
    };
    begun(1).await;
    desktop.cli_in(&folder, &["restart", "db"]).await.ok();
    begun(2).await;
    stage.docker(&["restart", "-t", "1", "locald-shop-db"]);
    begun(3).await;
    let _ = follow.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_ends_the_command_quietly() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let chatty = r#"command = ["sh", "-c", "for i in $(seq 2000); do echo line $i; done; sleep 999"]"#;
    let folder = stage.project("shop", &[("db", chatty), ("quiet", SLEEPER)]).await;
    desktop.cli_in(&folder, &["up"]).await.ok();
    for script in [
        "\"$L\" logs db | head -1",
        "\"$L\" status >&-",
        "\"$L\" status | cat",
        "\"$L\" logs -f db | head -1",
    ] {
        let mut command = desktop.command("bash");
        command.current_dir(&folder).env("L", locald_tests::app::cli_program());
        let output = command
            .args(["-c", &format!("{script}; echo \"${{PIPESTATUS[0]}}\" >&2")])
            .output()
            .await
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = stderr.lines().last().unwrap_or_default();
        assert!(code == "0" || code == "141", "{script}: {stderr}");
        assert!(!stderr.contains("panicked"), "{script}: {stderr}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains('\u{1b}'), "{script}");
    }
}
