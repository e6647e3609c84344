//! Two hundred services.

use std::time::Instant;

use locald_tests::{
    needs,
    wait::{LATER, SOON},
};

use crate::stage::{SLEEPER, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_services_are_all_there_and_one_click_changes_one() {
    if !needs::web_view() {
        return;
    }
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let app = stage.ready(desktop.app().driven()).await;
    let names: Vec<String> = (0..200).map(|n| format!("service-{n:03}")).collect();
    let services: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), SLEEPER)).collect();
    stage.project("big", &services).await;
    let tray = desktop.tray.wait_for_item("locald", LATER).await;
    let all_there =
        |menu: &locald_tests::menu::MenuModel| menu.all().iter().filter(|item| item.is_check()).count() == 200;
    let menu = tray.wait_for_menu("200 items", LATER, all_there).await;
    assert!(
        menu.all()
            .iter()
            .all(|item| item.is_separator() || !item.label.is_empty())
    );
    let web_view = app.web_view(LATER).await;
    web_view.wait_for_row("big/service-000", "stopped", LATER).await;
    let updates = tray.updates().len();
    tray.click("service-137").await;
    // A desktop flips the mark with the click; the true one follows.
    stage.state("big/service-137", "running").await;
    tray.wait_for_menu("service-137 is checked", LATER, |menu| {
        menu.item("service-137").is_some_and(|item| item.checked())
    })
    .await;
    let menu = tray.menu().await;
    assert_eq!(menu.all().iter().filter(|item| item.checked()).count(), 1);
    assert!(tray.updates().len() <= updates + 8, "{:?}", &tray.updates()[updates..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restless_service_does_not_rebuild_the_menu_all_the_time() {
    let Some(stage) = Stage::new().await else { return };
    let desktop = &stage.desktop;
    let _app = stage.app().await;
    let folder = stage.project("shop", &[("db", SLEEPER), ("other", SLEEPER)]).await;
    let tray = desktop.tray.wait_for_item("locald", LATER).await;
    tray.wait_for_menu("db", LATER, |menu| menu.item("db").is_some()).await;
    desktop.cli_in(&folder, &["start", "db"]).await.ok();
    tray.wait_for_menu("db is checked", LATER, |menu| {
        menu.item("db").is_some_and(|db| db.checked())
    })
    .await;
    let (began, updates) = (Instant::now(), tray.updates().len());
    for _ in 0..10 {
        stage.docker(&["pause", "locald-shop-db"]);
        stage.docker(&["unpause", "locald-shop-db"]);
    }
    tray.wait_for_menu("db is plain again", SOON, |menu| {
        menu.item("db").is_some_and(|db| db.checked())
    })
    .await;
    let rate = (tray.updates().len() - updates) as f64 / began.elapsed().as_secs_f64().max(1.0);
    assert!(rate <= 3.0, "{rate} updates a second");
}
