//! Environment variables of several services as one set, in the form that each reader takes.

use std::{borrow::Cow, collections::BTreeMap};

use locald_core::ServiceId;

use crate::args::EnvFormat;

/// What several services ask for, together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub env: BTreeMap<String, String>,
    pub shadowed: Vec<Shadowed>,
}

/// Names that two services want, for different values: the first one has them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shadowed {
    pub names: Vec<String>,
    pub of: ServiceId,
    pub by: ServiceId,
}

pub(crate) fn merge<'a>(services: impl IntoIterator<Item = (&'a ServiceId, &'a BTreeMap<String, String>)>) -> Merged {
    let mut env: BTreeMap<String, (String, &ServiceId)> = BTreeMap::new();
    let mut shadowed: Vec<Shadowed> = Vec::new();
    for (service, variables) in services {
        for (name, value) in variables.iter().filter(|(name, _)| is_name(name)) {
            let Some((has, by)) = env.get(name) else {
                env.insert(name.clone(), (value.clone(), service));
                continue;
            };
            if has == value {
                continue;
            }
            let known = shadowed
                .iter_mut()
                .find(|known| known.of == *service && known.by == **by);
            match known {
                Some(known) => known.names.push(name.clone()),
                None => shadowed.push(Shadowed {
                    names: vec![name.clone()],
                    of: service.clone(),
                    by: (*by).clone(),
                }),
            }
        }
    }
    Merged {
        env: env.into_iter().map(|(name, (value, _))| (name, value)).collect(),
        shadowed,
    }
}

/// A name that every shell takes: any other would be read as something else than an assignment.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// All of it, without a line end at its end.
pub(crate) fn text(env: &BTreeMap<String, String>, format: EnvFormat) -> String {
    if format == EnvFormat::Json {
        return serde_json::json!(env).to_string();
    }
    let lines = env.iter().map(|(name, value)| match format {
        EnvFormat::Shell => format!("export {name}={}", shell_words::quote(value)),
        EnvFormat::Fish => format!("set -gx {name} {}", fish(value)),
        EnvFormat::Powershell => format!("$env:{name} = {}", powershell(value)),
        EnvFormat::Dotenv | EnvFormat::Json => format!("{name}={}", dotenv(value)),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Readers of `.env` files agree on bare words and on single quotes, within which nothing has a meaning. Only what
/// these can't hold goes into double quotes, where readers differ in what a backslash does.
fn dotenv(value: &str) -> Cow<'_, str> {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if value.chars().all(bare) {
        return Cow::Borrowed(value);
    }
    if !value.contains(['\'', '\r']) && !value.ends_with('\\') {
        return Cow::Owned(format!("'{value}'"));
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' | '$' | '`' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out.push('"');
    Cow::Owned(out)
}

fn fish(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// PowerShell takes typographic quotes for quotes too.
fn powershell(value: &str) -> String {
    let mut out = String::from("'");
    for c in value.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests;
