//! Every entry of the catalog: started for real, asked in its protocol, and used at the URL that people are shown by its own client
//! library. What came of it is left as a table for `cargo xtask test`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking"
)]

mod absent;
mod clients;
mod table;

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use locald_engine_testbed::{Server, TestEngine, free_port, server_image};
use locald_tests::{
    chaos::{Home, Host},
    engines::{Dockerd, Podman},
    needs,
    wait::eventually,
};

/// RabbitMQ and MariaDB take long for a first start on a busy machine.
const UP: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_started_and_used_on_docker() {
    match Dockerd::start() {
        Ok(engine) => on("docker", Some(&engine)).await,
        Err(reason) => drop(needs::unmet(&reason)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_started_and_used_on_podman_rootful() {
    match Podman::rootful() {
        Ok(engine) => on("podman", Some(&engine)).await,
        Err(reason) => drop(needs::unmet(&reason)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_with_a_server_here_is_started_and_used_without_a_container() {
    on::<Dockerd>("native", None).await;
}

/// All of them, one after the other.
async fn on<E: TestEngine>(family: &str, engine: Option<&E>) {
    // Further ports of a service can't be named: hosts beside each other would choose the same.
    let _alone = table::alone();
    let mut home = Home::new();
    if let Some(engine) = engine {
        home.set_env("DOCKER_HOST", engine.endpoint());
    }
    home.lend_data_folder();
    let mut text = "[project]\nname = \"catalog\"\n".to_owned();
    let servers = Server::ALL
        .into_iter()
        .filter(|&server| engine.is_some() || without_container(server));
    let servers: Vec<_> = servers.collect();
    for server in &servers {
        let entry = server.entry();
        let version = format!("version = \"{}\"\n", server.version());
        // Debian's etcd is older than what the catalog lists, and what is here is meant when no version is named.
        let version = if engine.is_none() && *server == Server::Etcd {
            ""
        } else {
            &version
        };
        let port = free_port();
        text += &format!("\n[services.{entry}]\ntype = \"{entry}\"\n{version}port = {port}\nengine = \"{family}\"\n");
    }
    let file = home.write("home/catalog/locald.toml", &text);
    let folder = file.parent().unwrap().to_string_lossy().into_owned();
    let _host = Host::alone(&home).await;
    let mut rows = Vec::new();
    for server in servers {
        let loaded = engine.map_or(Ok(()), |engine| server_image(engine, server));
        let used = match loaded {
            // One that never comes up is a row of the table, and no reason to leave out the others.
            Ok(()) => AssertUnwindSafe(works(&home, &folder, server))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err("it did not come up in time".to_owned())),
            Err(error) => Err(error),
        };
        eprintln!("{family} {}: {used:?}", server.entry());
        rows.push((server.entry(), server.image(), used));
    }
    table::leave(family, &rows);
    let failed: Vec<_> = rows.iter().filter(|(.., used)| used.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Started, asked, used, stopped. Gives what used it.
async fn works(home: &Home, folder: &str, server: Server) -> Result<&'static str, String> {
    let entry = server.entry();
    let id = format!("catalog/{entry}");
    let locald = async |arguments: &[&str]| home.cli(&[&["--project", folder], arguments].concat()).await;
    let row = async || {
        let status = locald(&["status", "--json"]).await?;
        let status: serde_json::Value = serde_json::from_str(&status).map_err(|error| error.to_string())?;
        let mut rows = status["services"].as_array().cloned().unwrap_or_default().into_iter();
        rows.find(|row| row["id"] == *id).ok_or_else(|| format!("no {id}"))
    };
    locald(&["start", entry, "--no-wait"]).await?;
    let came = eventually(&format!("{id} to be healthy, or to have failed"), UP, async || {
        let row = row().await?;
        let settled = row["health"] == "healthy" || matches!(row["state"].as_str(), Some("failed" | "exited"));
        if settled { Ok(row) } else { Err(row.to_string()) }
    })
    .await;
    if came["health"] != "healthy" {
        let log = locald(&["logs", entry, "-n", "20"]).await.unwrap_or_default();
        return Err(format!("{came}\n{log}"));
    }
    let url = locald(&["url", entry]).await?;
    let client = clients::uses(server, url.trim())
        .await
        .map_err(|error| format!("{url}: {error}"))?;
    locald(&["stop", entry]).await?;
    Ok(client)
}

/// Servers whose programs are looked for, and here.
fn without_container(server: Server) -> bool {
    let program = match server {
        Server::Postgres => return needs::postgres(),
        Server::Redis => "redis-server",
        Server::Mariadb => "mariadbd",
        Server::Memcached => "memcached",
        Server::Nats => "nats-server",
        Server::Mosquitto => "mosquitto",
        Server::Etcd => "etcd",
        // No recipe, and no program on the machine.
        Server::Rabbitmq | Server::Valkey => return false,
    };
    needs::programs(&[(program, program)])
}
