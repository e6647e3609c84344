//! An engine of memory, for tests. It tells time by tokio's clock only, so that it works in virtual time.
//!
//! Instances run until told otherwise, unless their command is a `sh -c` script of the few statements that the
//! conformance suite uses (see `program.rs`).

mod data;
mod engine;
mod outside;
mod program;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use locald_core::{
    EngineId, InstanceId, ServiceId,
    instance::{ExitFacts, ObservedInstance, RunState},
    spec::Signal,
};
use tokio::sync::{mpsc, watch};

use crate::{ConnectFault, EngineError, EngineEvent, EngineEventKind, EngineIdentity, EngineKind, LogLine, LogStream};

/// An operation of [`Engine`](crate::Engine), to count, delay or fail it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `connect`.
    Connect,
    /// `prepare`.
    Prepare,
    /// `start`.
    Start,
    /// `stop`.
    Stop,
    /// `remove`.
    Remove,
    /// `list`.
    List,
    /// `inspect`.
    Inspect,
    /// `events`.
    Events,
    /// `logs`.
    Logs,
    /// `stats`.
    Stats,
    /// `exec`.
    Exec,
    /// `data`.
    Data,
    /// `export_data`.
    ExportData,
    /// `import_data`.
    ImportData,
    /// `erase_data`.
    EraseData,
    /// `copy_out`.
    CopyOut,
    /// `copy_in`.
    CopyIn,
}

/// The fake. Clones share one engine.
#[derive(Clone)]
pub struct FakeEngine {
    identity: EngineIdentity,
    state: Arc<Mutex<State>>,
    /// Grows with every change, to wake those who follow logs or wait for an end.
    changed: Arc<watch::Sender<u64>>,
    born: tokio::time::Instant,
}

struct State {
    online: bool,
    instances: Vec<Instance>,
    made: u64,
    subscribers: Vec<mpsc::UnboundedSender<EngineEvent>>,
    requests: HashMap<Op, u64>,
    faults: HashMap<Op, VecDeque<EngineError>>,
    delays: HashMap<Op, Duration>,
    absent_images: HashSet<String>,
    taken_ports: HashSet<u16>,
    exec: VecDeque<crate::ExecOutcome>,
    volumes: BTreeMap<String, data::Volume>,
    files: HashMap<(ServiceId, String), Vec<u8>>,
}

/// An instance and what the engine knows beyond its observation.
struct Instance {
    seen: ObservedInstance,
    logs: Vec<LogLine>,
    keeps_logs: bool,
    command: Option<Vec<String>>,
    wants: Vec<locald_core::spec::PortMapping>,
    /// The volumes it was made with.
    volumes: Vec<String>,
    /// How it takes a TERM: ignored (`None`) or ended with this code.
    on_term: Option<i32>,
    /// Counts starts, so that a script of an earlier run doesn't end a later one.
    runs: u64,
}

