//! The npm package of PostgreSQL. npm keeps no links, so that the package makes its own after it was installed; where
//! that did not happen (`--ignore-scripts`) the server doesn't run. What belongs to npm is not written to: a copy is
//! linked.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::Installation;
use crate::postgres::copy;

#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    version: String,
}

/// The package's folder, for its folder of programs.
fn package(bin: &Path) -> Option<&Path> {
    let native = bin.parent()?;
    (native.file_name()? == "native").then(|| native.parent()).flatten()
}

fn links(package: &Path) -> Vec<Link> {
    let text = std::fs::read(package.join("native/pg-symlinks.json")).unwrap_or_default();
    serde_json::from_slice::<Vec<Link>>(&text)
        .unwrap_or_default()
        .into_iter()
        .filter(|link| [&link.source, &link.target].iter().all(|path| plain(path)))
        .collect()
}

/// A path that stays in its folder.
fn plain(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Is this the package, with links missing?
pub(super) fn unlinked(bin: &Path) -> bool {
    package(bin).is_some_and(|package| links(package).iter().any(|link| !package.join(&link.target).exists()))
}

/// `17.10`, for `17.10.0-beta.17`: PostgreSQL counts two numbers.
pub(super) fn version(bin: &Path) -> Option<String> {
    let text = std::fs::read(package(bin)?.join("package.json")).ok()?;
    let Package { version } = serde_json::from_slice(&text).ok()?;
    let mut numbers = version.split(['.', '-']);
    Some(format!("{}.{}", numbers.next()?, numbers.next()?))
}

/// A copy of it under this folder, with its links made. Made once.
pub(crate) fn linked_copy(installation: &Installation, servers: &Path) -> io::Result<Installation> {
    let package = package(&installation.bin).ok_or(io::ErrorKind::NotFound)?;
    let folder = servers.join(format!("npm-{}", installation.full_version));
    if !folder.join("bin/postgres").exists() {
        std::fs::create_dir_all(servers)?;
        let fresh = tempfile::Builder::new().prefix(".npm-").tempdir_in(servers)?;
        let made = fresh.path().join("native");
        copy::tree(&package.join("native"), &made, None, copy::Modes::Kept)?;
        for link in links(package) {
            let inside = |path: &Path| path.strip_prefix("native").map(|path| made.join(path));
            let (Ok(source), Ok(target)) = (inside(&link.source), inside(&link.target)) else {
                continue;
            };
            // Both lie in one folder.
            if let (Some(name), false) = (source.file_name(), target.exists()) {
                std::os::unix::fs::symlink(name, &target)?;
            }
        }
        match std::fs::rename(&made, &folder) {
            // Somebody else was quicker.
            Err(_) if folder.join("bin/postgres").exists() => {}
            other => other?,
        }
    }
    let bin = folder.join("bin");
    Ok(Installation {
        program: bin.join("postgres"),
        bin,
        unlinked: false,
        ..installation.clone()
    })
}
