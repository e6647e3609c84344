//! Project files: loaded on request, remembered, and read again when they change on disk.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use locald_config::{
    ConfigErrors, Folders, PERSONAL_PROJECT, PROJECT_FILE, ProjectFile, catalog::Catalog, load_personal_project,
    load_project, personal_project_path,
};
use locald_core::{
    Event, Problem, ProblemCode, ProjectName, ServiceId, ServiceSpec, event::ProjectSpec, offers::Server,
    spec::Managed, view::managed::CatalogItem,
};
use locald_engine::Engine as _;
use locald_engine_native::NativeEngine;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Mutex, mpsc};

use crate::{
    host::RequestError,
    managed::Provisioner,
    store::{KnownProject, Store},
    supervisor::SupervisorHandle,
};

/// Editors write a file in several steps; it is read when they have been quiet for so long.
const QUIET: Duration = Duration::from_millis(80);

#[derive(Clone)]
pub(crate) struct Projects {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    folders: Folders,
    store: Store,
    supervisor: SupervisorHandle,
    /// By the folder that holds the file.
    known: BTreeMap<PathBuf, ProjectName>,
    /// What each declared when it was last read without a fault.
    declared: BTreeMap<ProjectName, Vec<Arc<ServiceSpec>>>,
    catalog: Arc<Catalog>,
    native: Arc<NativeEngine>,
    /// `None` where the system has no way to watch; files are then read on `up` only.
    watcher: Option<RecommendedWatcher>,
}

impl Projects {
    /// Loads the personal project and every remembered one, and begins to watch them.
    pub(crate) async fn start(
        folders: Folders,
        store: Store,
        supervisor: SupervisorHandle,
        catalog: Catalog,
        native: Arc<NativeEngine>,
    ) -> Self {
        let (changed, changes) = mpsc::unbounded_channel::<PathBuf>();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, notify::EventKind::Access(_)) {
                return;
            }
            for path in event.paths {
                if path.file_name().is_some_and(|name| name == PROJECT_FILE)
                    && let Some(folder) = path.parent()
                {
                    // Fails only when the host has ended.
                    let _ = changed.send(folder.to_owned());
                }
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "files are not watched"))
            .ok();
        let remembered = store.projects();
        let personal = folders.config.clone();
        let inner = Inner {
            folders,
            store,
            supervisor,
            known: BTreeMap::new(),
            declared: BTreeMap::new(),
            catalog: Arc::new(catalog),
            native,
            watcher,
        };
        let projects = Self {
            inner: Arc::new(Mutex::new(inner)),
        };
        {
            let mut inner = projects.inner.lock().await;
            inner.watch(&personal);
            if let Ok(name) = ProjectName::new(PERSONAL_PROJECT) {
                inner.known.insert(personal.clone(), name);
                if personal_project_path(&inner.folders).exists() {
                    inner.reload(&personal);
                }
            }
            for project in remembered {
                inner.watch(&project.folder);
                inner.known.insert(project.folder.clone(), project.name);
                inner.reload(&project.folder);
            }
        }
        tokio::spawn(projects.clone().follow(changes));
        projects
    }

    /// Loads a project because a person runs a command on it. Gives its name once it is in the picture.
    pub(crate) async fn load(&self, folder: &Path) -> Result<ProjectName, RequestError> {
        self.inner.lock().await.load(folder).await
    }

    /// What is declared of a service, and the folder of its project.
    pub(crate) async fn declared(&self, service: &ServiceId) -> Option<(Arc<ServiceSpec>, PathBuf)> {
        let inner = self.inner.lock().await;
        let specs = inner.declared.get(&service.project)?;
        let spec = specs.iter().find(|spec| spec.id == *service)?;
        Some((Arc::clone(spec), inner.folder_of(&service.project)?))
    }

    /// All that all projects declare.
    pub(crate) async fn all_declared(&self) -> Vec<Arc<ServiceSpec>> {
        let inner = self.inner.lock().await;
        inner.declared.values().flatten().cloned().collect()
    }

    /// Reads the project of a service again, because what the service is given has changed.
    pub(crate) async fn refresh(&self, service: &ServiceId) -> Result<(), RequestError> {
        let mut inner = self.inner.lock().await;
        match inner.folder_of(&service.project) {
            Some(folder) => inner.load(&folder).await.map(drop),
            None => Err(RequestError::NoSuchService(service.clone())),
        }
    }

    /// The catalog, with what is on this machine.
    pub(crate) async fn catalog_items(&self) -> Vec<CatalogItem> {
        let inner = self.inner.lock().await;
        let servers = inner.look_for_servers(None).await;
        let entries = inner.catalog.entries();
        entries.map(|entry| Provisioner::item(entry, &servers)).collect()
    }

    /// The entry of a name or another name of it, and the version to use.
    pub(crate) async fn choose(&self, entry: &str, version: Option<&str>) -> Result<(String, String), RequestError> {
        let inner = self.inner.lock().await;
        let found = inner.catalog.entry(entry).ok_or_else(|| {
            let known: Vec<&str> = inner.catalog.entries().map(|entry| entry.name()).collect();
            RequestError::BadEntry(format!(
                "there is no `{entry}` in the catalog; it has {}",
                known.join(", ")
            ))
        })?;
        let version = match version {
            Some(version) if found.accepts(version) => version.to_owned(),
            Some(version) => {
                let known: Vec<&str> = found.versions().collect();
                return Err(RequestError::BadEntry(format!(
                    "there is no {} {version}; there are {}",
                    found.title(),
                    known.join(", ")
                )));
            }
            None => Provisioner::item(found, &inner.look_for_servers(None).await).default_version,
        };
        Ok((found.name().to_owned(), version))
    }

    async fn follow(self, mut changes: mpsc::UnboundedReceiver<PathBuf>) {
        while let Some(first) = changes.recv().await {
            let mut folders = vec![first];
            // Quiet means: nothing more came for a while.
            while let Ok(Some(folder)) = tokio::time::timeout(QUIET, changes.recv()).await {
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
            let mut inner = self.inner.lock().await;
            for folder in folders {
                if inner.known.contains_key(&folder) {
                    inner.reload(&folder);
                }
            }
        }
    }
}

