//! The table of what every engine was seen to do: rows are behaviours, columns engines. Each engine's run of the suite
//! leaves its column in the build folder.

use std::{fmt::Write as _, fs, io, path::PathBuf};

use crate::sh;

/// The columns, as the tests name them.
const ENGINES: [&str; 5] = ["fake", "native", "docker", "podman rootful", "podman rootless"];

fn folder() -> PathBuf {
    sh::target().join("conformance")
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
    let columns = ENGINES.map(|engine| fs::read_to_string(folder().join(format!("{engine}.tsv"))).ok());
    sh::step("what every engine was seen to do");
    sh::say(&table(&columns));
}

/// A column's cell of a row.
fn cell<'a>(column: Option<&'a str>, behaviour: &str) -> &'a str {
    let Some(column) = column else { return "not run" };
    column
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .find(|(name, _)| *name == behaviour)
        .map_or("-", |(_, cell)| cell)
}

fn table(columns: &[Option<String>; 5]) -> String {
    let mut behaviours: Vec<&str> = Vec::new();
    for line in columns.iter().flatten().flat_map(|column| column.lines()) {
        if let Some((behaviour, _)) = line.split_once('\t')
            && !behaviours.contains(&behaviour)
        {
            behaviours.push(behaviour);
        }
    }
    let width = behaviours
        .iter()
        .map(|behaviour| behaviour.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = format!("{:width$}", "");
    for engine in ENGINES {
        let _ = write!(text, "  {engine:15}");
    }
    // Reasons are longer than a column is wide, so they stand below.
    let mut reasons: Vec<&str> = Vec::new();
    for behaviour in behaviours {
        let _ = write!(text, "\n{behaviour:width$}");
        for column in columns {
            let cell = cell(column.as_deref(), behaviour);
            let shown = match cell.strip_prefix("n/a: ") {
                Some(reason) => {
                    let known = reasons.iter().position(|&known| known == reason);
                    let number = known.unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    format!("n/a [{}]", number + 1)
                }
                None => cell.to_owned(),
            };
            let _ = write!(text, "  {shown:15}");
        }
    }
    text.push('\n');
    for (number, reason) in reasons.iter().enumerate() {
        let _ = write!(text, "\n[{}] {reason}", number + 1);
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_joined_by_behaviour_and_reasons_stand_below() {
        let columns = [
            Some("it starts\tpass\nit sleeps\tn/a: it is the fake\n".to_owned()),
            Some("it starts\tpass\n".to_owned()),
            Some("it starts\tFAIL\nit sleeps\tpass\n".to_owned()),
            Some("it starts\tn/a: it is the fake\n".to_owned()),
            None,
        ];
        let text = table(&columns);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split("  ").collect()).collect();
        let words = |line: usize| -> Vec<&str> {
            lines[line]
                .iter()
                .map(|word| word.trim())
                .filter(|word| !word.is_empty())
                .collect()
        };
        assert_eq!(words(0), ENGINES);
        assert_eq!(words(1), ["it starts", "pass", "pass", "FAIL", "n/a [1]", "not run"]);
        assert_eq!(words(2), ["it sleeps", "n/a [1]", "-", "pass", "-", "not run"]);
        assert_eq!(words(4), ["[1] it is the fake"]);
    }
}
