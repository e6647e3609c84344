//! What these tests begin with: folders, a host without a desktop, and a client of PostgreSQL.

use std::{path::PathBuf, time::Duration};

use locald_tests::{
    chaos::{Home, Host},
    needs,
    wait::eventually,
};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

/// A start with recovery on a busy machine.
pub const UP: Duration = Duration::from_secs(60);

/// A person's folders, with a host in them and no engine but this machine.
pub struct Stage {
    pub home: Home,
    pub host: Option<Host>,
}

impl Stage {
    /// Starts it; `None`, after a loud word, where this machine has no PostgreSQL.
    pub async fn new() -> Option<Self> {
        if !needs::postgres() {
            return None;
        }
        let home = Home::new();
        home.lend_data_folder();
        let host = Some(Host::alone(&home).await);
        Some(Self { home, host })
    }

    /// A project of these services, each with its table's body.
    pub fn project(&self, name: &str, services: &[(&str, &str)]) -> PathBuf {
        let mut text = format!("[project]\nname = \"{name}\"\n");
        for (service, body) in services {
            text += &format!("\n[services.{service}]\n{body}\n");
        }
        let file = self.home.write(&format!("home/{name}/locald.toml"), &text);
        file.parent().unwrap().to_owned()
    }

    /// Runs `locald --project FOLDER …`.
    pub async fn locald(&self, folder: &std::path::Path, arguments: &[&str]) -> Result<String, String> {
        let folder = folder.to_string_lossy();
        let mut all = vec!["--project", &*folder];
        all.extend(arguments);
        self.home.cli(&all).await
    }

    /// The row of a service.
    pub async fn row(&self, id: &str) -> Result<Value, String> {
        let status = self.home.status().await?;
        let mut rows = status["services"].as_array().into_iter().flatten();
        let row = rows.find(|row| row["id"] == id).cloned();
        row.ok_or_else(|| format!("no {id} in {status}"))
    }

    /// Waits until a service looks like this.
    pub async fn wait(&self, id: &str, what: &str, accept: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{id}: {what}"), UP, async || {
            let row = self.row(id).await?;
            if accept(&row) { Ok(row) } else { Err(row.to_string()) }
        })
        .await
    }

    pub async fn healthy(&self, id: &str) -> Value {
        self.wait(id, "healthy", |row| row["state"] == "running" && row["health"] == "healthy")
            .await
    }

    /// The URL that people are shown.
    pub async fn url(&self, folder: &std::path::Path, service: &str) -> String {
        let url = self.locald(folder, &["url", service]).await.unwrap();
        url.trim().to_owned()
    }
}

/// Connects as an app would.
pub async fn connect(url: &str) -> Result<Client, String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .map_err(|error| format!("{error:?}"))?;
    tokio::spawn(connection);
    Ok(client)
}

/// `SELECT 1` at a URL.
pub async fn answers(url: &str) -> Result<(), String> {
    let client = connect(url).await?;
    let row = client
        .query_one("SELECT 1", &[])
        .await
        .map_err(|error| error.to_string())?;
    assert_eq!(row.get::<_, i32>(0), 1);
    Ok(())
}
