//! The catalog: descriptions of managed services, data and not code.

mod built_in;
mod expand;
mod native;
mod read;
mod rules;
mod template;
mod versions;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use locald_core::{
    ProjectName,
    spec::{Protocol, ServiceProtocol, Signal},
    view::managed::CatalogItem,
};

use crate::{errors::ConfigErrors, folders::Folders, source};

pub use expand::Reader;
pub(crate) use rules::Refusal;

use native::NativeRecipe;
use rules::CredentialRules;
use template::Template;
use versions::Versions;

/// The folder of a person's own entries, in the config folder.
pub const CATALOG_FOLDER: &str = "catalog";

/// Every service that locald can make by its name.
#[derive(Debug, Clone)]
pub struct Catalog {
    entries: Vec<Arc<Entry>>,
}

impl Catalog {
    /// What comes with locald.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            entries: built_in::entries().to_vec(),
        }
    }

    /// What comes with locald, and the person's own entries, which take the place of those of the same name. An own
    /// entry with a fault is left out, and comes back as its faults.
    #[must_use]
    pub fn load(folders: &Folders) -> (Self, Vec<ConfigErrors>) {
        let mut catalog = Self::built_in();
        let mut complaints = Vec::new();
        let (files, unreadable) = own_files(&folders.config.join(CATALOG_FOLDER));
        complaints.extend(unreadable);
        let mut own: Vec<Entry> = Vec::new();
        for path in files {
            match source::read(&path).and_then(|text| read::entry(&path, &text, true)) {
                Ok(entry) if own.iter().any(|known| known.name == entry.name) => {
                    let message = format!("another file of this folder describes `{}` already", entry.name);
                    let help = "remove one of them, or rename it".to_owned();
                    complaints.push(ConfigErrors::unreadable(&path, message, Some(help)));
                }
                Ok(entry) => own.push(entry),
                Err(errors) => complaints.push(errors),
            }
        }
        for entry in own {
            let entry = Arc::new(entry);
            match catalog.entries.iter_mut().find(|known| known.name == entry.name) {
                Some(known) => *known = entry,
                None => catalog.entries.push(entry),
            }
        }
        (catalog, complaints)
    }

    /// The entry of a name or an alias.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        let named = self.entries.iter().find(|entry| entry.name == name);
        named
            .or_else(|| {
                self.entries
                    .iter()
                    .find(|entry| entry.aliases.iter().any(|alias| alias == name))
            })
            .map(AsRef::as_ref)
    }

    /// All entries: those that come with locald in their order, then the person's own.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.entries.iter().map(AsRef::as_ref)
    }
}

/// The `.toml` files of the folder, in the order of their names. No folder is no fault.
fn own_files(folder: &Path) -> (Vec<PathBuf>, Option<ConfigErrors>) {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Vec::new(), None),
        Err(error) => {
            let message = format!("the folder can't be read: {error}");
            let help = "check that this user may read it".to_owned();
            return (Vec::new(), Some(ConfigErrors::unreadable(folder, message, Some(help))));
        }
    };
    let mut files: Vec<_> = listed
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    (files, None)
}

/// One managed service as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    name: String,
    title: String,
    description: String,
    category: String,
    aliases: Vec<String>,
    icon: Option<String>,
    own: bool,
    versions: Versions,
    ports: Vec<EntryPort>,
    credentials: CredentialRules,
    container: ContainerRecipe,
    health: Option<HealthRecipe>,
    connect: ConnectRecipe,
    stop_signal: Option<Signal>,
    stop_grace: Duration,
    transfer: Option<(Vec<Template>, Vec<Template>)>,
    native: Option<NativeRecipe>,
}

