//! The words and columns that people read.

use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp};
use locald_core::{
    snapshot::{HealthKind, StateKind},
    spec::Protocol,
    view::status::{Change, EngineStatus, Record, ServiceStatus, Status},
};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The whole status as a table a project.
pub(crate) fn status(status: &Status, services: &[&ServiceStatus], now: Timestamp) -> String {
    let mut out = String::new();
    for engine in &status.engines {
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
        out += "No services. Declare some in a locald.toml and run `locald up` beside it.\n";
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
            ports(service),
        ]
    });
    out += &table(
        &["SERVICE", "STATE", "HEALTH", "SINCE", "PORTS"],
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
            out += &format!("\n{BOLD}{}{BOLD:#}: {}\n", service.id, error.message);
            if let Some(hint) = &error.hint {
                out += &format!("  {hint}\n");
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

/// `12 s`, `5 min`, `3 h`, `2 d`; never negative, whatever the clocks say.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).max(SignedDuration::ZERO).as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// Columns as wide as their widest cell, two spaces apart; the last one is free. Cells are of characters one column wide.
fn table<const N: usize>(
    head: &[&str; N],
    rows: &[[String; N]],
    style: impl Fn(usize, usize, &str) -> String,
) -> String {
    let width = |cell: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(cell))
            .map(|text| text.chars().count());
        cells.chain(head.get(cell).map(|text| text.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let pad = |cell: usize, text: &str| {
        let missing = widths
            .get(cell)
            .copied()
            .unwrap_or(0)
            .saturating_sub(text.chars().count());
        if cell + 1 == N {
            String::new()
        } else {
            " ".repeat(missing + 2)
        }
    };
    let mut out = String::new();
    for (cell, text) in head.iter().enumerate() {
        out += &format!("{DIM}{text}{DIM:#}{}", pad(cell, text));
    }
    out.push('\n');
    for (at, row) in rows.iter().enumerate() {
        for (cell, text) in row.iter().enumerate() {
            out += &style(at, cell, text);
            out += &pad(cell, text);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ages_are_short_and_never_negative() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-01-02T00:00:00Z");
        for (since, expected) in [
            ("2026-01-01T23:59:48Z", "12 s"),
            ("2026-01-01T23:55:00Z", "5 min"),
            ("2026-01-01T21:00:00Z", "3 h"),
            ("2025-12-31T00:00:00Z", "2 d"),
            ("2026-01-02T08:00:00Z", "0 s"),
        ] {
            assert_eq!(age(at(since), now), expected);
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            ["shop/db".to_owned(), "●".to_owned()],
            ["a/b".to_owned(), "○".to_owned()],
        ];
        let text = anstream::adapter::strip_str(&table(&["SERVICE", "STATE"], &rows, |_, _, text| text.to_owned()))
            .to_string();
        assert_eq!(text, "SERVICE  STATE\nshop/db  ●\na/b      ○\n");
    }
}
