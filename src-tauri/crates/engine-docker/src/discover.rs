//! Finding the engines that the person's other tools use.

use std::{
    collections::HashSet,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use locald_core::state::EngineRecord;
use locald_engine::EngineKind;

use crate::{
    Access, SshLogin, TlsFiles, discover_docker as docker,
    discover_places::{self as places, Place},
    discover_podman as podman,
    endpoint::Address,
};

/// One engine that could be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id for services to name it by: `docker`, `podman`, `colima`, a context's own name. No two have the same.
    pub name: String,
    /// The family it looks like; what it really is it says when it answers.
    pub kind: EngineKind,
    /// `unix:///…`, `tcp://…`, `ssh://…`.
    pub endpoint: String,
    /// Where it was learned from, in words: `from DOCKER_HOST`, ``from the docker context `prod` ``.
    pub source: String,
    /// What connecting needs besides the address.
    pub access: Access,
    /// Did somebody name it? The others are there only while their sockets exist.
    pub explicit: bool,
}

/// Where to look.
pub struct Sources<'a> {
    /// locald's own setting.
    pub setting: Option<String>,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The person's home folder.
    pub home: Option<&'a Path>,
    /// The folder under which `/run`, `/var` and `/etc` are: `/`, but for tests.
    pub root: &'a Path,
    /// The person's user id.
    pub user: u32,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("setting", &self.setting)
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

impl<'a> Sources<'a> {
    /// This machine's, for the user who runs this.
    pub fn new(setting: Option<String>, env: &'a dyn Fn(&str) -> Option<String>, home: Option<&'a Path>) -> Self {
        Self {
            setting,
            env,
            home,
            root: Path::new("/"),
            user: rustix::process::getuid().as_raw(),
        }
    }

    /// A variable that is set and not blank.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.trim().is_empty())
    }

    /// A folder of the whole machine.
    pub(crate) fn system(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Where the person's sockets are; programs that a session manager started may not be told.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.variable("XDG_RUNTIME_DIR")
            .map_or_else(|| self.system(&format!("/run/user/{}", self.user)), PathBuf::from)
    }

    /// A file of the home folder, if it can be read.
    pub(crate) fn in_home(&self, path: &str) -> Option<PathBuf> {
        self.home.map(|home| home.join(path))
    }
}

/// A candidate before it has a name that no other has.
pub(crate) struct Found {
    pub(crate) name: Option<String>,
    pub(crate) kind: Option<EngineKind>,
    pub(crate) endpoint: String,
    pub(crate) source: String,
    pub(crate) access: Access,
    pub(crate) explicit: bool,
}

impl Found {
    pub(crate) fn named(endpoint: String, source: &str) -> Self {
        Self {
            name: None,
            kind: None,
            endpoint,
            source: source.to_owned(),
            access: Access::default(),
            explicit: true,
        }
    }
}

