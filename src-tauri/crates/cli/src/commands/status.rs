//! `locald status`.

use jiff::Timestamp;
use locald_core::{
    ServiceId,
    view::status::{ServiceStatus, Status},
};
use locald_host::control::{
    client::{Client, Next},
    protocol::{Hello, Item, Request},
};
use serde_json::json;

use crate::{
    exit::Failure,
    format,
    output::{self, Pipe},
    target::{self, Project},
};

pub(crate) async fn run(
    client: &mut Client,
    project: &Project,
    names: &[String],
    watch: bool,
    json: bool,
) -> Result<(), Failure> {
    let name = match project.load(client).await {
        Ok(name) => name,
        // The state of what runs is worth showing even so.
        Err(failure) if !project.named => {
            output::note(failure.report.as_deref().unwrap_or(&failure.message).trim_end());
            None
        }
        Err(failure) => return Err(failure),
    };
    let only = if project.named { name.clone() } else { None };
    let status = if watch {
        target::status(client).await?
    } else {
        target::settled(client).await?
    };
    let ids = target::services(&status, name.as_deref(), names)?;
    let hello = client.hello.clone();
    if !watch {
        print(&hello, &status, &ids, only.as_deref(), json)?;
        return Ok(());
    }
    client.send(Request::Watch).await?;
    let mut before = String::new();
    loop {
        match client.next().await? {
            Next::Item(Item::Status(status)) => {
                let text = text(&hello, &status, &ids, only.as_deref(), json);
                if text == before {
                    continue;
                }
                // A terminal shows the newest picture in place; a pipe gets one after the other.
                let clear = if output::is_terminal() && !json {
                    "\x1b[H\x1b[2J"
                } else {
                    ""
                };
                if output::line(&format!("{clear}{text}"))? == Pipe::Closed {
                    return Ok(());
                }
                before = text;
            }
            Next::Item(_) => {}
            Next::Done(_) => return Ok(()),
        }
    }
}

fn print(
    hello: &Hello,
    status: &Status,
    ids: &[ServiceId],
    project: Option<&str>,
    json: bool,
) -> Result<Pipe, Failure> {
    output::line(&text(hello, status, ids, project, json))
}

fn text(hello: &Hello, status: &Status, ids: &[ServiceId], project: Option<&str>, json: bool) -> String {
    let wanted = |service: &&ServiceStatus| {
        (ids.is_empty() || ids.contains(&service.id)) && project.is_none_or(|project| service.project == project)
    };
    let services: Vec<&ServiceStatus> = status.services.iter().filter(wanted).collect();
    if json {
        let host = json!({"pid": hello.pid, "version": hello.version, "shell": hello.shell});
        return json!({
            "host": host,
            "engines": status.engines,
            "projects": status.projects,
            "services": services,
            "notices": status.notices,
        })
        .to_string();
    }
    format::status(status, &services, Timestamp::now())
        .trim_end()
        .to_owned()
}
