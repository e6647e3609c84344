//! The harness itself, against programs that are known to be right: a ksni tray item, notify-send, WebKit's MiniBrowser.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use ksni::TrayMethods;
use ksni::menu::{CheckmarkItem, MenuItem, StandardItem, SubMenu};
use locald_tests::desktop::{Appearance, Desktop, Notifications};
use locald_tests::engine_proxy::{EngineProxy, Mode};
use locald_tests::proc;
use locald_tests::tray_item::TrayItem;
use locald_tests::wait::{LATER, SOON, eventually};
use locald_tests::{App, engines, needs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const STAND_IN: &str = "LOCALD_TESTS_STAND_IN";

/// This test binary again, as the program that `stand_in_tray` is when the variable is set.
async fn start_stand_in(desktop: &Desktop) -> App {
    let app = desktop
        .app()
        .program(std::env::current_exe().unwrap())
        .env(STAND_IN, "1");
    app.arg("--exact").arg("stand_in_tray").arg("--nocapture").start().await
}

#[derive(Default)]
struct Tray {
    db_runs: bool,
    services: usize,
    activated: usize,
}

impl ksni::Tray for Tray {
    fn id(&self) -> String {
        "locald".to_owned()
    }

    fn title(&self) -> String {
        format!("activated {}", self.activated)
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        vec![ksni::Icon {
            width: 2,
            height: 1,
            data: vec![255, 0, 128, 0, 255, 1, 2, 3],
        }]
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.activated += 1;
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let db = CheckmarkItem {
            label: if self.db_runs { "my__db: starting" } else { "my__db" }.to_owned(),
            checked: self.db_runs,
            activate: Box::new(|tray: &mut Self| tray.db_runs = !tray.db_runs),
            ..Default::default()
        };
        let add = StandardItem {
            label: "Add".to_owned(),
            activate: Box::new(|tray: &mut Self| tray.services += 1),
            ..Default::default()
        };
        let quit = StandardItem {
            label: "_Quit".to_owned(),
            activate: Box::new(|_| std::process::exit(0)),
            ..Default::default()
        };
        let disabled = StandardItem {
            label: "Never".to_owned(),
            enabled: false,
            ..Default::default()
        };
        let services = (0..self.services).map(|n| {
            StandardItem {
                label: format!("s{n}"),
                ..Default::default()
            }
            .into()
        });
        let shop = SubMenu {
            label: "shop".to_owned(),
            submenu: vec![db.into(), disabled.into()],
            ..Default::default()
        };
        let mut menu = vec![shop.into(), MenuItem::Separator, add.into(), quit.into()];
        menu.extend(services);
        menu
    }
}

/// Not a test by itself: see [`start_stand_in`].
#[tokio::test]
async fn stand_in_tray() {
    if std::env::var_os(STAND_IN).is_some() {
        let _tray = Tray::default().assume_sni_available(true).spawn().await.unwrap();
        println!("stand-in is up");
        std::future::pending::<()>().await;
    }
}

/// All that the menu told of, when it is so much: a change can be read before its signal arrives.
async fn signals(tray: &TrayItem, count: usize) -> Vec<String> {
    eventually("the menu to tell of its changes", SOON, async || {
        let updates = tray.updates();
        if updates.len() >= count {
            Ok(updates.into_iter().map(|update| update.signal).collect())
        } else {
            Err(format!("{updates:?}"))
        }
    })
    .await
}

#[tokio::test]
async fn a_tray_item_is_read_clicked_and_followed() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::start().await;
    let mut app = start_stand_in(&desktop).await;
    let tray = desktop.tray.wait_for_item("locald", SOON).await;

    let menu = tray.menu().await;
    assert_eq!(
        menu.to_string(),
        "shop\n    [ ] my_db\n    Never  (disabled)\n---\nAdd\nQuit\n"
    );
    assert!(menu.item("my_db").unwrap().is_check());

    tray.click("my_db").await;
    let menu = tray
        .wait_for_menu("my_db is checked", SOON, |menu| menu.item("my_db").unwrap().checked())
        .await;
    assert_eq!(menu.item("my_db").unwrap().label, "my_db: starting");
    assert_eq!(signals(&tray, 1).await, ["ItemsPropertiesUpdated"]);

    tray.click("Add").await;
    tray.wait_for_menu("a new item", SOON, |menu| menu.item("s0").is_some())
        .await;
    assert_eq!(signals(&tray, 2).await, ["ItemsPropertiesUpdated", "LayoutUpdated"]);

    tray.activate().await;
    let seen = eventually("the title after a left click", SOON, async || {
        let seen = tray.appearance().await;
        if seen.title == "activated 1" {
            Ok(seen)
        } else {
            Err(seen.title)
        }
    });
    assert_eq!(seen.await.icons, [(2, 1, vec![255, 0, 128, 0, 255, 1, 2, 3])]);

    tray.click("Quit").await;
    assert!(app.wait(SOON).await.success());
    let gone = async || {
        if desktop.tray.items().is_empty() {
            Ok(())
        } else {
            Err(format!("{:?}", desktop.tray.items()))
        }
    };
    eventually("the item to be forgotten", SOON, gone).await;
}

