//! The smaller keys of a service.

use std::ops::Range;

use locald_core::spec::{Resources, RestartPolicy, Signal};

use crate::{
    errors::Found,
    quantities,
    walk::{Faults, Kind, Node, Section, suggest},
};

/// A table `{ A = "b" }` or a list `["A=b"]`.
pub(super) fn env<'d>(node: &Node<'d>, faults: &Faults<'_>) -> Vec<(&'d str, String, Range<usize>)> {
    let mut variables: Vec<(&'d str, String, Range<usize>)> = Vec::new();
    match node.kind {
        Kind::Table(_) => {
            let Some(section) = node.table(faults) else {
                return variables;
            };
            for (key, span, value) in section.entries() {
                if !is_variable(key, &span, faults) {
                    continue;
                }
                let text = match value.kind {
                    Kind::Text(_) => value.text(faults).map(str::to_owned),
                    // As written: 1.10 isn't 1.1 to the program that reads it.
                    Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) => Some(faults.raw(&value.span).to_owned()),
                    _ => {
                        value.expected(faults, "a string, a number, or true or false", None);
                        None
                    }
                };
                variables.extend(text.map(|text| (key, text, value.span)));
            }
        }
        Kind::List(_) => {
            for (text, span) in node.texts(faults).unwrap_or_default() {
                let Some((key, value)) = text.split_once('=') else {
                    let fault = Found::new(span, format!("`{text}` has no value"));
                    faults.push(fault.help(format!(
                        "write \"{text}=value\"; locald doesn't hand on variables of your shell"
                    )));
                    continue;
                };
                if !is_variable(key, &span, faults) {
                    continue;
                }
                if let Some((_, _, first)) = variables.iter().find(|(known, ..)| *known == key) {
                    let fault = Found::new(span, format!("`{key}` is set twice"));
                    faults.push(fault.help("remove one").also(first.clone(), "the first"));
                    continue;
                }
                variables.push((key, value.to_owned(), span));
            }
        }
        _ => node.expected(faults, "a table", Some("write env = { NAME = \"value\" }".to_owned())),
    }
    variables
}

fn is_variable(key: &str, span: &Range<usize>, faults: &Faults<'_>) -> bool {
    let sound = !key.is_empty() && !key.contains(['=', '\0']);
    if !sound {
        let message = format!("`{key}` can't be the name of a variable");
        faults.push(Found::new(span.clone(), message).help("use letters, digits and `_`"));
    }
    sound
}

pub(super) fn restart(node: &Node<'_>, faults: &Faults<'_>) -> Option<RestartPolicy> {
    const POLICIES: [&str; 4] = ["no", "on-failure", "on-failure:5", "always"];
    let text = match node.kind {
        Kind::Bool(yes) => {
            let word = if yes { "always" } else { "no" };
            node.expected(faults, "a string", Some(format!("write restart = \"{word}\"")));
            return None;
        }
        _ => node.text(faults)?,
    };
    match (text, text.split_once(':')) {
        ("no", _) => return Some(RestartPolicy::No),
        ("always", _) => return Some(RestartPolicy::Always),
        ("on-failure", _) => return Some(RestartPolicy::OnFailure { max: None }),
        (_, Some(("on-failure", count))) => {
            let Some(max) = count.parse::<u32>().ok().filter(|&max| max > 0) else {
                node.fault(
                    faults,
                    format!("`{count}` isn't a number of restarts"),
                    "write a number from 1, such as \"on-failure:5\"",
                );
                return None;
            };
            return Some(RestartPolicy::OnFailure { max: Some(max) });
        }
        ("never" | "none" | "off", _) => {
            node.fault(
                faults,
                format!("`{text}` isn't a restart policy"),
                "write \"no\", or leave the key out",
            );
        }
        ("unless-stopped", _) => {
            node.fault(
                faults,
                "`unless-stopped` isn't a restart policy of locald",
                "write \"always\"; a service that you stop stays stopped",
            );
        }
        _ => node.fault(
            faults,
            format!("`{text}` isn't a restart policy"),
            suggest(text, POLICIES.into_iter(), "use one of"),
        ),
    }
    None
}

pub(super) fn stop_signal(node: &Node<'_>, faults: &Faults<'_>) -> Option<Signal> {
    let text = node.text(faults)?;
    let signal = Signal::parse(text);
    if signal.is_none() {
        let known = [
            "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL",
        ];
        let help = suggest(&text.to_uppercase(), known.into_iter(), "use a signal, such as");
        node.fault(faults, format!("`{text}` isn't a signal"), help);
    }
    signal
}

pub(super) fn workdir(node: &Node<'_>, faults: &Faults<'_>) -> Option<String> {
    let path = node.text(faults)?;
    if !path.starts_with('/') {
        node.fault(
            faults,
            format!("`{path}` isn't a whole path"),
            format!(
                "write where in the container it is, such as \"/{}\"",
                path.trim_start_matches("./")
            ),
        );
        return None;
    }
    Some(path.to_owned())
}

pub(super) fn resources(section: &Section<'_>, faults: &Faults<'_>) -> Resources {
    section.check_keys(faults, &["memory", "cpus"], &[]);
    Resources {
        memory_bytes: section.get("memory").and_then(|node| quantities::bytes(&node, faults)),
        cpu_millis: section.get("cpus").and_then(|node| quantities::cpus(&node, faults)),
    }
}