impl Inner {
    fn is_personal(&self, folder: &Path) -> bool {
        folder == self.folders.config
    }

    fn read(&self, folder: &Path) -> Result<ProjectFile, ConfigErrors> {
        let taken = self.declared.values().flatten();
        let taken = taken.flat_map(|spec| spec.ports.iter().filter_map(|port| Some((spec.id.clone(), port.host?))));
        let mut provisioner = Provisioner::new(
            self.supervisor.gate().records.clone(),
            self.known_servers(),
            taken.collect(),
        );
        let read = if self.is_personal(folder) {
            load_personal_project(&self.folders, &self.catalog, &mut provisioner)
        } else {
            load_project(&folder.join(PROJECT_FILE), &self.catalog, &mut provisioner)
        };
        if let Some(error) = provisioner.not_saved() {
            tracing::error!(%error, "what services were given is not saved");
        }
        read
    }

    fn folder_of(&self, project: &ProjectName) -> Option<PathBuf> {
        let folder = self.known.iter().find(|(_, name)| *name == project);
        folder.map(|(folder, _)| folder.clone())
    }

    /// Servers as of the last look.
    fn known_servers(&self) -> Vec<Server> {
        self.supervisor.engines().servers()
    }

    /// Servers as of now, also those that projects brought along; what there is to choose from is told on.
    async fn look_for_servers(&self, also_in: Option<&Path>) -> Vec<Server> {
        let known = self.known.keys().map(PathBuf::as_path);
        let folders = known.chain(also_in).map(Path::to_owned);
        self.native.look_in_projects(folders.collect());
        let offers = self.native.offers().await;
        let servers = offers.servers.clone();
        self.supervisor.engines().note_servers(&servers);
        let engine = self.native.identity().id.clone();
        self.supervisor.send(Event::EngineOffered { engine, offers });
        servers
    }

