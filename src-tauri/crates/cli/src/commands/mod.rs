//! One file a command.

mod action;
mod completions;
mod engines;
mod events;
mod host;
mod logs;
mod moves;
mod mute;
mod open;
mod status;

use crate::{
    args::{Args, Command, Engines},
    connect,
    exit::Failure,
    target,
};
use locald_host::control::protocol::Action;

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let Args { json, project, command } = args;
    match command {
        Command::Completions { shell } => return completions::run(shell),
        Command::Host => return host::run().await,
        _ => {}
    }
    let folders = connect::folders()?;
    let project = target::project(&folders, project.as_deref())?;
    if let Command::Open { service } = command {
        return open::run(&folders, &project, service).await;
    }
    let mut client = connect::host(&folders).await?;
    let client = &mut client;
    match command {
        Command::Status { watch, services } => status::run(client, &project, &services, watch, json).await,
        Command::Up { services, wait } => {
            action::run(&folders, client, &project, Action::Up, &services, wait, json).await
        }
        Command::Down { services, wait } => {
            action::run(&folders, client, &project, Action::Stop, &services, wait, json).await
        }
        Command::Start { services, wait } => {
            action::run(&folders, client, &project, Action::Start, &services, wait, json).await
        }
        Command::Stop { services, wait } => {
            action::run(&folders, client, &project, Action::Stop, &services, wait, json).await
        }
        Command::Restart { services, wait } => {
            action::run(&folders, client, &project, Action::Restart, &services, wait, json).await
        }
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
            logs::run(client, &project, &service, options).await
        }
        Command::Engines { command: None } => engines::run(client, json).await,
        Command::Engines {
            command: Some(Engines::Default { engine }),
        } => engines::set_default(client, &engine, json).await,
        Command::Move { service, engine, wait } => {
            moves::run(&folders, client, &project, &service, engine, wait, json).await
        }
        Command::Mute { service, time } => mute::run(client, &project, &service, Some(time)).await,
        Command::Unmute { service } => mute::run(client, &project, &service, None).await,
        Command::Events => events::run(client, &project, json).await,
        Command::Open { .. } | Command::Host | Command::Completions { .. } => Ok(()),
    }
}
