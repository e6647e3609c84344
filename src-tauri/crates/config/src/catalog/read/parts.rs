//! The tables of an entry's file.

use std::{collections::BTreeMap, time::Duration};

use locald_core::spec::{ChangeCredentials, Protocol, ServiceProtocol};

use super::{
    needed, one_of,
    texts::{Texts, Where},
    words,
};
use crate::{
    catalog::{
        Asks, ConnectRecipe, ContainerRecipe, EntryPort, HealthRecipe, VolumeRecipe,
        native::NativeRecipe,
        rules::{CredentialRules, Letters},
        template::Template,
        versions::{Listed, Versions, is_numbers},
    },
    errors::Found,
    image, quantities,
    walk::{Faults, Kind, Node, Section, listed, suggest},
};

const PROTOCOLS: [(&str, ServiceProtocol); 12] = [
    ("postgres", ServiceProtocol::Postgres),
    ("mysql", ServiceProtocol::Mysql),
    ("redis", ServiceProtocol::Redis),
    ("mongodb", ServiceProtocol::Mongodb),
    ("amqp", ServiceProtocol::Amqp),
    ("nats", ServiceProtocol::Nats),
    ("memcached", ServiceProtocol::Memcached),
    ("mqtt", ServiceProtocol::Mqtt),
    ("kafka", ServiceProtocol::Kafka),
    ("etcd", ServiceProtocol::Etcd),
    ("clickhouse", ServiceProtocol::Clickhouse),
    ("smtp", ServiceProtocol::Smtp),
];

pub(super) fn versions(section: &Section<'_>, faults: &Faults<'_>) -> Option<Versions> {
    section.check_keys(
        faults,
        &["list", "default", "parts", "oldest", "data_parts", "tags"],
        &[],
    );
    let names = needed(section, "list", faults)?.texts(faults)?;
    let mut listed: Vec<Listed> = Vec::new();
    for (name, span) in names {
        let sound = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if !sound || listed.iter().any(|known| known.name == name) {
            let message = format!("`{name}` isn't a version, or is there twice");
            faults.push(Found::new(span, message).help("write each once, such as \"17\""));
            continue;
        }
        listed.push(Listed {
            name: name.to_owned(),
            tag: None,
        });
    }
    if let Some(tags) = section.get("tags").and_then(|node| node.table(faults)) {
        for (version, span, node) in tags.entries() {
            let tag = node.text(faults)?;
            match listed.iter_mut().find(|listed| listed.name == version) {
                Some(listed) => listed.tag = Some(tag.to_owned()),
                None => {
                    let help = listed_versions(&listed);
                    faults.push(Found::new(span, format!("`{version}` isn't in the list of versions")).help(help));
                }
            }
        }
    }
    let default = match section.get("default") {
        Some(node) => {
            let text = node.text(faults)?;
            if !listed.iter().any(|listed| listed.name == text) {
                let help = listed_versions(&listed);
                node.fault(faults, format!("`{text}` isn't in the list of versions"), help);
            }
            text.to_owned()
        }
        None => listed.first().map(|listed| listed.name.clone()).unwrap_or_default(),
    };
    if listed.is_empty() {
        let message = "the list of versions is empty";
        faults.push(Found::new(section.span.clone(), message).help("write at least one, such as \"17\""));
        return None;
    }
    let parts = |key: &str| match section.get(key) {
        Some(node) => node
            .integer(faults, 0..=4)
            .and_then(|parts| usize::try_from(parts).ok()),
        None => Some(0),
    };
    let (parts, data_parts) = (parts("parts")?, parts("data_parts")?);
    Some(Versions {
        listed,
        default,
        parts,
        oldest: section.get("oldest").and_then(|node| numbers(&node, faults)),
        data_parts,
    })
}

fn listed_versions(versions: &[Listed]) -> String {
    listed(
        versions.iter().map(|version| version.name.as_str()),
        "versions of the list",
    )
}

fn numbers(node: &Node<'_>, faults: &Faults<'_>) -> Option<String> {
    let text = node.text(faults)?;
    if !is_numbers(text) {
        node.fault(
            faults,
            format!("`{text}` isn't a version of numbers"),
            "write such as \"18\" or \"8.4\"",
        );
        return None;
    }
    Some(text.to_owned())
}

