//! The engine: services as processes of this user.

mod data;
mod inside;
mod managed;
mod monitors;
mod observe;
mod ports;
mod start;
mod stats;
mod stop;
mod watch;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use jiff::{SignedDuration, Timestamp};
use locald_core::{
    InstanceId, ServiceId,
    instance::ObservedInstance,
    offers::{Offers, Server},
};
use locald_engine::{
    Capabilities, DataFacts, Engine, EngineError, EngineEvent, EngineEventKind, EngineIdentity, EngineKind,
    EngineVersion, ExecOutcome, InstanceSpec, LogLine, LogOptions, ProgressSink, StartedInstance, StatsSample,
    StopRequest,
};
use tokio::sync::{Notify, broadcast};

use crate::{
    Owner, logs,
    postgres::{self, Postgres},
    process::Identity,
    record::Place,
    servers::{self, Installation, Sources, Wanted},
};

/// Events that a slow listener may be behind.
const EVENTS: usize = 1024;

/// Where things are, and what to look for.
#[derive(Debug, Clone)]
pub struct NativeOptions {
    /// locald's folder for what must not be lost: instances and their data are in `native` there.
    pub data: PathBuf,
    /// locald's folder for logs.
    pub state: PathBuf,
    /// locald's folder for what can be fetched again.
    pub cache: PathBuf,
    /// locald's folder for sockets.
    pub runtime: PathBuf,
    /// The program `locald-monitor`; `None` looks beside the running program, then on `PATH`.
    pub monitor: Option<PathBuf>,
    /// Where servers are looked for.
    pub sources: Sources,
    /// Which ones: one for each entry of the catalog that runs without a container.
    pub wanted: Vec<Wanted>,
    /// Where archives of PostgreSQL are listed, in place of the usual place.
    pub releases: Option<String>,
}

/// Runs services as processes of this user. Cheap to clone.
#[derive(Clone)]
pub struct NativeEngine {
    shared: Arc<Shared>,
}

struct Shared {
    identity: EngineIdentity,
    options: NativeOptions,
    events: broadcast::Sender<EngineEvent>,
    /// The run that is watched, of each instance by its id.
    watched: Mutex<HashMap<String, Identity>>,
    watch_ended: Notify,
    /// One operation of a kind that changes what is on disk at a time, for each service.
    turns: Mutex<HashMap<ServiceId, Arc<tokio::sync::Mutex<()>>>>,
    /// Where projects are: they may have brought a PostgreSQL along.
    projects: Mutex<Vec<PathBuf>>,
    /// Servers that were prepared, by entry and version.
    prepared: Mutex<HashMap<(String, String), Installation>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NativeEngine {
    /// The engine of these folders.
    #[must_use]
    pub fn new(identity: EngineIdentity, options: NativeOptions) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        Self {
            shared: Arc::new(Shared {
                identity,
                options,
                events,
                watched: Mutex::default(),
                watch_ended: Notify::new(),
                turns: Mutex::default(),
                projects: Mutex::default(),
                prepared: Mutex::default(),
            }),
        }
    }

    /// Also looks for servers that came with these projects (`node_modules`, `.venv`), from now on.
    pub fn look_in_projects(&self, folders: Vec<PathBuf>) {
        *locked(&self.shared.projects) = folders;
    }

    /// The servers of this machine that entries of the catalog can use.
    pub async fn installations(&self) -> Vec<Installation> {
        servers::find(&self.shared.sources(), &self.shared.options.wanted).await
    }
}

impl Shared {
    fn sources(&self) -> Sources {
        let mut sources = self.options.sources.clone();
        sources.cache = Some(self.options.cache.clone());
        sources.projects.extend(locked(&self.projects).iter().cloned());
        sources
    }

    fn postgres(&self, owner: Option<Owner>) -> Postgres {
        Postgres::new(postgres::Options {
            cache: self.options.cache.clone(),
            spares: Some(self.root().join(".spares")),
            owner,
            releases: self.options.releases.clone(),
        })
    }

    /// Where instances and data are.
    fn root(&self) -> PathBuf {
        self.options.data.join("native")
    }

    fn place(&self, service: &ServiceId) -> Place {
        Place(self.root().join(service.project.as_str()).join(service.name.as_str()))
    }

    /// The folder of an instance, by an id such as `native:shop/db:1a2b3c4d`.
    fn place_of(&self, id: &InstanceId) -> Option<(ServiceId, Place)> {
        let (service, _) = id.as_str().strip_prefix("native:")?.rsplit_once(':')?;
        let service: ServiceId = service.parse().ok()?;
        let place = self.place(&service);
        let instance = place.instance().ok().flatten()?;
        (instance.id == id.as_str()).then_some((service, place))
    }

    fn logs_of(&self, service: &ServiceId) -> PathBuf {
        let folder = self.options.state.join("logs/native");
        folder.join(service.project.as_str()).join(service.name.as_str())
    }

    fn turn(&self, service: &ServiceId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(locked(&self.turns).entry(service.clone()).or_default())
    }

    fn emit(&self, id: &str, service: &ServiceId, kind: EngineEventKind, at: Option<Timestamp>) {
        // Nobody listening is fine.
        let _ = self.events.send(EngineEvent {
            instance: InstanceId::from(id),
            service: Some(service.clone()),
            kind,
            at,
        });
    }
}

/// A time as it is on disk.
fn time(nanoseconds: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()
}

