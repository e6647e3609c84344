//! How an instance is brought to its end: asked, and made to.

use std::time::{Duration, Instant};

use locald_core::spec::Signal;

use crate::{process, record::Run};

/// How long what the main process left behind has to end by itself, when it ended without being asked.
const REST: Duration = Duration::from_secs(2);
/// How often is looked whether all is gone, once it should be.
const SOON: Duration = Duration::from_millis(5);

pub(super) struct Ending {
    /// From when on all of it is killed.
    deadline: Instant,
    /// Has what the main process left behind been asked?
    rest_asked: bool,
    killed: bool,
    main_ended: bool,
}

impl Ending {
    /// Somebody asked; the main process is told by who asks.
    pub(super) fn asked(grace: Duration) -> Self {
        Self {
            deadline: Instant::now() + grace,
            rest_asked: false,
            killed: false,
            main_ended: false,
        }
    }

    /// The main process ended.
    pub(super) fn of_the_rest(asked: Option<Self>) -> Self {
        Self {
            deadline: asked.map_or_else(|| Instant::now() + REST, |asked| asked.deadline),
            rest_asked: false,
            killed: false,
            main_ended: true,
        }
    }

    /// Somebody asked again, with less patience maybe.
    pub(super) fn hasten(&mut self, grace: Duration) {
        self.deadline = self.deadline.min(Instant::now() + grace);
    }

    /// In which time something is to be done, or looked after.
    pub(super) fn due(&self) -> Duration {
        if self.main_ended || self.killed {
            return SOON;
        }
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The signal that all that is left gets now.
    pub(super) fn press(&mut self) -> Option<u8> {
        if Instant::now() >= self.deadline {
            self.killed = true;
            return Some(Signal::KILL.0);
        }
        if self.main_ended && !self.rest_asked {
            self.rest_asked = true;
            return Some(Signal::TERM.0);
        }
        None
    }

    /// Was the main process killed because it took too long?
    pub(super) fn is_killed(&self) -> bool {
        self.killed
    }

    pub(super) fn is_over(&self, run: &Run, id: &str) -> bool {
        self.main_ended && process::members(run.main, Some(run.monitor), id, true).is_empty()
    }
}
