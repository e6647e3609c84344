//! Where engines listen when nobody says otherwise.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use locald_engine::EngineKind;

use crate::discover::Sources;

/// Docker's own.
pub(crate) const DOCKER: &str = "/var/run/docker.sock";

/// A place and whose it is.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) kind: EngineKind,
    pub(crate) path: PathBuf,
}

/// All places, in the order of preference.
pub(crate) fn all(sources: &Sources<'_>) -> Vec<Place> {
    let mut places = Vec::new();
    let mut add = |name: &str, kind, path: PathBuf| {
        places.push(Place {
            name: name.to_owned(),
            kind,
            path,
        });
    };
    let runtime = sources.runtime();
    let home = |path: &str| sources.in_home(path);
    add("docker", EngineKind::Docker, sources.system(DOCKER));
    add("docker-rootless", EngineKind::Docker, runtime.join("docker.sock"));
    for path in [".docker/run/docker.sock", ".docker/desktop/docker.sock"] {
        home(path)
            .into_iter()
            .for_each(|path| add("docker-desktop", EngineKind::Docker, path));
    }
    // Root's own engine is root's `podman`.
    let rootful = if sources.user == 0 { "podman" } else { "podman-rootful" };
    add("podman", EngineKind::Podman, runtime.join("podman/podman.sock"));
    for path in ["/run/podman/podman.sock", "/var/run/podman/podman.sock"] {
        add(rootful, EngineKind::Podman, sources.system(path));
    }
    for machine in folders(home(".local/share/containers/podman/machine"), "podman.sock") {
        add(&machine.name, EngineKind::Podman, machine.socket);
    }
    // From Podman 5 on; on a Mac in the folder for temporary files.
    let temporary = sources.variable("TMPDIR").map(PathBuf::from);
    for folder in [
        Some(runtime.join("podman")),
        temporary.map(|folder| folder.join("podman")),
    ] {
        for machine in relays(folder) {
            add(&machine.name, EngineKind::Podman, machine.socket);
        }
    }
    for colima in [home(".colima"), home(".config/colima")] {
        for profile in folders(colima, "docker.sock") {
            add(
                &profile.prefixed("colima", "default"),
                EngineKind::Docker,
                profile.socket,
            );
        }
    }
    home(".rd/docker.sock")
        .into_iter()
        .for_each(|path| add("rancher-desktop", EngineKind::Docker, path));
    home(".orbstack/run/docker.sock")
        .into_iter()
        .for_each(|path| add("orbstack", EngineKind::Docker, path));
    for (socket, kind) in [
        ("sock/docker.sock", EngineKind::Docker),
        ("sock/podman.sock", EngineKind::Podman),
    ] {
        for instance in folders(home(".lima"), socket) {
            add(&instance.prefixed("lima", "default"), kind, instance.socket);
        }
    }
    places
}

/// The place whose socket this is. Of several paths to one socket, the one without a link says whose it is: with
/// podman-docker, Docker's path is a link to Podman's.
pub(crate) fn at<'a>(places: &'a [Place], socket: &Path) -> Option<&'a Place> {
    let Ok(file) = std::fs::metadata(socket) else {
        return places.iter().find(|place| place.path == socket);
    };
    let same = |place: &&Place| {
        std::fs::metadata(&place.path).is_ok_and(|other| (other.dev(), other.ino()) == (file.dev(), file.ino()))
    };
    let linked = |place: &&Place| std::fs::symlink_metadata(&place.path).is_ok_and(|file| file.is_symlink());
    let all = || places.iter().filter(same);
    all().find(|place| !linked(place)).or_else(|| all().next())
}

/// A folder of an engine's, one a virtual machine.
struct Machine {
    name: String,
    socket: PathBuf,
}

impl Machine {
    /// `colima` for the usual one, `colima-work` for another.
    fn prefixed(&self, prefix: &str, usual: &str) -> String {
        let usual = [usual, prefix];
        if usual.contains(&self.name.as_str()) {
            prefix.to_owned()
        } else {
            format!("{prefix}-{}", self.name)
        }
    }
}

/// Podman's relays to its virtual machines, in order of their names.
fn relays(folder: Option<PathBuf>) -> Vec<Machine> {
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut machines: Vec<Machine> = entries
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            Some(Machine {
                name: entry
                    .file_name()
                    .to_string_lossy()
                    .strip_suffix("-api.sock")?
                    .to_owned(),
                socket: entry.path(),
            })
        })
        .collect();
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    machines
}

/// The folders that have such a socket, in order of their names.
fn folders(parent: Option<PathBuf>, socket: &str) -> Vec<Machine> {
    let entries = parent.and_then(|parent| std::fs::read_dir(parent).ok());
    let mut machines: Vec<Machine> = entries
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| Machine {
            name: entry.file_name().to_string_lossy().into_owned(),
            socket: entry.path().join(socket),
        })
        .filter(|machine| machine.socket.exists())
        .collect();
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    machines
}
