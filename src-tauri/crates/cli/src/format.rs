//! The words and columns that people read.

mod kept;
mod table;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use locald_core::{
    Choice,
    snapshot::{HealthKind, StateKind},
    spec::Protocol,
    view::status::{Change, EngineStatus, ErrorStatus, Record, ServiceStatus, Status},
};

use crate::args;

pub(crate) use kept::{catalog, checks, choices, snapshots, trash};
pub(crate) use table::size;
use table::{age, table};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The whole status as a table a project.
pub(crate) fn status(status: &Status, services: &[&ServiceStatus], now: Timestamp) -> String {
    let mut out = String::new();
    for engine in status.engines.iter().filter(|engine| !engine.absent) {
        if let Some(error) = &engine.error {
            let style = color(AnsiColor::Red);
            out += &format!("{style}{}{style:#}: {}\n", engine.id, error.message);
            if let Some(hint) = &error.hint {
                out += &format!("  {hint}\n");
            }
            out.push('\n');
        }
    }
    for project in &status.projects {
        if let Some(error) = &project.error {
            let style = color(AnsiColor::Yellow);
            out += &format!("{style}{}{style:#}: {}\n", project.name, error.message);
            if let Some(hint) = &error.hint {
                out += &format!("  {hint}\n");
            }
            out.push('\n');
        }
    }
    for notice in &status.notices {
        out += &format!("{notice}\n\n");
    }
    if services.is_empty() {
        out += "No services. `locald add postgres` adds one; or declare some in a locald.toml and run `locald up` beside it.\n";
        return out;
    }
    let rows = services.iter().map(|service| {
        [
            service.id.to_string(),
            format!("{} {}", mark(service), service.state_text),
            service
                .health
                .map_or_else(|| "–".to_owned(), |health| health_word(health).to_owned()),
            service.since.map_or_else(|| "–".to_owned(), |since| age(since, now)),
            service
                .engine
                .as_ref()
                .map_or_else(|| "–".to_owned(), ToString::to_string),
            ports(service),
            service.url.clone().unwrap_or_else(|| "–".to_owned()),
        ]
    });
    out += &table(
        &["SERVICE", "STATE", "HEALTH", "SINCE", "ENGINE", "PORTS", "URL"],
        &rows.collect::<Vec<_>>(),
        |row, cell, text| {
            if cell == 1 {
                paint(services.get(row).copied(), text)
            } else {
                text.to_owned()
            }
        },
    );
    for service in services {
        if let Some(error) = &service.error {
            let id = service.id.to_string();
            out += &format!("\n{BOLD}{id}{BOLD:#}: {}\n", error.message);
            if let Some(hint) = hint(&id, error) {
                out += &format!("  {hint}\n");
            }
            if !error.choices.is_empty() {
                out += &format!("  {}\n", ways_out(&id, &error.choices));
            }
        } else if service.outdated {
            out += &format!(
                "\n{BOLD}{}{BOLD:#} differs from its file; `locald up` applies it\n",
                service.id
            );
        }
    }
    out
}

/// What to do next about a service's error, in its own name.
pub(crate) fn hint(service: &str, error: &ErrorStatus) -> Option<String> {
    error.hint.as_ref().map(|hint| hint.replace("SERVICE", service))
}

/// The command that takes one of several ways out.
pub(crate) fn ways_out(service: &str, choices: &[Choice]) -> String {
    let words: Vec<String> = choices.iter().map(|choice| args::choice_word(*choice)).collect();
    format!("choose: locald choose {service} {}", words.join(" | "))
}

/// Engines as a table.
pub(crate) fn engines(engines: &[EngineStatus]) -> String {
    let rows: Vec<[String; 5]> = engines
        .iter()
        .map(|engine| {
            [
                engine.id.to_string(),
                engine.state.clone(),
                engine.version.clone().unwrap_or_else(|| "–".to_owned()),
                engine.endpoint.clone(),
                engine.source.clone(),
            ]
        })
        .collect();
    let mut out = table(
        &["ENGINE", "STATE", "VERSION", "ENDPOINT", "SOURCE"],
        &rows,
        |_, _, text| text.to_owned(),
    );
    for engine in engines {
        if let Some(error) = &engine.error {
            out += &format!("\n{BOLD}{}{BOLD:#}: {}\n", engine.id, error.message);
            if let Some(hint) = &error.hint {
                out += &format!("  {hint}\n");
            }
        }
    }
    out
}

