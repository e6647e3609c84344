//! Another password, user or database in the file than the data was made with.

use std::path::{Path, PathBuf};

use locald_engine_testbed::free_port;

use crate::stage::{Stage, answers, fill, names, picture};

struct Shop {
    stage: Stage,
    folder: PathBuf,
    port: u16,
    /// As it was first, with the password that was made.
    url: String,
}

/// Data with `ada`, stopped, and a file that has these lines more by now.
async fn shop(more: &str) -> Option<Shop> {
    let stage = Stage::new().await?;
    let port = free_port();
    let folder = stage.project("shop", &[("db", &body(port, ""))]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    fill(&url, &["ada"]).await;
    stage.locald(&folder, &["stop", "db"]).await.unwrap();
    stage.project("shop", &[("db", &body(port, more))]);
    let shop = Shop {
        stage,
        folder,
        port,
        url,
    };
    shop.refused().await;
    Some(shop)
}

fn body(port: u16, more: &str) -> String {
    format!("type = \"postgres\"\nport = {port}\n{more}")
}

impl Shop {
    async fn refused(&self) {
        let data = self.stage.data("shop/db", 1);
        let before = picture(&data);
        let error = self.locald(&["start", "db", "--wait"]).await.unwrap_err();
        assert!(error.contains("keep-credentials"), "{error}");
        let fault = self.stage.fault("shop/db", "credentials_differ").await;
        let choices = serde_json::json!(["keep-credentials", "apply-credentials", "start-empty"]);
        assert_eq!(fault["choices"], choices, "{fault}");
        assert!(picture(&data) == before, "the data was touched");
    }

    async fn locald(&self, arguments: &[&str]) -> Result<String, String> {
        self.stage.locald(&self.folder, arguments).await
    }

    async fn chosen(&self, choice: &str) -> String {
        self.locald(&["choose", "db", choice]).await.unwrap();
        self.stage.healthy("shop/db").await;
        self.stage.url(&self.folder, "db").await
    }

    fn at(&self, who: &str, database: &str) -> String {
        format!("postgres://{who}@127.0.0.1:{}/{database}", self.port)
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_data_was_made_with_can_be_kept() {
    let Some(shop) = shop("user = \"root\"\npassword = \"pässword\"\ndatabase = \"other\"").await else {
        return;
    };
    let url = shop.chosen("keep-credentials").await;
    assert_eq!(url, shop.url);
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
    let file = shop.stage.file(shop.folder());
    assert!(
        file.contains("user = \"postgres\"") && file.contains("database = \"shop\""),
        "{file}"
    );
    // And it stays so.
    shop.locald(&["restart", "db", "--wait"]).await.unwrap();
    assert_eq!(names(&shop.url).await.unwrap(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_can_be_had() {
    let Some(shop) = shop("password = \"s3cret/@:%\"").await else {
        return;
    };
    let url = shop.chosen("apply-credentials").await;
    assert_eq!(url, shop.at("postgres:s3cret%2F%40%3A%25", "shop"));
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
    assert!(answers(&shop.url).await.is_err(), "the old password still does");
    shop.locald(&["restart", "db", "--wait"]).await.unwrap();
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_and_database_can_be_had() {
    let Some(shop) = shop("user = \"owner\"\npassword = \"p\"\ndatabase = \"store\"").await else {
        return;
    };
    let url = shop.chosen("apply-credentials").await;
    assert_eq!(url, shop.at("owner:p", "store"));
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
    shop.locald(&["restart", "db", "--wait"]).await.unwrap();
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_can_start_empty_with_the_new_ones_and_go_back() {
    let Some(shop) = shop("password = \"p\"").await else {
        return;
    };
    let before = picture(&shop.stage.data("shop/db", 1));
    let url = shop.chosen("start-empty").await;
    assert_eq!(url, shop.at("postgres:p", "shop"));
    assert!(names(&url).await.is_err(), "not empty");
    assert!(
        picture(&shop.stage.data("shop/db", 1)) == before,
        "the data was touched"
    );
    let kept = shop.stage.json(shop.folder(), &["trash"]).await;
    let id = kept["trash"][0]["id"].as_str().unwrap();
    shop.locald(&["trash", "restore", id]).await.unwrap();
    shop.stage.fault("shop/db", "credentials_differ").await;
    let url = shop.chosen("apply-credentials").await;
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}
