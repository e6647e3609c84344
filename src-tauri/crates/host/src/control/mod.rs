//! The control socket: how the command line, and a second launch of the desktop app, talk to the host.
//!
//! JSON lines over a Unix socket in the runtime folder (folder 0700, socket 0600). The host speaks first, with a
//! [`protocol::Hello`]. A client then sends [`protocol::Request`]s, each with an id of its own; answers carry that id, so that
//! several may be under way at once.

pub mod client;
pub mod protocol;
pub(crate) mod server;

use std::path::{Path, PathBuf};

/// The socket's path.
#[must_use]
pub fn socket_path(runtime: &Path) -> PathBuf {
    runtime.join("control.sock")
}