/// The engines that could be there, the one that services get by default first.
///
/// The order is that in which the person's other tools decide: locald's own setting, `DOCKER_HOST` (with
/// `DOCKER_TLS_VERIFY`, `DOCKER_TLS` and `DOCKER_CERT_PATH`), the docker context (`DOCKER_CONTEXT`, else the current
/// one of `config.json` in `DOCKER_CONFIG` or `~/.docker`, with its certificates), then sockets at the usual places of
/// Docker, Docker Desktop, Podman, Colima, Rancher Desktop, OrbStack and Lima, and last Podman's own connections
/// (`CONTAINER_HOST`, `CONTAINER_CONNECTION`, the default of `podman-connections.json` or `containers.conf`, and those
/// that are on this machine). Other contexts and connections lead to other machines, which nobody asked for now.
///
/// This looks at files and connects to nothing, so it may be done often: again every few seconds, say, to see a
/// Podman machine that was started by now. A socket that several paths lead to, be it by links, comes once, by its
/// first source. Two sockets of one engine come twice; what they answer tells that
/// ([`EngineVersion::key`](locald_engine::EngineVersion::key)). A name belongs to a socket and not to the way it was
/// learned: Colima's is `colima` also as a docker context or a `DOCKER_HOST`. A context that can't be read is a
/// candidate too, whose [`connect`](locald_engine::Engine::connect) says what is wrong. When there is nothing at all,
/// Docker's usual socket is named, for a person to be told what to do.
#[must_use]
pub fn discover(sources: &Sources<'_>) -> Vec<Candidate> {
    let mut found = Vec::new();
    if let Some(endpoint) = sources.setting.as_ref().filter(|setting| !setting.trim().is_empty()) {
        found.push(docker::with_variables(
            sources,
            endpoint.clone(),
            "from locald's settings",
        ));
    }
    if let Some(endpoint) = sources.variable("DOCKER_HOST") {
        found.push(docker::with_variables(sources, endpoint, "from DOCKER_HOST"));
    }
    found.extend(docker::context(sources));
    let places = places::all(sources);
    found.extend(places.iter().filter(|place| place.path.exists()).map(|place| Found {
        source: "found at a usual place".to_owned(),
        explicit: false,
        ..Found::named(format!("unix://{}", place.path.display()), "")
    }));
    found.extend(podman::connections(sources));
    if found.is_empty() {
        let usual = format!("unix://{}", sources.system(places::DOCKER).display());
        found.push(Found::named(usual, EngineRecord::USUAL_PLACE));
    }

    let (mut ways, mut names) = (HashSet::new(), HashSet::new());
    found
        .into_iter()
        .filter(|found| ways.insert(way(found)))
        .map(|found| candidate(found, &places, &mut names))
        .collect()
}

/// What is the same for all spellings of one way.
fn way(found: &Found) -> String {
    match Address::parse(&found.endpoint, found.access.tls.is_some()) {
        _ if found.access.obstacle.is_some() => format!("none {}", found.source),
        Ok(Address::Unix(path)) => match std::fs::metadata(&path) {
            Ok(file) => format!("file {} {}", file.dev(), file.ino()),
            Err(_) => format!("path {}", path.display()),
        },
        Ok(Address::Tcp { address, .. }) => format!("tcp {address}"),
        Ok(Address::Ssh(target)) => target.to_string(),
        Err(_) => format!("odd {}", found.endpoint),
    }
}

fn candidate(found: Found, places: &[Place], names: &mut HashSet<String>) -> Candidate {
    let place = socket(&found).and_then(|path| places::at(places, &path));
    let name = place.map(|place| place.name.clone()).or_else(|| found.name.clone());
    let kind = place.map(|place| place.kind).or(found.kind);
    let kind = kind.unwrap_or_else(|| {
        let real = socket(&found).map(|path| path.canonicalize().unwrap_or(path));
        let text = real.map_or_else(|| found.endpoint.clone(), |path| path.display().to_string());
        if text.to_ascii_lowercase().contains("podman") {
            EngineKind::Podman
        } else {
            EngineKind::Docker
        }
    });
    let name = name.unwrap_or_else(|| kind.as_str().to_owned());
    Candidate {
        name: unique(&name, names),
        kind,
        endpoint: found.endpoint,
        source: found.source,
        access: found.access,
        explicit: found.explicit,
    }
}

fn socket(found: &Found) -> Option<PathBuf> {
    match Address::parse(&found.endpoint, false) {
        Ok(Address::Unix(path)) => Some(path),
        _ => None,
    }
}

/// The name with only what an id may have, and a number when another one has it already.
fn unique(name: &str, names: &mut HashSet<String>) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    let free = (1_u32..)
        .map(|number| match number {
            1 => name.clone(),
            _ => format!("{name}-{number}"),
        })
        .find(|name| !names.contains(name))
        .unwrap_or(name);
    names.insert(free.clone());
    free
}

/// TLS files of a folder; those that don't exist are left out.
pub(crate) fn tls_files(folder: &Path, verify: bool) -> TlsFiles {
    let file = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    TlsFiles {
        ca: file("ca.pem"),
        cert: file("cert.pem"),
        key: file("key.pem"),
        verify,
    }
}

/// Access by a key's file.
pub(crate) fn by_key(identity: Option<PathBuf>, machine: bool) -> Access {
    Access {
        ssh: SshLogin {
            identity,
            machine,
            ..SshLogin::default()
        },
        ..Access::default()
    }
}
