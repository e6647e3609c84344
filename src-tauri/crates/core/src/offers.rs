//! What an engine can run.

use serde::{Deserialize, Serialize};

use crate::spec::Source;

/// What an engine can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offers {
    /// Images, and with them every managed service.
    pub containers: bool,
    /// Plain processes.
    pub processes: bool,
    /// Managed services without a container: what is here or can be fetched, best first.
    pub servers: Vec<Server>,
}

/// A server that an engine can run without an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The catalog entry it is for: `postgres`.
    pub entry: String,
    /// Its version as the catalog counts them: `17`.
    pub version: String,
    /// Is it on this machine? Else it would be fetched.
    pub here: bool,
}

impl Offers {
    /// A container engine's.
    #[must_use]
    pub fn containers() -> Self {
        Self {
            containers: true,
            processes: false,
            servers: Vec::new(),
        }
    }

    /// Can it run this?
    #[must_use]
    pub fn covers(&self, source: &Source) -> bool {
        match source {
            Source::Container { .. } => self.containers,
            Source::Process { .. } => self.processes,
            Source::Managed(managed) => self.containers || self.server(&managed.entry, &managed.version).is_some(),
        }
    }

    /// The server of an entry in a version.
    #[must_use]
    pub fn server(&self, entry: &str, version: &str) -> Option<&Server> {
        self.servers
            .iter()
            .find(|server| server.entry == entry && server.version == version)
    }
}

/// Why a service is on the engine it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum EngineReason {
    /// What it has is there.
    HoldsData,
    /// Its file says so.
    FileSays,
    /// A person set this engine for new services.
    Default,
    /// Containers of its project depend on it, and reach it only there.
    NeededByContainers,
    /// It is a plain process.
    Process,
    /// Its server is on this machine.
    ServerHere,
    /// Its server can be fetched.
    ServerFetched,
    /// The first container engine that answers.
    FirstOnline,
}