impl Default for FakeEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeEngine {
    /// An online engine named `docker` that has every image. Needs a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self {
            identity: EngineIdentity {
                id: EngineId::from("docker"),
                kind: EngineKind::Fake,
                endpoint: "fake://memory".to_owned(),
                source: "made by a test".to_owned(),
            },
            state: Arc::new(Mutex::new(State {
                online: true,
                instances: Vec::new(),
                made: 0,
                subscribers: Vec::new(),
                requests: HashMap::new(),
                faults: HashMap::new(),
                delays: HashMap::new(),
                absent_images: HashSet::new(),
                taken_ports: HashSet::new(),
                exec: VecDeque::new(),
                volumes: BTreeMap::new(),
                files: HashMap::new(),
            })),
            changed: Arc::new(watch::channel(0).0),
            born: tokio::time::Instant::now(),
        }
    }

    /// Ends the running instance of a service by itself, after a last line of output.
    pub fn exit(&self, service: &ServiceId, code: i32, last_line: Option<&str>) {
        if let Some(id) = self.instance_of(service) {
            if let Some(line) = last_line {
                self.print(&id, LogStream::Stdout, line);
            }
            self.end(&id, code, false);
        }
    }

    /// Ends it as the kernel does for lack of memory.
    pub fn exit_out_of_memory(&self, service: &ServiceId) {
        if let Some(id) = self.instance_of(service) {
            self.emit(&id, EngineEventKind::OutOfMemory);
            self.end(&id, 137, true);
        }
    }

    /// A line of output from the service's newest instance.
    pub fn output(&self, service: &ServiceId, line: &str) {
        if let Some(id) = self.instance_of(service) {
            self.print(&id, LogStream::Stdout, line);
        }
    }

    /// The id of the service's newest instance.
    #[must_use]
    pub fn instance_of(&self, service: &ServiceId) -> Option<InstanceId> {
        let state = self.lock();
        state
            .instances
            .iter()
            .rev()
            .find(|known| known.seen.service.as_ref() == Some(service))
            .map(|i| i.seen.id.clone())
    }

    /// The next call of the operation gives this error. Several are given in order.
    pub fn fail_next(&self, op: Op, error: EngineError) {
        self.lock().faults.entry(op).or_default().push_back(error);
    }

    /// Every call of the operation takes this long from now on, before anything happens.
    pub fn delay(&self, op: Op, time: Duration) {
        self.lock().delays.insert(op, time);
    }

    /// Going offline ends the event streams and makes every call fail as refused; instances stay as they are.
    pub fn set_online(&self, online: bool) {
        let mut state = self.lock();
        state.online = online;
        if !online {
            state.subscribers.clear();
        }
        drop(state);
        self.touch();
    }

    /// The image is neither here nor to be fetched.
    pub fn without_image(&self, image: &str) {
        self.lock().absent_images.insert(image.to_owned());
    }

    /// Another program holds the port, or gave it back.
    pub fn hold_port(&self, port: u16, held: bool) {
        let mut state = self.lock();
        if held {
            state.taken_ports.insert(port);
        } else {
            state.taken_ports.remove(&port);
        }
    }

    /// What the next command run inside an instance gives; without one, commands end with 0 and print nothing.
    pub fn next_exec(&self, outcome: crate::ExecOutcome) {
        self.lock().exec.push_back(outcome);
    }

    /// How often the operation was called.
    #[must_use]
    pub fn requests(&self, op: Op) -> u64 {
        self.lock().requests.get(&op).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere has nothing to learn from a second panic here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// The engine's clock: a fixed day and tokio's time since the fake was made.
    fn now(&self) -> Timestamp {
        let since = i64::try_from(self.born.elapsed().as_nanos()).unwrap_or(i64::MAX);
        Timestamp::from_nanosecond(1_767_225_600_000_000_000 + i128::from(since)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Counts the call, waits its delay, and gives its fault.
    async fn enter(&self, op: Op) -> Result<(), EngineError> {
        let delay = {
            let mut state = self.lock();
            *state.requests.entry(op).or_default() += 1;
            state.delays.get(&op).copied()
        };
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let mut state = self.lock();
        if let Some(fault) = state.faults.get_mut(&op).and_then(VecDeque::pop_front) {
            return Err(fault);
        }
        if state.online {
            Ok(())
        } else {
            Err(ConnectFault::Refused {
                endpoint: self.identity.endpoint.clone(),
            }
            .into())
        }
    }

    fn with<T>(&self, id: &InstanceId, change: impl FnOnce(&mut Instance) -> T) -> Option<T> {
        self.lock()
            .instances
            .iter_mut()
            .find(|known| known.seen.id == *id)
            .map(change)
    }

    fn emit(&self, id: &InstanceId, kind: EngineEventKind) {
        let service = self.with(id, |known| known.seen.service.clone()).flatten();
        self.emit_for(id, service, kind);
    }

    fn emit_for(&self, id: &InstanceId, service: Option<ServiceId>, kind: EngineEventKind) {
        let event = EngineEvent {
            instance: id.clone(),
            service,
            kind,
            at: Some(self.now()),
        };
        self.lock()
            .subscribers
            .retain(|subscriber| subscriber.send(event.clone()).is_ok());
        self.touch();
    }

    fn print(&self, id: &InstanceId, stream: LogStream, text: &str) {
        let at = Some(self.now());
        let line = LogLine {
            stream,
            at,
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            cut_bytes: 0,
        };
        self.with(id, |known| known.logs.push(line));
        self.touch();
    }

    /// The process ended. Nothing when it doesn't run.
    fn end(&self, id: &InstanceId, code: i32, oom: bool) {
        let at = Some(self.now());
        let ended = self.with(id, |known| {
            let alive = known.seen.run.is_alive();
            if alive {
                known.seen.run = RunState::Exited(ExitFacts {
                    code: Some(code),
                    oom,
                    at,
                });
                known.seen.ports.clear();
            }
            alive
        });
        if ended == Some(true) {
            self.emit(
                id,
                EngineEventKind::Exited(ExitFacts {
                    code: Some(code),
                    oom: false,
                    at,
                }),
            );
        }
    }

    /// Sends a signal as the engine does; whether the process ends is its own affair, but for KILL.
    fn signal(&self, id: &InstanceId, signal: Signal) {
        self.emit(id, EngineEventKind::Signaled { signal: Some(signal) });
        let code = if signal == Signal::KILL {
            Some(Some(137))
        } else {
            self.with(id, |known| known.on_term)
        };
        if let Some(Some(code)) = code {
            self.end(id, code, false);
        }
    }

    fn is_alive(&self, id: &InstanceId) -> bool {
        self.with(id, |known| known.seen.run.is_alive()).unwrap_or(false)
    }

    /// Waits until the instance has ended or is gone.
    async fn ended(&self, id: &InstanceId) {
        let mut changes = self.changed.subscribe();
        while self.is_alive(id) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops as docker does: asks, waits, kills.
    async fn stop_as_engine(&self, id: &InstanceId, signal: Signal, grace: Duration) {
        if !self.is_alive(id) {
            return;
        }
        self.signal(id, signal);
        if tokio::time::timeout(grace, self.ended(id)).await.is_err() {
            self.signal(id, Signal::KILL);
        }
        self.emit(id, EngineEventKind::StopRequested);
    }
}

#[cfg(test)]
mod tests;
