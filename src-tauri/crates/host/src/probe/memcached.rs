//! Does Memcached tell its version? Its text protocol knows no users.

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};

use super::{Probe, dialogue::Dialogue};

pub(super) struct Memcached {
    pub(super) address: SocketAddr,
}

impl Memcached {
    async fn answers(&self) -> Result<(), String> {
        let mut dialogue = Dialogue::open(self.address, "Memcached").await?;
        dialogue.say(b"version\r\n").await?;
        let answer = dialogue.line().await?;
        if !answer.starts_with("VERSION ") {
            return Err(dialogue.not_understood());
        }
        dialogue.end(b"quit\r\n").await;
        Ok(())
    }
}

impl Probe for Memcached {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
