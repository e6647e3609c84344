//! `locald host`.

use locald_host::{Host, HostError, HostLock, HostOptions, LockError};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    connect,
    exit::{Code, Failure},
};

pub(crate) async fn run() -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env("LOCALD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let folders = connect::folders()?;
    folders
        .make_runtime()
        .map_err(|error| Failure::failed(format!("{} can't be made private: {error}", folders.runtime.display())))?;
    let lock = HostLock::acquire(&folders.runtime).map_err(|error| {
        let held = matches!(error, LockError::Held { .. });
        let failure = Failure::new(Code::Failed, "host_runs", error.to_string());
        if held {
            failure.hint("Nothing to do: other commands reach it by themselves.")
        } else {
            failure
        }
    })?;
    let failed = |error: HostError| Failure::failed(error.to_string());
    let listen = |kind| signal(kind).map_err(|error| Failure::failed(format!("signals can't be received: {error}")));
    let (mut term, mut int, mut hangup) = (
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
        listen(SignalKind::hangup())?,
    );
    let host = Host::start(HostOptions {
        folders,
        lock,
        shell: None,
    })
    .await
    .map_err(failed)?;
    tracing::info!(pid = std::process::id(), "ready");
    loop {
        tokio::select! {
            () = host.asked_to_quit() => break,
            _ = term.recv() => break,
            _ = int.recv() => break,
            // The terminal it was started from is gone; services are still looked after.
            _ = hangup.recv() => {}
        }
    }
    tracing::info!("ends; services stay as they are");
    Ok(())
}