/// The list `[[ports]]`, each with a name of its own.
pub(super) fn ports(root: &Section<'_>, faults: &Faults<'_>) -> Option<Vec<EntryPort>> {
    let tables = tables(&needed(root, "ports", faults)?, faults)?;
    let mut ports: Vec<EntryPort> = Vec::new();
    let mut sound = true;
    for section in &tables {
        match port(section, faults) {
            Some(port) if ports.iter().any(|known| known.name == port.name) => {
                let message = format!("two ports are called `{}`", port.name);
                faults.push(Found::new(section.span.clone(), message).help("give one of them another name"));
                sound = false;
            }
            Some(port) => ports.push(port),
            None => sound = false,
        }
    }
    if sound && ports.is_empty() {
        let message = "an entry needs a port";
        faults.push(Found::new(root.key_span("ports"), message).help("add [[ports]] with `name` and `port`"));
        return None;
    }
    sound.then_some(ports)
}

fn port(section: &Section<'_>, faults: &Faults<'_>) -> Option<EntryPort> {
    section.check_keys(faults, &["name", "port", "well_known", "inside", "protocol"], &[]);
    let name = needed(section, "name", faults).and_then(|node| words(&node, faults));
    let number = |node: Node<'_>| {
        node.integer(faults, 1..=i64::from(u16::MAX))
            .and_then(|port| u16::try_from(port).ok())
    };
    let port = needed(section, "port", faults).and_then(number)?;
    let or_same = |key: &str| section.get(key).map_or(Some(port), number);
    let protocol = match section.get("protocol") {
        Some(node) => match one_of(&node, faults, &["tcp", "udp"])? {
            "udp" => Protocol::Udp,
            _ => Protocol::Tcp,
        },
        None => Protocol::Tcp,
    };
    Some(EntryPort {
        name: name?,
        port,
        well_known: or_same("well_known")?,
        inside: or_same("inside")?,
        protocol,
    })
}

fn tables<'d>(node: &Node<'d>, faults: &Faults<'_>) -> Option<Vec<Section<'d>>> {
    match node.kind {
        Kind::Tables(tables) => Some(Section::each(tables, &node.name)),
        _ => {
            let nodes = node.list(faults, "tables", Some(format!("write [[{}]]", node.name)))?;
            nodes.iter().map(|node| node.table(faults)).collect()
        }
    }
}

pub(super) fn credentials(section: &Section<'_>, faults: &Faults<'_>) -> Option<CredentialRules> {
    let keys = [
        "user",
        "user_limit",
        "password",
        "password_shortest",
        "password_without",
        "database",
        "names",
        "name_limit",
        "in_data",
        "change",
    ];
    section.check_keys(faults, &keys, &[]);
    let flag = |key: &str| {
        section
            .get(key)
            .is_some_and(|node| node.boolean(faults).unwrap_or(false))
    };
    let count = |key: &str| {
        let number = section.get(key)?.integer(faults, 1..=1024)?;
        usize::try_from(number).ok()
    };
    let names = match section.get("names") {
        Some(node) => match one_of(&node, faults, &["any", "name", "plain"])? {
            "plain" => Letters::Plain,
            "name" => Letters::Name,
            _ => Letters::Any,
        },
        None => Letters::Any,
    };
    let change = match section.get("change") {
        Some(node) => Some(match one_of(&node, faults, &["postgres", "mysql"])? {
            "mysql" => ChangeCredentials::Mysql,
            _ => ChangeCredentials::Postgres,
        }),
        None => None,
    };
    Some(CredentialRules {
        user: section.get("user").and_then(|node| words(&node, faults)),
        user_limit: count("user_limit"),
        password: flag("password"),
        password_shortest: count("password_shortest").unwrap_or(1),
        password_without: section
            .get("password_without")
            .and_then(|node| node.text(faults))
            .unwrap_or_default()
            .to_owned(),
        database: flag("database"),
        names,
        name_limit: count("name_limit"),
        in_data: flag("in_data"),
        change,
    })
}

