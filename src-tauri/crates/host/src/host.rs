//! The host as a whole: lock, store, supervisor, projects, control socket.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::stream::BoxStream;
use jiff::Timestamp;
use locald_config::{ConfigErrors, Folders, Settings, catalog::Catalog};
use locald_core::{
    Choice, Command, Event, Problem, ProjectName, ServiceId, Snapshot,
    snapshot::StateKind,
    spec::Connection,
    view::managed::{CatalogItem, SavedSnapshot, TrashItem},
};
use locald_engine::{Engine as _, EngineError, StatsSample};
use tokio::sync::{broadcast, mpsc, watch};

use crate::{
    control::server,
    engines::Finder,
    lock::{HostLock, LockError},
    logs::{self, LogItem},
    managed::Keeper,
    native,
    projects::Projects,
    store::Store,
    supervisor::{Step, Supervisor, SupervisorHandle},
};

/// What a host is started with.
#[derive(Debug)]
pub struct HostOptions {
    /// Where locald keeps what.
    pub folders: Folders,
    /// The lock, had beforehand, since what to do without it differs.
    pub lock: HostLock,
    /// Where requests for the desktop go; `None` without a display.
    pub shell: Option<mpsc::UnboundedSender<ShellRequest>>,
}

/// What a client asks of the desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellRequest {
    /// Show the dashboard, with this service's log when one is named.
    Show {
        /// The service.
        service: Option<ServiceId>,
    },
}

/// Why a host can't start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Another one runs, or the lock can't be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The control socket can't be made.
    #[error("the control socket {path} can't be made: {source}")]
    Socket {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The project file has faults.
    #[error("{}", .0.summary())]
    Config(Box<ConfigErrors>),
    /// Two folders want one project name.
    #[error("the project name {name} of {} is in use by {}", folder.display(), other.display())]
    NameInUse {
        /// The name.
        name: ProjectName,
        /// The folder that asks for it.
        folder: PathBuf,
        /// The folder that has it.
        other: PathBuf,
    },
    /// No such service.
    #[error("there is no service {0}")]
    NoSuchService(ServiceId),
    /// No such engine.
    #[error("there is no engine `{word}`; locald knows {known}")]
    NoSuchEngine {
        /// What was asked for.
        word: String,
        /// Those there are.
        known: String,
    },
    /// A container that locald did not make.
    #[error("{0} was not made by locald, so it can't be moved to another engine")]
    NotOurs(ServiceId),
    /// The settings could not be written.
    #[error("the setting was not saved: {0}")]
    Settings(String),
    /// There is no such catalog entry or version.
    #[error("{0}")]
    BadEntry(String),
    /// It doesn't fit the service, or its state.
    #[error("{0}")]
    NotPossible(String),
    /// Nothing has this name.
    #[error("{0}")]
    NoSuchThing(String),
    /// A file could not be written.
    #[error("it was not saved: {0}")]
    NotSaved(String),
    /// It was tried and went wrong; what was there is there.
    #[error("{0}")]
    Failed(String),
    /// The host has no window.
    #[error("this host has no display")]
    NoShell,
}

/// A running host. Dropping it ends it; services stay as they are.
#[derive(Debug)]
pub struct Host {
    handle: HostHandle,
    quit: watch::Receiver<bool>,
    socket: PathBuf,
    finding: tokio::task::JoinHandle<()>,
    _supervisor: Supervisor,
    _lock: HostLock,
}

/// What surfaces hold of the host.
#[derive(Clone)]
pub struct HostHandle {
    supervisor: SupervisorHandle,
    projects: Projects,
    keeper: Keeper,
    shell: Option<mpsc::UnboundedSender<ShellRequest>>,
    quit: watch::Sender<bool>,
    notifications: NotificationSettings,
    /// The settings' file.
    settings: PathBuf,
}

/// What a person wants to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationSettings {
    /// Anything at all?
    pub enabled: bool,
    /// Containers that locald did not make?
    pub external: bool,
}

impl std::fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostHandle").finish_non_exhaustive()
    }
}

