//! PostgreSQL as a process of this machine.
//!
//! `initdb` takes a second, so it runs once per version, into a template in locald's cache; a new service's data is a
//! copy of that, with a password of its own before anything can connect. No data folder is ever initialised over.

mod check;
pub(crate) mod copy;
mod create;
mod fault;
mod holder;
mod launch;
mod program;
mod template;

use std::{path::PathBuf, sync::Arc};

use locald_core::spec::Managed;
use locald_engine::{DataFacts, EngineError, ProgressSink};

pub use holder::{Holder, holder};

use crate::{
    Launch, Owner, fetch,
    servers::{self, Installation, Sources, Wanted},
};

/// Where things are kept and who the server runs as.
#[derive(Debug, Clone)]
pub struct Options {
    /// locald's cache folder: fetched servers, templates.
    pub cache: PathBuf,
    /// Where a data folder is kept ready for the next new service; on the file system of the data, which it is renamed
    /// to. Without it every new service waits for a copy.
    pub spares: Option<PathBuf>,
    /// Who the server runs as, where locald is root. `None` as locald itself.
    pub owner: Option<Owner>,
    /// Where archives are listed, in place of the usual place. For tests and mirrors.
    pub releases: Option<String>,
}

/// PostgreSQL as a process of this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Postgres {
    options: Arc<Options>,
}

impl Postgres {
    /// With these folders.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options: Arc::new(options),
        }
    }

    /// Finds the server that a service needs, fetches it when it isn't here, and makes its template when there is none
    /// yet.
    ///
    /// # Errors
    /// [`EngineError::Server`] when it is neither here nor can be fetched; [`EngineError::Create`] when the template can't be made.
    pub async fn prepare(
        &self,
        name: &str,
        managed: &Managed,
        sources: &Sources,
        wanted: &Wanted,
        progress: ProgressSink,
    ) -> Result<Installation, EngineError> {
        let mut sources = sources.clone();
        sources.cache = Some(self.options.cache.clone());
        let mut found = self.installed(managed, &sources, wanted).await;
        if found.is_none() && sources.fetch {
            fetch::fetch(
                &self.options.cache,
                self.options.releases.as_deref(),
                &managed.version,
                progress,
            )
            .await?;
            found = self.installed(managed, &sources, wanted).await;
        }
        let found = found.ok_or_else(|| EngineError::Server {
            detail: format!(
                "PostgreSQL {} is not installed on this machine{}",
                managed.version,
                if sources.fetch {
                    ", and what was fetched doesn't run here"
                } else {
                    ""
                }
            ),
        })?;
        let (options, managed_name) = (Arc::clone(&self.options), name.to_owned());
        blocking(move || {
            let made =
                template::linked(&options, found).and_then(|found| template::make(&options, &found).map(|_| found));
            made.map_err(|fault| fault.create(&managed_name))
        })
        .await
    }

    async fn installed(&self, managed: &Managed, sources: &Sources, wanted: &Wanted) -> Option<Installation> {
        let found = servers::find(sources, std::slice::from_ref(wanted)).await;
        let mut of_version: Vec<Installation> = found
            .into_iter()
            .filter(|installation| installation.version == managed.version)
            .collect();
        // Without psql and pg_dumpall a service can't be upgraded later: the first that has them.
        of_version.sort_by_key(|installation| !installation.clients);
        of_version.into_iter().next()
    }

    /// Makes the data folder of a new service, with its user, password and database in it before anything can connect.
    /// There must be nothing at `data` yet, or an empty folder. It is there whole or not at all.
    ///
    /// # Errors
    /// [`EngineError::Create`].
    pub async fn make_data(
        &self,
        name: &str,
        installation: &Installation,
        managed: &Managed,
        data: PathBuf,
    ) -> Result<(), EngineError> {
        let options = Arc::clone(&self.options);
        let (name, installation, managed) = (name.to_owned(), installation.clone(), managed.clone());
        blocking(move || create::make(&options, &installation, &managed, &data).map_err(|fault| fault.create(&name)))
            .await
    }

    /// Has a data folder ready for the next new service. Takes half a second of work: for when nobody waits.
    ///
    /// # Errors
    /// [`EngineError::Create`].
    pub async fn make_spare(&self, installation: &Installation) -> Result<(), EngineError> {
        let options = Arc::clone(&self.options);
        let installation = installation.clone();
        blocking(move || create::stock(&options, &installation).map_err(|fault| fault.create("a spare data folder")))
            .await
    }

    /// What is in a service's data folder; `None` when there is nothing yet. Another version than the service's is no error.
    ///
    /// # Errors
    /// [`EngineError::Data`], with foreign or damaged content and missing permissions told apart.
    pub async fn check_data(&self, service: &str, data: PathBuf) -> Result<Option<DataFacts>, EngineError> {
        let options = Arc::clone(&self.options);
        let service = service.to_owned();
        blocking(move || check::check(&options, &data).map_err(|fault| fault.data(&service, "read"))).await
    }

    /// What to start the server with. Sees to it that nothing runs in the data folder, and clears up after a server that
    /// was killed.
    ///
    /// # Errors
    /// [`EngineError::Start`]: somebody else's server runs there, versions that don't match, root.
    pub async fn launch(
        &self,
        name: &str,
        installation: &Installation,
        managed: &Managed,
        data: PathBuf,
        run: PathBuf,
        port: u16,
    ) -> Result<Launch, EngineError> {
        let options = Arc::clone(&self.options);
        let (name, installation, managed) = (name.to_owned(), installation.clone(), managed.clone());
        blocking(move || {
            launch::launch(&options, &installation, &managed, &data, &run, port).map_err(|fault| fault.start(&name))
        })
        .await
    }
}

/// File work, away from what must stay quick.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(EngineError::Server {
            detail: format!("locald itself failed: {error}"),
        })
    })
}
