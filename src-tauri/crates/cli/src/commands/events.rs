//! `locald events`.

use locald_core::view::status::Change;
use locald_host::control::{
    client::{Client, Next},
    protocol::{Item, Request},
};

use crate::{
    exit::Failure,
    format,
    output::{self, Pipe},
    target::Project,
};

pub(crate) async fn run(client: &mut Client, project: &Project, json: bool) -> Result<(), Failure> {
    let name = match project.load(client).await {
        Ok(name) => name,
        Err(failure) if project.named => return Err(failure),
        Err(_) => None,
    };
    let only = if project.named { name } else { None };
    client.send(Request::Events).await?;
    loop {
        match client.next().await? {
            Next::Item(Item::Record(record)) => {
                let foreign = match (&record.change, &only) {
                    (
                        Change::StateChanged { service, .. }
                        | Change::HealthChanged { service, .. }
                        | Change::ServiceRemoved { service },
                        Some(only),
                    ) => service.project.as_str() != only,
                    _ => false,
                };
                if foreign {
                    continue;
                }
                let text = if json {
                    serde_json::to_string(&record).map_err(|error| Failure::failed(error.to_string()))?
                } else {
                    format::record(&record)
                };
                if output::line(&text)? == Pipe::Closed {
                    return Ok(());
                }
            }
            Next::Item(_) => {}
            Next::Done(_) => return Ok(()),
        }
    }
}