#[tokio::test]
async fn a_tray_host_comes_late_leaves_and_returns() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::with().without_tray().start().await;
    let mut app = start_stand_in(&desktop).await;
    app.wait_for_log("stand-in is up", LATER).await;
    for _ in 0..2 {
        desktop.tray.start().await;
        let tray = desktop.tray.wait_for_item("locald", SOON).await;
        assert!(tray.menu().await.item("Quit").is_some());
        desktop.tray.stop().await;
        assert!(desktop.tray.items().is_empty());
    }
}

#[tokio::test]
async fn notifications_are_recorded_and_their_buttons_pressed() {
    if !needs::desktop() || !needs::programs(&[("notify-send", "libnotify-bin")]) {
        return;
    }
    let desktop = Desktop::start().await;
    let notify = async |summary: &str, log: &str| {
        let app = desktop
            .app()
            .program("notify-send")
            .arg("--app-name=locald")
            .arg("--action=restart=Restart");
        (app.arg("--action=log=View log").arg(summary).arg(log).start()).await
    };
    let mut sender = notify("db exited with code 3", "last line").await;
    let shown = desktop
        .notifications
        .wait_for("the exit of db", SOON, |it| it.summary.contains("db"))
        .await;
    assert_eq!((shown.app_name.as_str(), shown.body.as_str()), ("locald", "last line"));
    assert_eq!(shown.action("View log"), Some("log"));
    desktop.notifications.invoke(shown.id, "restart").await;
    assert!(sender.wait(SOON).await.success());
    assert_eq!(sender.log().trim(), "restart");

    desktop.notifications.stop().await;
    let mut unheard = notify("nobody shows this", "").await;
    assert!(!unheard.wait(SOON).await.success());
    desktop.notifications.start().await;
    let _sender = notify("second", "").await;
    let second = desktop
        .notifications
        .wait_for("the second", SOON, |it| it.summary == "second")
        .await;
    desktop.notifications.close(second.id).await;
    let closed: Vec<bool> = desktop.notifications.all().iter().map(|it| it.closed).collect();
    assert_eq!(closed, [true, true]);
}

#[tokio::test]
async fn a_notification_server_can_be_silent_or_never_come() {
    if !needs::desktop() || !needs::programs(&[("notify-send", "libnotify-bin")]) {
        return;
    }
    for kind in [Notifications::Unanswered, Notifications::NeverClaimed] {
        let desktop = Desktop::with().notifications(kind).start().await;
        let mut sender = desktop.app().program("notify-send").arg("hello").start().await;
        eventually("the sender to be on the bus and wait", SOON, async || {
            // Nothing tells from outside that a program waits, but the bus has started or asked for what it waits for.
            let asked = match kind {
                Notifications::NeverClaimed => proc::all()
                    .iter()
                    .any(|it| it.command_line() == "/bin/sleep 600" && it.parent != 1),
                _ => sender.processes().iter().any(|it| it.open_files() > 3),
            };
            if asked {
                Ok(())
            } else {
                Err(format!("{kind:?}: {}", sender.log()))
            }
        })
        .await;
        assert!(sender.is_running(), "{kind:?}: {}", sender.log());
    }
}

#[tokio::test]
async fn a_desktop_without_a_bus_has_none() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::with().without_bus().start().await;
    let mut command = desktop.command("env");
    let text = String::from_utf8(command.output().await.unwrap().stdout).unwrap();
    assert!(!text.contains("DBUS_SESSION_BUS_ADDRESS"), "{text}");
    assert!(text.contains(&format!("HOME={}", desktop.home().display())), "{text}");
    assert!(!desktop.root().join("run/bus").exists());
}

const MINI_BROWSER: &str = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";
const PAGE: &str = r#"<!doctype html><meta name="color-scheme" content="light dark"><title>locald</title>
<table><tr aria-label="shop/db"><td>db <span id="s">stopped</span></td>
<td><button role="switch" aria-label="shop/db" aria-checked="false" onclick="
  this.setAttribute('aria-checked', 'true'); setTimeout(() => document.getElementById('s').textContent = 'running', 50)">
