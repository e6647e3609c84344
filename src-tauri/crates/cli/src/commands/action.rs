//! `up`, `down`, `start`, `stop`, `restart`.

use locald_core::{ServiceId, view::status::Status};
use locald_host::{
    config::Folders,
    control::{
        client::{Client, ClientError},
        protocol::{Action, Request},
    },
};
use serde_json::json;

use crate::{
    args::Wait,
    connect,
    exit::{Code, Failure},
    output,
    target::{self, Project},
    wait::{self, Goal},
};

pub(crate) async fn run(
    folders: &Folders,
    client: &mut Client,
    project: &Project,
    action: Action,
    names: &[String],
    wait: Wait,
    json: bool,
) -> Result<(), Failure> {
    let loaded = match project.load(client).await {
        Ok(loaded) => loaded,
        // What runs can be stopped whatever its file says by now.
        Err(failure) if action == Action::Stop && !names.is_empty() => {
            output::note(failure.report.as_deref().unwrap_or(&failure.message).trim_end());
            None
        }
        Err(failure) => return Err(failure),
    };
    let status = target::status(client).await?;
    let ids = if names.is_empty() {
        let Some(name) = &loaded else {
            return Err(
                Failure::new(Code::Usage, "no_project", "there is no locald.toml here or above")
                    .hint("Go to a project's folder, name one with --project, or make a locald.toml."),
            );
        };
        status
            .services
            .iter()
            .filter(|service| service.project == *name && !service.external)
            .map(|service| service.id.clone())
            .collect()
    } else {
        target::services(&status, loaded.as_deref(), names)?
    };
    if ids.is_empty() && !json {
        output::note("This project declares no services.");
    }
    let request = Request::Command {
        action,
        services: ids.clone(),
    };
    let done = match client.call(request.clone()).await {
        // A desktop app took over in this moment. Asking twice does no harm: it is the same wish.
        Err(ClientError::Closed) => {
            *client = connect::host(folders).await?;
            project.load(client).await?;
            client.call(request).await?
        }
        other => other?,
    };
    let status = if wait.no_wait || ids.is_empty() {
        target::status(client).await?
    } else {
        let goal = if action == Action::Stop {
            Goal::Down
        } else {
            Goal::Up { healthy: wait.wait }
        };
        wait::until(
            folders,
            client,
            &ids,
            goal,
            done.seq.unwrap_or_default(),
            wait.timeout,
            json,
        )
        .await?
    };
    if json {
        output::line(&chosen(&status, &ids).to_string())?;
    }
    Ok(())
}

fn chosen(status: &Status, ids: &[ServiceId]) -> serde_json::Value {
    let services: Vec<_> = status
        .services
        .iter()
        .filter(|service| ids.contains(&service.id))
        .collect();
    json!({ "services": services })
}
