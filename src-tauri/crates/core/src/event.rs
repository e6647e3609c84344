//! What comes into the supervisor and what goes out of it.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    EngineId, InstanceId, Problem, ProjectName, ServiceId, ServiceSpec,
    instance::{ExitFacts, ObservedInstance},
    offers::Offers,
    snapshot::HealthKind,
    spec::{Credentials, ServiceProtocol, Signal},
    state::{Memory, Mute},
};

/// Everything that can happen: facts in the past tense, and what people ask for.
#[derive(Debug, Clone)]
pub enum Event {
    /// A person asked for something.
    Commanded(Command),
    /// What was remembered of an earlier life of the host.
    MemoryRestored(Memory),
    /// The person's setting of the engine for new services, by id or family.
    DefaultEngineChanged(Option<String>),
    /// A project file was read and is good.
    ProjectLoaded(ProjectSpec),
    /// A project file has an error or is gone; its last good content stays in use.
    ProjectFaulted {
        /// The project.
        name: ProjectName,
        /// Its folder.
        folder: PathBuf,
        /// What is wrong.
        problem: Problem,
    },
    /// A project is no longer looked after: its file has another name now, or a person removed it.
    ProjectForgotten(ProjectName),
    /// An engine is known of; nothing is known about it yet.
    EngineFound {
        /// Its id.
        engine: EngineId,
        /// Its family.
        kind: String,
        /// Where it is.
        endpoint: String,
        /// Where that was learned from.
        source: String,
    },
    /// An engine answered. Its list follows.
    EngineConnected {
        /// Which one.
        engine: EngineId,
        /// The family it says it is.
        kind: String,
        /// Its version.
        version: String,
        /// Its clock minus the host's.
        clock_offset: SignedDuration,
        /// Does it run the health checks of images by itself?
        health_checks: bool,
    },
    /// What an engine can run is known, or is another than before.
    EngineOffered {
        /// Which one.
        engine: EngineId,
        /// What it can run.
        offers: Offers,
    },
    /// It is time to compare what is known with an engine's list.
    EngineCheckDue(EngineId),
    /// Two ways lead to one engine.
    EngineMerged {
        /// The one that is dropped.
        engine: EngineId,
        /// The one that stays.
        into: EngineId,
    },
    /// An engine can't be reached, or was lost.
    EngineLost {
        /// Which one.
        engine: EngineId,
        /// Why.
        problem: Problem,
    },
    /// All that an engine has.
    InstancesListed {
        /// Which one.
        engine: EngineId,
        /// Its instances.
        instances: Vec<ObservedInstance>,
    },
    /// Something happened to an instance.
    InstanceChanged {
        /// On which engine.
        engine: EngineId,
        /// The service, by the instance's labels; `None` for one that locald did not make.
        service: Option<ServiceId>,
        /// The instance.
        instance: InstanceId,
        /// What.
        change: InstanceChange,
        /// When, by the engine's clock.
        at: Option<Timestamp>,
    },
    /// An instance that no service was known for was looked at, because of an [`Effect::Look`].
    StrangerSeen {
        /// On which engine.
        engine: EngineId,
        /// What was seen.
        observed: ObservedInstance,
    },
    /// An instance was looked at, because of an [`Effect::Inspect`].
    InstanceInspected {
        /// The service.
        service: ServiceId,
        /// Which look; an older one than the last asked for is ignored.
        round: u64,
        /// What was seen: `None` when it is gone.
        observed: Option<ObservedInstance>,
        /// The last line it wrote, when that was asked for and there is one.
        last_line: Option<String>,
    },
    /// A look at an instance failed.
    InspectFailed {
        /// The service.
        service: ServiceId,
        /// Which look.
        round: u64,
    },
    /// A preparation got on.
    PrepareProgressed {
        /// Whose.
        ticket: Ticket,
        /// Percent of what is known to be fetched.
        percent: u8,
    },
    /// A preparation ended.
    PrepareFinished {
        /// Whose.
        ticket: Ticket,
        /// How.
        result: Result<(), Problem>,
    },
    /// The engine answered a start.
    StartFinished {
        /// Whose.
        ticket: Ticket,
        /// The instance, or why there is none.
        result: Result<InstanceId, Problem>,
    },
    /// The engine answered a stop.
    StopFinished {
        /// Whose.
        ticket: Ticket,
        /// How.
        result: Result<(), Problem>,
    },
    /// A probe was answered or not.
    Probed {
        /// The service.
        service: ServiceId,
        /// Which series of probes.
        round: u64,
        /// What it said.
        outcome: Result<(), String>,
    },
    /// A wait is over.
    BackOffElapsed {
        /// The service.
        service: ServiceId,
        /// Which wait.
        round: u64,
    },
    /// A wait of [`Effect::Wait`] is over.
    Waited {
        /// The service.
        service: ServiceId,
        /// Which wait.
        round: u64,
    },
    /// What this machine lacks changed.
    NoticesChanged(Vec<String>),
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Start these and what they depend on.
    Start(Vec<ServiceId>),
    /// Start these and what they depend on; those that differ from their file are restarted.
    Up(Vec<ServiceId>),
    /// Stop these, dependents first.
    Stop(Vec<ServiceId>),
    /// Stop and start these.
    Restart(Vec<ServiceId>),
    /// Have this service run on another engine from now on. What it has on the old one stays there.
    Move {
        /// Which one.
        service: ServiceId,
        /// Where to, by id or family.
        engine: String,
    },
    /// Tell nothing of this service for a while, or `None` to tell again.
    Mute {
        /// Which one.
        service: ServiceId,
        /// How long.
        mute: Option<Mute>,
    },
}

