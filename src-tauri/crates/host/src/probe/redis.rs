//! Does Redis, or Valkey, take the password and answer `PING`?

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::spec::Credentials;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, RedisResult, aio::MultiplexedConnection, cmd};

use super::{
    OTHER_SERVER, Probe, closes_at_once, connect, connection_words, password, refused, servers_words, speaks_otherwise,
};

/// Who logs in with a password alone.
const DEFAULT_USER: &str = "default";

pub(super) struct Redis<'a> {
    pub(super) address: SocketAddr,
    pub(super) credentials: &'a Credentials,
}

impl Redis<'_> {
    async fn answers(&self) -> Result<(), String> {
        let stream = connect(self.address).await?;
        let who = RedisConnectionInfo::default().set_skip_set_lib_name();
        // How long a probe may take is the person's to say.
        let patient = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&who, stream, patient)
            .await
            .map_err(|error| self.failed(&error))?;
        // The connection ends when its client is gone.
        let (answer, ()) = tokio::join!(self.logs_in_and_pings(connection), driver);
        answer.map_err(|error| self.failed(&error))
    }

    /// The library would log in by itself, and say no more of a refusal than that it was one.
    async fn logs_in_and_pings(&self, mut connection: MultiplexedConnection) -> RedisResult<()> {
        if let Some(password) = password(self.credentials) {
            let mut login = cmd("AUTH");
            // Before Redis 6 there were no users.
            if let Some(user) = self.credentials.user.as_deref().filter(|&user| user != DEFAULT_USER) {
                login.arg(user);
            }
            login.arg(password).exec_async(&mut connection).await?;
        }
        cmd("PING").exec_async(&mut connection).await
    }

    fn failed(&self, error: &RedisError) -> String {
        if let Some(words) = connection_words(self.address, error) {
            return words;
        }
        if error.is_io_error() || error.is_connection_dropped() {
            return closes_at_once(self.address);
        }
        let said = error.detail().map(servers_words).unwrap_or_default();
        match error.code() {
            Some("WRONGPASS") => refused(self.credentials, DEFAULT_USER),
            Some("NOAUTH") => "the server asks for a password".to_owned(),
            Some("LOADING") => "the server is loading its data".to_owned(),
            Some("ERR") if said.contains("without any password configured") => OTHER_SERVER.to_owned(),
            Some(code) => format!("{code} {said}"),
            None => speaks_otherwise(self.address, "Redis"),
        }
    }
}

impl Probe for Redis<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
