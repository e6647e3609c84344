//! Real engines with sockets and storage of their own.

use std::path::Path;

pub use locald_engine_testbed::{BUSYBOX, Dockerd, Podman, busybox_image};

use crate::engine_proxy::EngineProxy;
use crate::needs;

/// A private dockerd that holds the image [`BUSYBOX`]. `None`, after a loud word, where none can run.
///
/// # Panics
/// When none can run and `CI` is set, or the image cannot be made.
pub fn dockerd() -> Option<Dockerd> {
    match Dockerd::start() {
        Ok(dockerd) => {
            busybox_image(&dockerd, BUSYBOX).unwrap_or_else(|error| panic!("no image {BUSYBOX}: {error}"));
            Some(dockerd)
        }
        Err(reason) => {
            needs::unmet(&reason);
            None
        }
    }
}

/// A private rootful Podman that holds the image [`BUSYBOX`]. `None`, after a loud word, where none can run.
///
/// # Panics
/// When none can run and `CI` is set, or the image cannot be made.
pub fn podman() -> Option<Podman> {
    match Podman::rootful() {
        Ok(podman) => {
            busybox_image(&podman, BUSYBOX).unwrap_or_else(|error| panic!("no image {BUSYBOX}: {error}"));
            Some(podman)
        }
        Err(reason) => {
            needs::unmet(&reason);
            None
        }
    }
}

/// A proxy in front of `dockerd`, with its socket in `folder`.
///
/// # Panics
/// When it cannot listen there.
pub fn proxied(dockerd: &Dockerd, folder: &Path) -> EngineProxy {
    EngineProxy::start(&folder.join("engine.sock"), &dockerd.socket())
}
