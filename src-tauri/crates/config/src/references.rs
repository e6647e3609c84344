//! `${services.db.host}` in the environment.

use std::{collections::BTreeMap, ops::Range};

use locald_core::spec::PortMapping;

use crate::{
    catalog::{Entry, Reader},
    errors::Found,
    provision::Provided,
    walk::{Faults, suggest},
};

const OPENING: &str = "${services.";
/// What may be referenced: each service's name, and what it is (`None` when that is at fault itself).
pub(crate) type Targets<'d> = BTreeMap<&'d str, Option<Target<'d>>>;

/// What a reference can be to.
#[derive(Debug, Clone)]
pub(crate) enum Target<'d> {
    Container {
        ports: Vec<PortMapping>,
    },
    /// A process, with its port.
    Process {
        port: Option<u16>,
    },
    Managed {
        entry: &'d Entry,
        given: Provided,
    },
}

/// Puts in what the references stand for, as the reader reaches it: from another container of the project by the
/// service's name and the port inside it, from a process by what is published on this machine. `depends` is called for each service referred to. `$$` stands for one `$`; any other `$` stays.
pub(crate) fn resolve<'t>(
    value: &'t str,
    span: &Range<usize>,
    targets: &Targets<'_>,
    reader: Reader,
    faults: &Faults<'_>,
    mut depends: impl FnMut(&'t str, Range<usize>),
) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    let mut sound = true;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some(after) = from.strip_prefix(OPENING) {
            let Some((inner, after)) = after.split_once('}') else {
                let message = "a reference isn't closed";
                faults.push(
                    Found::new(faults.narrow(span, OPENING), message).help("add `}`, or write `$$` for a plain `$`"),
                );
                return None;
            };
            let span = faults.narrow(span, &format!("{OPENING}{inner}}}"));
            match look_up(inner, &span, targets, reader, faults) {
                Some((service, resolved)) => {
                    out.push_str(&resolved);
                    depends(service, span);
                }
                None => sound = false,
            }
            rest = after;
        } else {
            out.push('$');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    sound.then_some(out)
}

fn look_up<'t>(
    inner: &'t str,
    span: &Range<usize>,
    targets: &Targets<'_>,
    reader: Reader,
    faults: &Faults<'_>,
) -> Option<(&'t str, String)> {
    // A service's name may have dots, a field may not.
    let Some((service, field)) = inner.rsplit_once('.') else {
        let help = format!("write ${{services.{inner}.host}} or ${{services.{inner}.port}}");
        faults.push(Found::new(span.clone(), "a reference needs a field").help(help));
        return None;
    };
    let Some(target) = targets.get(service) else {
        let help = suggest(service, targets.keys().copied(), "services of this file");
        faults.push(Found::new(span.clone(), format!("there is no service `{service}`")).help(help));
        return None;
    };
    match target.as_ref()?.field(service, field, reader) {
        Ok(value) => Some((service, value)),
        Err((message, help)) => {
            faults.push(Found::new(span.clone(), message).help(help));
            None
        }
    }
}

const MACHINE: &str = "127.0.0.1";

impl Target<'_> {
    fn field(&self, service: &str, field: &str, reader: Reader) -> Result<String, (String, String)> {
        let unknown = |what: &str, fields: &[&str]| {
            Err((
                format!("`{field}` of {what} can't be referenced"),
                suggest(field, fields.iter().copied(), "use one of"),
            ))
        };
        match self {
            Self::Container { ports } => match field {
                "host" if reader == Reader::Machine => Ok(MACHINE.to_owned()),
                "host" => Ok(service.to_owned()),
                "port" => container_port(service, ports, reader),
                _ => unknown("a container", &["host", "port"]),
            },
            Self::Process { .. } if reader == Reader::Container => Err((
                format!("`{service}` is a process of this machine, which a container can't reach"),
                "run both as processes, or both as containers".to_owned(),
            )),
            Self::Process { port } => match (field, port) {
                ("host", _) => Ok(MACHINE.to_owned()),
                ("port" | "url", None) => Err((
                    format!("`{service}` declares no port"),
                    format!("add port = \"auto\" to `services.{service}`"),
                )),
                ("port", Some(port)) => Ok(port.to_string()),
                ("url", Some(port)) => Ok(format!("http://{MACHINE}:{port}")),
                _ => unknown("a process", &["url", "host", "port"]),
            },
            Self::Managed { entry, given } => {
                let (url, host, port) = entry.reached(service, given, reader);
                let mut fields = vec![
                    ("url", url),
                    ("host", host),
                    ("port", port.map(|port| port.to_string()).unwrap_or_default()),
                ];
                let password = given.password.as_ref().map(|password| password.reveal().to_owned());
                let credentials = [
                    ("user", given.user.clone()),
                    ("password", password),
                    ("database", given.database.clone()),
                ];
                fields.extend(credentials.into_iter().filter_map(|(name, value)| Some((name, value?))));
                match fields.iter().find(|(name, _)| *name == field) {
                    Some((_, value)) => Ok(value.clone()),
                    None => {
                        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
                        unknown(entry.title(), &names)
                    }
                }
            }
        }
    }
}

fn container_port(service: &str, ports: &[PortMapping], reader: Reader) -> Result<String, (String, String)> {
    let Some(first) = ports.first() else {
        return Err((
            format!("`{service}` declares no port"),
            format!("add `ports` to `services.{service}`, or write the number"),
        ));
    };
    match (reader, first.host) {
        (Reader::Container, _) => Ok(first.port.to_string()),
        (Reader::Machine, Some(host)) => Ok(host.to_string()),
        (Reader::Machine, None) => Err((
            format!("`{service}` takes any free port on this machine, which isn't known beforehand"),
            format!("name one in its `ports`, such as \"{0}:{0}\"", first.port),
        )),
    }
}
