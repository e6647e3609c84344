//! The catalog, saved states, the trash, ways out of faults, and checks.

use anstyle::AnsiColor;
use jiff::{Timestamp, Unit};
use locald_core::{
    Choice,
    view::managed::{CatalogItem, SavedSnapshot, TrashItem},
};

use super::{
    BOLD, color,
    table::{size, table},
};
use crate::{args::choice_word, commands::doctor::Check};

/// The catalog as a table. The version that is meant when none is named comes first.
pub(crate) fn catalog(items: &[CatalogItem]) -> String {
    let rows: Vec<[String; 5]> = items
        .iter()
        .map(|item| {
            let own = if item.own { " (your own)" } else { "" };
            [
                item.name.clone(),
                item.title.clone(),
                versions(item),
                if item.here.is_empty() {
                    "–".to_owned()
                } else {
                    item.here.join(", ")
                },
                format!("{}{own}", item.description),
            ]
        })
        .collect();
    let mut out = table(
        &["TYPE", "TITLE", "VERSIONS", "INSTALLED HERE", "WHAT IT IS"],
        &rows,
        |_, _, text| text.to_owned(),
    );
    out += &format!("\n* is the version that {BOLD}locald add TYPE{BOLD:#} takes.\n");
    out
}

fn versions(item: &CatalogItem) -> String {
    let marked = item.versions.iter().map(|version| {
        if *version == item.default_version {
            format!("{version}*")
        } else {
            version.clone()
        }
    });
    marked.collect::<Vec<_>>().join(", ")
}

/// A service's saved states as a table.
pub(crate) fn snapshots(snapshots: &[SavedSnapshot]) -> String {
    let rows: Vec<[String; 5]> = snapshots
        .iter()
        .map(|saved| {
            [
                saved.name.clone(),
                time(saved.at),
                size(saved.size_bytes),
                saved.origin.clone(),
                saved.engine.to_string(),
            ]
        })
        .collect();
    table(&["NAME", "SAVED", "SIZE", "OF", "ENGINE"], &rows, |_, _, text| {
        text.to_owned()
    })
}

/// The trash as a table.
pub(crate) fn trash(items: &[TrashItem]) -> String {
    let rows: Vec<[String; 7]> = items
        .iter()
        .map(|item| {
            [
                item.id.clone(),
                item.service.to_string(),
                item.origin.clone(),
                item.engine.to_string(),
                item.size_bytes.map_or_else(|| "–".to_owned(), size),
                time(item.at),
                item.why.clone(),
            ]
        })
        .collect();
    table(
        &["ID", "SERVICE", "WHAT", "ENGINE", "SIZE", "SINCE", "WHY"],
        &rows,
        |_, _, text| text.to_owned(),
    )
}

/// Ways out of a fault, with what each does.
pub(crate) fn choices(choices: impl Iterator<Item = (Choice, &'static str)>) -> String {
    let rows: Vec<[String; 2]> = choices
        .map(|(choice, sentence)| [choice_word(choice), sentence.to_owned()])
        .collect();
    table(&["CHOICE", "WHAT IT DOES"], &rows, |_, _, text| text.to_owned())
}

/// What was checked, with what to do about it.
pub(crate) fn checks(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let (mark, style) = match check.ok {
            Some(true) => ('✓', color(AnsiColor::Green)),
            Some(false) => ('✗', color(AnsiColor::Red)),
            None => ('–', color(AnsiColor::Yellow)),
        };
        out += &format!("{style}{mark}{style:#} {}\n", check.message);
        for line in check.hint.iter().flat_map(|hint| hint.lines()) {
            out += &format!("    {line}\n");
        }
    }
    out
}

/// To the second; JSON has the rest.
fn time(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use locald_core::{EngineId, ServiceId};

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_catalog_marks_what_is_taken_and_what_is_here() {
        let item = |name: &str, title: &str, description: &str, versions: &[&str], here: &[&str]| CatalogItem {
            name: name.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            versions: versions.iter().map(|&version| version.to_owned()).collect(),
            default_version: (*here.first().unwrap_or(versions.first().unwrap())).to_owned(),
            here: here.iter().map(|&version| version.to_owned()).collect(),
            icon: None,
            own: name == "mine",
        };
        let items = [
            item(
                "postgres",
                "PostgreSQL",
                "relational database",
                &["18", "17", "15"],
                &["15"],
            ),
            item("mine", "Mine", "what I made", &["1"], &[]),
        ];
        insta::assert_snapshot!(plain(&catalog(&items)), @r"
        TYPE      TITLE       VERSIONS     INSTALLED HERE  WHAT IT IS
        postgres  PostgreSQL  18, 17, 15*  15              relational database
        mine      Mine        1*           –               what I made (your own)

        * is the version that locald add TYPE takes.
        ");
    }

    #[test]
    fn what_is_kept_is_named_and_dated() {
        let service: ServiceId = "shop/db".parse().unwrap();
        let at: Timestamp = "2026-01-01T10:00:00.123Z".parse().unwrap();
        let saved = SavedSnapshot {
            name: "before".to_owned(),
            service: service.clone(),
            at,
            size_bytes: 41_000_000,
            engine: EngineId::from("native"),
            origin: "PostgreSQL 17".to_owned(),
        };
        insta::assert_snapshot!(plain(&snapshots(&[saved])), @r"
        NAME    SAVED                 SIZE   OF             ENGINE
        before  2026-01-01T10:00:00Z  41 MB  PostgreSQL 17  native
        ");
        let item = TrashItem {
            id: "shop-db-20260101T100000".to_owned(),
            service,
            origin: "PostgreSQL 17".to_owned(),
            engine: EngineId::from("docker"),
            at,
            why: "moved to native".to_owned(),
            size_bytes: None,
        };
        insta::assert_snapshot!(plain(&trash(&[item])), @r"
        ID                       SERVICE  WHAT           ENGINE  SIZE  SINCE                 WHY
        shop-db-20260101T100000  shop/db  PostgreSQL 17  docker  –     2026-01-01T10:00:00Z  moved to native
        ");
    }

    #[test]
    fn checks_say_what_to_do() {
        let check = |ok: Option<bool>, message: &str, hint: Option<&str>| Check {
            ok,
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        };
        let all = [
            check(Some(true), "engine native answers", None),
            check(None, "engine docker: no socket", Some("Install Docker.")),
            check(Some(false), "shop/db: port 5432 is in use", Some("Stop it.\nchoose: …")),
        ];
        insta::assert_snapshot!(plain(&checks(&all)), @r"
        ✓ engine native answers
        – engine docker: no socket
            Install Docker.
        ✗ shop/db: port 5432 is in use
            Stop it.
            choose: …
        ");
    }
}