impl Command {
    /// The services it is about.
    #[must_use]
    pub fn services(&self) -> &[ServiceId] {
        match self {
            Self::Start(ids) | Self::Up(ids) | Self::Stop(ids) | Self::Restart(ids) => ids,
            Self::Move { service, .. } | Self::Mute { service, .. } => std::slice::from_ref(service),
        }
    }
}

/// A project as its file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSpec {
    /// Its name.
    pub name: ProjectName,
    /// Its folder.
    pub folder: PathBuf,
    /// Its services in the order of the file.
    pub services: Vec<Arc<ServiceSpec>>,
}

/// What happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceChange {
    /// Its process started, was frozen or thawed: look at it.
    Altered,
    /// Somebody had the engine send it a signal.
    Signaled(Option<Signal>),
    /// Somebody had the engine stop it.
    StopRequested,
    /// Somebody had the engine restart it.
    RestartRequested,
    /// The engine's own run of its health check says so.
    HealthSaid(HealthKind),
    /// Its process ended.
    Exited(ExitFacts),
    /// It is gone.
    Removed,
}

/// Marks one operation, so that the answer to an abandoned one is told from the answer to the current one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The service it works on.
    pub service: ServiceId,
    /// Grows with each operation.
    pub number: u64,
}

/// What the host has to do. Results come back as events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make sure that all an instance needs is here.
    Prepare {
        /// Answer with this.
        ticket: Ticket,
        /// On which engine.
        engine: EngineId,
        /// For what.
        spec: Arc<ServiceSpec>,
    },
    /// Start an instance.
    Start {
        /// Answer with this.
        ticket: Ticket,
        /// On which engine.
        engine: EngineId,
        /// Of what.
        spec: Arc<ServiceSpec>,
        /// One that carries this spec's hash and doesn't run.
        existing: Option<InstanceId>,
    },
    /// Stop an instance.
    Stop {
        /// Answer with this.
        ticket: Ticket,
        /// On which engine.
        engine: EngineId,
        /// Which one.
        instance: InstanceId,
        /// Which signal asks.
        signal: Option<Signal>,
        /// How long to wait before the kill.
        grace: Duration,
    },
    /// Abandon an operation; no answer is wanted any more.
    Cancel {
        /// Which one.
        ticket: Ticket,
    },
    /// Look at an instance.
    Inspect {
        /// Answer with this.
        service: ServiceId,
        /// And this.
        round: u64,
        /// On which engine.
        engine: EngineId,
        /// Which one.
        instance: InstanceId,
        /// Fetch the last line of its log too.
        last_line: bool,
    },
    /// Look at an instance that no service is known for; answer with [`Event::StrangerSeen`].
    Look {
        /// On which engine.
        engine: EngineId,
        /// Which one.
        instance: InstanceId,
    },
    /// List all an engine has.
    List {
        /// Which one.
        engine: EngineId,
    },
    /// Ask a service whether it answers.
    Probe {
        /// Answer with this.
        service: ServiceId,
        /// And this.
        round: u64,
        /// The question.
        target: ProbeTarget,
        /// How long it may take.
        timeout: Duration,
        /// Wait so long before.
        after: Duration,
    },
    /// Answer with [`Event::BackOffElapsed`] after a while.
    BackOff {
        /// Answer with this.
        service: ServiceId,
        /// And this.
        round: u64,
        /// How long.
        after: Duration,
    },
    /// Answer with [`Event::Waited`] after a while.
    Wait {
        /// Answer with this.
        service: ServiceId,
        /// And this.
        round: u64,
        /// How long.
        after: Duration,
    },
}

/// What it does, and with what, in a few words for a log: nothing of a spec, which may hold passwords.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare { ticket, .. } => write!(f, "prepare {} #{}", ticket.service, ticket.number),
            Self::Start { ticket, .. } => write!(f, "start {} #{}", ticket.service, ticket.number),
            Self::Stop { ticket, instance, .. } => write!(f, "stop {} #{} ({instance})", ticket.service, ticket.number),
            Self::Cancel { ticket } => write!(f, "cancel {} #{}", ticket.service, ticket.number),
            Self::Inspect { service, round, .. } => write!(f, "inspect {service} #{round}"),
            Self::Look { engine, instance } => write!(f, "look at {instance} on {engine}"),
            Self::List { engine } => write!(f, "list {engine}"),
            Self::Probe { service, round, .. } => write!(f, "probe {service} #{round}"),
            Self::BackOff { service, after, .. } => write!(f, "back off {service} for {after:?}"),
            Self::Wait { service, round, after } => write!(f, "wait {after:?} for {service} #{round}"),
        }
    }
}

/// A probe with all that is needed to carry it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeTarget {
    /// Connect to this address.
    Tcp {
        /// The published port.
        address: SocketAddr,
    },
    /// GET this.
    Http {
        /// The published port.
        address: SocketAddr,
        /// Path with a leading slash.
        path: String,
        /// Expected status; `None` takes 200 to 399.
        status: Option<u16>,
        /// Text that has to be in the answer.
        body: Option<String>,
    },
    /// Speak the service's own protocol.
    Service {
        /// Which protocol.
        protocol: ServiceProtocol,
        /// The published port.
        address: SocketAddr,
        /// Who asks.
        credentials: Credentials,
    },
    /// Run this inside the instance.
    Command {
        /// The engine.
        engine: EngineId,
        /// The instance.
        instance: InstanceId,
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// A moment, as [`crate::transition::transition`] gets it: the host's clock.
pub type Now = Timestamp;
