//! Does ClickHouse let the user in, on its HTTP port, and answer a query?

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::spec::Credentials;

use super::{Probe, http::Http, password, refused};

/// Only who reads SQL finds the answer to it.
const PATH: &str = "/?query=SELECT%20concat%28%27locald%27%2C%20%27-asks%27%29";
const ANSWER: &str = "locald-asks";
const DEFAULT_USER: &str = "default";

pub(super) struct Clickhouse<'a> {
    pub(super) address: SocketAddr,
    pub(super) credentials: &'a Credentials,
    pub(super) watch: std::time::Duration,
}

impl Clickhouse<'_> {
    async fn answers(&self) -> Result<(), String> {
        let user = self.credentials.user.as_deref().unwrap_or(DEFAULT_USER);
        let mut headers = vec![("x-clickhouse-user", user)];
        headers.extend(password(self.credentials).map(|password| ("x-clickhouse-key", password)));
        headers.extend(
            self.credentials
                .database
                .as_deref()
                .map(|name| ("x-clickhouse-database", name)),
        );
        let refusal = refused(self.credentials, DEFAULT_USER);
        let http = Http {
            address: self.address,
            path: PATH,
            status: Some(200),
            body: Some(ANSWER),
            watch: self.watch,
            headers,
            means: vec![(401, refusal.clone()), (403, refusal)],
        };
        http.ask().await
    }
}

impl Probe for Clickhouse<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
