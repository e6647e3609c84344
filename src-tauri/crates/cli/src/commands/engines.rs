//! `locald engines`.

use std::time::Duration;

use locald_host::control::{
    client::{Client, Next},
    protocol::{Item, Request},
};
use serde_json::json;

use crate::{exit::Failure, format, output};

/// An engine answers, or is found not to, within 3 seconds.
const SETTLE: Duration = Duration::from_secs(4);

pub(crate) async fn run(client: &mut Client, json: bool) -> Result<(), Failure> {
    client.send(Request::Watch).await?;
    let mut engines = Vec::new();
    let settled = async {
        loop {
            match client.next().await? {
                Next::Item(Item::Status(status)) => {
                    engines = status.engines;
                    if engines.iter().all(|engine| engine.state != "connecting") {
                        return Ok::<(), Failure>(());
                    }
                }
                Next::Item(_) => {}
                Next::Done(_) => return Ok(()),
            }
        }
    };
    // Without an answer by then it is shown as "connecting", which is what is known.
    if let Ok(result) = tokio::time::timeout(SETTLE, settled).await {
        result?;
    }
    let text = if json {
        json!({ "engines": engines }).to_string()
    } else {
        format::engines(&engines)
    };
    output::line(text.trim_end())?;
    Ok(())
}