impl Host {
    /// Starts everything. Returns at once; engines connect by themselves.
    ///
    /// # Errors
    /// When the control socket can't be made.
    pub async fn start(options: HostOptions) -> Result<Self, HostError> {
        let HostOptions { folders, lock, shell } = options;
        let mut notices = Vec::new();
        let settings = Settings::load(&folders.config.join(Settings::FILE)).unwrap_or_else(|errors| {
            notices.push(format!(
                "The settings are not in use, for an error in them: {}",
                errors.summary()
            ));
            Settings::default()
        });
        let store = Store::new(&folders);
        let (keep, memories) = watch::channel(store.memory());
        let memory = keep.borrow().clone();
        let supervisor = Supervisor::start(Vec::new(), Arc::new(Timestamp::now), memory, keep);
        tokio::spawn(store.clone().keep_memory(memories));
        supervisor
            .handle()
            .send(Event::DefaultEngineChanged(settings.default_engine.clone()));
        let finder = Finder {
            supervisor: supervisor.handle(),
            store: store.clone(),
            setting: settings.docker_host.clone(),
            usual_places: settings.usual_places,
        };
        notices.extend(finder.look());
        let finding = tokio::spawn(finder.keep_looking());
        let unfinished = supervisor.handle().gate().remember(folders.data.join("services.json"));
        let (catalog, complaints) = Catalog::load(&folders);
        notices.extend(complaints.iter().map(|errors| {
            format!(
                "An entry of your catalog is not in use, for an error in it: {}",
                errors.summary()
            )
        }));
        let native = native::engine(&folders, &settings, &catalog);
        native.look_in_projects(store.projects().into_iter().map(|project| project.folder).collect());
        let offers = native.offers().await;
        supervisor.handle().engines().note_servers(&offers.servers);
        let engine = native.identity().id.clone();
        supervisor.handle().add_engine(native.clone());
        supervisor.handle().send(Event::EngineOffered { engine, offers });
        let projects = Projects::start(folders.clone(), store, supervisor.handle(), catalog, native).await;
        let keeper = Keeper::new(&folders, supervisor.handle(), projects.clone());
        for (closed, before) in unfinished {
            let keeper = keeper.clone();
            tokio::spawn(async move { keeper.undo(closed, before).await });
        }
        if !notices.is_empty() {
            supervisor.handle().send(Event::NoticesChanged(notices));
        }
        let (quit, quits) = watch::channel(false);
        let handle = HostHandle {
            supervisor: supervisor.handle(),
            projects,
            keeper,
            shell,
            quit,
            notifications: NotificationSettings {
                enabled: settings.notifications,
                external: settings.notifications_external,
            },
            settings: folders.config.join(Settings::FILE),
        };
        let socket = server::serve(&folders.runtime, handle.clone())
            .await
            .map_err(|(path, source)| HostError::Socket {
                path: path.display().to_string(),
                source,
            })?;
        Ok(Self {
            handle,
            quit: quits,
            socket,
            finding,
            _supervisor: supervisor,
            _lock: lock,
        })
    }

