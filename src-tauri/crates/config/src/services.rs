//! `[services.NAME]`.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use locald_core::{
    ProjectName, ServiceId, ServiceName, ServiceSpec,
    spec::{Dependency, Resources, RestartPolicy, Signal, Source, VolumeMount},
};

use crate::{
    dependencies::{self, Need, Needs},
    engine,
    errors::Found,
    health_check::{self, Asked},
    image,
    ports::{self, Port},
    project::{ParseContext, normalise},
    quantities,
    references::{self, Targets},
    volumes,
    walk::{Faults, Kind, Node, Section, suggest},
};

const KEYS: [&str; 13] = [
    "image",
    "command",
    "ports",
    "env",
    "volumes",
    "depends_on",
    "health_check",
    "restart",
    "stop_signal",
    "stop_grace",
    "workdir",
    "resources",
    "engine",
];
/// Keys of the format that need catalog entries or services without a container.
const LATER: [&str; 8] = [
    "type",
    "version",
    "port",
    "user",
    "database",
    "password",
    "extensions",
    "init",
];

/// A service as read so far: what depends on other services isn't looked up yet, and what is at fault is `None`.
struct Draft<'d> {
    name: &'d str,
    image: Option<String>,
    command: Option<Vec<String>>,
    ports: Option<Vec<Port>>,
    env: Vec<(&'d str, String, Range<usize>)>,
    volumes: Vec<VolumeMount>,
    needs: Needs<'d>,
    health_check: Asked,
    restart: RestartPolicy,
    restart_span: Option<Range<usize>>,
    stop_signal: Option<Signal>,
    stop_grace: Duration,
    workdir: Option<String>,
    resources: Resources,
    engine: Option<String>,
}

/// Reads all services, in the order of the file. What it returns is only sound when no fault was noted.
pub(crate) fn read(
    services: &Section<'_>,
    project: Option<&ProjectName>,
    faults: &Faults<'_>,
    context: &ParseContext,
) -> Vec<ServiceSpec> {
    let mut names = Vec::new();
    let mut drafts = Vec::new();
    for (name, key_span, node) in services.entries() {
        names.push(name);
        if let Err(error) = ServiceName::new(name) {
            let fault = Found::new(key_span.clone(), error.to_string()).label("this name");
            faults.push(match normalise(name) {
                Some(near) => fault.help(format!("write [services.{near}]")),
                None => fault,
            });
        }
        if let Some(section) = node.table(faults) {
            drafts.push(draft(name, &key_span, &section, faults, context));
        }
    }
    let ports: Vec<_> = drafts
        .iter()
        .map(|draft| (draft.name, draft.ports.as_deref().unwrap_or_default()))
        .collect();
    ports::clashes(ports.into_iter(), faults);

    let mut targets: Targets<'_> = names.iter().map(|&name| (name, None)).collect();
    targets.extend(drafts.iter().map(|draft| (draft.name, draft.ports.clone())));
    let environments: Vec<_> = drafts
        .iter_mut()
        .map(|draft| environment(draft, &targets, faults))
        .collect();

    let none = Needs::new();
    let drafted: BTreeMap<_, _> = drafts.iter().map(|draft| (draft.name, &draft.needs)).collect();
    let needs: Vec<_> = names
        .iter()
        .map(|&name| (name, drafted.get(name).copied().unwrap_or(&none)))
        .collect();
    dependencies::check(&needs, faults);
    let restarted = |name: &str| {
        let draft = drafts.iter().find(|draft| draft.name == name)?;
        draft
            .restart_span
            .clone()
            .filter(|_| draft.restart == RestartPolicy::Always)
    };
    dependencies::check_completed(&needs, restarted, faults);

    drafts
        .into_iter()
        .zip(environments)
        .filter_map(|(draft, env)| draft.finish(project?, env))
        .collect()
}

/// Resolves a service's environment. A reference to another service implies the dependency.
fn environment<'d>(draft: &mut Draft<'d>, targets: &Targets<'d>, faults: &Faults<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let own = draft.name;
    for (name, value, span) in &draft.env {
        let needs = &mut draft.needs;
        let resolved = references::resolve(value, span, targets, faults, |service, span| {
            let known = targets.get_key_value(service).map(|(name, _)| *name);
            if let Some(service) = known.filter(|&service| service != own)
                && !needs.iter().any(|need| need.name == service)
            {
                needs.push(Need::implied(service, span));
            }
        });
        if let Some(value) = resolved {
            env.insert((*name).to_owned(), value);
        }
    }
    env
}

