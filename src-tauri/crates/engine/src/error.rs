//! Errors of engines: one variant an operation, naming the object.

use locald_core::{Choice, Problem, ProblemCode, ServiceId};

/// What is wrong with the way to an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFault {
    /// No file at the socket's path.
    #[error("there is no socket at {path}")]
    Missing {
        /// The socket's path.
        path: String,
    },
    /// A socket nobody listens on (left behind by an engine that was killed).
    #[error("nothing answers on {endpoint}: connection refused")]
    Refused {
        /// Path or address.
        endpoint: String,
    },
    /// No permission to open the socket.
    #[error("this user may not open {path}")]
    NotPermitted {
        /// The socket's path.
        path: String,
    },
    /// A folder in the socket's place.
    #[error("{path} is a directory, not a socket")]
    IsDirectory {
        /// The path.
        path: String,
    },
    /// Accepted and silent.
    #[error("{endpoint} took the connection and did not answer within {seconds} s")]
    Silent {
        /// Path or address.
        endpoint: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The API versions don't meet.
    #[error("{detail}")]
    Version {
        /// Both versions, in words.
        detail: String,
    },
    /// An address that leads to no engine: not a socket, an unknown host, a scheme that isn't spoken.
    #[error("{endpoint} can't be reached: {detail}")]
    Unreachable {
        /// Path or address.
        endpoint: String,
        /// Why.
        detail: String,
    },
    /// An answer that is no engine's, or an error of the engine's own.
    #[error("{endpoint} answered with an error: {detail}")]
    Fault {
        /// Path or address.
        endpoint: String,
        /// What it said.
        detail: String,
    },
}

/// What an engine could not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine can't be reached. Any operation may give this one.
    #[error(transparent)]
    Connect(#[from] ConnectFault),
    /// An image is neither here nor fetched.
    #[error("image {image} is not on this machine, and fetching it failed: {detail}")]
    Prepare {
        /// The image.
        image: String,
        /// Why.
        detail: String,
    },
    /// An instance was not made.
    #[error("{name} could not be created: {detail}")]
    Create {
        /// The instance's name.
        name: String,
        /// Which kind of fault.
        code: ProblemCode,
        /// Why.
        detail: String,
    },
    /// An instance was not started.
    #[error("{name} could not be started: {detail}")]
    Start {
        /// The instance's name.
        name: String,
        /// Which kind of fault.
        code: ProblemCode,
        /// Why.
        detail: String,
    },
    /// An instance was not started, since somebody holds a port of it.
    #[error("{name} could not be started: {detail}")]
    PortInUse {
        /// The instance's name.
        name: String,
        /// Which port, and who holds it.
        detail: String,
        /// The service of locald's that holds it.
        holder: Option<ServiceId>,
    },
    /// An instance was not stopped.
    #[error("{instance} could not be stopped: {detail}")]
    Stop {
        /// The instance.
        instance: String,
        /// Why.
        detail: String,
    },
    /// An instance was not removed.
    #[error("{instance} could not be removed: {detail}")]
    Remove {
        /// The instance.
        instance: String,
        /// Why.
        detail: String,
    },
    /// The list was not had.
    #[error("the list of containers could not be read: {detail}")]
    List {
        /// Why.
        detail: String,
    },
    /// An instance could not be looked at.
    #[error("{instance} could not be inspected: {detail}")]
    Inspect {
        /// The instance.
        instance: String,
        /// Why.
        detail: String,
    },
    /// The event stream could not be opened, or broke.
    #[error("the event stream broke: {detail}")]
    Events {
        /// Why.
        detail: String,
    },
    /// The engine keeps no logs for this instance.
    #[error("logs are not kept for this service (log driver {driver})")]
    LogsNotKept {
        /// The log driver, `none` for example.
        driver: String,
    },
    /// Logs could not be read.
    #[error("the logs of {instance} could not be read: {detail}")]
    Logs {
        /// The instance.
        instance: String,
        /// Why.
        detail: String,
    },
    /// Numbers could not be read.
    #[error("the numbers of {instance} could not be read: {detail}")]
    Stats {
        /// The instance.
        instance: String,
        /// Why.
        detail: String,
    },
    /// A service's data could not be looked at, copied or removed.
    #[error("the data of {service} could not be {verb}: {detail}")]
    Data {
        /// Whose.
        service: String,
        /// What was to be done: `read`, `copied`, `restored`, `removed`.
        verb: &'static str,
        /// Which kind of fault.
        code: ProblemCode,
        /// Why.
        detail: String,
    },
    /// This engine can't run the service.
    #[error("{engine} can't run {service}: {detail}")]
    Unfit {
        /// The engine.
        engine: String,
        /// The service.
        service: String,
        /// Why.
        detail: String,
    },
    /// A server is neither on this machine nor fetched.
    #[error("{detail}")]
    Server {
        /// In a sentence.
        detail: String,
    },
    /// A command could not be run.
    #[error("the command could not be run in {instance}: {detail}")]
    Exec {
        /// The instance.
        instance: String,
        /// Why.
        detail: String,
    },
}

impl EngineError {
    /// The code that the surfaces know.
    #[must_use]
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Connect(fault) => match fault {
                ConnectFault::Missing { .. } => ProblemCode::EngineMissing,
                ConnectFault::Refused { .. } => ProblemCode::EngineRefused,
                ConnectFault::NotPermitted { .. } => ProblemCode::EngineNotPermitted,
                ConnectFault::IsDirectory { .. } => ProblemCode::EngineIsDirectory,
                ConnectFault::Silent { .. } => ProblemCode::EngineSilent,
                ConnectFault::Version { .. } => ProblemCode::EngineVersion,
                ConnectFault::Unreachable { .. } | ConnectFault::Fault { .. } => ProblemCode::EngineFault,
            },
            Self::Prepare { .. } => ProblemCode::ImageMissing,
            Self::Create { code, .. } | Self::Start { code, .. } | Self::Data { code, .. } => *code,
            Self::PortInUse { .. } => ProblemCode::PortInUse,
            Self::Unfit { .. } => ProblemCode::EngineUnfit,
            Self::Server { .. } => ProblemCode::ServerMissing,
            Self::Stop { .. } | Self::Remove { .. } => ProblemCode::StopFailed,
            Self::LogsNotKept { .. } => ProblemCode::LogsNotKept,
            Self::Events { .. } => ProblemCode::EngineLost,
            Self::List { .. } | Self::Inspect { .. } | Self::Logs { .. } | Self::Stats { .. } | Self::Exec { .. } => {
                ProblemCode::EngineFault
            }
        }
    }

    /// As what the surfaces show.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let choices: &[Choice] = match self {
            Self::PortInUse { holder: Some(_), .. } => &[Choice::OtherPort, Choice::StopHolder],
            _ if self.code() == ProblemCode::PortInUse => &[Choice::OtherPort],
            _ if self.code() == ProblemCode::DataForeign => &[Choice::StartEmpty],
            _ => &[],
        };
        Problem::new(self.code(), self.to_string()).with_choices(choices)
    }
}