    /// What surfaces hold of it.
    #[must_use]
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Waits until a client asked the host to end (a desktop app that takes over).
    pub async fn asked_to_quit(&self) {
        let mut quit = self.quit.clone();
        // The sender lives in `self`.
        let _ = quit.wait_for(|quit| *quit).await;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.finding.abort();
        // Before the lock is released, so that nobody finds the socket of a host that is gone.
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl HostHandle {
    /// Runs a command; gives the `seq` from which on snapshots reflect it.
    ///
    /// # Errors
    /// When one of its services isn't known; nothing is done then.
    pub async fn command(&self, command: Command) -> Result<u64, RequestError> {
        let snapshot = self.snapshot();
        if let Some(id) = command.services().iter().find(|id| snapshot.service(id).is_none()) {
            return Err(RequestError::NoSuchService(id.clone()));
        }
        Ok(self.supervisor.command(command).await)
    }

    /// Has a service run on another engine from now on, with its data; the old is kept in the trash.
    ///
    /// # Errors
    /// When there is no such service or engine, or the data could not be carried over: then all is as it was.
    pub async fn move_service(&self, service: &ServiceId, engine: &str) -> Result<Option<TrashItem>, RequestError> {
        let snapshot = self.snapshot();
        if snapshot.service(service).is_none() {
            return Err(RequestError::NoSuchService(service.clone()));
        }
        self.may_move(&snapshot, service, engine)?;
        let engines = &snapshot.engines;
        let target = engines
            .iter()
            .find(|known| known.id.as_str() == engine)
            .or_else(|| engines.iter().find(|known| known.kind == engine));
        match target {
            Some(target) => self.keeper.move_to(service, target.id.clone()).await,
            None => Ok(None),
        }
    }

    /// The catalog, with what is on this machine.
    pub async fn catalog(&self) -> Vec<CatalogItem> {
        self.keeper.catalog().await
    }

    /// Adds a managed service to the project file in a folder (`None`: the personal project) and loads it. It is not
    /// started by this.
    ///
    /// # Errors
    /// When there is no such entry or version, the name is no name or taken, or the file can't be read or written.
    pub async fn add_service(
        &self,
        folder: Option<PathBuf>,
        entry: &str,
        version: Option<&str>,
        name: Option<&str>,
    ) -> Result<ServiceId, RequestError> {
        self.keeper.add(folder, entry, version, name).await
    }

    /// Stops a service, takes it out of its project file and puts its data into the trash.
    ///
    /// # Errors
    /// When it isn't known or not locald's, does not stop, or the file can't be written.
    pub async fn remove_service(&self, service: &ServiceId) -> Result<Option<TrashItem>, RequestError> {
        self.keeper.remove(service).await
    }

    /// Takes a way out of the fault that a service shows, and starts it.
    ///
    /// # Errors
    /// When the way doesn't fit, or went wrong; the data is as it was then.
    pub async fn choose(&self, service: &ServiceId, choice: Choice) -> Result<(), RequestError> {
        self.keeper.choose(service, choice).await
    }

    /// How programs of this machine connect to a service.
    ///
    /// # Errors
    /// When it isn't known, or locald doesn't know how to connect to it.
    pub fn connection(&self, service: &ServiceId) -> Result<Arc<Connection>, RequestError> {
        let snapshot = self.snapshot();
        let known = snapshot
            .service(service)
            .ok_or_else(|| RequestError::NoSuchService(service.clone()))?;
        known.connection.clone().ok_or_else(|| {
            RequestError::NotPossible(format!(
                "{service} is not made from the catalog, so locald doesn't know how to connect to it"
            ))
        })
    }

    /// A service's saved states, newest first.
    ///
    /// # Errors
    /// When it isn't known.
    pub async fn saved(&self, service: &ServiceId) -> Result<Vec<SavedSnapshot>, RequestError> {
        self.keeper.snapshots(service).await
    }

    /// Saves the state of a service's data; it is stopped meanwhile.
    ///
    /// # Errors
    /// When it isn't known, has no data, or the data could not be copied.
    pub async fn save(&self, service: &ServiceId, name: Option<String>) -> Result<SavedSnapshot, RequestError> {
        self.keeper.save_snapshot(service, name).await
    }

    /// Puts a saved state in the place of a service's data, which goes to the trash.
    ///
    /// # Errors
    /// When there is none of that name, it doesn't fit, or could not be copied; the data is as it was then.
    pub async fn restore(&self, service: &ServiceId, name: &str) -> Result<Option<TrashItem>, RequestError> {
        self.keeper.restore_snapshot(service, name).await
    }

    /// Removes a saved state for good.
    ///
    /// # Errors
    /// When there is none of that name, or it could not be removed.
    pub async fn remove_saved(&self, service: &ServiceId, name: &str) -> Result<(), RequestError> {
        self.keeper.remove_snapshot(service, name).await
    }

    /// What is in the trash, newest first.
    #[must_use]
    pub fn trash(&self) -> Vec<TrashItem> {
        self.keeper.trash()
    }

    /// Puts back what is in the trash; gives the service, and what of it went to the trash instead.
    ///
    /// # Errors
    /// When there is nothing of that name, or it could not be put back.
    pub async fn restore_trash(&self, id: &str) -> Result<(ServiceId, Option<TrashItem>), RequestError> {
        self.keeper.restore_trash(id).await
    }

    /// Removes for good what is in the trash, or one thing of it; gives what was removed.
    ///
    /// # Errors
    /// When there is nothing of that name, or its engine doesn't answer.
    pub async fn empty_trash(&self, id: Option<&str>) -> Result<Vec<TrashItem>, RequestError> {
        self.keeper.empty_trash(id).await
    }

    fn may_move(&self, snapshot: &Snapshot, service: &ServiceId, word: &str) -> Result<(), RequestError> {
        if snapshot.service(service).is_some_and(|service| service.external) {
            return Err(RequestError::NotOurs(service.clone()));
        }
        self.engine_is_known(snapshot, word)
    }

    fn engine_is_known(&self, snapshot: &Snapshot, word: &str) -> Result<(), RequestError> {
        let mut engines = snapshot.engines.iter();
        if engines.any(|engine| engine.id.as_str() == word || engine.kind == word) {
            return Ok(());
        }
        let names: Vec<&str> = snapshot.engines.iter().map(|engine| engine.id.as_str()).collect();
        let known = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        Err(RequestError::NoSuchEngine {
            word: word.to_owned(),
            known,
        })
    }

    /// Sets, in the person's settings, which engine runs new services; `None` leaves the choice to locald.
    ///
    /// # Errors
    /// When no engine is called so, or the settings can't be written.
    pub async fn set_default_engine(&self, engine: Option<String>) -> Result<(), RequestError> {
        if let Some(word) = &engine {
            self.engine_is_known(&self.snapshot(), word)?;
        }
        let path = self.settings.clone();
        let word = engine.clone();
        let written = tokio::task::spawn_blocking(move || Settings::set_default_engine(&path, word.as_deref())).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(RequestError::Settings(error.to_string())),
            Err(error) => return Err(RequestError::Settings(error.to_string())),
        }
        self.supervisor.apply(Event::DefaultEngineChanged(engine)).await;
        Ok(())
    }

    /// Sends a command without waiting; services that aren't known by then are passed over.
    pub fn send(&self, command: Command) {
        self.supervisor.send(Event::Commanded(command));
    }

    /// Loads the project in a folder, or reads it again.
    ///
    /// # Errors
    /// When its file has faults or its name is taken.
    pub async fn load_project(&self, folder: &Path) -> Result<ProjectName, RequestError> {
        self.projects.load(folder).await
    }

    /// Says what this machine lacks for locald to be whole.
    pub fn set_notices(&self, notices: Vec<String>) {
        self.supervisor.send(Event::NoticesChanged(notices));
    }

    /// The newest picture.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.supervisor.snapshot()
    }