impl Draft<'_> {
    fn finish(self, project: &ProjectName, env: BTreeMap<String, String>) -> Option<ServiceSpec> {
        let mut depends_on: Vec<Dependency> = Vec::new();
        for need in self.needs {
            let name = ServiceName::new(need.name).ok()?;
            if !depends_on.iter().any(|known| known.name == name) {
                depends_on.push(Dependency {
                    name,
                    condition: need.condition,
                });
            }
        }
        let image_health_check = !matches!(self.health_check, Asked::Nothing);
        let health_check = match self.health_check {
            Asked::This(check) => Some(check),
            Asked::Unsaid | Asked::Nothing => None,
        };
        Some(ServiceSpec {
            id: ServiceId::new(project.clone(), ServiceName::new(self.name).ok()?),
            source: Source::Container {
                image: self.image?,
                command: self.command,
            },
            env,
            ports: self.ports?.into_iter().map(|(port, _)| port).collect(),
            volumes: self.volumes,
            depends_on,
            health_check,
            image_health_check,
            restart: self.restart,
            stop_signal: self.stop_signal,
            stop_grace: self.stop_grace,
            workdir: self.workdir,
            resources: self.resources,
            engine: self.engine,
            connection: None,
        })
    }
}

fn draft<'d>(
    name: &'d str,
    key_span: &Range<usize>,
    section: &Section<'d>,
    faults: &Faults<'_>,
    context: &ParseContext,
) -> Draft<'d> {
    section.check_keys(faults, &KEYS, &LATER);
    let image_node = section.get("image");
    // A service of a later version, or with a slip in this very key, has its fault noted already.
    let told = |key: &str| LATER.contains(&key) || (key != "image" && strsim::damerau_levenshtein(key, "image") <= 2);
    if image_node.is_none() && !section.entries().any(|(key, ..)| told(key)) {
        let place = key_span.clone();
        faults.push(if section.get("command").is_some() {
            let version = env!("CARGO_PKG_VERSION");
            Found::new(place, format!("`{name}` has a `command` and no `image`: locald {version} can't run a process without a container yet"))
                .label("needs an `image`")
                .help("add the image to run the command in, such as image = \"node:22\"")
        } else {
            Found::new(place, format!("`{name}` has no `image`"))
                .label("needs an `image`")
                .help("add what to run, such as image = \"nginx:1.29\"")
        });
    }
    let ports = match section.get("ports") {
        Some(node) => ports::read(&node, faults),
        None => Some(Vec::new()),
    };
    let health_check = section.get("health_check").map_or(Asked::Unsaid, |node| {
        health_check::read(&node, faults, ports.as_deref())
    });
    let read = |key: &str| section.get(key);
    Draft {
        name,
        image: image_node.and_then(|node| image::read(&node, faults)),
        command: read("command").and_then(|node| node.command(faults)),
        ports,
        env: read("env").map(|node| env(&node, faults)).unwrap_or_default(),
        volumes: read("volumes")
            .and_then(|node| volumes::read(&node, faults, context))
            .unwrap_or_default(),
        needs: read("depends_on")
            .map(|node| dependencies::read(&node, faults))
            .unwrap_or_default(),
        health_check,
        restart: read("restart")
            .and_then(|node| restart(&node, faults))
            .unwrap_or(RestartPolicy::No),
        restart_span: read("restart").map(|node| node.span),
        stop_signal: read("stop_signal").and_then(|node| stop_signal(&node, faults)),
        stop_grace: read("stop_grace")
            .and_then(|node| quantities::duration(&node, faults, Duration::ZERO))
            .unwrap_or(ServiceSpec::DEFAULT_STOP_GRACE),
        workdir: read("workdir").and_then(|node| workdir(&node, faults)),
        resources: read("resources")
            .and_then(|node| node.table(faults))
            .map(|table| resources(&table, faults))
            .unwrap_or_default(),
        engine: read("engine")
            .and_then(|node| engine::read(&node, faults))
            .map(str::to_owned),
    }
}

/// A table `{ A = "b" }` or a list `["A=b"]`.
fn env<'d>(node: &Node<'d>, faults: &Faults<'_>) -> Vec<(&'d str, String, Range<usize>)> {
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

fn restart(node: &Node<'_>, faults: &Faults<'_>) -> Option<RestartPolicy> {
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

fn stop_signal(node: &Node<'_>, faults: &Faults<'_>) -> Option<Signal> {
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

fn workdir(node: &Node<'_>, faults: &Faults<'_>) -> Option<String> {
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

fn resources(section: &Section<'_>, faults: &Faults<'_>) -> Resources {
    section.check_keys(faults, &["memory", "cpus"], &[]);
    Resources {
        memory_bytes: section.get("memory").and_then(|node| quantities::bytes(&node, faults)),
        cpu_millis: section.get("cpus").and_then(|node| quantities::cpus(&node, faults)),
    }
}
