//! Docker and Podman as locald engines, and finding them.
//!
//! Operations go through bollard. What bollard decodes too strictly or by guessing (lists, inspections, events,
//! logs, numbers) goes through a thin HTTP layer here with decoding that survives odd values.

mod access;
mod archive;
mod aside;
mod connect;
mod cover;
mod create;
mod data;
mod dialect;
mod discover;
mod discover_docker;
mod discover_places;
mod discover_podman;
mod endpoint;
mod errors;
mod events;
mod exec;
mod facts;
mod files;
mod http;
mod list;
mod logs;
mod precheck;
mod prepare;
mod ssh;
mod ssh_faults;
mod ssh_folder;
mod ssh_target;
mod start;
mod stats;
mod stop;
mod tls;
mod wire;

use std::{
    path::Path,
    sync::atomic::{AtomicI64, AtomicU32, Ordering},
};

use bollard::Docker;
use futures_util::{FutureExt as _, future::BoxFuture, stream::BoxStream};
use jiff::{SignedDuration, Timestamp};
use locald_core::{InstanceId, instance::ObservedInstance};
use locald_engine::{
    Capabilities, DataFacts, Engine, EngineError, EngineEvent, EngineIdentity, EngineVersion, ExecOutcome,
    InstanceSpec, LogLine, LogOptions, ProgressSink, StartedInstance, StatsSample, StopRequest,
};

pub use access::{Access, SshLogin, TlsFiles};
pub use discover::{Candidate, Sources, discover};

use crate::{dialect::Dialect, endpoint::Endpoint, http::Client};

/// The label with the project's name.
pub const PROJECT_LABEL: &str = "dev.locald.project";
/// The label with the service's name.
pub const SERVICE_LABEL: &str = "dev.locald.service";
/// The label with the hash of the spec.
pub const SPEC_LABEL: &str = "dev.locald.spec";

/// How long bollard waits for the headers of an answer: creating from a big image on a slow disk takes its time.
const SLOW_SECONDS: u64 = 120;

/// An engine that speaks Docker's API.
#[derive(Debug)]
pub struct DockerEngine {
    identity: EngineIdentity,
    http: Client,
    /// Minor of the engine's API version as of the last [`Engine::connect`]; 0 before.
    api_minor: AtomicU32,
    dialect: Dialect,
    /// Old engines make a second network of the same name when asked twice at once.
    networks: tokio::sync::Mutex<()>,
    host: tokio::sync::OnceCell<stats::Host>,
    /// The engine's clock minus ours in nanoseconds, as of the last [`Engine::connect`].
    clock_offset: AtomicI64,
    /// Podman takes half a second to say who it is, and doesn't become another.
    podman_key: tokio::sync::OnceCell<String>,
}

impl DockerEngine {
    /// An engine at the identity's endpoint. Connects to nothing yet.
    ///
    /// # Errors
    /// When the endpoint isn't understood; the message names what is.
    pub fn new(identity: EngineIdentity, access: Access) -> Result<Self, EngineError> {
        let endpoint = Endpoint::new(&identity.endpoint, &access)?;
        Ok(Self {
            dialect: Dialect::new(identity.kind),
            identity,
            http: Client { endpoint },
            api_minor: AtomicU32::new(0),
            networks: tokio::sync::Mutex::new(()),
            host: tokio::sync::OnceCell::new(),
            clock_offset: AtomicI64::new(0),
            podman_key: tokio::sync::OnceCell::new(),
        })
    }

    /// What the engine's clock shows now, by what [`Engine::connect`] saw of it.
    #[must_use]
    pub fn engine_now(&self) -> Timestamp {
        let offset = SignedDuration::from_nanos(self.clock_offset.load(Ordering::Relaxed));
        let now = Timestamp::now();
        now.checked_add(offset).unwrap_or(now)
    }

    /// bollard's client, made anew for each operation, which costs next to nothing.
    async fn bollard(&self, seconds: u64) -> Result<Docker, http::Failure> {
        match self.http.bollard(seconds) {
            Ok(docker) => Ok(docker),
            Err(error) => Err(self.failure(error).await),
        }
    }
}

impl Engine for DockerEngine {
    fn identity(&self) -> &EngineIdentity {
        &self.identity
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            pull: true,
            exec: true,
            stats: true,
            health_checks: self.dialect.runs_health_checks(),
        }
    }

    fn connect(&self) -> BoxFuture<'_, Result<EngineVersion, EngineError>> {
        async { Ok(self.ask().await?) }.boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        async { Ok(self.sign_of_life().await?) }.boxed()
    }

    fn prepare<'a>(&'a self, spec: &'a InstanceSpec, progress: ProgressSink) -> BoxFuture<'a, Result<(), EngineError>> {
        self.prepare_image(spec, progress).boxed()
    }

    fn start<'a>(
        &'a self,
        spec: &'a InstanceSpec,
        existing: Option<InstanceId>,
    ) -> BoxFuture<'a, Result<StartedInstance, EngineError>> {
        self.start_instance(spec, existing).boxed()
    }

    fn stop<'a>(&'a self, instance: &'a InstanceId, request: StopRequest) -> BoxFuture<'a, Result<(), EngineError>> {
        self.stop_instance(instance, request).boxed()
    }

    fn remove<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<(), EngineError>> {
        self.remove_instance(instance).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ObservedInstance>, EngineError>> {
        self.list_instances().boxed()
    }

    fn inspect<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Option<ObservedInstance>, EngineError>> {
        self.inspect_instance(instance).boxed()
    }

    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>> {
        self.open_events(None).boxed()
    }

    fn events_since(
        &self,
        since: Timestamp,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>> {
        self.open_events(Some(since)).boxed()
    }

    fn logs<'a>(
        &'a self,
        instance: &'a InstanceId,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError>> {
        self.open_logs(instance, options).boxed()
    }

    fn stats<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<StatsSample, EngineError>>, EngineError>> {
        self.open_stats(instance).boxed()
    }

    fn exec<'a>(
        &'a self,
        instance: &'a InstanceId,
        command: &'a [String],
    ) -> BoxFuture<'a, Result<ExecOutcome, EngineError>> {
        self.exec_in(instance, command).boxed()
    }

    fn data<'a>(&'a self, spec: &'a InstanceSpec) -> BoxFuture<'a, Result<Option<DataFacts>, EngineError>> {
        self.data_of(spec).boxed()
    }

    fn export_data<'a>(&'a self, spec: &'a InstanceSpec, to: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        self.export(spec, to).boxed()
    }

    fn import_data<'a>(&'a self, spec: &'a InstanceSpec, from: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        self.import(spec, from).boxed()
    }

    fn erase_data<'a>(&'a self, spec: &'a InstanceSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        self.erase(spec).boxed()
    }

    fn copy_out<'a>(
        &'a self,
        instance: &'a InstanceId,
        path: &'a str,
        to: &'a Path,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.file_out(instance, path, to).boxed()
    }

    fn copy_in<'a>(
        &'a self,
        instance: &'a InstanceId,
        from: &'a Path,
        path: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.file_in(instance, from, path).boxed()
    }
}
