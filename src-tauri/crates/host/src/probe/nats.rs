//! Does NATS let the user in and answer `PING`?
//!
//! By hand: the protocol is five lines of text (docs.nats.io, "Client Protocol"), and its client library keeps a connection
//! up with tasks of its own where one question is asked.

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::spec::Credentials;
use serde::Deserialize;
use serde_json::json;

use super::{OTHER_SERVER, Probe, dialogue::Dialogue, password, refused, servers_words};

pub(super) struct Nats<'a> {
    pub(super) address: SocketAddr,
    pub(super) credentials: &'a Credentials,
}

/// What the server says of itself first.
#[derive(Deserialize)]
struct Greeting {
    #[serde(default)]
    auth_required: bool,
    #[serde(default)]
    tls_required: bool,
}

impl Nats<'_> {
    async fn answers(&self) -> Result<(), String> {
        let mut dialogue = Dialogue::open(self.address, "NATS").await?;
        let line = dialogue.line().await?;
        let greeting: Greeting = line
            .strip_prefix("INFO ")
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or_else(|| dialogue.not_understood())?;
        if greeting.tls_required {
            return Err("the server asks for TLS".to_owned());
        }
        let password = password(self.credentials);
        if password.is_some() && !greeting.auth_required {
            return Err(OTHER_SERVER.to_owned());
        }
        let who = json!({
            "name": "locald", "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "verbose": false, "pedantic": false,
            "user": self.credentials.user, "pass": password,
        });
        dialogue.say(format!("CONNECT {who}\r\nPING\r\n").as_bytes()).await?;
        loop {
            let line = dialogue.line().await?;
            if line == "PONG" {
                break;
            }
            if let Some(error) = line.strip_prefix("-ERR ") {
                let error = error.trim_matches('\'');
                return Err(if error.starts_with("Authorization") {
                    refused(self.credentials, "")
                } else {
                    servers_words(error)
                });
            }
            // It may tell of its cluster, or ask in turn.
            if line == "PING" {
                dialogue.say(b"PONG\r\n").await?;
            } else if !line.starts_with("INFO ") && line != "+OK" {
                return Err(dialogue.not_understood());
            }
        }
        dialogue.end(b"").await;
        Ok(())
    }
}

impl Probe for Nats<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
