//! The table of the catalog's entries: which were started and used where. The catalog's tests leave its columns in the build
//! folder.

use std::{fmt::Write as _, fs, io, path::PathBuf};

use crate::sh;

/// The columns, as the tests name them.
const ENGINES: [&str; 3] = ["docker", "podman", "native"];
/// Of entries whose server can't be had here.
const ABSENT: &str = "absent";

fn folder() -> PathBuf {
    sh::target().join("catalog")
}

/// Forgets the columns of earlier runs, so that the table shows this one.
pub(crate) fn forget() -> Result<(), String> {
    match fs::remove_dir_all(folder()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{}: {error}", folder().display())),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints the table of the columns that were left.
pub(crate) fn print() {
    let column = |name: &str| fs::read_to_string(folder().join(format!("{name}.tsv"))).ok();
    sh::step("the catalog's entries, and what used them at their shown URL");
    sh::say(&table(&ENGINES.map(column), column(ABSENT).as_deref()));
}

/// Entry, image, outcome, client.
fn rows(column: &str) -> impl Iterator<Item = [&str; 4]> {
    column.lines().filter_map(|line| {
        let mut cells = line.split('\t');
        Some([cells.next()?, cells.next()?, cells.next()?, cells.next()?])
    })
}

fn table(columns: &[Option<String>; 3], absent: Option<&str>) -> String {
    let mut lines = vec![["entry", "image", ENGINES[0], ENGINES[1], ENGINES[2], "client"].map(str::to_owned)];
    let mut seen: Vec<&str> = Vec::new();
    for [entry, image, _, client] in columns.iter().flatten().flat_map(|column| rows(column)) {
        if seen.contains(&entry) {
            continue;
        }
        seen.push(entry);
        let cell = |column: &Option<String>| {
            let Some(column) = column else {
                return "not run".to_owned();
            };
            let row = rows(column).find(|[name, ..]| *name == entry);
            row.map_or("-", |[_, _, outcome, _]| outcome).to_owned()
        };
        let [docker, podman, native] = columns.each_ref().map(cell);
        lines.push([
            entry.to_owned(),
            image.to_owned(),
            docker,
            podman,
            native,
            client.to_owned(),
        ]);
    }
    // Reasons are longer than a column is wide, so they stand below.
    let mut reasons: Vec<&str> = Vec::new();
    for [entry, image, outcome, _] in rows(absent.unwrap_or_default()) {
        let reason = outcome.strip_prefix("not here: ").unwrap_or(outcome);
        let number = reasons.iter().position(|&known| known == reason).unwrap_or_else(|| {
            reasons.push(reason);
            reasons.len() - 1
        });
        let cell = format!("not here [{}]", number + 1);
        lines.push([
            entry.to_owned(),
            image.to_owned(),
            cell.clone(),
            cell.clone(),
            cell,
            String::new(),
        ]);
    }
    let mut widths = [0; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    for (number, reason) in reasons.iter().enumerate() {
        let _ = write!(text, "\n[{}] {reason}", number + 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_joined_by_entry_and_reasons_stand_below() {
        let columns = [
            Some("redis\tredis:7\tpass\tredis\nvalkey\tvalkey/valkey:9\tFAIL\t\n".to_owned()),
            None,
            Some("redis\tredis:7\tpass\tredis\n".to_owned()),
        ];
        let absent = "mysql\tmysql:8.4\tnot here: nowhere\t\nminio\tminio:1\tnot here: nowhere\t\n";
        let text = table(&columns, Some(absent));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "entry   image            docker        podman        native        client"
        );
        assert_eq!(
            lines[1],
            "redis   redis:7          pass          not run       pass          redis"
        );
        assert_eq!(lines[2], "valkey  valkey/valkey:9  FAIL          not run       -");
        assert_eq!(
            lines[3],
            "mysql   mysql:8.4        not here [1]  not here [1]  not here [1]"
        );
        assert_eq!(lines[6], "[1] nowhere");
    }
}
