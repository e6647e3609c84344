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

use std::{path::PathBuf, sync::Arc, time::Duration};

use locald_core::spec::Managed;
use locald_engine::{DataFacts, EngineError, ProgressSink};

pub use holder::{Holder, holder};

use crate::{
    Launch, Owner, fetch,
    servers::{self, Installation, Sources, Wanted},
};

/// How long after a new service the spares are made up: when it has long answered.
const RESTOCK: Duration = Duration::from_secs(1);

/// Where things are kept and who the server runs as.
#[derive(Debug, Clone)]
pub struct Options {
    /// locald's cache folder: fetched servers, templates.
    pub cache: PathBuf,
    /// Where data folders are kept ready for the next new services; on the file system of the data, to which
    /// they are renamed. Without it every new service waits for a copy.
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
    /// There must be nothing at `data` yet, or an empty folder. It is there whole or not at all. A little later spares are
    /// made for the next one.
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
        let (name, server, managed) = (name.to_owned(), installation.clone(), managed.clone());
        blocking(move || create::make(&options, &server, &managed, &data).map_err(|fault| fault.create(&name))).await?;
        if self.options.spares.is_some() {
            let (this, installation) = (self.clone(), installation.clone());
            tokio::spawn(async move {
                tokio::time::sleep(RESTOCK).await;
                if let Err(error) = this.make_spares(&installation).await {
                    tracing::info!(%error, "the next new database will take longer");
                }
            });
        }
        Ok(())
    }

    /// Has data folders ready for the next new services, where they are not. Takes half a second of work and more on a
    /// busy disk: for when nobody waits.
    ///
    /// # Errors
    /// [`EngineError::Create`].
    pub async fn make_spares(&self, installation: &Installation) -> Result<(), EngineError> {
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
