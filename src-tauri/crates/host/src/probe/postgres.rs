//! Does PostgreSQL let the user in and answer `SELECT 1`?
//!
//! The first start of the official image runs a server for its own preparations, on a socket only: it isn't seen from here.
//! Another server at the same port is told by the password, which is made for each service.

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::spec::Credentials;
use tokio_postgres::{Config, Error, NoTls};

use super::{Probe, closes_at_once, connect, connection_words, password, servers_words, speaks_otherwise};

pub(super) struct Postgres<'a> {
    pub(super) address: SocketAddr,
    pub(super) credentials: &'a Credentials,
}

impl Postgres<'_> {
    async fn answers(&self) -> Result<(), String> {
        let mut config = Config::new();
        let user = self.credentials.user.as_deref().unwrap_or("postgres");
        config.user(user).application_name("locald");
        if let Some(database) = &self.credentials.database {
            config.dbname(database);
        }
        if let Some(password) = password(self.credentials) {
            config.password(password);
        }
        let stream = connect(self.address).await?;
        let (client, connection) = config
            .connect_raw(stream, NoTls)
            .await
            .map_err(|error| self.failed(&error))?;
        let exchange = async {
            let answer = client.simple_query("SELECT 1").await;
            // The connection says goodbye and ends when its client is gone.
            drop(client);
            answer
        };
        let (answer, _) = tokio::join!(exchange, connection);
        answer.map(drop).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> String {
        if let Some(said) = error.as_db_error() {
            return servers_words(said.message());
        }
        if error.is_closed() {
            return closes_at_once(self.address);
        }
        connection_words(self.address, error).unwrap_or_else(|| speaks_otherwise(self.address, "PostgreSQL"))
    }
}

impl Probe for Postgres<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
