//! Finds servers that are installed on this machine.

mod npm;
mod places;
mod version;

use std::{
    collections::HashSet,
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use futures_util::future::join_all;
use places::Place;

pub(crate) use npm::linked_copy;

use crate::fetch;

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Look on this machine at all? Without it only `extra_postgres` and what was fetched count.
    pub find: bool,
    /// A PostgreSQL that a person named: its folder of programs, or the folder above.
    pub extra_postgres: Option<PathBuf>,
    /// May a server be fetched that isn't here?
    pub fetch: bool,
    /// `PATH`.
    pub path_env: Option<OsString>,
    /// The person's home folder.
    pub home: Option<PathBuf>,
    /// Folders of projects, whose `node_modules` and `.venv` may hold a PostgreSQL.
    pub projects: Vec<PathBuf>,
    /// Where fetched servers are kept, see [`crate::postgres::Options::cache`].
    pub cache: Option<PathBuf>,
}

/// A server to look for: what the catalog says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The catalog entry.
    pub entry: String,
    /// Names of its program; the first that is found counts.
    pub programs: Vec<String>,
    /// Folders to look in before `PATH`.
    pub folders: Vec<String>,
    /// How many numbers of its version the catalog counts: 1 for `15`, 2 for `7.0`.
    pub version_parts: usize,
    /// Is it PostgreSQL, which has places of its own?
    pub postgres: bool,
}

/// A server on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The catalog entry it is for.
    pub entry: String,
    /// Its version as the catalog counts them: `15`, `7.0`.
    pub version: String,
    /// Its version in full: `15.18`.
    pub full_version: String,
    /// The folder of its programs.
    pub bin: PathBuf,
    /// The server itself.
    pub program: PathBuf,
    /// Where it comes from, for a person to read: `Debian's package`.
    pub source: String,
    /// Has it what writes and reads dumps (`pg_dumpall` and `psql`)? `true` for what isn't PostgreSQL.
    pub clients: bool,
    /// It came by npm, which keeps no links: it only runs from a copy with its links made.
    pub(crate) unlinked: bool,
}

/// The versions of PostgreSQL that could be fetched, the newest first. Asks nobody.
#[must_use]
pub fn fetchable(sources: &Sources) -> Vec<String> {
    if !sources.fetch || !fetch::possible() {
        return Vec::new();
    }
    fetch::MAJORS.rev().map(|major| major.to_string()).collect()
}

/// The servers that are here, in the order they were wanted in; of one entry the newest first, and of one version the one
/// that is to be preferred first.
pub async fn find(sources: &Sources, wanted: &[Wanted]) -> Vec<Installation> {
    // Each is asked for its version, which takes some a while.
    let found = join_all(wanted.iter().map(|want| async move {
        let mut of_entry = if want.postgres {
            find_postgres(sources, want).await
        } else if sources.find {
            find_plain(sources, want).await
        } else {
            Vec::new()
        };
        of_entry.sort_by_key(|installation| std::cmp::Reverse(version::numbers(&installation.version)));
        of_entry
    }));
    found.await.concat()
}

async fn find_postgres(sources: &Sources, want: &Wanted) -> Vec<Installation> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for place in places::postgres(sources, want).await {
        // One and the same by two names (a link on `PATH`) is one.
        let Ok(real) = place.bin.canonicalize() else { continue };
        if seen.insert(real.clone())
            && let Some(installation) = postgres_at(&Place { bin: real, ..place }, want).await
        {
            found.push(installation);
        }
    }
    found
}

/// A PostgreSQL counts only when all that it needs is there and of one version.
async fn postgres_at(place: &Place, want: &Wanted) -> Option<Installation> {
    let program = |name: &str| place.bin.join(name);
    if !["postgres", "initdb", "pg_ctl"]
        .iter()
        .all(|name| executable(&program(name)))
    {
        return None;
    }
    let unlinked = npm::unlinked(&place.bin);
    let full_version = if unlinked {
        npm::version(&place.bin)?
    } else {
        let of_server = version::of(&program("postgres")).await?;
        let of_initdb = version::of(&program("initdb")).await?;
        if version::cut(&of_server, 1) != version::cut(&of_initdb, 1) {
            tracing::info!(bin = %place.bin.display(), "programs of two PostgreSQL versions in one folder are not used");
            return None;
        }
        of_server
    };
    Some(Installation {
        entry: want.entry.clone(),
        version: version::cut(&full_version, want.version_parts),
        full_version,
        program: program("postgres"),
        source: place.source.clone(),
        clients: executable(&program("pg_dumpall")) && executable(&program("psql")),
        unlinked,
        bin: place.bin.clone(),
    })
}

async fn find_plain(sources: &Sources, want: &Wanted) -> Vec<Installation> {
    let on_path = sources.path_env.iter().flat_map(std::env::split_paths);
    let folders: Vec<PathBuf> = want.folders.iter().map(PathBuf::from).chain(on_path).collect();
    let mut seen = HashSet::new();
    let mut found: Vec<Installation> = Vec::new();
    for name in &want.programs {
        for folder in &folders {
            let program = folder.join(name);
            let Ok(real) = program.canonicalize() else { continue };
            if !executable(&real) || !seen.insert(real) {
                continue;
            }
            let Some(full_version) = version::of_entry(&program, &want.entry).await else {
                continue;
            };
            found.push(Installation {
                entry: want.entry.clone(),
                version: version::cut(&full_version, want.version_parts),
                full_version,
                source: format!("found in {}", folder.display()),
                bin: folder.clone(),
                program,
                clients: true,
                unlinked: false,
            });
        }
    }
    found
}

/// A file that may be run.
pub(crate) fn executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
