//! `locald mute` and `locald unmute`.

use std::time::Duration;

use jiff::Timestamp;
use locald_core::state::Mute;
use locald_host::control::{client::Client, protocol::Request};

use crate::{
    exit::Failure,
    target::{self, Project},
};

/// `None` shows notifications again; `Some(None)` shows none for good.
pub(crate) async fn run(
    client: &mut Client,
    project: &Project,
    name: &str,
    mute: Option<Option<Duration>>,
) -> Result<(), Failure> {
    let loaded = project.load(client).await?;
    let status = target::settled(client).await?;
    let service = target::service(&status, loaded.as_deref(), name)?;
    let mute = match mute {
        None => None,
        Some(None) => Some(Mute::ForGood),
        Some(Some(time)) => {
            let until = Timestamp::now()
                .checked_add(time)
                .map_err(|_| Failure::failed("that is too long a time"))?;
            Some(Mute::Until(until))
        }
    };
    client.call(Request::Mute { service, mute }).await?;
    Ok(())
}
