//! Does MySQL, or MariaDB, let the user in and answer `SELECT 1`?
//!
//! The first start of the official images runs a server without a port for its own preparations: it isn't seen from here.

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::spec::Credentials;
use mysql_async::{Conn, DriverError, Error, OptsBuilder, prelude::Queryable as _};

use super::{Probe, closes_at_once, connection_words, password, refused, servers_words, speaks_otherwise};

const ACCESS_DENIED: u16 = 1045;
const DEFAULT_USER: &str = "root";
/// What a client would ask the server for first, when it isn't told: the library's own defaults.
const MAX_PACKET: usize = 4 * 1024 * 1024;
const WAIT_SECONDS: usize = 28_800;

pub(super) struct Mysql<'a> {
    pub(super) address: SocketAddr,
    pub(super) credentials: &'a Credentials,
}

impl Mysql<'_> {
    async fn answers(&self) -> Result<(), String> {
        let options = OptsBuilder::default()
            .ip_or_hostname(self.address.ip().to_string())
            .tcp_port(self.address.port())
            .user(Some(self.credentials.user.as_deref().unwrap_or(DEFAULT_USER)))
            .pass(password(self.credentials))
            .db_name(self.credentials.database.as_deref())
            // A server on this machine would be asked again over its socket, and that can be another server's.
            .prefer_socket(false)
            .max_allowed_packet(Some(MAX_PACKET))
            .wait_timeout(Some(WAIT_SECONDS));
        let mut connection = Conn::new(options).await.map_err(|error| self.failed(&error))?;
        let answer = connection.query_drop("SELECT 1").await;
        let _ = connection.disconnect().await;
        answer.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> String {
        match error {
            Error::Server(said) if said.code == ACCESS_DENIED => refused(self.credentials, DEFAULT_USER),
            Error::Server(said) => servers_words(&said.message),
            Error::Driver(DriverError::ConnectionClosed) => closes_at_once(self.address),
            error => connection_words(self.address, error).unwrap_or_else(|| speaks_otherwise(self.address, "MySQL")),
        }
    }
}

impl Probe for Mysql<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
