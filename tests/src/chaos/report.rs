//! What a run came to, in figures.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Verdict;

/// The figures of a run, and all that was not as it should be.
#[derive(Clone, Debug, Default)]
pub struct Report {
    seed: u64,
    /// What was done, by kind, and how often it failed.
    pub acts: BTreeMap<&'static str, (usize, usize)>,
    agreements: Vec<Duration>,
    disagreements: Vec<Vec<String>>,
    /// What was shown of crashes.
    pub verdict: Verdict,
    /// The last that happened.
    pub tail: Vec<String>,
    /// Where the logs are kept.
    pub logs: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    pub(super) fn agreed(&mut self, after: Duration) {
        self.agreements.push(after);
    }

    pub(super) fn disagreed(&mut self, differences: Vec<String>) {
        self.disagreements.push(differences);
    }

    /// How many quiet points there were.
    pub fn quiet_points(&self) -> usize {
        self.agreements.len() + self.disagreements.len()
    }

    /// Is all as it should be?
    pub fn is_good(&self) -> bool {
        self.disagreements.is_empty() && self.verdict.is_good()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: usize = self.acts.values().map(|(done, _)| done).sum();
        writeln!(f, "seed {}: {total} acts", self.seed)?;
        for (kind, (done, failed)) in &self.acts {
            write!(f, "  {kind:<28} {done:>5}")?;
            if *failed > 0 {
                write!(f, "   ({failed} refused)")?;
            }
            writeln!(f)?;
        }
        let mut times = self.agreements.clone();
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        writeln!(
            f,
            "{} quiet points, {} agreed; time to agreement: median {median:.1?}, longest {:.1?}",
            self.quiet_points(),
            times.len(),
            times.last().copied().unwrap_or_default()
        )?;
        writeln!(f, "{}", self.verdict)?;
        for lines in &self.disagreements {
            writeln!(f, "{}", lines.join("\n    "))?;
        }
        for fault in self.verdict.faults() {
            writeln!(f, "{fault}")?;
        }
        if !self.tail.is_empty() {
            writeln!(f, "the last that happened:")?;
            for line in &self.tail {
                writeln!(f, "  {line}")?;
            }
        }
        if let Some(logs) = &self.logs {
            writeln!(f, "logs: {}", logs.display())?;
        }
        Ok(())
    }
}
