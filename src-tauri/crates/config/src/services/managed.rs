//! `type = "postgres"`: what a file says of a service of the catalog.

use std::ops::Range;

use locald_core::{
    ServiceId,
    spec::{PortMapping, Secret},
};

use crate::{
    catalog::{Catalog, Entry, Refusal},
    errors::Found,
    ports::Port,
    provision::Wish,
    walk::{Faults, Kind, Node, Section, listed},
};

/// What the file says.
#[derive(Debug, Clone)]
pub(super) struct Asked<'d> {
    pub(super) entry: &'d Entry,
    version: Option<&'d str>,
    port: Option<(u16, Range<usize>)>,
    user: Option<&'d str>,
    password: Option<Secret>,
    database: Option<&'d str>,
}

impl<'d> Asked<'d> {
    pub(super) fn wish<'a>(&'a self, service: &'a ServiceId) -> Wish<'a> {
        Wish {
            service,
            entry: self.entry,
            version: self.version,
            port: self.port.as_ref().map(|(port, _)| *port),
            user: self.user,
            password: self.password.as_ref(),
            database: self.database,
        }
    }

    /// Its ports as far as the file tells: the one on this machine only where it is named.
    pub(super) fn ports(&self) -> Vec<Port> {
        let ports = self.entry.ports().iter().enumerate();
        ports
            .map(|(at, port)| {
                let named = self.port.as_ref().filter(|_| at == 0);
                let mapping = PortMapping {
                    host: named.map(|(port, _)| *port),
                    port: port.port,
                    protocol: port.protocol,
                };
                (mapping, named.map_or(0..0, |(_, span)| span.clone()))
            })
            .collect()
    }
}

/// Reads it; `None` when there is no such entry, or what it is given can't be.
pub(super) fn read<'d>(section: &Section<'d>, faults: &Faults<'_>, catalog: &'d Catalog) -> Option<Asked<'d>> {
    let entry = entry(&section.get("type")?, faults, catalog)?;
    let rules = entry.rules();
    let version = section.get("version").and_then(|node| version(&node, faults, entry));
    let port = section.get("port").and_then(|node| port(&node, faults));
    let text = |key: &str, has: bool, check: &dyn Fn(&str) -> Result<(), Refusal>| {
        let node = section.get(key)?;
        let text = node.text(faults)?;
        if !has {
            let message = format!("{} has no `{key}`", entry.title());
            faults.push(Found::new(section.key_span(key), message).help("remove it"));
            return None;
        }
        match check(text) {
            Ok(()) => Some(text),
            Err(refusal) => {
                node.fault(faults, refusal.why, refusal.help);
                None
            }
        }
    };
    Some(Asked {
        entry,
        version,
        port,
        user: text("user", rules.user.is_some(), &|text| rules.check_user(text)),
        password: text("password", rules.password, &|text| rules.check_password(text)).map(Secret::new),
        database: text("database", rules.database, &|text| rules.check_database(text)),
    })
}

fn entry<'d>(node: &Node<'d>, faults: &Faults<'_>, catalog: &'d Catalog) -> Option<&'d Entry> {
    let text = node.text(faults)?;
    if let Some(entry) = catalog.entry(text) {
        return Some(entry);
    }
    let lower = text.trim().to_lowercase();
    let with_version = lower.split_once([':', '@']);
    let help = match with_version.and_then(|(name, version)| Some((catalog.entry(name)?, version))) {
        Some((entry, version)) => format!("write type = \"{}\" and version = \"{version}\"", entry.name()),
        None => {
            let near = catalog
                .entries()
                .flat_map(|entry| entry.names().map(move |name| (name, entry)))
                .map(|(name, entry)| (strsim::damerau_levenshtein(&lower, name), entry.name()))
                .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
                .min_by_key(|(distance, _)| *distance);
            let known = listed(catalog.entries().map(Entry::name), "use one of");
            match near {
                Some((_, near)) => {
                    format!("did you mean `{near}`?\n{known}\nor describe it as a container, with `image`")
                }
                None => format!("{known}\nor describe it as a container, with `image`"),
            }
        }
    };
    let fault = Found::new(node.span.clone(), format!("locald knows no service `{text}`"));
    faults.push(fault.help(help).of_catalog());
    None
}

fn version<'d>(node: &Node<'d>, faults: &Faults<'_>, entry: &Entry) -> Option<&'d str> {
    let text = node.text(faults)?;
    if entry.accepts(text) {
        return Some(text);
    }
    let message = format!("there is no version `{text}` of {}", entry.title());
    node.fault(faults, message, listed(entry.versions(), "use one of"));
    None
}

/// A number; `"auto"` is what leaving it out means.
fn port(node: &Node<'_>, faults: &Faults<'_>) -> Option<(u16, Range<usize>)> {
    if matches!(node.kind, Kind::Text("auto")) {
        return None;
    }
    let number = node.integer(faults, 1..=i64::from(u16::MAX))?;
    Some((u16::try_from(number).ok()?, node.span.clone()))
}
