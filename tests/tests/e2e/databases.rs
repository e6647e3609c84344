//! "Just give me Postgres" in the desktop: one click, and a database answers at the URL that is shown. No container engine.

use std::path::Path;

use locald_tests::{App, Desktop, WebView, needs, servers, wait::LATER, webdriver::named};
use tokio_postgres::NoTls;

/// A desktop of somebody who has no container engine.
struct Machine {
    // In the order they end.
    app: App,
    desktop: Desktop,
}

impl Machine {
    /// Starts it; `None`, after a loud word, where this machine can't.
    async fn new(hidden: bool) -> Option<Self> {
        if !needs::web_view() || !needs::postgres() {
            return None;
        }
        let desktop = Desktop::start().await;
        desktop.unset_env("DOCKER_HOST");
        desktop.write_config("settings.toml", "[engine]\nfind = false\n");
        servers::lend_data_folder(desktop.root(), &desktop.home().join(".local/share/locald"));
        let app = desktop.app().driven();
        let app = if hidden { app.hidden() } else { app };
        let app = app.start().await;
        desktop.tray.wait_for_item("locald", LATER).await;
        Some(Self { app, desktop })
    }
}

fn button(text: &str) -> String {
    format!("//button[normalize-space(.)='{text}']")
}

/// The URL as the panel shows it to a person who asks for the password.
async fn shown_url(web_view: &WebView, service: &str) -> String {
    web_view.open_connect(service).await;
    web_view.press(&button("Show password")).await;
    web_view.wait_for_text(".copyfield code", "postgres://", LATER).await
}

async fn select_1(url: &str) -> i32 {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("{url}: {error}"));
    let connection = tokio::spawn(connection);
    let row = client.query_one("SELECT 1", &[]).await.unwrap();
    connection.abort();
    row.get(0)
}

fn port(url: &str) -> u16 {
    let rest = url.rsplit_once("127.0.0.1:").unwrap().1;
    rest.split('/').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_in_the_empty_window_gives_a_database_and_the_dialog_gives_another() {
    let Some(machine) = Machine::new(false).await else {
        return;
    };
    let web_view = machine.app.web_view(LATER).await;
    web_view.press(&button("Add Postgres")).await;
    let row = web_view.wait_for_row("personal/postgres", "running", LATER).await;
    assert!(row.contains("127.0.0.1:"), "its address is in its row: {row}");
    let first = shown_url(&web_view, "personal/postgres").await;
    assert_eq!(select_1(&first).await, 1);
    assert!(web_view.is_on("personal/postgres").await);

    web_view.press("//button[@aria-label='Add service']").await;
    web_view
        .find(&format!("{} [role=option]", named("listbox", "Catalog")))
        .await;
    assert_eq!(web_view.accessibility_violations().await, Vec::<String>::new());
    let search = web_view.find(&named("combobox", "Search the catalog")).await;
    search.send_keys("postgres").await.unwrap();
    web_view.press(&button("Add PostgreSQL")).await;
    web_view.wait_for_row("personal/postgres-2", "running", LATER).await;
    let second = shown_url(&web_view, "personal/postgres-2").await;
    assert_eq!(select_1(&second).await, 1);
    assert_ne!(port(&first), port(&second));
    assert_eq!(select_1(&first).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_in_the_empty_tray_menu_gives_a_database_and_shows_where_it_is() {
    let Some(machine) = Machine::new(true).await else {
        return;
    };
    let tray = machine.desktop.tray.wait_for_item("locald", LATER).await;
    tray.wait_for_menu("a database can be added", LATER, |menu| {
        menu.item("Add PostgreSQL").is_some()
    })
    .await;
    tray.click("Add PostgreSQL").await;
    let menu = tray
        .wait_for_menu("the database is checked", LATER, |menu| {
            menu.item("postgres").is_some_and(|item| item.checked())
        })
        .await;
    assert!(menu.item("Add PostgreSQL").is_none(), "{menu}");
    let web_view = machine.app.web_view(LATER).await;
    let row = web_view.wait_for_row("personal/postgres", "running", LATER).await;
    assert!(row.contains("127.0.0.1:"), "{row}");
    let url = shown_url(&web_view, "personal/postgres").await;
    assert_eq!(select_1(&url).await, 1);
    assert_eq!(url, from_cli(&machine.desktop, machine.desktop.home().as_path()).await);

    tray.click("postgres").await;
    tray.wait_for_menu("the database is unchecked", LATER, |menu| {
        menu.item("postgres").is_some_and(|item| !item.checked())
    })
    .await;
    web_view.wait_for_row("personal/postgres", "stopped", LATER).await;
    assert!(
        tokio_postgres::connect(&url, NoTls).await.is_err(),
        "it is said to be stopped"
    );
    assert!(machine.desktop.notifications.all().is_empty());
}

async fn from_cli(desktop: &Desktop, folder: &Path) -> String {
    let said = desktop.cli_in(folder, &["url", "personal/postgres"]).await;
    said.ok().stdout.trim().to_owned()
}
