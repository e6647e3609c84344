//! `command` without an `image`: a process of this machine.

use std::path::PathBuf;

use locald_core::spec::{HealthCheck, PortMapping, ProbeSpec, Protocol};

use crate::{
    ports::Port,
    project::ParseContext,
    volumes,
    walk::{Faults, Kind, Node, Section},
};

/// Stands for a port that isn't given yet; no service has it.
const UNGIVEN: u16 = 0;

/// The port that the process is told to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    This(u16),
    Any,
}

/// Port and place of the key; the list is empty without one, and `None` when it is at fault.
pub(super) fn port(section: &Section<'_>, faults: &Faults<'_>) -> (Option<Opens>, Option<Vec<Port>>) {
    let Some(node) = section.get("port") else {
        return (None, Some(Vec::new()));
    };
    let Some(opens) = opens(&node, faults) else {
        return (None, None);
    };
    let known = match opens {
        Opens::This(port) => mapping(port),
        Opens::Any => PortMapping {
            host: None,
            ..mapping(UNGIVEN)
        },
    };
    (Some(opens), Some(vec![(known, node.span)]))
}

fn opens(node: &Node<'_>, faults: &Faults<'_>) -> Option<Opens> {
    match node.kind {
        Kind::Text("auto") => Some(Opens::Any),
        Kind::Text(text) if text.parse::<u16>().is_err() => {
            node.fault(
                faults,
                format!("`{text}` isn't a port"),
                "write a number, or \"auto\" for any that is free",
            );
            None
        }
        _ => {
            let number = node.integer(faults, 1..=i64::from(u16::MAX))?;
            u16::try_from(number).ok().map(Opens::This)
        }
    }
}

/// What it opens is what is reached: nothing stands between.
pub(super) fn mapping(port: u16) -> PortMapping {
    PortMapping {
        host: Some(port),
        port,
        protocol: Protocol::Tcp,
    }
}

/// Asks the port that was given.
pub(super) fn with_port(mut check: HealthCheck, given: u16) -> HealthCheck {
    if let ProbeSpec::Http { port, .. } | ProbeSpec::Tcp { port } = &mut check.probe
        && *port == UNGIVEN
    {
        *port = given;
    }
    check
}

/// The folder it starts in: the project's, or one named from there.
pub(super) fn workdir(section: &Section<'_>, faults: &Faults<'_>, context: &ParseContext) -> Option<String> {
    let node = section.get("workdir");
    let path = match &node {
        None => context.folder.clone(),
        Some(node) => {
            let text = node.text(faults)?;
            match (text.strip_prefix("~/"), &context.home) {
                (Some(rest), Some(home)) => home.join(rest),
                (Some(_), None) => {
                    node.fault(
                        faults,
                        "`~` stands for nothing, since HOME isn't set",
                        "write the whole path",
                    );
                    return None;
                }
                (None, _) => context.folder.join(PathBuf::from(text)),
            }
        }
    };
    let path = volumes::clean(&path);
    match path.to_str() {
        Some(path) => Some(path.to_owned()),
        None => {
            let span = node.map_or_else(|| section.key_span("command"), |node| node.span);
            let message = format!("the folder {} isn't UTF-8", path.display());
            faults.push(crate::errors::Found::new(span, message).help("rename it, or name another as `workdir`"));
            None
        }
    }
}
