//! `health_check = { type = "http", path = "/healthz" }`, or `false`.

use std::time::Duration;

use locald_core::spec::{HealthCheck, ProbeSpec, Protocol};

use crate::{
    errors::Found,
    ports::Port,
    quantities,
    walk::{Faults, Kind, Node, Section, suggest},
};

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;
const START_PERIOD: Duration = Duration::from_secs(30);
/// A shorter interval would keep the machine busy with asking.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

const TYPES: [&str; 4] = ["tcp", "http", "command", "none"];
const TIMING: [&str; 5] = ["type", "interval", "timeout", "retries", "start_period"];

/// What the file says of a service's health.
pub(crate) enum Asked {
    /// Nothing: what the image says holds.
    Unsaid,
    /// Not to ask at all, whatever the image says.
    Nothing,
    /// To ask this.
    This(HealthCheck),
}

/// What is asked: what a missing or wrong port is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// A container of the file's own, which lists its ports.
    Container,
    /// A process, which has one port.
    Process,
    /// A service of the catalog, whose ports are known.
    Managed,
}

/// Reads the value. `ports` is `None` when the service's ports are at fault themselves.
pub(crate) fn read(node: &Node<'_>, faults: &Faults<'_>, ports: Option<&[Port]>, runs: Runs) -> Asked {
    match node.kind {
        Kind::Bool(false) => Asked::Nothing,
        Kind::Table(_) => match node.table(faults) {
            Some(section) if is_none(&section) => {
                for (key, span, _) in section.entries().filter(|(key, ..)| *key != "type") {
                    let message = format!("a health check of type `none` asks nothing and has no `{key}`");
                    faults.push(Found::new(span, message).help("remove it, or write another `type`"));
                }
                Asked::Nothing
            }
            Some(section) => table(&section, faults, ports, runs).map_or(Asked::Unsaid, Asked::This),
            None => Asked::Unsaid,
        },
        _ => {
            let help = match node.kind {
                Kind::Bool(true) => {
                    "leave the key out to use the image's own check, or write a table such as { type = \"tcp\" }"
                        .to_owned()
                }
                Kind::Text("false" | "none" | "no" | "off") => "write health_check = false to ask nothing".to_owned(),
                Kind::Text(kind) if TYPES.contains(&kind) => format!("write {{ type = \"{kind}\" }}"),
                _ => "write a table such as { type = \"tcp\" }, or false to ask nothing".to_owned(),
            };
            node.expected(faults, "a table or false", Some(help));
            Asked::Unsaid
        }
    }
}

fn is_none(section: &Section<'_>) -> bool {
    let kind = section.get("type").map(|node| node.kind);
    matches!(kind, Some(Kind::Text("none")))
}

fn table(section: &Section<'_>, faults: &Faults<'_>, ports: Option<&[Port]>, runs: Runs) -> Option<HealthCheck> {
    let Some(type_node) = section.get("type") else {
        let help = "write type = \"tcp\", \"http\" or \"command\"";
        faults.push(Found::new(section.span.clone(), "a health check needs a `type`").help(help));
        return None;
    };
    let kind = type_node.text(faults)?;
    let own: &[&str] = match kind {
        "tcp" => &["port"],
        "http" => &["port", "path", "status", "body"],
        "command" => &["command"],
        _ => {
            type_node.fault(
                faults,
                format!("`{kind}` isn't a type of health check"),
                suggest(kind, TYPES.into_iter(), "use one of"),
            );
            return None;
        }
    };
    check_keys(section, faults, kind, own);
    let probe = match kind {
        "tcp" => port(section, faults, ports, runs).map(|port| ProbeSpec::Tcp { port }),
        "http" => http(section, faults, ports, runs),
        _ => command(section, faults),
    };
    let timing = |key: &str, default: Duration, shortest: Duration| match section.get(key) {
        Some(node) => quantities::duration(&node, faults, shortest),
        None => Some(default),
    };
    let interval = timing("interval", INTERVAL, SHORTEST_INTERVAL);
    let timeout = timing("timeout", TIMEOUT, Duration::from_millis(1));
    let start_period = timing("start_period", START_PERIOD, Duration::ZERO);
    let retries = match section.get("retries") {
        Some(node) => node
            .integer(faults, 1..=1_000_000)
            .and_then(|count| u32::try_from(count).ok()),
        None => Some(RETRIES),
    };
    Some(HealthCheck {
        probe: probe?,
        interval: interval?,
        timeout: timeout?,
        retries: retries?,
        start_period: start_period?,
    })
}

