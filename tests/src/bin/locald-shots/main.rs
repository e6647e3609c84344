//! `cargo xtask shots`: the pictures in `docs/`, taken of the real app with real services.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool for developers, which fails by panicking and prints where it wrote"
)]

use std::{path::Path, process::Stdio};

use locald_tests::{
    Desktop,
    desktop::{Appearance, Notifications},
    engines, failure, servers,
    wait::{LATER, eventually},
    webdriver::{WebView, named},
};

const IMAGE: &str = "busybox:1.36";

const SHOP: &str = r#"[project]
name = "shop"

[services.db]
type = "postgres"

[services.cache]
type = "redis"

[services.web]
image = "busybox:1.36"
command = ["sh", "-c", "trap 'exit 0' TERM; mkdir -p /www; echo shop > /www/index.html; httpd -f -v -p 8080 -h /www & while :; do sleep 0.2; done"]
ports = ["8088:8080"]
health_check = { type = "http", path = "/index.html", port = 8080 }

[services.worker]
image = "busybox:1.36"
command = ["sh", "-c", "trap 'exit 0' TERM; n=0; while :; do n=$((n+1)); echo \"INFO  order $n: $(wget -q -O - http://web:8080/index.html)\"; [ $((n % 4)) = 0 ] && printf '\\033[33mWARN\\033[0m  the queue is long\\n' >&2; sleep 0.3; done"]
depends_on = ["web"]

[services.search]
image = "busybox:1.36"
command = ["sh", "-c", "echo 'index loaded'; sleep 9999"]
stop_grace = "0s"
ports = ["7700"]
health_check = { type = "command", command = ["test", "-e", "/tmp/ready"], interval = "500ms", start_period = "10m" }

[services.api]
image = "busybox:1.36"
command = ["sh", "-c", "sleep 0.5; echo 'fatal: cannot open /data/orders.db: no such file' >&2; exit 3"]

[services.mail]
image = "busybox:1.36"
command = ["sleep", "9999"]
"#;

const TOOLS: &str = r#"[project]
name = "tools"

[services.docs]
image = "busybox:1.36"
command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
ports = ["4000:4000"]

[services.metrics]
image = "busybox:1.36"
command = ["prometheus", "--config=/etc/prometheus.yml"]
"#;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let docs = failure::workspace().join("docs");
    std::fs::create_dir_all(&docs).unwrap();
    runtime.block_on(async {
        shoot(Appearance::Light, &docs.join("dashboard-light.png"), Some(&docs)).await;
        shoot(Appearance::Dark, &docs.join("dashboard-dark.png"), None).await;
    });
}

/// One desktop, its window, and where `rest` is given the menu and the notification too.
async fn shoot(appearance: Appearance, window: &Path, rest: Option<&Path>) {
    let dockerd = engines::dockerd().unwrap_or_else(|| panic!("pictures need a real engine"));
    dockerd.docker_ok(&["tag", engines::BUSYBOX, IMAGE]).unwrap();
    let desktop = Desktop::with()
        .appearance(appearance)
        .notifications(Notifications::Absent)
        .size(1180, 820)
        .start()
        .await;
    desktop.use_docker(&dockerd.socket());
    servers::lend_data_folder(desktop.root(), &desktop.home().join(".local/share/locald"));
    // A real daemon draws the notification.
    let mut dunst = desktop.command("dunst");
    dunst.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut dunst = dunst
        .spawn()
        .unwrap_or_else(|error| panic!("dunst (Debian package dunst): {error}"));
    let app = desktop.app().driven().start().await;
    let tray = desktop.tray.wait_for_item("locald", LATER).await;
    let (shop, tools) = (desktop.project("shop", SHOP), desktop.project("tools", TOOLS));
    desktop.cli_in(&tools, &["up", "--no-wait"]).await.ok();
    desktop
        .cli_in(&shop, &["up", "db", "cache", "web", "worker", "search", "--no-wait"])
        .await
        .ok();
    let web_view = app.web_view(LATER).await;
    web_view.wait_for_row("shop/worker", "running", LATER).await;
    desktop.cli_in(&shop, &["open", "worker"]).await.ok();
    desktop.cli_in(&shop, &["start", "api", "--no-wait"]).await.ok();
    web_view.wait_for_row("shop/api", "exited with code 3", LATER).await;
    eventually("a log to read", LATER, async || {
        let text = web_view.page_text().await;
        if text.matches("order ").count() > 14 {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    web_view.screenshot(window).await;
    println!("{}", window.display());
    if let Some(docs) = rest {
        let menu = tray.menu().await;
        std::fs::write(docs.join("tray-menu.txt"), menu.to_string()).unwrap();
        println!("{}", docs.join("tray-menu.txt").display());
        databases(&web_view, docs).await;
        notification(&desktop, &docs.join("notification.png")).await;
    }
    let _ = dunst.kill().await;
}

/// Where a database's URL is, and where the next one comes from.
async fn databases(web_view: &WebView, docs: &Path) {
    web_view.wait_for_row("shop/db", "running", LATER).await;
    web_view.open_connect("shop/db").await;
    web_view.wait_for_text(".copyfield code", "postgres://", LATER).await;
    web_view.screenshot(&docs.join("connect.png")).await;
    println!("{}", docs.join("connect.png").display());
    web_view.press("//button[@aria-label='Add service']").await;
    web_view
        .find(&format!("{} [role=option]", named("listbox", "Catalog")))
        .await;
    web_view.screenshot(&docs.join("add-service.png")).await;
    println!("{}", docs.join("add-service.png").display());
    web_view.press("//button[normalize-space(.)='Cancel']").await;
}

/// Cuts the notification out of a picture of the screen: with the window closed, it is all that is there.
async fn notification(desktop: &Desktop, path: &Path) {
    let screen = path.with_extension("screen.png");
    eventually("a notification on the screen", LATER, async || {
        desktop.close_window("locald").await;
        desktop.screenshot(&screen).await;
        let mut cut = desktop.command("convert");
        cut.arg(&screen)
            .args(["-trim", "+repage", "-bordercolor", "black", "-border", "12"])
            .arg(path);
        let cut = cut.status().await.map_err(|error| error.to_string())?;
        if cut.success() && path.exists() {
            Ok(())
        } else {
            Err("nothing".to_owned())
        }
    })
    .await;
    std::fs::remove_file(screen).unwrap();
    println!("{}", path.display());
}
