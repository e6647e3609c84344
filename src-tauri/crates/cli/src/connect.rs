//! Reaches the host, and starts one when none runs.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use locald_host::{
    config::Folders,
    control::client::{Client, ClientError},
};

use crate::exit::Failure;

/// How long a host that was just started may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

pub(crate) fn folders() -> Result<Folders, Failure> {
    Folders::from_env(|name| std::env::var_os(name)).map_err(|error| Failure::failed(error.to_string()))
}

/// Connects to the running host, if there is one.
pub(crate) async fn existing(folders: &Folders) -> Result<Option<Client>, Failure> {
    match Client::connect(&folders.runtime).await {
        Ok(client) => Ok(Some(client)),
        Err(ClientError::NoHost | ClientError::Closed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Connects to the running host, or to one that is started for it.
pub(crate) async fn host(folders: &Folders) -> Result<Client, Failure> {
    if let Some(client) = existing(folders).await? {
        return Ok(client);
    }
    let log = folders.state.join("host.log");
    let failed = |what: &str, error: std::io::Error| Failure::failed(format!("{what}: {error}"));
    std::fs::create_dir_all(&folders.state)
        .map_err(|error| failed(&format!("{} can't be made", folders.state.display()), error))?;
    let output =
        std::fs::File::create(&log).map_err(|error| failed(&format!("{} can't be written", log.display()), error))?;
    let program = std::env::current_exe().map_err(|error| failed("the locald program can't be found", error))?;
    let mut command = std::process::Command::new(program);
    command
        .arg("host")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output);
    // A group of its own: Ctrl-C in this terminal is not meant for it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    // A host lives on; the folder it was started from should not be held busy by it.
    command.current_dir("/");
    let mut child = command
        .spawn()
        .map_err(|error| failed("the host can't be started", error))?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(client) = existing(folders).await? {
            return Ok(client);
        }
        // One that lost the race against another command's host ends at once; the other one answers then.
        let ended = child.try_wait().ok().flatten().filter(|status| !status.success());
        if let Some(status) = ended
            && existing(folders).await?.is_none()
            && status.code() != Some(0)
        {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let last = said
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or("it said nothing");
            return Err(Failure::failed(format!("the host ended at once: {}", last.trim())));
        }
        if Instant::now() > deadline {
            return Err(
                Failure::new(crate::exit::Code::TimedOut, "host_silent", "the host does not answer")
                    .hint(format!("Its log is {}.", log.display())),
            );
        }
        tokio::time::sleep(POLL).await;
    }
}
