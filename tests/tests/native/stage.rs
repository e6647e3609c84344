//! What these tests begin with: folders, a host without a desktop, and a client of PostgreSQL.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

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
        Self::with(|_| {}).await
    }

    /// The same in folders that are prepared before the host looks at them.
    pub async fn with(prepare: impl FnOnce(&mut Home)) -> Option<Self> {
        if !needs::postgres() {
            return None;
        }
        let mut home = Home::new();
        prepare(&mut home);
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
    pub async fn locald(&self, folder: &Path, arguments: &[&str]) -> Result<String, String> {
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
        self.wait(id, "healthy", |row| {
            row["state"] == "running" && row["health"] == "healthy"
        })
        .await
    }

    /// Waits until a service shows a fault of this code, and gives it.
    pub async fn fault(&self, id: &str, code: &str) -> Value {
        let row = self.wait(id, code, |row| row["error"]["code"] == code).await;
        row["error"].clone()
    }

    /// What `locald --json …` prints.
    pub async fn json(&self, folder: &Path, arguments: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let text = self.locald(folder, &all).await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// The folder of one generation of a service's data.
    pub fn data(&self, id: &str, generation: u32) -> PathBuf {
        self.home.data().join("native").join(id).join(generation.to_string())
    }

    /// The project's file.
    pub fn file(&self, folder: &Path) -> String {
        std::fs::read_to_string(folder.join("locald.toml")).unwrap()
    }

    /// The URL that people are shown.
    pub async fn url(&self, folder: &Path, service: &str) -> String {
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

/// Makes a table of these names, as an app would.
pub async fn fill(url: &str, names: &[&str]) {
    let client = connect(url).await.unwrap();
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS people (name text PRIMARY KEY)")
        .await
        .unwrap();
    for name in names {
        client.execute("INSERT INTO people VALUES ($1)", &[name]).await.unwrap();
    }
}

/// The names in the table, or that there is no table.
pub async fn names(url: &str) -> Result<Vec<String>, String> {
    let client = connect(url).await?;
    let rows = client
        .query("SELECT name FROM people ORDER BY name", &[])
        .await
        .map_err(|error| error.to_string())?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Every file below a folder with its content and time of change, to tell whether anything was touched.
pub fn picture(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut picture = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let meta = entry.path().symlink_metadata().unwrap();
            let content = if meta.is_dir() {
                folders.push(entry.path());
                Vec::new()
            } else {
                std::fs::read(entry.path()).unwrap_or_default()
            };
            picture.insert(entry.path(), (content, meta.modified().unwrap()));
        }
    }
    picture
}