/// A port of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPort {
    /// What the entry calls it.
    pub name: String,
    /// Inside the container; this is what is published.
    pub port: u16,
    /// The one people expect on their machine.
    pub well_known: u16,
    /// What other containers connect to, where that isn't `port`.
    pub inside: u16,
    /// Transport.
    pub protocol: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ContainerRecipe {
    image: String,
    command: Option<Vec<Template>>,
    env: BTreeMap<String, Template>,
    /// For a user that isn't the entry's own.
    other_user_env: BTreeMap<String, Template>,
    volumes: Vec<VolumeRecipe>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct VolumeRecipe {
    name: String,
    path: String,
    from: Option<String>,
    below: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct HealthRecipe {
    asks: Asks,
    /// Of the entry's ports, by index.
    port: usize,
    interval: Duration,
    timeout: Duration,
    retries: u32,
    start_period: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Asks {
    Service(ServiceProtocol),
    Http(String),
    Tcp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ConnectRecipe {
    url: Template,
    env: BTreeMap<String, Template>,
    client: Option<Vec<Template>>,
    client_env: BTreeMap<String, Template>,
    console: Option<Template>,
}

impl Entry {
    /// `postgres`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `PostgreSQL`.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// As it is told in lists of entries: its name and its other names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// `database`.
    #[must_use]
    pub fn category(&self) -> &str {
        &self.category
    }

    /// Other names it goes by.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// Is it a person's own?
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// Those that are offered, newest first.
    pub fn versions(&self) -> impl Iterator<Item = &str> + Clone {
        self.versions.listed.iter().map(|listed| listed.name.as_str())
    }

    /// The one that is meant when none is named.
    #[must_use]
    pub fn default_version(&self) -> &str {
        &self.versions.default
    }

    /// Can this version be had? Besides those that are offered, others of the same form can.
    #[must_use]
    pub fn accepts(&self, version: &str) -> bool {
        self.versions.accepts(version)
    }

    /// What this entry calls the version of a server that tells `15.14`; `None` for one it can't run.
    #[must_use]
    pub fn version_of_server(&self, told: &str) -> Option<String> {
        self.versions.of_server(told)
    }

    /// What a server has to be to read a version's data: see [`locald_core::spec::Managed::data_format`].
    #[must_use]
    pub fn data_format(&self, version: &str) -> Option<String> {
        self.versions.data_format(version)
    }

    /// Its ports, the main one first.
    #[must_use]
    pub fn ports(&self) -> &[EntryPort] {
        &self.ports
    }

    /// The user when the file names none; `None` where there are no users.
    #[must_use]
    pub fn default_user(&self) -> Option<&str> {
        self.credentials.user.as_deref()
    }

    pub(crate) fn rules(&self) -> &CredentialRules {
        &self.credentials
    }

    /// Does it have a password?
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.credentials.password
    }

    /// The database when the file names none: named after the project. `None` where there are no databases.
    #[must_use]
    pub fn default_database(&self, project: &ProjectName) -> Option<String> {
        self.credentials.database.then(|| {
            let fit = |c: char| if self.credentials.names.allow(c) { c } else { '_' };
            project.as_str().chars().map(fit).collect()
        })
    }

    /// As surfaces show it; `here` are the versions whose server is on this machine.
    #[must_use]
    pub fn item(&self, here: &[String]) -> CatalogItem {
        let default_version = match here.first() {
            Some(first) if !here.iter().any(|version| version == self.default_version()) => first.as_str(),
            _ => self.default_version(),
        };
        CatalogItem {
            name: self.name.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            versions: self.versions().map(str::to_owned).collect(),
            default_version: default_version.to_owned(),
            here: here.to_vec(),
            icon: self.icon.clone(),
            own: self.own,
        }
    }
}

/// The files that come with locald, by name.
#[cfg(test)]
pub(crate) fn files() -> &'static [(&'static str, &'static str)] {
    built_in::FILES
}

/// Reads an entry's text, as one of a person's own.
#[cfg(test)]
pub(crate) fn parse(path: &Path, text: &str) -> Result<Entry, ConfigErrors> {
    read::entry(path, text, true)
}
