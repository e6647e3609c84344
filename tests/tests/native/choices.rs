//! Data of another version than the file asks for: noticed before a start, and what a person can choose.

use std::path::{Path, PathBuf};

use locald_engine_testbed::free_port;
use locald_tests::chaos::Host;

use crate::{
    newer,
    stage::{Stage, fill, names, picture},
};

/// A project `shop` with data of 15 that has `ada`, stopped, whose file asks for this version by now.
async fn with_data_of_15(stage: &Stage, wanted: &str) -> (PathBuf, String) {
    let port = free_port();
    let body = |version| format!("# Ours.\ntype = \"postgres\"\nversion = \"{version}\" # not newer\nport = {port}");
    let folder = stage.project("shop", &[("db", &body("15"))]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    fill(&url, &["ada"]).await;
    stage.locald(&folder, &["stop", "db"]).await.unwrap();
    stage.project("shop", &[("db", &body(wanted))]);
    (folder, url)
}

fn words(choices: &serde_json::Value) -> Vec<&str> {
    choices
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one.as_str())
        .collect()
}

async fn refused(stage: &Stage, folder: &Path, choices: &[&str]) {
    let before = picture(&stage.data("shop/db", 1));
    let error = stage.locald(folder, &["start", "db", "--wait"]).await.unwrap_err();
    assert!(error.contains("15") && error.contains("17"), "{error}");
    let fault = stage.fault("shop/db", "version_differs").await;
    assert_eq!(words(&fault["choices"]), choices, "{fault}");
    assert!(picture(&stage.data("shop/db", 1)) == before, "the data was touched");
    let listed = stage.locald(folder, &["choose", "db"]).await.unwrap();
    for choice in choices {
        assert!(listed.contains(choice), "{listed}");
    }
    let error = stage.locald(folder, &["choose", "db", "other-port"]).await.unwrap_err();
    assert!(error.contains("no way out"), "{error}");
}

const ALL: [&str; 3] = ["keep-version", "upgrade", "start-empty"];

#[tokio::test(flavor = "multi_thread")]
async fn the_old_version_can_be_kept_and_the_file_keeps_its_comments() {
    let Some(stage) = newer::stage().await else { return };
    let (folder, url) = with_data_of_15(&stage, "17").await;
    refused(&stage, &folder, &ALL).await;
    stage.locald(&folder, &["choose", "db", "keep-version"]).await.unwrap();
    stage.healthy("shop/db").await;
    let file = stage.file(&folder);
    assert!(
        file.contains("# Ours.\ntype = \"postgres\"\nversion = \"15\" # not newer"),
        "{file}"
    );
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_can_start_empty_and_the_old_is_kept() {
    let Some(stage) = newer::stage().await else { return };
    let (folder, url) = with_data_of_15(&stage, "17").await;
    refused(&stage, &folder, &ALL).await;
    let before = picture(&stage.data("shop/db", 1));
    stage.locald(&folder, &["choose", "db", "start-empty"]).await.unwrap();
    stage.healthy("shop/db").await;
    assert_eq!(stage.url(&folder, "db").await, url);
    assert!(names(&url).await.is_err(), "not empty");
    assert_eq!(version(&url).await, "17");
    assert!(picture(&stage.data("shop/db", 1)) == before, "the data was touched");
    let kept = stage.json(&folder, &["trash"]).await;
    assert_eq!(kept["trash"][0]["origin"], "PostgreSQL 15", "{kept}");
    // Back in place it is what it was: of 15, with the choice to keep that.
    let id = kept["trash"][0]["id"].as_str().unwrap();
    stage.locald(&folder, &["trash", "restore", id]).await.unwrap();
    stage.fault("shop/db", "version_differs").await;
    stage.locald(&folder, &["choose", "db", "keep-version"]).await.unwrap();
    stage.healthy("shop/db").await;
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_carries_all_over_and_the_old_is_kept() {
    let Some(stage) = newer::stage().await else { return };
    let (folder, url) = with_data_of_15(&stage, "17").await;
    refused(&stage, &folder, &ALL).await;
    stage.locald(&folder, &["choose", "db", "upgrade"]).await.unwrap();
    stage.healthy("shop/db").await;
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
    assert_eq!(version(&url).await, "17");
    let kept = stage.json(&folder, &["trash"]).await;
    assert_eq!(kept["trash"].as_array().unwrap().len(), 1, "{kept}");
    assert_eq!(kept["trash"][0]["origin"], "PostgreSQL 15", "{kept}");
    assert!(stage.data("shop/db", 1).join("PG_VERSION").exists());
    let left = std::fs::read_dir(stage.home.data().join("tmp")).unwrap();
    assert_eq!(left.count(), 0, "the dump was left behind");
    // What is of 17 by now isn't read by 15, and there is no way back by a dump.
    let file = stage.file(&folder).replace("\"17\"", "\"15\"");
    stage.locald(&folder, &["stop", "db"]).await.unwrap();
    std::fs::write(folder.join("locald.toml"), file).unwrap();
    let before = picture(&stage.data("shop/db", 2));
    assert!(stage.locald(&folder, &["start", "db", "--wait"]).await.is_err());
    let fault = stage.fault("shop/db", "version_differs").await;
    assert_eq!(words(&fault["choices"]), ["keep-version", "start-empty"], "{fault}");
    assert!(picture(&stage.data("shop/db", 2)) == before, "the data was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_in_an_upgrade_goes_back_to_what_was() {
    let Some(mut stage) = newer::stage().await else { return };
    let (folder, url) = with_data_of_15(&stage, "17").await;
    refused(&stage, &folder, &ALL).await;
    let mut upgrade = stage
        .home
        .command(&["--project", &folder.to_string_lossy(), "choose", "db", "upgrade"]);
    let mut upgrade = upgrade.kill_on_drop(true).spawn().unwrap();
    // In the middle of it: data of the new version is there, and not used by anybody yet.
    locald_tests::wait::eventually("the new data", crate::stage::UP, async || {
        let begun = stage.data("shop/db", 2).join("PG_VERSION");
        if begun.exists() { Ok(()) } else { Err("not yet") }
    })
    .await;
    upgrade.kill().await.unwrap();
    stage.host.take().unwrap().kill().await;
    let remembered = std::fs::read_to_string(stage.home.data().join("services.json")).unwrap();
    assert!(
        remembered.contains("\"attempt\": 2"),
        "it was over already: {remembered}"
    );
    stage.host = Some(Host::alone(&stage.home).await);
    stage.fault("shop/db", "version_differs").await;
    stage.locald(&folder, &["choose", "db", "keep-version"]).await.unwrap();
    stage.healthy("shop/db").await;
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_had_leaves_all_as_it_is() {
    let Some(stage) = Stage::with(|home| newer::settings(home, None)).await else {
        return;
    };
    let (folder, url) = with_data_of_15(&stage, "17").await;
    refused(&stage, &folder, &ALL).await;
    let error = stage.locald(&folder, &["choose", "db", "upgrade"]).await.unwrap_err();
    assert!(error.contains("17") && error.contains("not installed"), "{error}");
    stage.fault("shop/db", "version_differs").await;
    stage.locald(&folder, &["choose", "db", "keep-version"]).await.unwrap();
    stage.healthy("shop/db").await;
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

async fn version(url: &str) -> String {
    let client = crate::stage::connect(url).await.unwrap();
    let row = client.query_one("SHOW server_version", &[]).await.unwrap();
    row.get::<_, String>(0).split('.').next().unwrap().to_owned()
}
