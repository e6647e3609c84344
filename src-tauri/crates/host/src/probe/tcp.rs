//! Does the port take a connection?

use std::{net::SocketAddr, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::io::AsyncReadExt as _;

use super::{Probe, closes_at_once, connect};

pub(super) struct Tcp {
    pub(super) address: SocketAddr,
    /// How long the connection has to stay open.
    pub(super) watch: Duration,
}

impl Tcp {
    async fn connection_stays(&self) -> Result<(), String> {
        let mut stream = connect(self.address).await?;
        let mut byte = [0];
        match tokio::time::timeout(self.watch, stream.read(&mut byte)).await {
            // Silent and open, or it spoke first.
            Err(_) | Ok(Ok(1..)) => Ok(()),
            Ok(Ok(0) | Err(_)) => Err(closes_at_once(self.address)),
        }
    }
}

impl Probe for Tcp {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.connection_stays().boxed()
    }
}
