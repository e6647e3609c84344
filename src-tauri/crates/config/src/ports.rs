//! `ports = ["8025:8025"]`.

use std::{collections::HashMap, ops::Range};

use locald_core::spec::{PortMapping, Protocol};

use crate::{
    errors::Found,
    walk::{Faults, Kind, Node},
};

/// A published port and where it is declared.
pub(crate) type Port = (PortMapping, Range<usize>);

const FORMS: &str = "write \"8080:80\" (port here : port inside), or \"80\" to take any free port here";

/// Reads the list; `None` when an element is at fault.
pub(crate) fn read(node: &Node<'_>, faults: &Faults<'_>) -> Option<Vec<Port>> {
    let elements = node.list(
        faults,
        "ports",
        match node.kind {
            Kind::Text(text) => Some(format!("write it as a list: [\"{text}\"]")),
            Kind::Integer(port) => Some(format!("write it as a list: [\"{port}:{port}\"]")),
            _ => None,
        },
    )?;
    let read: Vec<_> = elements.iter().map(|element| one(element, faults)).collect();
    let ports: Vec<_> = elements.iter().map(|element| element.span.clone()).zip(read).collect();
    let mut seen: HashMap<PortMapping, Range<usize>> = HashMap::new();
    let mut out = Some(Vec::new());
    for (span, port) in ports {
        let Some(port) = port else {
            out = None;
            continue;
        };
        if let Some(first) = seen.insert(port.clone(), span.clone()) {
            // The same host port twice is told by `clashes`, which knows all services.
            if port.host.is_none() {
                let message = format!("`{}` has port {} twice", node.name, port.port);
                faults.push(
                    Found::new(span.clone(), message)
                        .help("remove one")
                        .also(first, "the first"),
                );
            }
        }
        if let Some(out) = &mut out {
            out.push((port, span));
        }
    }
    out
}

fn one(node: &Node<'_>, faults: &Faults<'_>) -> Option<PortMapping> {
    let text = match node.kind {
        Kind::Integer(port) => {
            let Some(port) = u16::try_from(port).ok().filter(|&port| port > 0) else {
                node.fault(
                    faults,
                    format!("`{port}` isn't a port"),
                    "write a number from 1 to 65535",
                );
                return None;
            };
            return Some(PortMapping {
                host: None,
                port,
                protocol: Protocol::Tcp,
            });
        }
        Kind::Text(_) => node.text(faults)?,
        Kind::Date => {
            let help = format!("write it in quotes: \"{}\"", faults.raw(&node.span));
            node.expected(faults, "a port", Some(help));
            return None;
        }
        _ => {
            node.expected(faults, "a port", Some(FORMS.to_owned()));
            return None;
        }
    };
    match parse(text) {
        Ok(port) => Some(port),
        Err((message, help)) => {
            node.fault(faults, message, help);
            None
        }
    }
}

fn parse(text: &str) -> Result<PortMapping, (String, String)> {
    let wrong = |message: String| (message, FORMS.to_owned());
    let (numbers, protocol) = match text.split_once('/') {
        None => (text, Protocol::Tcp),
        Some((numbers, "tcp")) => (numbers, Protocol::Tcp),
        Some((numbers, "udp")) => (numbers, Protocol::Udp),
        Some((numbers, other)) => {
            return Err((
                format!("`{other}` isn't a protocol of a port"),
                format!("write \"{numbers}/tcp\" or \"{numbers}/udp\""),
            ));
        }
    };
    let (address, numbers) = split_address(numbers);
    if let Some(address) = address
        && !matches!(address, "127.0.0.1" | "localhost")
    {
        return Err((
            format!("a port can't be published on {address}"),
            format!("locald publishes on 127.0.0.1 only, so that no other machine reaches it: write \"{numbers}\""),
        ));
    }
    if numbers.contains('-') && numbers.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':')) {
        return Err((
            format!("`{text}` is a range of ports"),
            "name each port by itself: [\"8000:8000\", \"8001:8001\"]".to_owned(),
        ));
    }
    let number = |part: &str| {
        let digits = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
        match part.parse::<u16>() {
            Ok(port) if digits && port > 0 => Ok(port),
            _ if digits => Err((
                format!("`{part}` isn't a port"),
                "write a number from 1 to 65535".to_owned(),
            )),
            _ => Err(wrong(format!("`{text}` isn't a port mapping"))),
        }
    };
    match numbers.split(':').collect::<Vec<_>>()[..] {
        [port] => Ok(PortMapping {
            host: None,
            port: number(port)?,
            protocol,
        }),
        // "127.0.0.1::80" is how other tools write "any free port".
        ["", port] if address.is_some() => Ok(PortMapping {
            host: None,
            port: number(port)?,
            protocol,
        }),
        ["0", port] => Err((
            "port 0 can't be published".to_owned(),
            format!("write \"{port}\" to take any free port here"),
        )),
        [host, port] => Ok(PortMapping {
            host: Some(number(host)?),
            port: number(port)?,
            protocol,
        }),
        _ => Err(wrong(format!("`{text}` isn't a port mapping"))),
    }
}

/// Takes an address off the front: `127.0.0.1:`, `[::1]:` or a name.
fn split_address(text: &str) -> (Option<&str>, &str) {
    if text.starts_with('[')
        && let Some(end) = text.find("]:")
    {
        return (text.get(..=end), text.get(end + 2..).unwrap_or_default());
    }
    match text.split_once(':') {
        Some((address, rest))
            if address.contains(|c: char| c == '.' || c.is_ascii_alphabetic()) && !address.contains('$') =>
        {
            (Some(address), rest)
        }
        _ => (None, text),
    }
}

/// Notes host ports that two declarations of one file publish.
pub(crate) fn clashes<'a>(services: impl Iterator<Item = (&'a str, &'a [Port])>, faults: &Faults<'_>) {
    let mut taken: HashMap<(u16, Protocol), (&str, &Range<usize>)> = HashMap::new();
    for (service, ports) in services {
        for (port, span) in ports {
            let Some(host) = port.host else { continue };
            let Some((first, first_span)) = taken.get(&(host, port.protocol)) else {
                taken.insert((host, port.protocol), (service, span));
                continue;
            };
            let message = if *first == service {
                format!("`{service}` publishes port {host} twice")
            } else {
                format!("`{first}` and `{service}` both publish port {host}")
            };
            faults.push(
                Found::new(span.clone(), message)
                    .label("published here too")
                    // Only an element of a list can be written so.
                    .help(if faults.raw(span).contains(['"', '\'']) {
                        format!(
                            "give one of them another port, or write \"{}\" to take any free port",
                            port.port
                        )
                    } else {
                        "give one of them another port".to_owned()
                    })
                    .also((*first_span).clone(), format!("`{first}` publishes it here")),
            );
        }
    }
}