</button></td></tr></table>"#;

async fn browse(desktop: &Desktop) -> App {
    let page = desktop.home().join("page.html");
    std::fs::write(&page, PAGE).unwrap();
    let url = format!("file://{}", page.display());
    desktop
        .app()
        .program(MINI_BROWSER)
        .driven()
        .arg("--automation")
        .arg(url)
        .start()
        .await
}

#[tokio::test]
async fn a_web_view_is_driven_in_light_and_dark() {
    if !needs::web_view() || !needs::programs(&[(MINI_BROWSER, "libwebkit2gtk-4.1-0")]) {
        return;
    }
    for (appearance, dark) in [(Appearance::Light, false), (Appearance::Dark, true)] {
        let desktop = Desktop::with().appearance(appearance).start().await;
        let app = browse(&desktop).await;
        let view = app.web_view(LATER).await;
        let page = format!("file://{}/page.html", desktop.home().display());
        view.driver().goto(&page).await.unwrap();
        assert_eq!(
            view.run("return matchMedia('(prefers-color-scheme: dark)').matches")
                .await,
            dark
        );
        assert!(!view.is_on("shop/db").await);
        view.toggle("shop/db").await;
        view.wait_for_row("shop/db", "running", SOON).await;
        assert!(view.is_on("shop/db").await);
        assert!(!app.web_processes().is_empty());

        let image = desktop.root().join("screen.png");
        desktop.screenshot(&image).await;
        assert!(std::fs::metadata(&image).unwrap().len() > 2000, "the screen is blank");
    }
}

#[tokio::test]
async fn windows_are_listed_focused_and_closed() {
    if !needs::desktop() || !needs::programs(&[("xmessage", "x11-utils")]) {
        return;
    }
    let desktop = Desktop::start().await;
    let window = async |title: &str| {
        let app = desktop
            .app()
            .program("xmessage")
            .arg("-title")
            .arg(title)
            .arg("hello")
            .start()
            .await;
        desktop.wait_for_window(title, SOON).await;
        app
    };
    let (_first, mut second) = (window("first").await, window("second one").await);
    assert_eq!(desktop.windows().await.len(), 2);
    for title in ["first", "second one"] {
        desktop.focus_window(title).await;
        eventually("the focus", SOON, async || {
            if desktop.window_is_focused(title).await {
                Ok(())
            } else {
                Err(title)
            }
        })
        .await;
    }
    assert!(!desktop.window_is_focused("first").await);
    desktop.close_window("second one").await;
    desktop.wait_for_no_window("second one", SOON).await;
    second.wait(SOON).await;
}

