//! `locald engines`.

use locald_host::control::{client::Client, protocol::Request};
use serde_json::json;

use crate::{exit::Failure, format, output, target};

pub(crate) async fn set_default(client: &mut Client, engine: &str, json: bool) -> Result<(), Failure> {
    let engine = (engine != "auto").then(|| engine.to_owned());
    client.call(Request::DefaultEngine { engine }).await?;
    run(client, json).await
}

pub(crate) async fn run(client: &mut Client, json: bool) -> Result<(), Failure> {
    let engines = target::settled(client).await?.engines;
    let text = if json {
        json!({ "engines": engines }).to_string()
    } else {
        format::engines(&engines)
    };
    output::line(text.trim_end())?;
    Ok(())
}
