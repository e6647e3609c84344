//! Notifications under storms: few, right, and taken back when they are no longer so.

use std::time::{Duration, Instant};

use locald_tests::{
    App, Desktop, Notification,
    engines::BUSYBOX,
    wait::{LATER, SOON, eventually},
};

use crate::stage::{SLEEPER, Stage};

const CRASHES: &str = r#"command = ["sh", "-c", "echo boom >&2; sleep 0.3; exit 3"]"#;

/// Runs until `/die` is there, and is healthy while `/ok` is.
const FRAIL: &str = r#"command = ["sh", "-c", "trap 'exit 0' TERM; touch /ok; while [ ! -e /die ]; do sleep 0.1; done; exit 9"]
health_check = { type = "command", command = ["test", "-e", "/ok"], interval = "200ms", retries = 2, start_period = "0s" }"#;

/// Calls that show something new about these; one that only adds the last line to what is shown doesn't count.
fn shown(desktop: &Desktop, about: &str) -> Vec<Notification> {
    let mut shown: Vec<Notification> = Vec::new();
    for notice in desktop.notifications.all() {
        let completes = |before: &Notification| before.id == notice.id && before.summary == notice.summary;
        if notice.summary.contains(about) && !shown.last().is_some_and(completes) {
            shown.push(notice);
        }
    }
    shown
}

/// What stands on the desktop: the newest of each id that isn't closed.
fn open(desktop: &Desktop) -> Vec<Notification> {
    let mut open: Vec<Notification> = Vec::new();
    for notice in desktop.notifications.all() {
        open.retain(|older| older.id != notice.id);
        if !notice.closed {
            open.push(notice);
        }
    }
    open
}

fn most_in_a_minute(shown: &[Notification]) -> usize {
    let within = |from: &Notification| {
        let minute = Duration::from_secs(60);
        let times = shown.iter().map(|notice| notice.received_at);
        times
            .filter(|at| *at >= from.received_at && at.duration_since(from.received_at) < minute)
            .count()
    };
    shown.iter().map(within).max().unwrap_or_default()
}

async fn wait_for(desktop: &Desktop, text: &str) -> Notification {
    let accept = |notice: &Notification| notice.summary.contains(text) || notice.body.contains(text);
    desktop.notifications.wait_for(text, LATER, accept).await
}

async fn wait_until_open(desktop: &Desktop, count: usize) {
    eventually("what stands on the desktop", LATER, async || {
        let open = open(desktop);
        if open.len() == count {
            Ok(())
        } else {
            Err(format!("{open:#?}"))
        }
    })
    .await;
}

/// What an app that leaks has more and more of.
#[derive(Debug)]
struct Use {
    threads: usize,
    files: usize,
    kib: u64,
}