/// A key of another type gets its own words: it isn't unknown, it is in the wrong place.
fn check_keys(section: &Section<'_>, faults: &Faults<'_>, kind: &str, own: &[&str]) {
    let others: Vec<_> = ["port", "path", "status", "body", "command"]
        .into_iter()
        .filter(|key| !own.contains(key))
        .collect();
    for (key, span, _) in section.entries().filter(|(key, ..)| others.contains(key)) {
        let help = format!("a check of this type has {}, and {}", listed(own), listed(&TIMING));
        faults.push(Found::new(span, format!("a health check of type `{kind}` has no `{key}`")).help(help));
    }
    let allowed: Vec<_> = TIMING.iter().chain(own).copied().collect();
    let known: Vec<_> = allowed.iter().chain(&others).copied().collect();
    let unknown = section.entries().filter(|(key, ..)| !known.contains(key));
    for (key, span, _) in unknown {
        faults.push(
            Found::new(span, format!("unknown key `{key}` in `{}`", section.name))
                .label("not a key that locald knows")
                .help(suggest(key, allowed.iter().copied(), "use one of")),
        );
    }
}

fn listed(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// The port inside the container; it has to be published, since that is how the probe reaches it.
fn port(section: &Section<'_>, faults: &Faults<'_>, ports: Option<&[Port]>, runs: Runs) -> Option<u16> {
    let given = match section.get("port") {
        Some(node) => {
            let number = node.integer(faults, 1..=i64::from(u16::MAX))?;
            Some((u16::try_from(number).ok()?, node))
        }
        None => None,
    };
    let published: Vec<_> = ports?
        .iter()
        .map(|(port, _)| port)
        .filter(|port| port.protocol == Protocol::Tcp)
        .collect();
    if let Some((number, node)) = given {
        if published.iter().any(|port| port.port == number) {
            return Some(number);
        }
        if runs != Runs::Container {
            let help = match runs {
                Runs::Managed => format!(
                    "its ports are {}",
                    published
                        .iter()
                        .map(|port| port.port.to_string())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
                _ => "leave `port` out: the check asks the process's own port".to_owned(),
            };
            node.fault(faults, format!("port {number} isn't one of this service's"), help);
            return None;
        }
        let help = match published.iter().find(|port| port.host == Some(number)) {
            Some(port) => format!(
                "{number} is the port on this machine; write the container's: {}",
                port.port
            ),
            None => format!("the check asks through the published port: add \"{number}\" to `ports`"),
        };
        node.fault(faults, format!("port {number} isn't published"), help);
        return None;
    }
    let fault = |message: &str, help: String| {
        faults.push(Found::new(section.span.clone(), message).help(help));
        None
    };
    match published[..] {
        [only] => Some(only.port),
        [first, ..] if runs == Runs::Managed => Some(first.port),
        [] if runs == Runs::Process => fault(
            "the health check has no port to ask",
            "give the process a port: port = \"auto\", or use a check of type \"command\"".to_owned(),
        ),
        [] => fault(
            "the health check has no port to ask",
            "add the container's port to `ports`, or use a check of type \"command\"".to_owned(),
        ),
        [first, ..] => fault(
            "the health check doesn't say which port to ask",
            format!("add `port`, such as port = {}", first.port),
        ),
    }
}

fn http(section: &Section<'_>, faults: &Faults<'_>, ports: Option<&[Port]>, runs: Runs) -> Option<ProbeSpec> {
    let port = port(section, faults, ports, runs);
    let path = match section.get("path") {
        None => Some("/".to_owned()),
        Some(node) => node.text(faults).and_then(|path| {
            if !path.starts_with('/') {
                let rest = path
                    .split_once("://")
                    .map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
                node.fault(
                    faults,
                    format!("the path `{path}` doesn't begin with `/`"),
                    format!("write \"/{rest}\""),
                );
                return None;
            }
            if !path.chars().all(|c| c.is_ascii_graphic()) {
                node.fault(
                    faults,
                    format!("the path `{path}` has characters that a URL can't have"),
                    "write them percent-encoded, a space as %20",
                );
                return None;
            }
            Some(path.to_owned())
        }),
    };
    let status = match section.get("status") {
        None => Some(None),
        Some(node) => node
            .integer(faults, 100..=599)
            .and_then(|status| u16::try_from(status).ok())
            .map(Some),
    };
    let body = match section.get("body") {
        None => Some(None),
        Some(node) => node.text(faults).and_then(|text| {
            if text.is_empty() {
                node.fault(
                    faults,
                    format!("`{}` is empty", node.name),
                    "write text that the answer has to have, or leave the key out",
                );
                return None;
            }
            Some(Some(text.to_owned()))
        }),
    };
    Some(ProbeSpec::Http {
        port: port?,
        path: path?,
        status: status?,
        body: body?,
    })
}

fn command(section: &Section<'_>, faults: &Faults<'_>) -> Option<ProbeSpec> {
    let Some(node) = section.get("command") else {
        let help = "add the command to run in the container, such as command = \"pg_isready\"";
        faults.push(
            Found::new(
                section.span.clone(),
                "a health check of type `command` needs a `command`",
            )
            .help(help),
        );
        return None;
    };
    Some(ProbeSpec::Command {
        command: node.command(faults)?,
    })
}
