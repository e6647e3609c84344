//! Changing who may connect, in a service's data. The server does the quoting: nothing is put into a statement by hand.

use std::{net::SocketAddr, time::Duration};

use locald_core::spec::{ChangeCredentials, Credentials, Secret};
use mysql_async::prelude::Queryable as _;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Has a service that runs with the old credentials take the new ones from now on.
pub(crate) async fn change_credentials(
    how: ChangeCredentials,
    address: SocketAddr,
    old: &Credentials,
    new: &Credentials,
) -> Result<(), String> {
    let change = async {
        match how {
            ChangeCredentials::Postgres => postgres(address, old, new).await.map_err(|error| words(&error)),
            ChangeCredentials::Mysql => mysql(address, old, new).await.map_err(|error| error.to_string()),
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, change).await;
    outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

fn words(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

fn revealed(password: Option<&Secret>) -> &str {
    password.map_or("", Secret::reveal)
}

async fn postgres(address: SocketAddr, old: &Credentials, new: &Credentials) -> Result<(), tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host(address.ip().to_string())
        .port(address.port())
        .user(old.user.as_deref().unwrap_or("postgres"))
        .password(revealed(old.password.as_ref()))
        // Neither of the databases: the one to be renamed must be left alone meanwhile.
        .dbname("postgres");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let run = async |format: &str, one: &str, other: &str| {
        let row = client.query_one(format, &[&one, &other]).await?;
        client.batch_execute(row.get(0)).await
    };
    let user = new.user.as_deref().unwrap_or("postgres");
    let known = client
        .query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&user])
        .await?;
    // As the server keeps it, so that the password itself is in no statement and no log.
    let verifier = postgres_protocol::password::scram_sha_256(revealed(new.password.as_ref()).as_bytes());
    let role = if known.is_some() {
        "SELECT format('ALTER ROLE %I LOGIN SUPERUSER PASSWORD %L', $1::text, $2::text)"
    } else {
        "SELECT format('CREATE ROLE %I LOGIN SUPERUSER PASSWORD %L', $1::text, $2::text)"
    };
    run(role, user, &verifier).await?;
    if let (Some(from), Some(to)) = (&old.database, &new.database)
        && from != to
    {
        let there = client
            .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[to])
            .await?;
        if there.is_none() {
            run(
                "SELECT format('ALTER DATABASE %I RENAME TO %I', $1::text, $2::text)",
                from,
                to,
            )
            .await?;
        }
    }
    drop(client);
    // What it says at the end is the end.
    let _ = connection.await;
    Ok(())
}

async fn mysql(address: SocketAddr, old: &Credentials, new: &Credentials) -> Result<(), mysql_async::Error> {
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname(address.ip().to_string())
        .tcp_port(address.port())
        .prefer_socket(false)
        .user(old.user.clone())
        .pass(old.password.as_ref().map(Secret::reveal));
    let mut connection = mysql_async::Conn::new(options).await?;
    let user = new.user.as_deref().unwrap_or("root");
    let password = revealed(new.password.as_ref());
    let quoted: Option<(String, String)> = connection
        .exec_first("SELECT QUOTE(?), QUOTE(?)", (user, password))
        .await?;
    if let Some((user, password)) = quoted {
        for host in ["'%'", "'localhost'"] {
            let who = format!("{user}@{host}");
            let create = format!("CREATE USER IF NOT EXISTS {who} IDENTIFIED BY {password}");
            connection.query_drop(create).await?;
            connection
                .query_drop(format!("ALTER USER {who} IDENTIFIED BY {password}"))
                .await?;
            connection
                .query_drop(format!("GRANT ALL PRIVILEGES ON *.* TO {who} WITH GRANT OPTION"))
                .await?;
        }
    }
    if let Some(database) = &new.database {
        let name = database.replace('`', "``");
        connection
            .query_drop(format!("CREATE DATABASE IF NOT EXISTS `{name}`"))
            .await?;
    }
    connection.disconnect().await
}
