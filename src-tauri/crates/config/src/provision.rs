//! What a managed service needs that no file says: a version, ports that stay its own, credentials.

use locald_core::{ServiceId, spec::Secret};

use crate::catalog::Entry;

/// Gives managed services what their file leaves open. What was given once for a service is given again.
pub trait Provision {
    /// Ports of this machine that the same file names. It is told before anything is asked for, and none of them is to
    /// be given to another service.
    fn named(&mut self, ports: &[u16]) {
        let _ = ports;
    }

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

impl Wish<'_> {
    /// What it comes to with these, where the file is silent.
    #[must_use]
    pub fn provided(&self, version: &str, ports: Vec<u16>, password: &Secret, generation: u32) -> Provided {
        let entry = self.entry;
        let named = |wish: Option<&str>, usual: Option<String>| usual.map(|usual| wish.map_or(usual, str::to_owned));
        Provided {
            version: self.version.unwrap_or(version).to_owned(),
            ports,
            user: named(self.user, entry.default_user().map(str::to_owned)),
            password: entry
                .has_password()
                .then(|| self.password.cloned().unwrap_or_else(|| password.clone())),
            database: named(self.database, entry.default_database(&self.service.project)),
            generation,
        }
    }
}

/// Gives the same to everyone: an entry's usual version and ports, and one password. For looking at a file without
/// giving anything away.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The password of all that have one.
    pub password: Secret,
    /// The port of all that ask for any.
    pub port: u16,
}

impl Default for Fixed {
    fn default() -> Self {
        Self {
            password: Secret::new("password"),
            port: 8080,
        }
    }
}

impl Provision for Fixed {
    fn managed(&mut self, wish: &Wish<'_>) -> Provided {
        let mut ports: Vec<_> = wish.entry.ports().iter().map(|port| port.well_known).collect();
        if let (Some(first), Some(port)) = (ports.first_mut(), wish.port) {
            *first = port;
        }
        wish.provided(wish.entry.default_version(), ports, &self.password, 1)
    }

    fn port(&mut self, _service: &ServiceId) -> u16 {
        self.port
    }
}
