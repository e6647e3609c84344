//! Templates of an entry, and what each may ask for.

use std::collections::BTreeMap;

use crate::{
    catalog::{
        EntryPort,
        rules::CredentialRules,
        template::{Scope, Secrecy, Template},
    },
    errors::Found,
    walk::{Faults, Node},
};

/// What an entry's templates have to fill in.
pub(super) struct Texts {
    ports: Vec<String>,
    user: bool,
    password: bool,
    database: bool,
}

/// Where a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// What every program of the machine can read: arguments.
    Shown,
    /// Arguments of programs that dump and restore.
    Dump,
    /// An environment.
    Hidden,
    /// The URL itself.
    Url,
    /// Environment of programs that connect.
    Connect,
    /// Arguments of a server of this machine.
    NativeShown,
    /// Its files and environment.
    NativeHidden,
}

impl Texts {
    pub(super) fn new(ports: &[EntryPort], credentials: &CredentialRules) -> Self {
        Self {
            ports: ports.iter().map(|port| port.name.clone()).collect(),
            user: credentials.user.is_some(),
            password: credentials.password,
            database: credentials.database,
        }
    }

    fn scope(&self, place: Where) -> Scope<'_> {
        let shown = matches!(place, Where::Shown | Where::Dump | Where::NativeShown);
        Scope {
            ports: &self.ports,
            user: self.user,
            password: match (self.password, shown) {
                (false, _) => Secrecy::None,
                (true, true) => Secrecy::Shown,
                (true, false) => Secrecy::Allowed,
            },
            database: self.database,
            url: place == Where::Connect || place == Where::Shown,
            native: matches!(place, Where::NativeShown | Where::NativeHidden),
            file: place == Where::Dump,
            encoded: place == Where::Url,
        }
    }

    pub(super) fn one(&self, node: &Node<'_>, faults: &Faults<'_>, place: Where) -> Option<Template> {
        Template::parse(node.text(faults)?, &node.span, faults, &self.scope(place))
    }

    /// A list of arguments.
    pub(super) fn list(&self, node: &Node<'_>, faults: &Faults<'_>, place: Where) -> Option<Vec<Template>> {
        let nodes = node.list(faults, "strings", None)?;
        let read: Vec<_> = nodes.iter().map(|node| self.one(node, faults, place)).collect();
        read.into_iter().collect()
    }

    /// A program with its arguments.
    pub(super) fn command(&self, node: &Node<'_>, faults: &Faults<'_>, place: Where) -> Option<Vec<Template>> {
        let words = self.list(node, faults, place)?;
        if words.is_empty() {
            node.fault(
                faults,
                format!("`{}` names no program", node.name),
                "write the program's name",
            );
            return None;
        }
        Some(words)
    }

    /// A table of variables or files.
    pub(super) fn map(&self, node: &Node<'_>, faults: &Faults<'_>, place: Where) -> Option<BTreeMap<String, Template>> {
        let section = node.table(faults)?;
        let mut map = BTreeMap::new();
        for (key, span, node) in section.entries() {
            if key.is_empty() || key.contains(['=', '/', '\0']) {
                let message = format!("`{key}` can't be a name here");
                faults.push(Found::new(span, message).help("use letters, digits, `_`, `-` and `.`"));
                continue;
            }
            if let Some(template) = self.one(&node, faults, place) {
                map.insert(key.to_owned(), template);
            }
        }
        Some(map)
    }
}
