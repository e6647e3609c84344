//! Where Docker and Podman differ behind the same API. What one text or number tells by itself is read where it
//! arrives; here is what has to be known beforehand.

use std::sync::atomic::{AtomicBool, Ordering};

use locald_engine::EngineKind;

/// Which of the two an engine is, as far as is known: what was configured, until the engine said so itself.
#[derive(Debug)]
pub(crate) struct Dialect {
    podman: AtomicBool,
}

impl Dialect {
    pub(crate) fn new(kind: EngineKind) -> Self {
        Self {
            podman: AtomicBool::new(kind == EngineKind::Podman),
        }
    }

    /// The engine said who it is.
    pub(crate) fn learn(&self, kind: EngineKind) {
        self.podman.store(kind == EngineKind::Podman, Ordering::Relaxed);
    }

    fn is_podman(&self) -> bool {
        self.podman.load(Ordering::Relaxed)
    }

    /// Podman leaves health checks to timers of systemd; without one they never run.
    pub(crate) fn runs_health_checks(&self) -> bool {
        !self.is_podman()
    }

    /// Podman puts a time stamp into the middle of a terminal's line wherever the program paused, and nothing tells it
    /// from what the program wrote.
    pub(crate) fn stamps_terminals(&self) -> bool {
        !self.is_podman()
    }

    /// Docker keeps nanoseconds, so the same time and text twice is the same line; Podman keeps seconds.
    pub(crate) fn stamps_are_unique(&self) -> bool {
        !self.is_podman()
    }

    /// Docker holds back a line without an end from those who follow.
    pub(crate) fn holds_back_unfinished_lines(&self) -> bool {
        !self.is_podman()
    }

    /// Docker streams a sample a second. Podman streams one in five, but answers a single question in milliseconds.
    pub(crate) fn streams_stats(&self) -> bool {
        !self.is_podman()
    }

    /// Podman makes the folder that is to be mounted, owned by root, where Docker refuses.
    pub(crate) fn makes_missing_folders(&self) -> bool {
        self.is_podman()
    }

    /// Podman hands a folder out with everything in it owned by one user, and without what is called `dev`, `proc` or
    /// `sys` at its top.
    pub(crate) fn hands_out_folders_whole(&self) -> bool {
        !self.is_podman()
    }

    /// Docker mounts the volumes of a container that never ran before it unpacks into it; Podman only sees to it that
    /// what goes below a volume's own path gets there.
    pub(crate) fn unpacks_across_mounts(&self) -> bool {
        !self.is_podman()
    }

    /// When a start fails over one port, Podman 4.3 goes on holding the others for minutes, until its memory is cleared
    /// up. So it had better not come to that.
    pub(crate) fn keeps_ports_of_failed_starts(&self) -> bool {
        self.is_podman()
    }
}
