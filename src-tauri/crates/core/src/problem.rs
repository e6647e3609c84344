//! What went wrong, as a code that one table turns into words.

use serde::{Deserialize, Serialize};

/// A kind of fault. Fields are only ever added; the text form is part of `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The engine's socket doesn't exist.
    EngineMissing,
    /// Nothing accepts on the engine's socket.
    EngineRefused,
    /// This user may not open the engine's socket.
    EngineNotPermitted,
    /// The socket's path is a folder.
    EngineIsDirectory,
    /// The engine accepts and doesn't answer in time.
    EngineSilent,
    /// The engine's API version and ours don't meet.
    EngineVersion,
    /// The engine answered something that isn't its API, or an internal error.
    EngineFault,
    /// The connection to the engine was lost.
    EngineLost,
    /// No engine is online that could run the service.
    NoEngine,
    /// The file or the person names an engine that isn't known.
    NoSuchEngine,
    /// What the service has is on another engine than its file asks for.
    EngineDiffers,
    /// The image isn't on this machine and can't be fetched.
    ImageMissing,
    /// Another program or container holds the port.
    PortInUse,
    /// The port may not be bound by this user.
    PortNotPermitted,
    /// A path to mount doesn't exist on this machine.
    MountMissing,
    /// The program to run doesn't exist in the image, or can't be run.
    CommandNotFound,
    /// The engine refused to create or start the instance.
    StartFailed,
    /// The engine refused to stop the instance.
    StopFailed,
    /// A service this one depends on didn't come up.
    DependencyFailed,
    /// A container of the wanted name exists that locald did not make.
    NameTaken,
    /// The project file has an error; the last good one is in use.
    ConfigBroken,
    /// The project file is gone; the last good one is in use.
    ConfigMissing,
    /// The service was removed from its project file and still runs.
    NotInConfig,
    /// Logs aren't kept for this instance.
    LogsNotKept,
    /// No engine that can run this service is known, or this one can't.
    EngineUnfit,
    /// The server isn't on this machine and can't be fetched.
    ServerMissing,
    /// The data is of another version than the file asks for.
    VersionDiffers,
    /// The data was made with another user, password or database than the file asks for.
    CredentialsDiffer,
    /// What is in the data folder or volume isn't this service's data, or is damaged.
    DataForeign,
    /// The data can't be read or written: owner, permissions, a read-only file system.
    DataNotPermitted,
    /// The disk is full.
    DiskFull,
    /// The server won't run as root.
    RootRefused,
}

/// A way out of a fault, for a person to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Have the file ask for the version that the data is of.
    KeepVersion,
    /// Dump the data and restore it into the wanted version; the old data is kept in the trash.
    Upgrade,
    /// Begin with new, empty data; the old data is kept in the trash.
    StartEmpty,
    /// Go on with the credentials that the data was made with.
    KeepCredentials,
    /// Change the credentials in the data to those of the file.
    ApplyCredentials,
    /// Use another port, for good.
    OtherPort,
    /// Stop the service of locald's that holds the port.
    StopHolder,
}

impl ProblemCode {
    /// Is it about an engine, or the way there, rather than about one service?
    #[must_use]
    pub fn is_engine(self) -> bool {
        matches!(
            self,
            Self::EngineMissing
                | Self::EngineRefused
                | Self::EngineNotPermitted
                | Self::EngineIsDirectory
                | Self::EngineSilent
                | Self::EngineVersion
                | Self::EngineFault
                | Self::EngineLost
                | Self::NoEngine
        )
    }
}

/// A fault at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind.
    pub code: ProblemCode,
    /// What exactly, in a sentence: names the object, the path, the port.
    pub detail: String,
    /// Ways out of it, the one that loses least first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

impl Problem {
    /// Puts code and detail together.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            choices: Vec::new(),
        }
    }

    /// With ways out of it.
    #[must_use]
    pub fn with_choices(mut self, choices: &[Choice]) -> Self {
        self.choices = choices.to_vec();
        self
    }
}
