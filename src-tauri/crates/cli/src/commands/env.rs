//! `locald url`, `locald env`, `locald run` and `locald connect`.

use std::{
    collections::BTreeMap, ffi::OsString, io, os::unix::process::CommandExt as _, process::Command, time::Duration,
};

use locald_core::{ServiceId, snapshot::StateKind, view::status::Status};
use locald_host::control::{
    client::ClientError,
    protocol::{Action, RefusalCode, Request},
};
use serde_json::json;

use crate::{
    args::EnvFormat,
    environment::{self, Merged},
    exit::Failure,
    output,
    session::Session,
    wait::Goal,
};

pub(crate) async fn url(session: &mut Session, name: &str) -> Result<(), Failure> {
    let (status, id) = session.find(name).await?;
    let (url, console) = match session.client.call(Request::Connection { service: id.clone() }).await {
        Ok(done) => match done.connection {
            Some(connection) => (Some(connection.url), connection.console),
            None => (None, None),
        },
        // A container of the person's own: what is known of it holds no password.
        Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::NotPossible => {
            let service = status.services.iter().find(|service| service.id == id);
            let url = service.and_then(|service| service.url.clone());
            if url.is_none() {
                return Err((*refusal).into());
            }
            (url, None)
        }
        Err(error) => return Err(error.into()),
    };
    let url = url.ok_or_else(|| Failure::failed("the host gave no connection"))?;
    let text = if session.json {
        json!({ "service": id, "url": url, "console": console }).to_string()
    } else {
        url
    };
    output::line(&text)?;
    Ok(())
}

pub(crate) async fn env(session: &mut Session, name: Option<&str>, format: EnvFormat) -> Result<(), Failure> {
    let env = match name {
        Some(name) => {
            let (_, id) = session.find(name).await?;
            let connection = session.connection(&id).await?;
            environment::merge([(&id, &connection.env)]).env
        }
        None => of_project(session).await?,
    };
    let format = if session.json { EnvFormat::Json } else { format };
    if env.is_empty() && format != EnvFormat::Json {
        return Ok(());
    }
    output::line(&environment::text(&env, format))?;
    Ok(())
}

/// The environment of all of the project; tells which names have two services that want them.
async fn of_project(session: &mut Session) -> Result<BTreeMap<String, String>, Failure> {
    let project = session.load().await?;
    let connections = session.connections(&project).await?;
    if connections.is_empty() && !session.json {
        output::note("This project has no services from the catalog; `locald add postgres` adds one.");
    }
    let Merged { env, shadowed } = environment::merge(
        connections
            .iter()
            .map(|(service, connection)| (&service.id, &connection.env)),
    );
    for one in shadowed {
        output::note(&format!(
            "{} {} of {}; `locald env {}` prints those of {}",
            one.names.join(", "),
            if one.names.len() == 1 { "is that" } else { "are those" },
            one.by,
            one.of.name,
            one.of
        ));
    }
    Ok(env)
}

pub(crate) async fn run(
    session: &mut Session,
    command: &[OsString],
    up: bool,
    timeout: Duration,
) -> Result<(), Failure> {
    let env = of_project(session).await?;
    let project = session.load().await?;
    let status = crate::target::status(&mut session.client).await?;
    if up {
        let ids: Vec<ServiceId> = status
            .services
            .iter()
            .filter(|service| service.project == project && !service.external)
            .map(|service| service.id.clone())
            .collect();
        if !ids.is_empty() {
            let done = session.command(Action::Up, &ids).await?;
            session
                .until(&ids, Goal::Up { healthy: true }, done.seq, timeout)
                .await?;
        }
    } else {
        tell_of_stopped(&status, &project);
    }
    let (program, args) = command.split_first().ok_or_else(|| Failure::failed("no command"))?;
    Err(become_program(Command::new(program).args(args).envs(env)))
}

fn tell_of_stopped(status: &Status, project: &str) {
    let stopped: Vec<&str> = status
        .services
        .iter()
        .filter(|service| service.project == project && crate::session::is_managed(service))
        .filter(|service| {
            matches!(
                service.state,
                StateKind::Stopped | StateKind::Exited | StateKind::Failed
            )
        })
        .map(|service| service.name.as_str())
        .collect();
    if !stopped.is_empty() {
        output::note(&format!(
            "Not running: {}. `locald up` or --up starts them.",
            stopped.join(", ")
        ));
    }
}

pub(crate) async fn connect(session: &mut Session, name: &str, args: &[OsString]) -> Result<(), Failure> {
    let (_, id) = session.find(name).await?;
    let connection = session.connection(&id).await?;
    let client = connection.client.unwrap_or_default();
    let Some((program, own)) = client.split_first() else {
        return Err(
            Failure::failed(format!("{id} has no client program that locald knows of"))
                .hint(format!("Its URL: `locald url {id}`.")),
        );
    };
    let mut command = Command::new(program);
    command.args(own).args(args).envs(connection.client_env);
    let mut failure = become_program(&mut command);
    if failure.word == "not_found" {
        failure.message = format!("the client program `{program}` isn't installed");
        failure.hint = Some(format!(
            "Install it with your package manager, or give another client the URL: `locald url {id}`."
        ));
    }
    Err(failure)
}

/// Puts another program in the place of this one, so that its terminal, signals and exit code are its own. Comes back
/// only when that fails.
fn become_program(command: &mut Command) -> Failure {
    let error = command.exec();
    let program = command.get_program().to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound => {
            let mut failure = Failure::failed(format!("there is no program `{program}`"));
            "not_found".clone_into(&mut failure.word);
            failure
        }
        _ => Failure::failed(format!("`{program}` can't be run: {error}")),
    }
}
