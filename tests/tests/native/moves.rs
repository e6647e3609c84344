//! A service with its data onto another engine and back.

use std::path::PathBuf;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use locald_engine_testbed::free_port;
use locald_engine_testbed::{Dockerd, Server, TestEngine as _, server_image};
use locald_tests::engines;

use crate::stage::{Stage, connect, fill, names};

/// A stage with a container engine beside this machine.
async fn stage(image: bool) -> Option<(Stage, Dockerd)> {
    let docker = engines::dockerd()?;
    if image {
        server_image(&docker, Server::Postgres).unwrap();
    }
    let stage = Stage::with(|home| home.set_env("DOCKER_HOST", docker.endpoint())).await?;
    Some((stage, docker))
}

async fn shop(stage: &Stage) -> (PathBuf, String) {
    let body = format!("type = \"postgres\"\nversion = \"15\"\nport = {}", free_port());
    let folder = stage.project("shop", &[("db", &body)]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    assert_eq!(stage.row("shop/db").await.unwrap()["engine"], "native");
    let url = stage.url(&folder, "db").await;
    fill(&url, &["ada", "bob"]).await;
    (folder, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_moves_to_docker_and_back_with_all_it_has() {
    let Some((stage, docker)) = stage(true).await else {
        return;
    };
    let (folder, url) = shop(&stage).await;
    stage
        .locald(&folder, &["move", "db", "--engine", "docker", "--wait"])
        .await
        .unwrap();
    let row = stage.healthy("shop/db").await;
    assert_eq!(row["engine"], "docker", "{row}");
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob"]);
    fill(&url, &["cyd"]).await;
    let kept = stage.json(&folder, &["trash"]).await;
    assert_eq!(kept["trash"].as_array().unwrap().len(), 1, "{kept}");
    assert_eq!(kept["trash"][0]["engine"], "native", "{kept}");
    assert!(stage.data("shop/db", 1).join("PG_VERSION").exists());

    stage
        .locald(&folder, &["move", "db", "--engine", "native", "--wait"])
        .await
        .unwrap();
    let row = stage.healthy("shop/db").await;
    assert_eq!(row["engine"], "native", "{row}");
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob", "cyd"]);
    let running = docker.command_ok(&["ps", "--quiet"]).unwrap();
    assert_eq!(running, "", "it still runs on docker");

    // What was left on docker can be had again.
    let kept = stage.json(&folder, &["trash"]).await;
    let on_docker = kept["trash"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["engine"] == "docker");
    let id = on_docker.unwrap()["id"].as_str().unwrap();
    fill(&url, &["dan"]).await;
    stage.locald(&folder, &["trash", "restore", id]).await.unwrap();
    let row = stage.wait("shop/db", "healthy on docker", |row| {
        row["engine"] == "docker" && row["health"] == "healthy"
    });
    row.await;
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob", "cyd"]);
    // Erased for good, volumes go too.
    stage.locald(&folder, &["rm", "db"]).await.unwrap();
    stage.locald(&folder, &["trash", "empty", "--yes"]).await.unwrap();
    assert_eq!(docker.command_ok(&["volume", "ls", "--quiet"]).unwrap(), "");
    assert!(!stage.data("shop/db", 1).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_committed_before_and_while_it_moves_is_there() {
    let Some((stage, _docker)) = stage(true).await else {
        return;
    };
    let (folder, url) = shop(&stage).await;
    let setup = connect(&url).await.unwrap();
    setup
        .batch_execute("CREATE TABLE numbers (n bigint PRIMARY KEY)")
        .await
        .unwrap();
    let (committed, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = tokio::spawn({
        let (url, committed, stop) = (url.clone(), Arc::clone(&committed), Arc::clone(&stop));
        async move {
            while !stop.load(Ordering::SeqCst) {
                let Ok(client) = connect(&url).await else {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                };
                loop {
                    let next = committed.load(Ordering::SeqCst) + 1;
                    let insert = "INSERT INTO numbers VALUES ($1) ON CONFLICT DO NOTHING";
                    let sent = client.execute(insert, &[&next]).await;
                    if sent.is_err() || stop.load(Ordering::SeqCst) {
                        break;
                    }
                    committed.store(next, Ordering::SeqCst);
                }
            }
        }
    });
    stage
        .locald(&folder, &["move", "db", "--engine", "docker", "--wait"])
        .await
        .unwrap();
    stage.healthy("shop/db").await;
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    let client = connect(&url).await.unwrap();
    let row = client
        .query_one("SELECT count(*), max(n) FROM numbers", &[])
        .await
        .unwrap();
    let (count, last): (i64, Option<i64>) = (row.get(0), row.get(1));
    let committed = committed.load(Ordering::SeqCst);
    assert!(committed > 0 && count >= committed, "{count} of {committed}");
    assert_eq!(Some(count), last, "some in between are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_comes_to_nothing_changes_nothing() {
    let Some((stage, mut docker)) = stage(false).await else {
        return;
    };
    let (folder, url) = shop(&stage).await;
    let error = stage
        .locald(&folder, &["move", "db", "--engine", "nowhere"])
        .await
        .unwrap_err();
    assert!(error.contains("nowhere"), "{error}");
    let error = stage
        .locald(&folder, &["move", "db", "--engine", "docker"])
        .await
        .unwrap_err();
    assert!(error.contains("postgres:15"), "no image: {error}");
    let row = stage.healthy("shop/db").await;
    assert_eq!(row["engine"], "native", "{row}");
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob"]);
    docker.stop();
    stage
        .locald(&folder, &["move", "db", "--engine", "docker"])
        .await
        .unwrap_err();
    let row = stage.healthy("shop/db").await;
    assert_eq!(row["engine"], "native", "{row}");
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob"]);
    let kept = stage.json(&folder, &["trash"]).await;
    assert_eq!(kept["trash"].as_array().unwrap().len(), 0, "{kept}");
}