    fn watch(&mut self, folder: &Path) {
        // The folder, not the file: editors replace files, and a watch on the old one would see nothing more.
        if let Some(watcher) = &mut self.watcher
            && folder.is_dir()
            && let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive)
        {
            tracing::warn!(folder = %folder.display(), %error, "not watched");
        }
    }

    async fn load(&mut self, folder: &Path) -> Result<ProjectName, RequestError> {
        let is_new = !self.known.contains_key(folder);
        if is_new {
            self.look_for_servers(Some(folder)).await;
        }
        let file = self
            .read(folder)
            .map_err(|errors| RequestError::Config(Box::new(errors)))?;
        if !is_new && self.lacks_servers(&file) {
            // One may have been installed since the last look.
            self.look_for_servers(Some(folder)).await;
        }
        let name = file.name.clone();
        let namesake = self
            .known
            .iter()
            .find(|(known, other)| **other == name && *known != folder);
        if let Some((other, _)) = namesake
            && other.join(PROJECT_FILE).exists()
        {
            return Err(RequestError::NameInUse {
                name,
                folder: folder.to_owned(),
                other: other.clone(),
            });
        }
        // A project whose folder is gone has moved here.
        self.known.retain(|known, other| *other != name || known == folder);
        if let Some(old) = self.known.insert(folder.to_owned(), name.clone())
            && old != name
        {
            self.declared.remove(&old);
            self.supervisor.send(Event::ProjectForgotten(old));
        }
        self.remember();
        self.watch(folder);
        let project = self.declare(file);
        self.supervisor.apply(Event::ProjectLoaded(project)).await;
        Ok(name)
    }

    /// Has it a service that could run without a container if its server were here?
    fn lacks_servers(&self, file: &ProjectFile) -> bool {
        let known = self.known_servers();
        let is_here = |managed: &Managed| {
            let mut of_entry = known
                .iter()
                .filter(|server| server.here && server.entry == managed.entry);
            of_entry.any(|server| server.version == managed.version)
        };
        let mut managed = file.services.iter().filter_map(ServiceSpec::managed);
        managed.any(|managed| managed.native.is_some() && !is_here(managed))
    }

    fn remember(&self) {
        let projects: Vec<KnownProject> = self
            .known
            .iter()
            .filter(|(folder, _)| !self.is_personal(folder))
            .map(|(folder, name)| KnownProject {
                name: name.clone(),
                folder: folder.clone(),
            })
            .collect();
        if let Err(error) = self.store.save_projects(&projects) {
            tracing::error!(%error, "the list of projects was not saved");
        }
    }

    fn declare(&mut self, file: ProjectFile) -> ProjectSpec {
        let services: Vec<Arc<ServiceSpec>> = file.services.into_iter().map(Arc::new).collect();
        self.declared.insert(file.name.clone(), services.clone());
        ProjectSpec {
            name: file.name,
            folder: file.folder,
            services,
        }
    }

    /// Reads a known project's file again; a broken one leaves the last good one in use.
    fn reload(&mut self, folder: &Path) {
        let Some(name) = self.known.get(folder).cloned() else {
            return;
        };
        let problem = match self.read(folder) {
            Ok(file) if file.name == name => {
                let project = self.declare(file);
                self.supervisor.send(Event::ProjectLoaded(project));
                return;
            }
            Ok(file) => Problem::new(
                ProblemCode::ConfigBroken,
                format!(
                    "the project's name changed from {name} to {}; run `locald up` there to take it over",
                    file.name
                ),
            ),
            Err(_) if !folder.join(PROJECT_FILE).exists() => {
                let path = folder.join(PROJECT_FILE);
                Problem::new(ProblemCode::ConfigMissing, format!("{} is gone", path.display()))
            }
            Err(errors) => Problem::new(ProblemCode::ConfigBroken, errors.summary()),
        };
        self.supervisor.send(Event::ProjectFaulted {
            name,
            folder: folder.to_owned(),
            problem,
        });
    }
}