impl Engine for NativeEngine {
    fn identity(&self) -> &EngineIdentity {
        &self.shared.identity
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            pull: false,
            exec: true,
            stats: cfg!(target_os = "linux"),
            health_checks: false,
        }
    }

    fn offers(&self) -> BoxFuture<'_, Offers> {
        async {
            let sources = self.shared.sources();
            let mut servers: Vec<Server> = Vec::new();
            for installation in self.installations().await {
                let server = Server {
                    entry: installation.entry,
                    version: installation.version,
                    here: true,
                };
                if !servers.contains(&server) {
                    servers.push(server);
                }
            }
            for want in self.shared.options.wanted.iter().filter(|want| want.postgres) {
                for version in servers::fetchable(&sources) {
                    if !servers
                        .iter()
                        .any(|known| known.entry == want.entry && known.version == version)
                    {
                        servers.push(Server {
                            entry: want.entry.clone(),
                            version,
                            here: false,
                        });
                    }
                }
            }
            Offers {
                containers: false,
                processes: true,
                servers,
            }
        }
        .boxed()
    }

    fn connect(&self) -> BoxFuture<'_, Result<EngineVersion, EngineError>> {
        async {
            Ok(EngineVersion {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                api: "1.0".to_owned(),
                kind: EngineKind::Native,
                key: Some(format!("native {}", self.shared.options.data.display())),
                clock_offset: SignedDuration::ZERO,
            })
        }
        .boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn prepare<'a>(&'a self, spec: &'a InstanceSpec, progress: ProgressSink) -> BoxFuture<'a, Result<(), EngineError>> {
        self.shared.prepare(spec, progress).boxed()
    }

    fn start<'a>(
        &'a self,
        spec: &'a InstanceSpec,
        _existing: Option<InstanceId>,
    ) -> BoxFuture<'a, Result<StartedInstance, EngineError>> {
        // There is one instance of a service, and it is found by itself.
        start::start(&self.shared, spec).boxed()
    }

    fn stop<'a>(&'a self, instance: &'a InstanceId, request: StopRequest) -> BoxFuture<'a, Result<(), EngineError>> {
        stop::stop(&self.shared, instance, request).boxed()
    }

    fn remove<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<(), EngineError>> {
        stop::remove(&self.shared, instance).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ObservedInstance>, EngineError>> {
        async { observe::list(&self.shared).await }.boxed()
    }

    fn inspect<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Option<ObservedInstance>, EngineError>> {
        async {
            match self.shared.place_of(instance) {
                Some((_, place)) => {
                    observe::observe(&self.shared, &place)
                        .await
                        .map_err(|error| EngineError::Inspect {
                            instance: instance.to_string(),
                            detail: error.to_string(),
                        })
                }
                None => Ok(None),
            }
        }
        .boxed()
    }

    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>> {
        async {
            let stream = watch::subscribe(&self.shared);
            watch::watch_all(&self.shared).await;
            Ok(stream)
        }
        .boxed()
    }

    fn events_since(
        &self,
        since: Timestamp,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>> {
        async move {
            let stream = watch::subscribe(&self.shared);
            let before = watch::ended_since(&self.shared, since);
            watch::watch_all(&self.shared).await;
            let known: Vec<_> = before.iter().map(|event| (event.instance.clone(), event.at)).collect();
            let live = stream.filter(move |event| {
                let twice = event.as_ref().is_ok_and(|event| {
                    matches!(event.kind, EngineEventKind::Exited(_))
                        && known.contains(&(event.instance.clone(), event.at))
                });
                std::future::ready(!twice)
            });
            Ok(futures_util::stream::iter(before.into_iter().map(Ok))
                .chain(live)
                .boxed())
        }
        .boxed()
    }

    fn logs<'a>(
        &'a self,
        instance: &'a InstanceId,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError>> {
        async move {
            let Some((service, place)) = self.shared.place_of(instance) else {
                return Err(EngineError::Logs {
                    instance: instance.to_string(),
                    detail: "it does not exist any more".to_owned(),
                });
            };
            Ok(logs::read(
                self.shared.logs_of(&service),
                place,
                instance.as_str(),
                options,
            ))
        }
        .boxed()
    }

    fn stats<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<StatsSample, EngineError>>, EngineError>> {
        std::future::ready(Ok(match self.shared.place_of(instance) {
            Some((_, place)) => stats::stats(place, instance.to_string()),
            None => futures_util::stream::empty().boxed(),
        }))
        .boxed()
    }

    fn exec<'a>(
        &'a self,
        instance: &'a InstanceId,
        command: &'a [String],
    ) -> BoxFuture<'a, Result<ExecOutcome, EngineError>> {
        inside::exec(&self.shared, instance, command).boxed()
    }

    fn data<'a>(&'a self, spec: &'a InstanceSpec) -> BoxFuture<'a, Result<Option<DataFacts>, EngineError>> {
        data::facts(&self.shared, spec).boxed()
    }

    fn export_data<'a>(&'a self, spec: &'a InstanceSpec, to: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        data::export(&self.shared, spec, to).boxed()
    }

    fn import_data<'a>(&'a self, spec: &'a InstanceSpec, from: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        data::import(&self.shared, spec, from).boxed()
    }

    fn erase_data<'a>(&'a self, spec: &'a InstanceSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        data::erase(&self.shared, spec).boxed()
    }

    fn copy_out<'a>(
        &'a self,
        instance: &'a InstanceId,
        path: &'a str,
        to: &'a Path,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        inside::copy_out(&self.shared, instance, path, to).boxed()
    }

    fn copy_in<'a>(
        &'a self,
        instance: &'a InstanceId,
        from: &'a Path,
        path: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        inside::copy_in(&self.shared, instance, from, path).boxed()
    }
}
