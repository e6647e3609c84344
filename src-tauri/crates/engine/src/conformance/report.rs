//! How the cases ended, for people and for the table of all engines.

use std::{fmt, fs, io, path::Path, time::Duration};

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Passed,
    /// Doesn't apply to this engine, and why.
    NotApplicable(&'static str),
    /// Not as it should, and how.
    Failed(String),
}

/// The outcome of all cases.
#[derive(Debug)]
pub struct Report {
    rows: Vec<(&'static str, Verdict, Duration)>,
}

impl Report {
    pub(super) fn new(rows: Vec<(&'static str, Verdict, Duration)>) -> Self {
        Self { rows }
    }

    /// Names and reasons of what failed.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.rows
            .iter()
            .filter_map(|(name, verdict, _)| match verdict {
                Verdict::Failed(how) => Some(format!("{name}: {how}")),
                Verdict::Passed | Verdict::NotApplicable(_) => None,
            })
            .collect()
    }

    /// Writes this engine's column of the table, `conformance/<column>.tsv` in the build folder that the running
    /// test stands in: a behaviour and its cell a line. `cargo xtask test` joins the columns.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_column(&self, column: &str) -> io::Result<()> {
        let program = std::env::current_exe()?;
        // `target/debug/deps/test-0123`
        let target = program.ancestors().nth(3).unwrap_or(Path::new("."));
        let folder = target.join("conformance");
        fs::create_dir_all(&folder)?;
        let mut text = String::new();
        for (behaviour, verdict, _) in &self.rows {
            let cell = match verdict {
                Verdict::Passed => "pass".to_owned(),
                Verdict::Failed(_) => "FAIL".to_owned(),
                Verdict::NotApplicable(why) => format!("n/a: {why}"),
            };
            text.push_str(&format!("{behaviour}\t{cell}\n"));
        }
        fs::write(folder.join(format!("{column}.tsv")), text)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict, time) in &self.rows {
            let (mark, more) = match verdict {
                Verdict::Passed => ("ok  ", String::new()),
                Verdict::NotApplicable(why) => ("n/a ", format!(" ({why})")),
                Verdict::Failed(how) => ("FAIL", format!(": {how}")),
            };
            writeln!(f, "{mark} {:6} ms  {name}{more}", time.as_millis())?;
        }
        Ok(())
    }
}