impl Use {
    fn of(app: &App) -> Self {
        let processes = app.processes();
        Self {
            threads: processes.iter().map(locald_tests::proc::Process::threads).sum(),
            files: processes.iter().map(locald_tests::proc::Process::open_files).sum(),
            kib: processes
                .iter()
                .filter_map(locald_tests::proc::Process::anonymous_kib)
                .sum(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_policy_that_gives_up_is_told_twice() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let policy = format!("{CRASHES}\nrestart = \"on-failure:2\"");
    let folder = stage.project("shop", &[("api", &policy)]).await;
    desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
    let last = wait_for(desktop, "gave up").await;
    assert_eq!(last.summary, "shop/api keeps crashing, 3 times: exited with code 3");
    let told = shown(desktop, "shop/api");
    let summaries: Vec<&str> = told.iter().map(|notice| notice.summary.as_str()).collect();
    assert_eq!(
        summaries,
        ["shop/api crashed: exited with code 3", last.summary.as_str()]
    );
    assert_eq!(told[1].replaces_id, told[0].id);
    wait_until_open(desktop, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_quick_crashes_of_containers_that_restart_are_few_notifications_and_leak_nothing() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let app = stage.app().await;
    let names = ["loop-a", "loop-b", "loop-c", "loop-d", "loop-e"];
    let started = |names: &[&str]| {
        for name in names {
            let script = "sleep 0.05; echo boom; exit 7";
            stage.docker(&[
                "run",
                "-d",
                "--name",
                name,
                "--restart",
                "always",
                BUSYBOX,
                "sh",
                "-c",
                script,
            ]);
        }
    };
    // One alone first: what is set up once is no leak.
    started(&names[..1]);
    wait_for(desktop, "containers/loop-a crashed: exited with code 7").await;
    let before = Use::of(&app);
    started(&names[1..]);
    let crashes = || -> u32 {
        let counts = names.map(|name| stage.docker(&["inspect", "-f", "{{.RestartCount}}", name]));
        counts.iter().map(|count| count.trim().parse::<u32>().unwrap()).sum()
    };
    eventually("thirty crashes", LATER * 2, async || {
        let count = crashes();
        if count >= 30 { Ok(()) } else { Err(count) }
    })
    .await;
    let after = Use::of(&app);
    assert!(after.threads <= before.threads + 4, "{before:?}, then {after:?}");
    assert!(after.files <= before.files + 8, "{before:?}, then {after:?}");
    assert!(after.kib <= before.kib + 16 * 1024, "{before:?}, then {after:?}");
    for name in names {
        let told = shown(desktop, &format!("containers/{name} "));
        assert!(most_in_a_minute(&told) <= 2, "{told:#?}");
    }
    let told = desktop.notifications.all().len();
    assert!(told <= 20, "{told}");
    stage.docker(&[&["rm", "-f"], &names[..]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_crashes_at_once_are_one_notification_and_come_to_nothing_when_all_run() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let app = stage.app().await;
    let body = r#"command = ["sh", "-c", "trap 'exit 0' TERM; while [ ! -e /shared/die ]; do sleep 0.05; done; echo boom; exit 3"]
volumes = ["./shared:/shared"]"#;
    let names: Vec<String> = (0..12).map(|n| format!("s{n:02}")).collect();
    let services: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), body)).collect();
    let folder = stage.project("shop", &services).await;
    let sign = folder.join("shared/die");
    std::fs::create_dir_all(folder.join("shared")).unwrap();
    let mut before = None;
    for round in 0..2 {
        let _ = std::fs::remove_file(&sign);
        desktop.cli_in(&folder, &["up"]).await.ok();
        wait_until_open(desktop, 0).await;
        let seen = desktop.notifications.all().len();
        std::fs::write(&sign, "").unwrap();
        eventually("one of them all", LATER, async || {
            let open = open(desktop);
            match open.as_slice() {
                [one]
                    if one
                        .summary
                        .starts_with("12 services crashed: shop/s00, shop/s01, shop/s02, …") =>
                {
                    Ok(())
                }
                _ => Err(format!("{open:#?}")),
            }
        })
        .await;
        let all = desktop.notifications.all();
        assert!(all.len() - seen <= 12, "{:#?}", &all[seen..]);
        let one = open(desktop).pop().unwrap();
        assert!(one.body.contains("shop/s11"), "{one:?}");
        assert_eq!(one.action("Open dashboard"), Some("open-dashboard"));
        let now = Use::of(&app);
        let first = before.get_or_insert(Use::of(&app));
        assert!(
            now.threads <= first.threads + 4,
            "round {round}: {first:?}, then {now:?}"
        );
        assert!(now.files <= first.files + 8, "round {round}: {first:?}, then {now:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_others_are_told_of_and_a_late_click_is_harmless() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let mut app = stage.app().await;
    let run = |name: &str, options: &[&str], script: &str| {
        let command = [&["run", "-d", "--name", name], options, &[BUSYBOX, "sh", "-c", script]].concat();
        stage.docker(&command);
    };
    let stays = "while :; do sleep 0.1; done";
    run("deaf", &[], &format!("trap '' TERM; {stays}"));
    run("sick", &[], "sleep 0.5; echo 'no <disk> & more'; exit 3");
    run("brief", &["--rm"], "sleep 0.5; exit 4");
    let sick = wait_for(desktop, "containers/sick crashed: exited with code 3").await;
    let brief = wait_for(desktop, "containers/brief crashed: exited with code 4").await;
    stage.state("containers/deaf", "running").await;
    stage.docker(&["stop", "-t", "1", "deaf"]);
    stage.state("containers/deaf", "stopped").await;
    assert_eq!(shown(desktop, "deaf").len(), 0);
    assert_eq!(shown(desktop, "containers/").len(), 2);
    wait_until_open(desktop, 2).await;
    stage.docker(&["rm", "-f", "sick"]);
    for (notice, key) in [
        (&sick, "restart"),
        (&brief, "view-log"),
        (&sick, "mute-hour"),
        (&sick, "no-such-key"),
    ] {
        desktop.notifications.invoke(notice.id, key).await;
    }
    desktop.cli(&["status"]).await.ok();
    assert!(app.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_own_policy_gives_up_is_told_twice() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let run = |name: &str, policy: &str| {
        let script = "sleep 0.4; echo boom; exit 7";
        stage.docker(&[
            "run",
            "-d",
            "--name",
            name,
            "--restart",
            policy,
            BUSYBOX,
            "sh",
            "-c",
            script,
        ]);
    };
    run("limited", "on-failure:2");
    let last = wait_for(desktop, "Its restart policy gave up").await;
    assert!(
        last.summary.starts_with("containers/limited keeps crashing"),
        "{last:?}"
    );
    let told = shown(desktop, "containers/limited");
    assert_eq!(told.len(), 2, "{told:#?}");
    wait_until_open(desktop, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_others_can_be_left_out() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    desktop.write_config("settings.toml", "[notifications]\nexternal = false\n");
    let _app = stage.app().await;
    stage.docker(&["run", "-d", "--name", "sick", BUSYBOX, "sh", "-c", "sleep 0.3; exit 3"]);
    stage.state("containers/sick", "exited").await;
    // Told in the order of what happens: had the one been told, it would stand before the other.
    let folder = stage.project("shop", &[("api", CRASHES)]).await;
    desktop.cli_in(&folder, &["start", "api", "--no-wait"]).await.ok();
    wait_for(desktop, "shop/api crashed").await;
    assert_eq!(shown(desktop, "containers/").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_service_is_not_told_of_and_what_stands_is_taken_back() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let folder = stage.project("shop", &[("api", CRASHES), ("db", CRASHES)]).await;
    let crash = async |name: &str| {
        desktop.cli_in(&folder, &["start", name, "--no-wait"]).await.ok();
        let id = format!("shop/{name}");
        stage.service(&id, "up or over", |it| it["state"] != "stopped").await;
        stage.state(&id, "exited").await;
    };
    crash("api").await;
    let notice = wait_for(desktop, "shop/api crashed").await;
    let mute = notice.action("Mute for an hour").unwrap().to_owned();
    assert_eq!(mute, "mute-hour");
    desktop.notifications.invoke(notice.id, &mute).await;
    stage
        .service("shop/api", "muted", |it| it["muted"]["until"].is_string())
        .await;
    crash("api").await;
    // Another one afterwards: what comes before it in the queue is not there.
    crash("db").await;
    wait_for(desktop, "shop/db crashed").await;
    assert_eq!(shown(desktop, "shop/api").len(), 1);
    desktop.cli_in(&folder, &["unmute", "api"]).await.ok();
    crash("api").await;
    eventually("it is told of again", LATER, async || {
        let count = shown(desktop, "shop/api").len();
        if count == 2 { Ok(()) } else { Err(count) }
    })
    .await;
    wait_until_open(desktop, 2).await;
    desktop.cli_in(&folder, &["mute", "api"]).await.ok();
    wait_until_open(desktop, 1).await;
    assert!(open(desktop)[0].summary.contains("shop/db"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unhealthy_is_told_at_the_edge_and_taken_back() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let folder = stage.project("shop", &[("api", FRAIL)]).await;
    desktop.cli_in(&folder, &["start", "api"]).await.ok();
    let healthy = async |id: &str| {
        stage.service(id, "healthy", |it| it["health"] == "healthy").await;
    };
    healthy("shop/api").await;
    stage.docker(&["exec", "locald-shop-api", "rm", "/ok"]);
    wait_for(desktop, "shop/api is unhealthy").await;
    let began = Instant::now();
    // It stays so for some probes, and is not told again.
    eventually("some probes", SOON, async || {
        let probes = stage.engine.requests_since(began);
        let probes = probes.iter().filter(|request| request.is("POST", "/exec")).count();
        if probes >= 4 { Ok(()) } else { Err(probes) }
    })
    .await;
    assert_eq!(shown(desktop, "shop/api is unhealthy").len(), 1);
    stage.docker(&["exec", "locald-shop-api", "touch", "/ok"]);
    healthy("shop/api").await;
    wait_until_open(desktop, 0).await;
    assert_eq!(desktop.notifications.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_service_that_dies_and_comes_again_is_told_anew() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let app = stage.app().await;
    let folder = stage.project("shop", &[("api", FRAIL)]).await;
    desktop.cli_in(&folder, &["start", "api"]).await.ok();
    stage
        .service("shop/api", "healthy", |it| it["health"] == "healthy")
        .await;
    stage.docker(&["exec", "locald-shop-api", "rm", "/ok"]);
    wait_for(desktop, "shop/api is unhealthy").await;
    let before = Use::of(&app);
    // Numbers of the old one mean nothing to the new one, or something else.
    desktop.notifications.stop().await;
    desktop.notifications.start().await;
    stage.docker(&["exec", "locald-shop-api", "touch", "/die"]);
    let crash = wait_for(desktop, "shop/api crashed: exited with code 9").await;
    let after = Use::of(&app);
    assert!(
        after.threads <= before.threads + 4 && after.files <= before.files + 8,
        "{before:?}, then {after:?}"
    );
    assert_eq!(crash.replaces_id, 0, "{crash:?}");
}

const MARKUP: &str = r"<img src=x onerror=alert(1)> <a href=x>&amp;</a> \\033]0;title\\007\\033[31mred\\n";

/// A service that prints this, and fails.
fn printing(what: &str) -> String {
    format!("command = [\"sh\", \"-c\", \"\"\"printf '{what}'; sleep 0.3; exit 3\"\"\"]")
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_line_contains_it_is_shown_as_text() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let markup = printing(MARKUP);
    let odd = printing(r"nul\\000 \\342\\200\\256evil\\342\\200\\254 \\033[38;5;999999999m \\377\\376 \\302\\233x\\n");
    let long = r#"command = ["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' '&'; echo; sleep 0.3; exit 3"]"#;
    let folder = stage
        .project("shop", &[("markup", &markup), ("odd", &odd), ("long", long)])
        .await;
    let body = async |name: &str| {
        desktop.cli_in(&folder, &["start", name, "--no-wait"]).await.ok();
        let about = format!("shop/{name} crashed");
        let accept = |notice: &Notification| notice.summary.contains(&about) && !notice.body.is_empty();
        desktop.notifications.wait_for(name, LATER, accept).await.body
    };
    assert_eq!(
        body("markup").await,
        "&lt;img src=x onerror=alert(1)&gt; &lt;a href=x&gt;&amp;amp;&lt;/a&gt; red"
    );
    let odd = body("odd").await;
    assert!(odd.starts_with("nul evil "), "{odd:?}");
    assert!(
        !odd.contains(|c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)),
        "{odd:?}"
    );
    // Escaped after it was shortened: no entity is cut in two.
    let long = body("long").await;
    assert_eq!(long.replace("&amp;", "").chars().collect::<Vec<_>>(), ['…'], "{long}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_without_markup_gets_the_text_as_it_is() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    desktop.notifications.set_capabilities(&["body"]);
    let _app = stage.app().await;
    let markup = printing(MARKUP);
    let folder = stage.project("plain", &[("markup", &markup)]).await;
    desktop.cli_in(&folder, &["start", "markup", "--no-wait"]).await.ok();
    let accept = |notice: &Notification| notice.summary.contains("plain/markup") && !notice.body.is_empty();
    let plain = desktop
        .notifications
        .wait_for("one without markup", LATER, accept)
        .await;
    assert_eq!(plain.body, "<img src=x onerror=alert(1)> <a href=x>&amp;</a> red");
    assert!(plain.actions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_shut_down_is_one_notification_and_taken_back() {
    let Some(mut stage) = Stage::new().await else { return };
    let _app = stage.app().await;
    let names: Vec<String> = (0..6).map(|n| format!("s{n}")).collect();
    let services: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), SLEEPER)).collect();
    let folder = stage.project("shop", &services).await;
    stage.desktop.cli_in(&folder, &["up"]).await.ok();
    stage.dockerd.stop();
    let lost = wait_for(&stage.desktop, "does not answer").await;
    assert!(
        lost.body
            .starts_with("The state of 6 services is unknown until it does."),
        "{lost:?}"
    );
    stage.dockerd.boot().unwrap();
    wait_until_open(&stage.desktop, 0).await;
    let all = stage.desktop.notifications.all();
    assert_eq!(all.len(), 1, "{all:#?}");
}