    /// The newest picture, and a signal when there is a newer one.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.supervisor.snapshots()
    }

    /// Every change of the picture from now on.
    #[must_use]
    pub fn steps(&self) -> broadcast::Receiver<Step> {
        self.supervisor.steps()
    }

    /// A service's log; reading ends when the receiver is dropped.
    ///
    /// # Errors
    /// When the service isn't known.
    pub fn logs(
        &self,
        service: &ServiceId,
        tail: Option<u32>,
        follow: bool,
    ) -> Result<mpsc::Receiver<LogItem>, RequestError> {
        if self.snapshot().service(service).is_none() {
            return Err(RequestError::NoSuchService(service.clone()));
        }
        Ok(logs::open(self.supervisor.clone(), service.clone(), tail, follow))
    }

    /// A running service's use of CPU and memory; `None` when nothing of it runs.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn stats(
        &self,
        service: &ServiceId,
    ) -> Result<Option<BoxStream<'static, Result<StatsSample, EngineError>>>, Problem> {
        let snapshot = self.snapshot();
        let Some(service) = snapshot.service(service).filter(|service| service.is_up()) else {
            return Ok(None);
        };
        let engine = service.engine.as_ref().and_then(|id| self.supervisor.engines().get(id));
        let (Some(engine), Some(instance)) = (engine, &service.instance) else {
            return Ok(None);
        };
        if !engine.capabilities().stats {
            return Ok(None);
        }
        engine.stats(instance).await.map(Some).map_err(|error| error.problem())
    }

    /// Waits until nothing is on its way up or down, for as long as this.
    pub async fn at_rest(&self, patience: Duration) {
        let mut snapshots = self.snapshots();
        let rest = snapshots.wait_for(|snapshot| {
            snapshot.services.iter().all(|service| {
                !matches!(
                    service.state,
                    StateKind::Waiting | StateKind::Preparing | StateKind::Starting | StateKind::Stopping
                )
            })
        });
        // What takes longer, the fetching of an image for one, is begun anew by whoever asks for it.
        let _ = tokio::time::timeout(patience, rest).await;
    }

    /// Asks the desktop for something.
    ///
    /// # Errors
    /// When there is none.
    pub fn shell(&self, request: ShellRequest) -> Result<(), RequestError> {
        match &self.shell {
            Some(shell) if shell.send(request).is_ok() => Ok(()),
            _ => Err(RequestError::NoShell),
        }
    }

    /// Does this host have a desktop?
    #[must_use]
    pub fn has_shell(&self) -> bool {
        self.shell.is_some()
    }

    /// What the person wants to be told of.
    #[must_use]
    pub fn notifications(&self) -> NotificationSettings {
        self.notifications
    }

    /// Asks the host to end; services stay as they are.
    pub fn quit(&self) {
        self.quit.send_replace(true);
    }
}
