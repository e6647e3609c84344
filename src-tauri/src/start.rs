//! Who is the host? One that has a desktop is asked to show itself; one without yields to this app.

use std::time::{Duration, Instant};

use locald_core::ServiceId;
use locald_host::{
    HostLock, LockError,
    config::Folders,
    control::{
        client::{Client, ClientError},
        protocol::Request,
    },
};

/// How long another host may take to answer, or to yield.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(25);

/// What became of the start.
pub(crate) enum Start {
    /// This process is the host.
    Host(HostLock),
    /// Another desktop app runs and was asked to show itself.
    Shown,
}

/// Takes the host's place, or hands over to the app that has it.
pub(crate) async fn decide(folders: &Folders, show: Option<Option<ServiceId>>) -> Result<Start, String> {
    folders
        .make_runtime()
        .map_err(|error| format!("{} can't be made private: {error}", folders.runtime.display()))?;
    let deadline = Instant::now() + PATIENCE;
    // A command may start another host in the moment between two; each is asked once.
    let mut asked: Option<u32> = None;
    loop {
        let pid = match HostLock::acquire(&folders.runtime) {
            Ok(lock) => return Ok(Start::Host(lock)),
            Err(LockError::Held { pid }) => pid,
            Err(error) => return Err(error.to_string()),
        };
        match Client::connect(&folders.runtime).await {
            Ok(mut client) if client.hello.shell => {
                if let Some(service) = show {
                    let answer = tokio::time::timeout(PATIENCE, client.call(Request::Show { service })).await;
                    match answer {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) => return Err(error.to_string()),
                        Err(_) => return Err(silent(pid)),
                    }
                }
                return Ok(Start::Shown);
            }
            Ok(mut client) if asked != Some(client.hello.pid) => {
                asked = Some(client.hello.pid);
                tracing::info!(pid = client.hello.pid, "takes over from a host without a desktop");
                // It may end before it has answered.
                match client.call(Request::Yield).await {
                    Ok(_) | Err(ClientError::Closed | ClientError::Io(_)) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            // It is on its way out, or on its way in: the lock or its socket tells in a moment.
            Ok(_) | Err(ClientError::NoHost | ClientError::Closed) => {}
            Err(ClientError::Silent) => return Err(silent(pid)),
            Err(error) => return Err(error.to_string()),
        }
        if Instant::now() > deadline {
            return Err(silent(pid));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn silent(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!(
            "locald runs already (pid {pid}) and does not answer; end it (`kill -9 {pid}`) and start again. Services stay as they are"
        ),
        None => "locald runs already and does not answer".to_owned(),
    }
}
