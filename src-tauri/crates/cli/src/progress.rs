//! Shows on stderr what is waited for.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use locald_core::{snapshot::StateKind, view::status::ServiceStatus};

use crate::output;

/// A pipe gets a line at most that often.
const PACE: Duration = Duration::from_secs(5);
/// What a narrow terminal shows in one line; a longer one would not be written over whole.
const WIDTH: usize = 78;

/// In a terminal one line that is written over; elsewhere a line now and then while something is fetched.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    quiet: bool,
    shown: String,
    told: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            terminal: io::stderr().is_terminal() && !dumb,
            quiet,
            shown: String::new(),
            told: None,
        }
    }

    /// Shows where services stand that are not yet where they are to be.
    pub(crate) fn show(&mut self, open: &[&ServiceStatus]) {
        if self.quiet {
            return;
        }
        if self.terminal {
            let text = text(open);
            if text != self.shown {
                self.shown = text;
                write(&format!("\r\x1b[K{}", self.shown));
            }
            return;
        }
        let due = self.told.is_none_or(|told| told.elapsed() >= PACE);
        let fetched = open.iter().find(|service| is_fetched(service));
        if let (true, Some(service)) = (due, fetched) {
            self.told = Some(Instant::now());
            output::note(&format!("{}  {}", service.id, service.state_text));
        }
    }

    /// Takes the line away, before another is written.
    pub(crate) fn clear(&mut self) {
        if !self.shown.is_empty() {
            self.shown.clear();
            write("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn write(text: &str) {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn is_fetched(service: &ServiceStatus) -> bool {
    service.state == StateKind::Preparing && service.state_text.contains('%')
}

fn text(open: &[&ServiceStatus]) -> String {
    let Some(first) = open.iter().find(|service| is_fetched(service)).or(open.first()) else {
        return String::new();
    };
    let state = if first.state == StateKind::Running {
        "runs, does not answer yet"
    } else {
        &first.state_text
    };
    let more = match open.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let text = format!("{}  {state}{more}", first.id);
    text.chars().take(WIDTH).collect()
}