pub(super) fn container(section: &Section<'_>, faults: &Faults<'_>, texts: &Texts) -> Option<ContainerRecipe> {
    section.check_keys(faults, &["image", "command", "env", "other_user_env", "volumes"], &[]);
    let image = needed(section, "image", faults).and_then(|node| {
        let text = node.text(faults)?;
        let stand_in = text.replace("{version}", "1");
        let probe = Node {
            kind: Kind::Text(&stand_in),
            span: node.span.clone(),
            name: node.name.clone(),
        };
        image::read(&probe, faults).map(|_| text.to_owned())
    });
    let command = command(section, "command", faults, texts, Where::Shown);
    let volumes = match section.get("volumes") {
        Some(node) => tables(&node, faults).and_then(|tables| {
            let read: Vec<_> = tables.iter().map(|section| volume(section, faults)).collect();
            read.into_iter().collect()
        }),
        None => Some(Vec::new()),
    };
    let env = map(section, "env", faults, texts, Where::Hidden);
    let other_user_env = map(section, "other_user_env", faults, texts, Where::Hidden);
    Some(ContainerRecipe {
        image: image?,
        command: command?,
        env: env?,
        other_user_env: other_user_env?,
        volumes: volumes?,
    })
}

fn volume(section: &Section<'_>, faults: &Faults<'_>) -> Option<VolumeRecipe> {
    section.check_keys(faults, &["name", "path", "from", "below"], &[]);
    let name = needed(section, "name", faults).and_then(|node| super::name_of(&node, faults));
    let path = needed(section, "path", faults).and_then(|node| {
        let path = node.text(faults)?;
        let sound = path.starts_with('/') && path.len() > 1 && !path.contains(':');
        if !sound {
            node.fault(
                faults,
                format!("`{path}` isn't a whole path"),
                "write where in the container it is",
            );
        }
        sound.then(|| path.to_owned())
    });
    let version = |key: &str| section.get(key).and_then(|node| numbers(&node, faults));
    Some(VolumeRecipe {
        from: version("from"),
        below: version("below"),
        name: name?,
        path: path?,
    })
}

/// A command that may be missing.
fn command(
    section: &Section<'_>,
    key: &str,
    faults: &Faults<'_>,
    texts: &Texts,
    place: Where,
) -> Option<Option<Vec<Template>>> {
    match section.get(key) {
        Some(node) => texts.command(&node, faults, place).map(Some),
        None => Some(None),
    }
}

fn map(
    section: &Section<'_>,
    key: &str,
    faults: &Faults<'_>,
    texts: &Texts,
    place: Where,
) -> Option<BTreeMap<String, Template>> {
    match section.get(key) {
        Some(node) => texts.map(&node, faults, place),
        None => Some(BTreeMap::new()),
    }
}

pub(super) fn health(section: &Section<'_>, faults: &Faults<'_>, ports: &[EntryPort]) -> Option<HealthRecipe> {
    let keys = [
        "protocol",
        "path",
        "port",
        "interval",
        "timeout",
        "retries",
        "start_period",
    ];
    section.check_keys(faults, &keys, &[]);
    let known: Vec<_> = PROTOCOLS.iter().map(|(word, _)| *word).chain(["http", "tcp"]).collect();
    let node = needed(section, "protocol", faults)?;
    let word = one_of(&node, faults, &known)?;
    let path = section.get("path");
    let asks = match (word, path) {
        ("http", Some(path)) => {
            let text = path.text(faults)?;
            if !text.starts_with('/') || !text.chars().all(|c| c.is_ascii_graphic()) {
                path.fault(
                    faults,
                    format!("`{text}` isn't a path of a URL"),
                    "write such as \"/health\"",
                );
            }
            Asks::Http(text.to_owned())
        }
        ("http", None) => Asks::Http("/".to_owned()),
        (_, Some(path)) => {
            path.fault(faults, format!("a check by `{word}` has no `path`"), "remove it");
            return None;
        }
        ("tcp", None) => Asks::Tcp,
        _ => Asks::Service(PROTOCOLS.iter().find(|(known, _)| *known == word)?.1),
    };
    let port = match section.get("port") {
        Some(node) => {
            let text = node.text(faults)?;
            let at = ports.iter().position(|port| port.name == text);
            if at.is_none() {
                let help = suggest(text, ports.iter().map(|port| port.name.as_str()), "ports of this entry");
                node.fault(faults, format!("there is no port `{text}`"), help);
            }
            at?
        }
        None => 0,
    };
    let time = |key: &str, usual: u64| match section.get(key) {
        Some(node) => quantities::duration(&node, faults, Duration::from_millis(1)),
        None => Some(Duration::from_secs(usual)),
    };
    let retries = match section.get("retries") {
        Some(node) => u32::try_from(node.integer(faults, 1..=1000)?).ok(),
        None => Some(3),
    };
    Some(HealthRecipe {
        asks,
        port,
        interval: time("interval", 2)?,
        timeout: time("timeout", 5)?,
        retries: retries?,
        start_period: time("start_period", 60)?,
    })
}

