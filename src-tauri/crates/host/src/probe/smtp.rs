//! Does a mail server greet?

use std::net::SocketAddr;

use futures_util::{FutureExt as _, future::BoxFuture};

use super::{Probe, dialogue::Dialogue, servers_words};

pub(super) struct Smtp {
    pub(super) address: SocketAddr,
}

impl Smtp {
    async fn answers(&self) -> Result<(), String> {
        let mut dialogue = Dialogue::open(self.address, "SMTP").await?;
        let mut greeting = dialogue.line().await?;
        // All lines of an answer but its last have a hyphen after the code.
        while greeting.starts_with("220-") {
            greeting = dialogue.line().await?;
        }
        let code = greeting.get(..3).and_then(|code| code.parse::<u16>().ok());
        match code {
            Some(220) => {
                dialogue.end(b"QUIT\r\n").await;
                Ok(())
            }
            Some(_) => Err(format!("the server greets with {}", servers_words(&greeting))),
            None => Err(dialogue.not_understood()),
        }
    }
}

impl Probe for Smtp {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
