//! What is sent only while somebody looks: log lines and use of resources. They bypass the state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ServiceId;

/// What the window asks to see of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ShowService {
    /// Which one.
    pub service: ServiceId,
    /// Its log, not only its row.
    pub logs: bool,
}

impl ShowService {
    /// Asks for its log.
    #[must_use]
    pub fn log_of(service: ServiceId) -> Self {
        Self { service, logs: true }
    }

    /// Asks for its row, where its address is.
    #[must_use]
    pub fn row_of(service: ServiceId) -> Self {
        Self { service, logs: false }
    }
}

/// Lines of a log that arrived together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LogBatch {
    /// The lines, oldest first.
    pub lines: Vec<LogLineView>,
    /// Lines that came before these and were dropped because more came than could be shown.
    #[cfg_attr(test, ts(type = "number"))]
    pub dropped: u64,
    /// Why no more lines follow, in a sentence.
    pub ended: Option<String>,
    /// Did another run of the service begin before these lines?
    pub restarted: bool,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LogLineView {
    /// When it was written, by the engine's clock.
    #[cfg_attr(test, ts(as = "Option<String>"))]
    pub at: Option<Timestamp>,
    /// Where it was written.
    pub stream: LogStream,
    /// The line without its line break. Whatever the program wrote: a surface has to treat it as plain text.
    pub text: String,
    /// Bytes that were cut off its end because it was too long.
    #[cfg_attr(test, ts(type = "number"))]
    pub cut_bytes: u64,
}

/// Where a program wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output; also all that a terminal shows.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a service uses at the moment. What the engine doesn't tell is `None`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StatsView {
    /// Which service.
    pub service: ServiceId,
    /// Percent of one core: 200 is two cores.
    pub cpu_percent: Option<f64>,
    /// Memory without the page cache.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub memory_bytes: Option<u64>,
    /// Its memory limit, `None` without one.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub memory_limit_bytes: Option<u64>,
}
