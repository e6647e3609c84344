//! `settings.toml`: what a person sets for locald itself.

mod edit;

use std::path::{Path, PathBuf};

use crate::{
    engine,
    errors::ConfigErrors,
    source,
    walk::{Faults, Node, Section},
};

/// The settings, each with its default where the file is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[engine] docker_host`: the Docker engine to use, in place of the usual ways to find one.
    pub docker_host: Option<String>,
    /// `[engine] default`: the id or the family of the engine for services that have none yet.
    pub default_engine: Option<String>,
    /// `[engine] find`: look for engines at their usual places too, besides those that somebody named.
    pub usual_places: bool,
    /// `[native] find`: look for servers that are installed on this machine.
    pub native_find: bool,
    /// `[native] fetch`: fetch a server that isn't.
    pub native_fetch: bool,
    /// `[native] postgres`: a further folder with PostgreSQL's programs.
    pub native_postgres: Option<PathBuf>,
    /// `[notifications] enabled`: tell of crashes.
    pub notifications: bool,
    /// `[notifications] external`: tell of crashes of containers that locald did not make, too.
    pub notifications_external: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            docker_host: None,
            default_engine: None,
            usual_places: true,
            native_find: true,
            native_fetch: true,
            native_postgres: None,
            notifications: true,
            notifications_external: true,
        }
    }
}

impl Settings {
    /// What the file is called, in the config folder.
    pub const FILE: &str = "settings.toml";

    /// Reads the file; without one, all is at its default.
    ///
    /// # Errors
    /// When the file can't be read or has faults: all of them.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        if matches!(path.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(Self::default());
        }
        Self::parse(path, &source::read(path)?)
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// All faults of the text.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let document = source::parse(path, text)?;
        let faults = Faults::new(text);
        let root = Section::root(document.as_table());
        root.check_keys(&faults, &["engine", "native", "notifications"], &[]);
        let mut settings = Self::default();
        let section = |name: &str, keys: &[&str]| {
            let section = root.get(name)?.table(&faults)?;
            section.check_keys(&faults, keys, &[]);
            Some(section)
        };
        if let Some(section) = section("engine", &["default", "docker_host", "find"]) {
            settings.usual_places = section
                .get("find")
                .is_none_or(|node| node.boolean(&faults).unwrap_or(true));
            settings.default_engine = section
                .get("default")
                .and_then(|node| engine::read(&node, &faults))
                .map(str::to_owned);
            settings.docker_host = section
                .get("docker_host")
                .and_then(|node| docker_host(&node, &faults))
                .map(str::to_owned);
        }
        if let Some(section) = section("native", &["find", "fetch", "postgres"]) {
            let on = |key: &str| {
                section
                    .get(key)
                    .is_none_or(|node| node.boolean(&faults).unwrap_or(true))
            };
            settings.native_find = on("find");
            settings.native_fetch = on("fetch");
            settings.native_postgres = section.get("postgres").and_then(|node| folder(&node, &faults));
        }
        if let Some(section) = section("notifications", &["enabled", "external"]) {
            let on = |key: &str| {
                section
                    .get(key)
                    .is_none_or(|node| node.boolean(&faults).unwrap_or(true))
            };
            settings.notifications = on("enabled");
            settings.notifications_external = on("external");
        }
        let found = faults.into_found();
        if found.is_empty() {
            Ok(settings)
        } else {
            Err(ConfigErrors::in_text(path, text, found))
        }
    }
}

/// A folder of this machine, absolute or in the home folder.
fn folder(node: &Node<'_>, faults: &Faults<'_>) -> Option<PathBuf> {
    let text = node.text(faults)?;
    let home = std::env::home_dir();
    let path = match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    };
    if !path.is_absolute() {
        node.fault(
            faults,
            format!("`{text}` isn't a whole path"),
            "write the folder of its programs, such as \"/usr/lib/postgresql/17/bin\"",
        );
        return None;
    }
    Some(path)
}

fn docker_host<'d>(node: &Node<'d>, faults: &Faults<'_>) -> Option<&'d str> {
    let host = node.text(faults)?;
    let schemes = ["unix://", "tcp://", "ssh://", "npipe://"];
    let sound = schemes
        .iter()
        .any(|scheme| host.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if !sound {
        let help = match host.strip_prefix('/') {
            Some(path) => format!("write \"unix:///{path}\""),
            None => "write \"unix:///path\", \"tcp://host:port\", \"ssh://user@host\" or \"npipe:////./pipe/name\""
                .to_owned(),
        };
        node.fault(faults, format!("`{host}` isn't the address of an engine"), help);
    }
    sound.then_some(host)
}
