//! What the engine and a monitor say to each other: JSON, a line each.

use serde::{Deserialize, Serialize};

use crate::record::Exit;

/// What the engine asks of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Says [`Told::Alive`] and nothing else.
    Status,
    /// Send the main process a signal.
    Signal { signal: u8 },
    /// Ask it to end and make it, once this time is over. [`Told::Over`] comes when all of it is gone.
    Stop { signal: u8, grace_ms: u64 },
    /// Tell what happens from now on.
    Watch,
}

/// What a monitor tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub(crate) enum Told {
    /// It is here, and does what was asked.
    Alive { exit: Option<Exit> },
    /// A signal was sent because somebody asked for it.
    Signaled { signal: u8, at: i64 },
    /// All is gone and on disk. The last word.
    Over { exit: Exit },
}

/// The first line of a monitor, on its standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub(crate) enum Begun {
    /// The process runs.
    Running,
    /// There was nothing left to watch over; what is known is on disk.
    Over,
    /// Another monitor has this instance.
    Held,
    /// The program could not be run.
    NotRun { missing: bool, detail: String },
    /// Something else went wrong.
    Failed { detail: String },
}

pub(crate) fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
