//! The main job: a click on a tray item, and a service runs.

use locald_tests::{
    needs,
    wait::{LATER, SOON},
};

use crate::stage::Stage;

const WEB: &str = r#"command = ["sh", "-c", "trap 'exit 0' TERM; httpd -f -p 8080 & while :; do sleep 0.1; done"]
ports = ["8080"]
health_check = { type = "tcp", port = 8080, interval = "200ms" }"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_click_starts_a_service_and_another_stops_it() {
    if !needs::web_view() {
        return;
    }
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let app = stage.ready(desktop.app().driven()).await;
    stage.project("shop", &[("web", WEB)]).await;
    let tray = desktop.tray.wait_for_item("locald", LATER).await;
    let menu = tray
        .wait_for_menu("web is there", LATER, |menu| menu.item("web").is_some())
        .await;
    assert!(menu.item("web").unwrap().is_check());
    assert!(!menu.item("web").unwrap().checked());
    let web_view = app.web_view(LATER).await;
    web_view.wait_for_row("shop/web", "stopped", LATER).await;
    assert!(!web_view.is_on("shop/web").await);

    let clicked = tray.click("web").await;
    stage
        .engine
        .wait_for("start", clicked, LATER, |request| request.is("POST", "/start"))
        .await;
    tray.wait_for_menu("web is checked", LATER, |menu| {
        menu.item("web").is_some_and(|web| web.checked())
    })
    .await;
    let service = stage
        .service("shop/web", "healthy", |service| service["health"] == "healthy")
        .await;
    assert_eq!(service["state"], "running");
    let port = service["ports"][0]["host_port"].as_u64().unwrap();
    assert_eq!(service["ports"][0]["host_ip"], "127.0.0.1");
    web_view.wait_for_row("shop/web", "running", LATER).await;
    web_view.wait_for_row("shop/web", &port.to_string(), LATER).await;
    assert!(web_view.is_on("shop/web").await);
    assert!(
        stage
            .docker(&["ps", "--format", "{{.Names}}"])
            .contains("locald-shop-web")
    );
    std::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();

    tray.click("web").await;
    tray.wait_for_menu("web is unchecked", LATER, |menu| {
        menu.item("web").is_some_and(|web| !web.checked())
    })
    .await;
    stage.state("shop/web", "stopped").await;
    web_view.wait_for_row("shop/web", "stopped", SOON).await;
    assert!(stage.docker(&["ps", "--format", "{{.Names}}"]).trim().is_empty());
    assert!(
        desktop.notifications.all().is_empty(),
        "{:?}",
        desktop.notifications.all()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_in_the_window_does_the_same_and_the_page_is_accessible() {
    if !needs::web_view() {
        return;
    }
    let Some(stage) = Stage::new().await else { return };
    let app = stage.ready(stage.desktop.app().driven()).await;
    stage.project("shop", &[("web", WEB)]).await;
    let web_view = app.web_view(LATER).await;
    web_view.wait_for_row("shop/web", "stopped", LATER).await;
    web_view.toggle("shop/web").await;
    web_view.wait_for_row("shop/web", "running", LATER).await;
    assert_eq!(web_view.accessibility_violations().await, Vec::<String>::new());
    web_view.toggle("shop/web").await;
    web_view.wait_for_row("shop/web", "stopped", LATER).await;
    stage.state("shop/web", "stopped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_mark_goes_back_when_the_start_fails() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    stage
        .project("shop", &[("web", r#"command = ["no-such-program"]"#)])
        .await;
    let tray = desktop.tray.wait_for_item("locald", LATER).await;
    tray.wait_for_menu("web is there", LATER, |menu| menu.item("web").is_some())
        .await;
    tray.click("web").await;
    let menu = tray
        .wait_for_menu("web says that it failed", LATER, |menu| {
            menu.all().iter().any(|item| item.label.contains("web – failed"))
        })
        .await;
    let web = menu
        .all()
        .into_iter()
        .find(|item| item.label.starts_with("web"))
        .unwrap()
        .clone();
    assert!(!web.checked(), "{web:?}");
    let service = stage.state("shop/web", "failed").await;
    assert_eq!(service["error"]["code"], "command_not_found");
}
