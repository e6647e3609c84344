//! What a managed service needs that no file says: a version, ports that stay its own, credentials.

use locald_core::{ServiceId, spec::Secret};

use crate::catalog::Entry;

/// Gives managed services what their file leaves open. What was given once for a service is given again.
pub trait Provision {
    /// For a service made from a catalog entry.
    fn managed(&mut self, wish: &Wish<'_>) -> Provided;

    /// A free port of this machine for a process whose file says `port = "auto"`, for good.
    fn port(&mut self, service: &ServiceId) -> u16;
}

/// What a file says of a managed service.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Whose.
    pub service: &'a ServiceId,
    /// The catalog entry.
    pub entry: &'a Entry,
    /// The version it names, one of the entry's.
    pub version: Option<&'a str>,
    /// The port on this machine it names.
    pub port: Option<u16>,
    /// The user it names.
    pub user: Option<&'a str>,
    /// The password it names.
    pub password: Option<&'a Secret>,
    /// The database it names.
    pub database: Option<&'a str>,
}

/// What a managed service is to use. What the file names is in it as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// One of the entry's versions.
    pub version: String,
    /// Ports of this machine, one for each port of the entry, in its order.
    pub ports: Vec<u16>,
    /// `None` where the entry has none.
    pub user: Option<String>,
    /// `None` where the entry has none.
    pub password: Option<Secret>,
    /// `None` where the entry has none.
    pub database: Option<String>,
    /// See [`locald_core::spec::Managed::generation`].
    pub generation: u32,
}
