//! What goes over the control socket.

use std::path::PathBuf;

use jiff::Timestamp;
use locald_core::{
    Choice, ServiceId,
    spec::Connection,
    state::Mute,
    view::{
        managed::{CatalogItem, SavedSnapshot, TrashItem},
        status::{Record, Status},
    },
};
use locald_engine::LogStream;
use serde::{Deserialize, Serialize};

/// Raised when a message changes so that the other side would misread it.
pub const PROTOCOL: u32 = 1;
/// The longest request, in bytes. A command names at most some thousand services.
pub const REQUEST_LIMIT: usize = 1024 * 1024;
/// The longest answer, in bytes: a log line of 2 MiB, all of it escaped.
pub const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// The host's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the host.
    pub protocol: u32,
    /// The host's process.
    pub pid: u32,
    /// The host's version.
    pub version: String,
    /// Does it have a tray and a window?
    pub shell: bool,
}

/// A client's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The client's own number for it.
    pub id: u64,
    /// What it asks.
    pub request: Request,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// The picture, once.
    Status,
    /// The picture, and again with every change.
    Watch,
    /// What changes from now on.
    Events,
    /// Load the project in a folder, or read it again.
    LoadProject {
        /// The folder, absolute. As bytes where it isn't UTF-8.
        folder: PathBytes,
    },
    /// Do something with services.
    Command {
        /// What.
        action: Action,
        /// With which.
        services: Vec<ServiceId>,
    },
    /// Have a service run on another engine from now on.
    Move {
        /// Which one.
        service: ServiceId,
        /// Where to, by id or family.
        engine: String,
    },
    /// Tell nothing of a service, or tell again.
    Mute {
        /// Which one.
        service: ServiceId,
        /// How long; `null` to tell again.
        mute: Option<Mute>,
    },
    /// Set which engine runs new services.
    DefaultEngine {
        /// Its id or family; `null` leaves it to locald.
        engine: Option<String>,
    },
    /// The catalog: the answer has `catalog`.
    Catalog,
    /// Add a managed service to a project file, and load it: the answer has `service`.
    Add {
        /// The folder of the project; `null` for the personal one.
        folder: Option<PathBytes>,
        /// The catalog entry.
        entry: String,
        /// Which version; `null` leaves it to locald.
        version: Option<String>,
        /// What to call it; `null` for the entry's name, or that with a number.
        name: Option<String>,
    },
    /// Stop a service, take it out of its project file and put its data into the trash: the answer has `trash`.
    Remove {
        /// Which one.
        service: ServiceId,
    },
    /// Take a way out of the fault that a service shows.
    Choose {
        /// Which one.
        service: ServiceId,
        /// Which way.
        choice: Choice,
    },
    /// How programs of this machine connect to a service: the answer has `connection`.
    Connection {
        /// Which one.
        service: ServiceId,
    },
    /// A service's saved states: the answer has `snapshots`.
    Snapshots {
        /// Which one.
        service: ServiceId,
    },
    /// Save the state of a service's data; it is stopped meanwhile. The answer has `snapshots`: the new one.
    SaveSnapshot {
        /// Whose.
        service: ServiceId,
        /// What to call it; `null` for the time.
        name: Option<String>,
    },
    /// Put a saved state in the place of a service's data, which goes to the trash: the answer has `trash`.
    RestoreSnapshot {
        /// Whose.
        service: ServiceId,
        /// Which one.
        name: String,
    },
    /// Remove a saved state for good.
    RemoveSnapshot {
        /// Whose.
        service: ServiceId,
        /// Which one.
        name: String,
    },
    /// What is in the trash: the answer has `trash`.
    Trash,
    /// Put back what is in the trash; what is in its place goes there: the answer has `service` and `trash`.
    RestoreTrash {
        /// Which one.
        id: String,
    },
    /// Remove for good what is in the trash: the answer has `trash`, what was removed.
    EmptyTrash {
        /// Only this one; `null` for all.
        id: Option<String>,
    },
    /// A service's log.
    Logs {
        /// Which service.
        service: ServiceId,
        /// Only the last so many lines; `null` for all.
        tail: Option<u32>,
        /// Go on as more is written.
        follow: bool,
    },
    /// Show the dashboard.
    Show {
        /// With this service's log.
        service: Option<ServiceId>,
    },
    /// Give no more items for an earlier request.
    Cancel {
        /// Its id.
        request: u64,
    },
    /// End the host; services stay as they are. A host with a desktop refuses.
    Yield,
}

/// What to do with services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Start them and what they depend on.
    Start,
    /// The same, and restart those that differ from their file.
    Up,
    /// Stop them.
    Stop,
    /// Stop and start them.
    Restart,
}

/// A path as JSON can carry it on every system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PathBytes {
    /// Text, as nearly all paths are.
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
}

impl From<PathBuf> for PathBytes {
    fn from(path: PathBuf) -> Self {
        match path.into_os_string().into_string() {
            Ok(text) => Self::Text(text),
            Err(other) => Self::Bytes(std::os::unix::ffi::OsStringExt::into_vec(other)),
        }
    }
}

impl From<PathBytes> for PathBuf {
    fn from(path: PathBytes) -> Self {
        match path {
            PathBytes::Text(text) => text.into(),
            PathBytes::Bytes(bytes) => {
                let os: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes);
                os.into()
            }
        }
    }
}

/// The host's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's id; `null` when a line could not be read as a request.
    pub id: Option<u64>,
    /// What it says.
    #[serde(flatten)]
    pub body: AnswerBody,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerBody {
    /// One of several; more may follow.
    Item(Item),
    /// Done; nothing follows.
    Done(Done),
    /// Refused; nothing follows.
    Error(Refusal),
}

/// One of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// The picture.
    Status(Box<Status>),
    /// A change.
    Record(Box<Record>),
    /// A log line.
    Line(LogText),
    /// The service was restarted here.
    Restarted,
}

/// A log line as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogText {
    /// When, by the engine's clock.
    pub at: Option<Timestamp>,
    /// Which stream.
    pub stream: LogStream,
    /// The line; bytes that aren't UTF-8 are replaced.
    pub text: String,
    /// Bytes cut off beyond 2 MiB.
    pub cut_bytes: u64,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {
    /// Snapshots reflect a command from this `seq` on.
    pub seq: Option<u64>,
    /// The project that was loaded.
    pub project: Option<String>,
    /// Why a log ended.
    pub reason: Option<String>,
    /// The service it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// The catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<Vec<CatalogItem>>,
    /// How to connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Box<Connection>>,
    /// Saved states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<Vec<SavedSnapshot>>,
    /// Things in the trash, or put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trash: Option<Vec<TrashItem>>,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which kind.
    pub code: RefusalCode,
    /// In words.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// More of it, over several lines: a project file's errors with the lines themselves.
    pub report: Option<String>,
}

/// A kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The line is no request that this host knows.
    BadRequest,
    /// The project file has faults.
    BadConfig,
    /// Two folders want one project name.
    NameInUse,
    /// No such service.
    NoSuchService,
    /// No such engine.
    NoSuchEngine,
    /// locald did not make it, so it does not do that with it.
    NotOurs,
    /// The settings, or a project file, could not be written.
    NotSaved,
    /// There is no such catalog entry or version, or the name is taken or no name.
    BadEntry,
    /// What was asked for doesn't fit the service, or its state.
    NotPossible,
    /// There is no saved state, or nothing in the trash, of this name.
    NoSuchThing,
    /// It was tried, and went wrong; what was there is there.
    Failed,
    /// The host has no window.
    NoShell,
    /// The host has a desktop and doesn't yield.
    HasShell,
}