#[tokio::test]
async fn a_process_tree_is_seen_and_dies_with_its_guard() {
    if !needs::desktop() {
        return;
    }
    let desktop = Desktop::start().await;
    let app = desktop
        .app()
        .program("sh")
        .arg("-c")
        .arg("sleep 300 & (sleep 301 & wait) & wait")
        .start()
        .await;
    let all = eventually("the whole tree", SOON, async || {
        let all = app.processes();
        if all.iter().filter(|it| it.name == "sleep").count() == 2 {
            Ok(all)
        } else {
            Err(format!("{all:?}"))
        }
    })
    .await;
    assert!(proc::pss_kib(app.pid()) > 50);
    drop(app);
    eventually("all of them to be gone", SOON, async || {
        let left: Vec<_> = all
            .iter()
            .filter_map(|it| proc::Process::read(it.pid))
            .filter(|it| it.state != 'Z')
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
}

/// Answers every request alike, and goes on after each as a keep-alive server does.
async fn echo_engine(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(1..) = stream.read(&mut buffer).await {
                let body = "{\"status\":\"die\"}\n";
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
    }
}

#[tokio::test]
async fn an_engine_proxy_records_cuts_refuses_holds_and_delays() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, socket) = (folder.path().join("engine.sock"), folder.path().join("proxy.sock"));
    let server = engine.clone();
    let engine_task = tokio::spawn(async move { echo_engine(&server).await });
    eventually("the engine", SOON, async || {
        if engine.exists() { Ok(()) } else { Err("no socket") }
    })
    .await;
    let proxy = EngineProxy::start(&socket, &engine);
    proxy.mark("\"status\":\"die\"");

    let ask = async |stream: &mut UnixStream, request: &str| {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = [0; 4096];
        stream.read(&mut buffer).await.unwrap()
    };
    let start = Instant::now();
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    assert!(
        ask(
            &mut stream,
            "POST /v1.41/containers/a/start?x=1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
        )
        .await
            > 0
    );
    assert!(ask(&mut stream, "GET /_ping HTTP/1.1\r\n\r\n").await > 0);
    let request = proxy.wait_for("start", start, SOON, |it| it.is("POST", "/start")).await;
    assert!(request.at >= start);
    assert_eq!(
        (proxy.requests().len(), proxy.open_connections(), proxy.accepted()),
        (2, 1, 1)
    );
    assert_eq!(proxy.marked("\"status\":\"die\"").len(), 2);
    assert!(proxy.requests_since(Instant::now()).is_empty());

    proxy.set_mode(Mode::Delay(Duration::from_millis(60)));
    let before = Instant::now();
    assert!(ask(&mut stream, "GET /slow HTTP/1.1\r\n\r\n").await > 0);
    assert!(before.elapsed() >= Duration::from_millis(120));

    proxy.set_mode(Mode::Hold);
    let silent = tokio::time::timeout(
        Duration::from_millis(200),
        ask(&mut stream, "GET /held HTTP/1.1\r\n\r\n"),
    )
    .await;
    assert!(silent.is_err());
    proxy
        .wait_for("held, yet recorded", start, SOON, |it| it.is("GET", "/held"))
        .await;

    proxy.cut();
    assert_eq!(ask(&mut stream, "").await, 0, "a cut connection is at its end");
    proxy.set_mode(Mode::Refuse);
    eventually("a refusal", SOON, async || match UnixStream::connect(&socket).await {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    proxy.set_mode(Mode::Pass);
    let mut stream = eventually("a connection again", SOON, async || UnixStream::connect(&socket).await).await;
    assert!(ask(&mut stream, "GET /again HTTP/1.1\r\n\r\n").await > 0);
    engine_task.abort();
}

/// Runs itself once more to fail on purpose, and looks at what was kept.
#[tokio::test]
async fn evidence_of_a_failure_is_kept() {
    if std::env::var_os(STAND_IN).is_some() || !needs::desktop() {
        return;
    }
    if std::env::var_os("LOCALD_TESTS_FAIL").is_some() {
        let desktop = Desktop::start().await;
        let _app = start_stand_in(&desktop).await;
        let tray = desktop.tray.wait_for_item("locald", SOON).await;
        tray.menu().await;
        panic!("on purpose");
    }
    let folder = locald_tests::failure::workspace().join("test-output/evidence_of_a_failure_is_kept");
    let _ = std::fs::remove_dir_all(&folder);
    let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
    again
        .args(["--exact", "evidence_of_a_failure_is_kept", "--nocapture"])
        .env("LOCALD_TESTS_FAIL", "1");
    let output = again.output().await.unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(&folder.display().to_string()), "{text}");
    for name in [
        "screen.png",
        "tray-menu.txt",
        "notifications.txt",
        "processes.txt",
        "bus.log",
    ] {
        assert!(folder.join(name).exists(), "{name} is missing\n{text}");
    }
    assert!(
        std::fs::read_to_string(folder.join("tray-menu.txt"))
            .unwrap()
            .contains("my_db")
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_engine_is_used_through_the_proxy() {
    let Some(dockerd) = engines::dockerd() else { return };
    let folder = tempfile::tempdir().unwrap();
    let proxy = engines::proxied(&dockerd, folder.path());
    proxy.mark("\"status\":\"die\"");
    let events = UnixStream::connect(proxy.socket()).await.unwrap();
    let (mut answers, mut request) = events.into_split();
    request
        .write_all(b"GET /v1.41/events HTTP/1.1\r\nHost: docker\r\n\r\n")
        .await
        .unwrap();
    let reading = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(1..) = answers.read(&mut buffer).await {}
    });
    let host = format!("unix://{}", proxy.socket().display());
    let start = Instant::now();
    let program = if Path::new("/usr/bin/docker").exists() {
        "/usr/bin/docker"
    } else {
        "docker"
    };
    let mut docker = tokio::process::Command::new(program);
    docker
        .env("DOCKER_HOST", host)
        .args(["run", "--rm", engines::BUSYBOX, "sh", "-c", "exit 3"]);
    assert_eq!(docker.output().await.unwrap().status.code(), Some(3));
    let started = proxy.wait_for("start", start, SOON, |it| it.is("POST", "/start")).await;
    let died = eventually("the event of its end", SOON, async || {
        proxy
            .marked("\"status\":\"die\"")
            .first()
            .copied()
            .ok_or("nothing marked")
    })
    .await;
    assert!(died > started.at);
    reading.abort();
}
