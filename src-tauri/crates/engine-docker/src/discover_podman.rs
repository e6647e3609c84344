//! What Podman's own tools were told: connections, and the variables that choose one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use locald_engine::EngineKind;
use serde::Deserialize;

use crate::{
    discover::{Found, Sources, by_key},
    endpoint::Address,
};

/// All that Podman's files say of connections, the later over the earlier.
#[derive(Default)]
struct Known {
    default: Option<String>,
    all: BTreeMap<String, Connection>,
}

#[derive(Debug, Deserialize)]
struct Connection {
    #[serde(alias = "URI")]
    uri: String,
    #[serde(alias = "Identity", default)]
    identity: Option<PathBuf>,
    #[serde(alias = "IsMachine", alias = "is_machine", default)]
    machine: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    #[serde(default)]
    connection: Listed,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    default: Option<String>,
    #[serde(default)]
    connections: BTreeMap<String, Connection>,
}

#[derive(Deserialize)]
struct ContainersConf {
    #[serde(default)]
    engine: Engine,
}

#[derive(Default, Deserialize)]
struct Engine {
    #[serde(default)]
    active_service: Option<String>,
    #[serde(default)]
    service_destinations: BTreeMap<String, Connection>,
}

/// The chosen connection, then those that lead to a socket of this machine.
pub(crate) fn connections(sources: &Sources<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some(endpoint) = sources.variable("CONTAINER_HOST") {
        let identity = sources.variable("CONTAINER_SSHKEY").map(PathBuf::from);
        found.push(Found {
            kind: Some(EngineKind::Podman),
            access: by_key(identity, false),
            ..Found::named(endpoint, "from CONTAINER_HOST")
        });
    }
    let mut known = known(sources);
    let by_variable = sources.variable("CONTAINER_CONNECTION");
    let chosen = by_variable.clone().or_else(|| known.default.take());
    if let Some((name, connection)) = chosen.and_then(|name| known.all.remove_entry(&name)) {
        let source = if by_variable.is_some() {
            format!("from CONTAINER_CONNECTION, the Podman connection `{name}`")
        } else {
            format!("the Podman connection `{name}`")
        };
        found.push(connection.found(name, &source, true));
    }
    for (name, connection) in known.all {
        if connection.socket().is_some_and(|socket| socket.exists()) {
            let source = format!("the Podman connection `{name}`");
            found.push(connection.found(name, &source, false));
        }
    }
    found
}

impl Connection {
    fn found(self, name: String, source: &str, explicit: bool) -> Found {
        let loopback = match Address::parse(&self.uri, false) {
            Ok(Address::Ssh(target)) => ["localhost", "127.0.0.1", "::1"].contains(&target.host.as_str()),
            _ => false,
        };
        Found {
            name: Some(name),
            kind: Some(EngineKind::Podman),
            access: by_key(
                self.identity.filter(|path| !path.as_os_str().is_empty()),
                self.machine && loopback,
            ),
            explicit,
            ..Found::named(self.uri, source)
        }
    }

    fn socket(&self) -> Option<PathBuf> {
        match Address::parse(&self.uri, false) {
            Ok(Address::Unix(path)) => Some(path),
            _ => None,
        }
    }
}

fn known(sources: &Sources<'_>) -> Known {
    let config = sources.variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| sources.in_home(".config"));
    let config = config.map(|config| config.join("containers"));
    let mut known = Known::default();
    let mut files = match sources.variable("CONTAINERS_CONF") {
        Some(only) => vec![PathBuf::from(only)],
        None => {
            let mut files = vec![sources.system("/usr/share/containers/containers.conf")];
            let folders = [Some(sources.system("/etc/containers")), config.clone()];
            for folder in folders.into_iter().flatten() {
                files.push(folder.join("containers.conf"));
                files.extend(parts(&folder.join("containers.conf.d")));
            }
            files
        }
    };
    files.extend(sources.variable("CONTAINERS_CONF_OVERRIDE").map(PathBuf::from));
    for path in files {
        let conf = load(&path, |text| {
            toml_edit::de::from_str::<ContainersConf>(text).map_err(|error| error.to_string())
        });
        if let Some(conf) = conf {
            known.default = conf
                .engine
                .active_service
                .filter(|name| !name.is_empty())
                .or(known.default);
            known.all.extend(conf.engine.service_destinations);
        }
    }
    let path = sources.variable("PODMAN_CONNECTIONS_CONF").map(PathBuf::from);
    let path = path.or_else(|| config.map(|config| config.join("podman-connections.json")));
    let file = path.and_then(|path| {
        load(&path, |text| {
            serde_json::from_str::<File>(text).map_err(|error| error.to_string())
        })
    });
    if let Some(File { connection }) = file {
        known.default = connection.default.filter(|name| !name.is_empty()).or(known.default);
        known.all.extend(connection.connections);
    }
    known
}

/// `*.conf` in the order of their names.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut parts: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    parts.sort();
    parts
}

/// A file as it reads, nothing when there is none, and a word in the log when it is broken.
fn load<T>(path: &Path, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
    let text = std::fs::read_to_string(path).ok()?;
    read(&text)
        .inspect_err(
            |error| tracing::debug!(path = %path.display(), %error, "Podman's configuration could not be read"),
        )
        .ok()
}
