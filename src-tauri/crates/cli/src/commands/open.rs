//! `locald open`.

use std::process::Stdio;

use locald_host::{
    config::Folders,
    control::{client::Client, protocol::Request},
};

use crate::{
    connect,
    exit::Failure,
    output,
    target::{self, Project},
};

const DESKTOP: &str = "locald-desktop";

pub(crate) async fn run(folders: &Folders, project: &Project, service: Option<String>) -> Result<(), Failure> {
    if let Some(mut client) = connect::existing(folders).await?
        && client.hello.shell
    {
        let service = id(&mut client, project, service).await?;
        client.call(Request::Show { service }).await?;
        return Ok(());
    }
    let service = match service {
        // Checked before a window opens on it.
        Some(name) => {
            let mut client = connect::host(folders).await?;
            id(&mut client, project, Some(name)).await?
        }
        None => None,
    };
    launch(service.map(|id| id.to_string()))
}

async fn id(
    client: &mut Client,
    project: &Project,
    service: Option<String>,
) -> Result<Option<locald_core::ServiceId>, Failure> {
    let loaded = project.load(client).await?;
    let Some(name) = service else { return Ok(None) };
    let status = target::status(client).await?;
    target::service(&status, loaded.as_deref(), &name).map(Some)
}

/// Starts the desktop app: the one beside this program, else one in `PATH`. It takes over from a host without a desktop.
fn launch(service: Option<String>) -> Result<(), Failure> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
        return Err(Failure::failed("there is no display to open a window on")
            .hint("Use `locald status` and `locald logs` here."));
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|program| program.with_file_name(DESKTOP));
    let program = beside.filter(|path| path.exists()).unwrap_or_else(|| DESKTOP.into());
    let mut command = std::process::Command::new(&program);
    command
        .args(service)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map_err(|error| {
        let failure = Failure::failed(format!("{} can't be started: {error}", program.display()));
        match error.kind() {
            std::io::ErrorKind::NotFound => failure.hint("Install the desktop app, or use `locald status`."),
            _ => failure,
        }
    })?;
    output::note("locald-desktop starts.");
    Ok(())
}