/// One line of `locald events`.
pub(crate) fn record(record: &Record) -> String {
    // To the second; JSON has the rest.
    let at = record.at.round(jiff::Unit::Second).unwrap_or(record.at);
    let what = match &record.change {
        Change::StateChanged {
            service,
            from,
            to,
            exit,
            error,
        } => {
            let from = from.map_or_else(|| "new".to_owned(), |from| from.as_str().to_owned());
            let why = match (exit, error) {
                (_, Some(error)) => format!("  ({})", error.message),
                (Some(exit), None) => format!("  ({})", locald_core::view::message::exit_text(exit)),
                (None, None) => String::new(),
            };
            format!("{service}  {from} → {}{why}", to.as_str())
        }
        Change::HealthChanged { service, from, to } => {
            format!("{service}  health {} → {}", health_word(*from), health_word(*to))
        }
        Change::ServiceRemoved { service } => format!("{service}  removed"),
        Change::EngineChanged { engine, state, error } => match error {
            Some(error) => format!("engine {engine}  {state}  ({})", error.message),
            None => format!("engine {engine}  {state}"),
        },
        Change::ProjectChanged { project, error } => match error {
            Some(error) => format!("project {project}  {}", error.message),
            None => format!("project {project}  read"),
        },
    };
    format!("{DIM}{at}{DIM:#}  {what}")
}

/// One line as a service gets where a command wants it.
pub(crate) fn progress(service: &ServiceStatus) -> String {
    let text = match service.health {
        Some(health @ (HealthKind::Healthy | HealthKind::Unhealthy)) => {
            format!("{}, {}", service.state_text, health_word(health))
        }
        _ => service.state_text.clone(),
    };
    let ports = ports(service);
    let ports = if ports == "–" {
        String::new()
    } else {
        format!("  {ports}")
    };
    format!(
        "{}  {}{ports}",
        service.id,
        paint(Some(service), &format!("{} {text}", mark(service)))
    )
}

fn ports(service: &ServiceStatus) -> String {
    if service.ports.is_empty() {
        return "–".to_owned();
    }
    let one = |port: &locald_core::instance::PublishedPort| {
        let udp = if port.protocol == Protocol::Udp { "/udp" } else { "" };
        if port.host_port == port.port {
            format!("{}{udp}", port.port)
        } else {
            format!("{}→{}{udp}", port.host_port, port.port)
        }
    };
    service.ports.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A mark that tells states apart without colour.
fn mark(service: &ServiceStatus) -> char {
    match (service.state, service.health) {
        (StateKind::Running, Some(HealthKind::Unhealthy)) => '!',
        (StateKind::Running, Some(HealthKind::Starting)) => '◐',
        (StateKind::Running, _) => '●',
        (StateKind::Stopped, _) => '○',
        (StateKind::Exited, _) if service.exit.as_ref().is_some_and(|exit| !exit.crashed) => '✓',
        (StateKind::Exited | StateKind::Failed | StateKind::BackingOff, _) => '✗',
        (StateKind::Unknown, _) => '?',
        (StateKind::Waiting | StateKind::Preparing | StateKind::Starting | StateKind::Stopping, _) => '◐',
    }
}

fn paint(service: Option<&ServiceStatus>, text: &str) -> String {
    let Some(service) = service else { return text.to_owned() };
    let style = match mark(service) {
        '●' => color(AnsiColor::Green),
        '✗' => color(AnsiColor::Red),
        '!' | '?' | '◐' => color(AnsiColor::Yellow),
        _ => DIM,
    };
    format!("{style}{text}{style:#}")
}

fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(color.into()))
}

fn health_word(health: HealthKind) -> &'static str {
    match health {
        HealthKind::Starting => "starting",
        HealthKind::Healthy => "healthy",
        HealthKind::Unhealthy => "unhealthy",
        HealthKind::None => "none",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn status_shows_engine_masked_url_and_ways_out() {
        let status: Status = serde_json::from_value(json!({
            "seq": 1, "engines": [], "projects": [], "notices": [],
            "services": [{
                "id": "shop/db", "project": "shop", "name": "db", "type": "postgres", "image": "PostgreSQL 17",
                "engine": "native", "instance": null, "external": false, "desired": "running", "state": "failed",
                "state_text": "failed: data of another version", "health": null, "health_text": null, "since": null,
                "ports": [], "url": "postgres://postgres:…@127.0.0.1:5432/shop", "restarts": 0, "outdated": false,
                "exit": null,
                "error": {
                    "code": "version_differs", "message": "The data is from 15, this is 17",
                    "hint": "Choose: `locald choose SERVICE upgrade`.", "choices": ["keep-version", "upgrade"]
                }
            }]
        }))
        .unwrap();
        let services: Vec<&ServiceStatus> = status.services.iter().collect();
        let now = "2026-01-01T10:00:00Z".parse().unwrap();
        let text = anstream::adapter::strip_str(&super::status(&status, &services, now)).to_string();
        insta::assert_snapshot!(text, @r"
        SERVICE  STATE                              HEALTH  SINCE  ENGINE  PORTS  URL
        shop/db  ✗ failed: data of another version  –       –      native  –      postgres://postgres:…@127.0.0.1:5432/shop

        shop/db: The data is from 15, this is 17
          Choose: `locald choose shop/db upgrade`.
          choose: locald choose shop/db keep-version | upgrade
        ");
    }
}
