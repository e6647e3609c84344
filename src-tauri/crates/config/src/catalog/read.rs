//! Reads the file of an entry. What it may hold is described in `catalog/README.md`.

mod parts;
mod texts;

use std::{path::Path, time::Duration};

use locald_core::{ServiceName, ServiceSpec, spec::Signal};

use super::{Entry, rules::CredentialRules};
use crate::{
    errors::{ConfigErrors, Found},
    quantities, source,
    walk::{Faults, Node, Section, suggest},
};
use texts::Texts;

const KEYS: [&str; 15] = [
    "name",
    "title",
    "description",
    "category",
    "aliases",
    "icon",
    "versions",
    "ports",
    "credentials",
    "container",
    "health_check",
    "connect",
    "stop",
    "transfer",
    "native",
];

const CATEGORIES: [&str; 7] = ["database", "cache", "queue", "search", "storage", "mail", "other"];

/// An icon is drawn in a line of text; larger ones are pictures.
const LARGEST_ICON: usize = 8 * 1024;

/// Reads an entry's text.
pub(super) fn entry(path: &Path, text: &str, own: bool) -> Result<Entry, ConfigErrors> {
    let document = source::parse(path, text)?;
    let faults = Faults::new(text);
    let root = Section::root(document.as_table());
    let entry = read(&root, &faults, own);
    let found = faults.into_found();
    match entry {
        Some(entry) if found.is_empty() => Ok(entry),
        _ => Err(ConfigErrors::in_text(path, text, found)),
    }
}

/// What it returns is only sound when no fault was noted.
fn read(root: &Section<'_>, faults: &Faults<'_>, own: bool) -> Option<Entry> {
    root.check_keys(faults, &KEYS, &[]);
    let text = |key: &str| needed(root, key, faults).and_then(|node| words(&node, faults));
    let name = needed(root, "name", faults).and_then(|node| name_of(&node, faults));
    let title = text("title");
    let description = text("description");
    let category = needed(root, "category", faults).and_then(|node| one_of(&node, faults, &CATEGORIES));
    let aliases = match root.get("aliases") {
        Some(node) => node.list(faults, "names", None).map(|nodes| {
            let names = nodes.iter().map(|node| name_of(node, faults));
            names.collect::<Vec<_>>().into_iter().flatten().collect()
        }),
        None => Some(Vec::new()),
    };
    let icon = root.get("icon").and_then(|node| icon(&node, faults));
    let section = |key: &str| root.get(key).and_then(|node| node.table(faults));
    let versions = needed(root, "versions", faults)
        .and_then(|node| node.table(faults))
        .and_then(|section| parts::versions(&section, faults));
    let ports = parts::ports(root, faults);
    let credentials = match root.get("credentials") {
        Some(node) => node
            .table(faults)
            .and_then(|section| parts::credentials(&section, faults)),
        None => Some(CredentialRules::default()),
    };
    // Without these, nearly every template would be told to be wrong.
    let (ports, credentials) = (ports?, credentials?);
    let texts = Texts::new(&ports, &credentials);
    let container = needed(root, "container", faults)
        .and_then(|node| node.table(faults))
        .and_then(|section| parts::container(&section, faults, &texts));
    let health = section("health_check").and_then(|section| parts::health(&section, faults, &ports));
    let connect = needed(root, "connect", faults)
        .and_then(|node| node.table(faults))
        .and_then(|section| parts::connect(&section, faults, &texts));
    let (stop_signal, stop_grace) = match section("stop") {
        Some(section) => stop(&section, faults),
        None => (None, ServiceSpec::DEFAULT_STOP_GRACE),
    };
    let transfer = section("transfer").and_then(|section| parts::transfer(&section, faults, &texts));
    let native = section("native").and_then(|section| parts::native(&section, faults, &texts));
    Some(Entry {
        name: name?,
        title: title?,
        description: description?,
        category: category?.to_owned(),
        aliases: aliases?,
        icon,
        own,
        versions: versions?,
        ports,
        credentials,
        container: container?,
        health,
        connect: connect?,
        stop_signal,
        stop_grace,
        transfer,
        native,
    })
}

/// The value of a key that has to be there.
fn needed<'d>(section: &Section<'d>, key: &str, faults: &Faults<'_>) -> Option<Node<'d>> {
    let node = section.get(key);
    if node.is_none() {
        let message = if section.name.is_empty() {
            format!("`{key}` is missing")
        } else {
            format!("`{}` has no `{key}`", section.name)
        };
        faults.push(Found::new(section.span.clone(), message).help(format!("add `{key}`")));
    }
    node
}

/// A text for people, of one line.
fn words(node: &Node<'_>, faults: &Faults<'_>) -> Option<String> {
    let text = node.text(faults)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        node.fault(
            faults,
            format!("`{}` has to be one line of text", node.name),
            "write a few words",
        );
        return None;
    }
    Some(text.to_owned())
}

/// A name that can be a service's, since services are named after their entry.
fn name_of(node: &Node<'_>, faults: &Faults<'_>) -> Option<String> {
    let text = node.text(faults)?;
    match ServiceName::new(text) {
        Ok(_) => Some(text.to_owned()),
        Err(error) => {
            node.fault(faults, error.to_string(), "write a name such as \"postgres\"");
            None
        }
    }
}

fn one_of<'d>(node: &Node<'d>, faults: &Faults<'_>, known: &[&str]) -> Option<&'d str> {
    let text = node.text(faults)?;
    if !known.contains(&text) {
        let help = suggest(text, known.iter().copied(), "use one of");
        node.fault(faults, format!("`{}` can't be \"{text}\"", node.name), help);
        return None;
    }
    Some(text)
}

/// An SVG document that holds nothing but shapes: it is shown within locald's own window.
fn icon(node: &Node<'_>, faults: &Faults<'_>) -> Option<String> {
    let text = node.text(faults)?.trim();
    let lower = text.to_ascii_lowercase();
    let foreign = [
        "<script",
        "<foreignobject",
        "<style",
        "<image",
        "<use",
        "href",
        "url(",
        "<!",
        "<?",
        " on",
    ]
    .into_iter()
    .find(|part| lower.contains(part));
    if !lower.starts_with("<svg") || !lower.ends_with("</svg>") || text.len() > LARGEST_ICON {
        node.fault(
            faults,
            "the icon isn't a small SVG document",
            "write <svg viewBox=\"0 0 24 24\" …>…</svg> with shapes in `currentColor`",
        );
        return None;
    }
    if let Some(foreign) = foreign {
        node.fault(
            faults,
            format!("an icon can't have `{}`", foreign.trim()),
            "draw it with paths, circles and rectangles alone",
        );
        return None;
    }
    Some(text.to_owned())
}

fn stop(section: &Section<'_>, faults: &Faults<'_>) -> (Option<Signal>, Duration) {
    section.check_keys(faults, &["signal", "grace"], &[]);
    let signal = section.get("signal").and_then(|node| {
        let text = node.text(faults)?;
        let signal = Signal::parse(text);
        if signal.is_none() {
            node.fault(
                faults,
                format!("`{text}` isn't a signal"),
                "write a signal, such as \"SIGTERM\"",
            );
        }
        signal
    });
    let grace = section
        .get("grace")
        .and_then(|node| quantities::duration(&node, faults, Duration::ZERO));
    (signal, grace.unwrap_or(ServiceSpec::DEFAULT_STOP_GRACE))
}
