//! What a service has: into the trash and out of it, saved and put back.

use std::path::Path;

use locald_engine_testbed::free_port;

use crate::stage::{Stage, answers, connect, fill, names};

fn db() -> String {
    format!("# Mine.\ntype = \"postgres\" # the shop's\nport = {}", free_port())
}

async fn trash(stage: &Stage, folder: &Path) -> Vec<serde_json::Value> {
    let all = stage.json(folder, &["trash", "list"]).await;
    all["trash"].as_array().cloned().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_comes_back_as_it_was() {
    let Some(stage) = Stage::new().await else { return };
    let folder = stage.project("shop", &[("db", &db()), ("other", "type = \"redis\"")]);
    stage.locald(&folder, &["up", "db", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    fill(&url, &["ada", "bob"]).await;
    let file = stage.file(&folder);

    let id = stage.locald(&folder, &["rm", "db"]).await.unwrap().trim().to_owned();
    assert!(answers(&url).await.is_err(), "it still runs");
    let error = stage.row("shop/db").await.unwrap_err();
    assert!(error.contains("no shop/db"), "{error}");
    assert!(!stage.file(&folder).contains("services.db"), "{}", stage.file(&folder));
    let listed = trash(&stage, &folder).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["id"], id.as_str());
    assert_eq!(listed[0]["service"], "shop/db");
    assert_eq!(listed[0]["origin"], "PostgreSQL 15");
    assert!(stage.data("shop/db", 1).join("PG_VERSION").exists(), "not even touched");

    let error = stage
        .locald(&folder, &["trash", "restore", "shop-db-1"])
        .await
        .unwrap_err();
    assert!(error.contains("shop-db-1"), "{error}");
    stage.locald(&folder, &["trash", "restore", &id]).await.unwrap();
    // At the end of the file, with all that was said of it.
    let section = file
        .split("[services.other]")
        .next()
        .unwrap()
        .split("[services.db]")
        .nth(1)
        .unwrap();
    assert!(stage.file(&folder).contains(section.trim()), "{}", stage.file(&folder));
    assert!(trash(&stage, &folder).await.is_empty());
    stage.locald(&folder, &["up", "db", "--wait"]).await.unwrap();
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_engine_could_run_can_be_removed_all_the_same() {
    let Some(stage) = Stage::new().await else { return };
    let folder = stage.project("shop", &[("files", "type = \"minio\""), ("cache", "type = \"redis\"")]);
    let error = stage.locald(&folder, &["up", "files", "--wait"]).await.unwrap_err();
    assert!(error.contains("Docker"), "{error}");
    stage.locald(&folder, &["rm", "files"]).await.unwrap();
    assert!(stage.row("shop/files").await.is_err());
    assert!(stage.row("shop/cache").await.is_ok());
    assert!(!stage.file(&folder).contains("minio"), "{}", stage.file(&folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_of_a_name_begins_empty_and_the_former_can_take_its_place_again() {
    let Some(stage) = Stage::new().await else { return };
    let folder = stage.project("shop", &[("db", &db())]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let first = stage.url(&folder, "db").await;
    fill(&first, &["ada"]).await;
    let id = stage.locald(&folder, &["rm", "db"]).await.unwrap().trim().to_owned();

    stage.project("shop", &[("db", &db())]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let second = stage.url(&folder, "db").await;
    assert_ne!(first, second, "another password and port");
    assert!(names(&second).await.is_err(), "it has the table of the one before");
    fill(&second, &["zoe"]).await;

    stage.locald(&folder, &["trash", "restore", &id]).await.unwrap();
    stage.healthy("shop/db").await;
    let url = stage.url(&folder, "db").await;
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
    // What was in its place is in the trash now, and can be swapped in as well.
    let listed = trash(&stage, &folder).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let other = listed[0]["id"].as_str().unwrap().to_owned();
    stage.locald(&folder, &["trash", "restore", &other]).await.unwrap();
    stage.healthy("shop/db").await;
    let url = stage.url(&folder, "db").await;
    assert_eq!(url, second);
    assert_eq!(names(&url).await.unwrap(), ["zoe"]);
    assert_eq!(trash(&stage, &folder).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_yes_erases_for_good_and_only_what_is_in_the_trash() {
    let Some(stage) = Stage::new().await else { return };
    let folder = stage.project("shop", &[("db", &db())]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    fill(&stage.url(&folder, "db").await, &["ada"]).await;
    let old = stage.locald(&folder, &["rm", "db"]).await.unwrap().trim().to_owned();
    stage.project("shop", &[("db", &db())]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    fill(&url, &["zoe"]).await;
    let (gone, kept) = (stage.data("shop/db", 1), stage.data("shop/db", 2));
    assert!(gone.exists() && kept.exists());

    let error = stage.locald(&folder, &["trash", "empty"]).await.unwrap_err();
    assert!(error.contains("--yes"), "{error}");
    let error = stage
        .locald(&folder, &["trash", "empty", "--yes", "shop-db-1"])
        .await
        .unwrap_err();
    assert!(error.contains("no `shop-db-1` in the trash"), "{error}");
    assert!(gone.exists());
    stage.locald(&folder, &["trash", "empty", "--yes"]).await.unwrap();
    assert!(!gone.exists(), "erased for good");
    assert!(trash(&stage, &folder).await.is_empty());
    assert!(stage.locald(&folder, &["trash", "restore", &old]).await.is_err());
    assert_eq!(names(&url).await.unwrap(), ["zoe"], "what is in use is left alone");
    assert!(kept.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_state_comes_back_and_what_it_replaces_is_kept() {
    let Some(stage) = Stage::new().await else { return };
    let folder = stage.project("shop", &[("db", &db())]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    fill(&url, &["ada"]).await;
    for bad in ["../x", "a/b", ".hidden", "-", ""] {
        let error = stage.locald(&folder, &["snapshot", "save", "db", "--", bad]).await;
        let error = error.unwrap_err();
        assert!(error.contains("can't be the name of a snapshot"), "{bad}: {error}");
    }
    stage.locald(&folder, &["snapshot", "save", "db", "one"]).await.unwrap();
    answers(&url).await.unwrap();
    let error = stage
        .locald(&folder, &["snapshot", "save", "db", "one"])
        .await
        .unwrap_err();
    assert!(error.contains("has a snapshot `one` already"), "{error}");
    stage.healthy("shop/db").await;
    fill(&url, &["bob"]).await;

    let error = stage
        .locald(&folder, &["snapshot", "restore", "db", "one"])
        .await
        .unwrap_err();
    assert!(error.contains("--yes"), "{error}");
    let error = stage
        .locald(&folder, &["snapshot", "restore", "db", "two", "--yes"])
        .await
        .unwrap_err();
    assert!(error.contains("two") && error.contains("one"), "{error}");
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob"]);
    stage
        .locald(&folder, &["snapshot", "restore", "db", "one", "--yes"])
        .await
        .unwrap();
    stage.healthy("shop/db").await;
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada"]);

    let kept = trash(&stage, &folder).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    let id = kept[0]["id"].as_str().unwrap().to_owned();
    stage.locald(&folder, &["trash", "restore", &id]).await.unwrap();
    stage.healthy("shop/db").await;
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob"]);

    let saved = stage.json(&folder, &["snapshot", "list", "db"]).await;
    assert_eq!(saved["snapshots"][0]["name"], "one", "{saved}");
    let error = stage
        .locald(&folder, &["snapshot", "rm", "db", "one"])
        .await
        .unwrap_err();
    assert!(error.contains("--yes"), "{error}");
    stage
        .locald(&folder, &["snapshot", "rm", "db", "one", "--yes"])
        .await
        .unwrap();
    let saved = stage.json(&folder, &["snapshot", "list", "db"]).await;
    assert_eq!(saved["snapshots"].as_array().unwrap().len(), 0, "{saved}");
    assert_eq!(names(&url).await.unwrap(), ["ada", "bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_state_is_whole_though_a_client_writes_meanwhile() {
    let Some(stage) = Stage::new().await else { return };
    let folder = stage.project("shop", &[("db", &db())]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    let client = connect(&url).await.unwrap();
    client
        .batch_execute("CREATE TABLE left_side (n bigint); CREATE TABLE right_side (n bigint)")
        .await
        .unwrap();
    // Both or neither: that is what a state in the middle of it would show.
    let (first, written) = tokio::sync::oneshot::channel();
    let writer = tokio::spawn(async move {
        let mut first = Some(first);
        let mut committed = 0_i64;
        loop {
            let next = committed + 1;
            let both =
                format!("BEGIN; INSERT INTO left_side VALUES ({next}); INSERT INTO right_side VALUES ({next}); COMMIT");
            if client.batch_execute(&both).await.is_err() {
                return committed;
            }
            committed = next;
            if let Some(first) = first.take() {
                let _ = first.send(());
            }
        }
    });
    written.await.unwrap();
    stage
        .locald(&folder, &["snapshot", "save", "db", "busy"])
        .await
        .unwrap();
    let committed = writer.await.unwrap();
    stage.healthy("shop/db").await;
    fill(&url, &["later"]).await;
    stage
        .locald(&folder, &["snapshot", "restore", "db", "busy", "--yes"])
        .await
        .unwrap();
    stage.healthy("shop/db").await;
    assert!(names(&url).await.is_err(), "what came after it is in it");
    let client = connect(&url).await.unwrap();
    let counts = "SELECT (SELECT count(*) FROM left_side), (SELECT count(*) FROM right_side), \
                  (SELECT count(*) FROM left_side JOIN right_side USING (n))";
    let row = client.query_one(counts, &[]).await.unwrap();
    let counts: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    assert!(counts[0] >= committed, "{counts:?} of {committed}");
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0], counts[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_state_of_another_version_is_refused_in_words() {
    let Some(stage) = Stage::new().await else { return };
    let body = db();
    let folder = stage.project("shop", &[("db", &format!("{body}\nversion = \"15\""))]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    fill(&url, &["ada"]).await;
    stage.locald(&folder, &["snapshot", "save", "db", "old"]).await.unwrap();
    stage.locald(&folder, &["stop", "db"]).await.unwrap();
    stage.project("shop", &[("db", &format!("{body}\nversion = \"17\""))]);
    let error = stage
        .locald(&folder, &["snapshot", "restore", "db", "old", "--yes"])
        .await
        .unwrap_err();
    assert!(
        error.contains("PostgreSQL 15") && error.contains("version = \"15\""),
        "{error}"
    );
    assert!(trash(&stage, &folder).await.is_empty());
    stage.project("shop", &[("db", &format!("{body}\nversion = \"15\""))]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}
