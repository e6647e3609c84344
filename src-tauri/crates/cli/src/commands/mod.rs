//! One file a command.

mod action;
mod add;
mod choose;
mod completions;
pub(crate) mod doctor;
mod engines;
mod env;
mod events;
mod host;
mod logs;
mod moves;
mod mute;
mod open;
mod rm;
mod snapshot;
mod status;
mod trash;

use locald_host::control::protocol::Action;

use crate::{
    args::{Args, Command, Engines},
    connect,
    exit::Failure,
    session::Session,
    target,
};

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let Args { json, project, command } = args;
    match command {
        Command::Completions { shell } => return completions::run(shell),
        Command::Host => return host::run().await,
        _ => {}
    }
    let folders = connect::folders()?;
    let project = match (&command, project.as_deref()) {
        // Its file is made where there is none.
        (Command::Add { .. }, Some(named)) => target::folder(named)?,
        (_, named) => target::project(&folders, named)?,
    };
    match command {
        Command::Open { service } => return open::run(&folders, &project, service).await,
        Command::Doctor => return doctor::run(folders, project, json).await,
        _ => {}
    }
    let client = connect::host(&folders).await?;
    let mut session = Session {
        folders,
        client,
        project,
        json,
    };
    with_host(&mut session, command).await
}

async fn with_host(session: &mut Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Up { services, wait } => action::run(session, Action::Up, &services, wait).await,
        Command::Down { services, wait } | Command::Stop { services, wait } => {
            action::run(session, Action::Stop, &services, wait).await
        }
        Command::Start { services, wait } => action::run(session, Action::Start, &services, wait).await,
        Command::Restart { services, wait } => action::run(session, Action::Restart, &services, wait).await,
        Command::Move { service, engine, wait } => moves::run(session, &service, engine, wait).await,
        Command::Catalog => add::catalog(session).await,
        Command::Add {
            wish,
            name,
            no_start,
            patience,
        } => {
            let then = add::Then {
                start: !no_start,
                patience,
            };
            add::run(session, wish, name, then).await
        }
        Command::Rm { services, confirm } => rm::run(session, &services, confirm).await,
        Command::Url { service } => env::url(session, &service).await,
        Command::Env { service, format } => env::env(session, service.as_deref(), format).await,
        Command::Run { up, timeout, command } => env::run(session, &command, up, timeout).await,
        Command::Connect { service, args } => env::connect(session, &service, &args).await,
        Command::Snapshot { command } => snapshot::run(session, command).await,
        Command::Trash { command } => trash::run(session, command).await,
        Command::Choose {
            service,
            choice,
            patience,
        } => choose::run(session, &service, choice, patience).await,
        other => looking(session, other).await,
    }
}

/// Commands that look, and those that set what is told and what is the default.
async fn looking(session: &mut Session, command: Command) -> Result<(), Failure> {
    let Session {
        client, project, json, ..
    } = session;
    let json = *json;
    match command {
        Command::Status { watch, services } => status::run(client, project, &services, watch, json).await,
        Command::Logs {
            service,
            follow,
            lines,
            timestamps,
        } => {
            let options = logs::Options {
                follow,
                lines: lines.0,
                timestamps,
                json,
            };
            logs::run(client, project, &service, options).await
        }
        Command::Engines { command: None } => engines::run(client, json).await,
        Command::Engines {
            command: Some(Engines::Default { engine }),
        } => engines::set_default(client, &engine, json).await,
        Command::Mute { service, time } => mute::run(client, project, &service, Some(time)).await,
        Command::Unmute { service } => mute::run(client, project, &service, None).await,
        Command::Events => events::run(client, project, json).await,
        _ => Ok(()),
    }
}