pub(super) fn connect(section: &Section<'_>, faults: &Faults<'_>, texts: &Texts) -> Option<ConnectRecipe> {
    section.check_keys(faults, &["url", "env", "client", "client_env", "console"], &[]);
    let url = needed(section, "url", faults).and_then(|node| texts.one(&node, faults, Where::Url));
    let client = command(section, "client", faults, texts, Where::Shown);
    let console = match section.get("console") {
        Some(node) => texts.one(&node, faults, Where::Shown).map(Some),
        None => Some(None),
    };
    let env = map(section, "env", faults, texts, Where::Connect);
    let client_env = map(section, "client_env", faults, texts, Where::Connect);
    Some(ConnectRecipe {
        url: url?,
        env: env?,
        client: client?,
        client_env: client_env?,
        console: console?,
    })
}

/// The programs that write and read a dump; `{file}` is the dump and left to the engine.
pub(super) fn transfer(
    section: &Section<'_>,
    faults: &Faults<'_>,
    texts: &Texts,
) -> Option<(Vec<Template>, Vec<Template>)> {
    section.check_keys(faults, &["dump", "restore"], &[]);
    let read = |key: &str| {
        let node = needed(section, key, faults)?;
        texts.command(&node, faults, Where::Dump)
    };
    let (dump, restore) = (read("dump"), read("restore"));
    Some((dump?, restore?))
}

pub(super) fn native(section: &Section<'_>, faults: &Faults<'_>, texts: &Texts) -> Option<NativeRecipe> {
    let keys = [
        "postgres",
        "programs",
        "folders",
        "args",
        "files",
        "init",
        "env",
        "client_env",
    ];
    section.check_keys(faults, &keys, &[]);
    let strings = |key: &str| match section.get(key) {
        Some(node) => node
            .texts(faults)
            .map(|texts| texts.into_iter().map(|(text, _)| text.to_owned()).collect::<Vec<_>>()),
        None => Some(Vec::new()),
    };
    let programs = strings("programs")?;
    if programs.is_empty()
        || programs
            .iter()
            .any(|program| program.is_empty() || program.contains('/'))
    {
        let message = "`native.programs` has to name the server's program";
        faults.push(Found::new(section.span.clone(), message).help("write such as programs = [\"redis-server\"]"));
        return None;
    }
    let init = command(section, "init", faults, texts, Where::NativeShown);
    let args = match section.get("args") {
        Some(node) => texts.list(&node, faults, Where::NativeShown),
        None => Some(Vec::new()),
    };
    let files = map(section, "files", faults, texts, Where::NativeHidden);
    let env = map(section, "env", faults, texts, Where::NativeHidden);
    let client_env = map(section, "client_env", faults, texts, Where::NativeHidden);
    Some(NativeRecipe {
        programs,
        folders: strings("folders")?,
        postgres: section
            .get("postgres")
            .is_some_and(|node| node.boolean(faults).unwrap_or(false)),
        args: args?,
        files: files?,
        init: init?,
        env: env?,
        client_env: client_env?,
    })
}
