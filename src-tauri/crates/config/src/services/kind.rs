//! What a service is, by the keys it has, and which keys that allows.

use std::ops::Range;

use crate::{
    errors::Found,
    health_check::Runs,
    walk::{Faults, Section},
};

const CONTAINER: [&str; 13] = [
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
const PROCESS: [&str; 10] = [
    "command",
    "port",
    "env",
    "depends_on",
    "health_check",
    "restart",
    "stop_signal",
    "stop_grace",
    "workdir",
    "engine",
];
const MANAGED: [&str; 15] = [
    "type",
    "version",
    "port",
    "user",
    "password",
    "database",
    "env",
    "volumes",
    "depends_on",
    "health_check",
    "restart",
    "stop_signal",
    "stop_grace",
    "resources",
    "engine",
];
const NONE: [&str; 3] = ["type", "image", "command"];
/// Keys of the format that this version doesn't have yet.
const LATER: [&str; 2] = ["extensions", "init"];

/// What a service is; `None` when it doesn't say, which is noted.
pub(super) fn of(name: &str, key_span: &Range<usize>, section: &Section<'_>, faults: &Faults<'_>) -> Option<Runs> {
    let has = |key: &str| section.get(key).is_some();
    let runs = match () {
        () if has("type") => Some(Runs::Managed),
        () if has("image") => Some(Runs::Container),
        () if has("command") => Some(Runs::Process),
        () => None,
    };
    let known = |key: &str| CONTAINER.contains(&key) || PROCESS.contains(&key) || MANAGED.contains(&key);
    let slip = section.entries().find_map(|(key, ..)| {
        NONE.into_iter()
            .find(|word| !known(key) && strsim::damerau_levenshtein(key, word) <= 2)
    });
    // With a slip in the very key that says it, what was meant is clear.
    let meant = runs.or(match slip {
        Some("type") => Some(Runs::Managed),
        Some("command") => Some(Runs::Process),
        Some(_) => Some(Runs::Container),
        None => None,
    });
    let allowed: &[&str] = match meant {
        Some(Runs::Process) => &PROCESS,
        Some(Runs::Managed) => &MANAGED,
        Some(Runs::Container) | None => &CONTAINER,
    };
    for (key, span, node) in section.entries() {
        if allowed.contains(&key) {
            continue;
        }
        if LATER.contains(&key) {
            let version = env!("CARGO_PKG_VERSION");
            let fault = Found::new(span, format!("`{key}` isn't supported by locald {version} yet"));
            faults.push(fault.label("needs a later version").help("leave it out"));
        } else if known(key) {
            if let Some(runs) = meant {
                let (message, help) = misplaced(name, key, runs, faults.raw(&node.span));
                faults.push(Found::new(span, message).help(help));
            }
        } else {
            faults.push(section.unknown(key, span, allowed));
        }
    }
    if meant.is_none() && !section.entries().any(|(key, ..)| LATER.contains(&key)) {
        faults.push(
            Found::new(key_span.clone(), format!("`{name}` doesn't say what runs"))
                .label("needs a `type`, an `image` or a `command`")
                .help("add one, such as type = \"postgres\", image = \"nginx:1.29\" or command = \"npm run dev\""),
        );
    }
    runs
}

/// A key of another kind of service: it isn't unknown, it is in the wrong place.
fn misplaced(name: &str, key: &str, runs: Runs, raw: &str) -> (String, String) {
    let number = raw.trim_matches(['"', '\'', '[', ']', ' ']);
    let number = number.split(':').next().unwrap_or_default();
    let number = if number.parse::<u16>().is_ok() { number } else { "8080" };
    let help = match (runs, key) {
        (Runs::Managed, "image") => {
            let message = format!("`{name}` has both a `type` and an `image`");
            let help = "remove one: `type` is for a service that locald knows, `image` for any other container";
            return (message, help.to_owned());
        }
        (Runs::Managed, "ports") => {
            format!("its ports are known; write port = {number} to choose the one on this machine")
        }
        (Runs::Managed, _) => "remove it; how the service is run is known by its `type`".to_owned(),
        (Runs::Process, "ports") => format!("a process opens its ports itself; write port = {number} to tell it which"),
        (Runs::Process, "volumes" | "resources") => "remove it, or add an `image` to run it in a container".to_owned(),
        (Runs::Container, "port") => format!("write ports = [\"{number}:{number}\"] (port here : port inside)"),
        (Runs::Container, "version") => {
            "write the version as the image's tag, such as image = \"nginx:1.29\"".to_owned()
        }
        (Runs::Process | Runs::Container, _) => {
            "write it into `env`, or use a service with a `type`, such as type = \"postgres\"".to_owned()
        }
    };
    let what = match runs {
        Runs::Managed => "a service with a `type`",
        Runs::Process => "a process",
        Runs::Container => "a service with an `image`",
    };
    (format!("{what} has no `{key}`"), help)
}
