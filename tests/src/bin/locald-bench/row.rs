//! From a process's end, by the engine's own clock, to who shows it: a bare listener on the engine's event stream,
//! `locald events`, and the row in the dashboard.

use std::time::{Duration, SystemTime};

use locald_tests::{
    Desktop,
    chaos::Site,
    needs::{self, find},
    wait::{LATER, eventually},
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;

use crate::{BUSYBOX, spread};

const RUNS: usize = 60;
/// Notes when the row's words change, and when the picture of that is about to be painted.
const WATCH_ROW: &str = r#"
    const row = document.querySelector('[role="row"][aria-label="SERVICE"]') ?? [...document.querySelectorAll('[role="row"], tr')].find(
        (row) => row.textContent.includes('victim'));
    if (!row) return document.body.innerText;
    window.seen = [];
    new MutationObserver(() => {
        if (/exited|crashed/i.test(row.textContent)) {
            const at = performance.timeOrigin + performance.now();
            requestAnimationFrame(() => window.seen.push([at, performance.timeOrigin + performance.now()]));
        }
    }).observe(row, { subtree: true, childList: true, characterData: true, attributes: true });
    return true;
"#;

pub async fn run() {
    println!(
        "\nFrom a process's end to who shows it, {RUNS} times, in ms after the engine's own time of its `die` event"
    );
    if !needs::web_view() || find("docker").is_none() {
        return;
    }
    for podman in [false, true] {
        one(podman).await;
    }
}

fn epoch_ms() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        * 1000.0
}

async fn one(podman: bool) {
    let desktop = Desktop::start().await;
    let site = if podman {
        Site::podman(desktop.root())
    } else {
        Site::docker(desktop.root())
    };
    let site = site.unwrap_or_else(|reason| panic!("a benchmark needs a real engine: {reason}"));
    let endpoint = format!("unix://{}", site.proxy.socket().display());
    if podman {
        desktop.unset_env("DOCKER_HOST");
        desktop.set_env("CONTAINER_HOST", endpoint);
    } else {
        desktop.set_env("DOCKER_HOST", endpoint);
    }
    desktop.write_config(
        "settings.toml",
        "[engine]\nfind = false\n[notifications]\nenabled = false\n",
    );
    let app = desktop.app().driven().start().await;
    desktop.tray.wait_for_item("locald", LATER).await;
    let text = format!(
        "[project]\nname = \"row\"\n\n[services.victim]\nimage = \"{BUSYBOX}\"\ncommand = [\"sh\", \"-c\", \"trap 'exit 3' USR1; \
         while :; do sleep 1000 & wait $!; done\"]\n"
    );
    let folder = desktop.project("row", &text);
    desktop.cli_in(&folder, &["start", "victim"]).await.ok();
    let page = app.web_view(LATER).await;
    eventually("the row", LATER, async || {
        let watched = page.run(&WATCH_ROW.replace("SERVICE", "row/victim")).await;
        if watched == Value::Bool(true) {
            Ok(())
        } else {
            Err(watched)
        }
    })
    .await;

    let (heard, mut bare) = mpsc::unbounded_channel();
    site.listen(heard);
    let mut events = desktop.command(locald_tests::app::cli_program());
    events
        .args(["events", "--json"])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut events = events.spawn().unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();

    let mut columns: [Vec<Duration>; 4] = Default::default();
    for _ in 0..RUNS {
        desktop.cli_in(&folder, &["start", "victim"]).await.ok();
        page.run("window.seen = []; return true").await;
        let kill = site.command(&["exec", "locald-row-victim", "kill", "-USR1", "1"]);
        let bare_at = async {
            loop {
                let event: Value = bare.recv().await.unwrap();
                if event["Type"] == "container" && event["Action"] == "die" {
                    return (event["timeNano"].as_f64().unwrap() / 1e6, epoch_ms());
                }
            }
        };
        let line_at = async {
            loop {
                let line = lines.next_line().await.unwrap().unwrap();
                let record: Value = serde_json::from_str(&line).unwrap();
                if record["kind"] == "state_changed" && record["to"] == "exited" {
                    return epoch_ms();
                }
            }
        };
        let (_, (died, bare_at), line_at) = tokio::join!(kill, bare_at, line_at);
        let seen = eventually("the row to change", LATER, async || {
            let seen = page.run("return window.seen[0] ?? null").await;
            if seen.is_null() { Err("nothing") } else { Ok(seen) }
        })
        .await;
        let times = [bare_at, line_at, seen[0].as_f64().unwrap(), seen[1].as_f64().unwrap()];
        for (column, at) in columns.iter_mut().zip(times) {
            column.push(Duration::from_secs_f64((at - died).max(0.0) / 1000.0));
        }
    }
    let name = site.name;
    let labels = [
        "a bare listener (what `docker events` sees)",
        "a line of `locald events`",
        "the dashboard's row has the new words",
        "the frame that paints it",
    ];
    for (label, column) in labels.iter().zip(columns.iter_mut()) {
        spread(&format!("{name}: {label}"), column);
    }
}
