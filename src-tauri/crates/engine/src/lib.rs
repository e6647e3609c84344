//! What an engine is: the trait, its types and errors, a fake for tests, and the conformance suite
//! that every engine passes.
//!
//! An engine speaks locald's own types. Nothing of a client library crosses this boundary.

pub mod conformance;
mod error;
pub mod fake;
mod types;

use std::{path::Path, sync::Arc};

use futures_util::{future::BoxFuture, stream::BoxStream};
use jiff::Timestamp;
use locald_core::{InstanceId, instance::ObservedInstance, offers::Offers};

pub use error::{ConnectFault, EngineError};
pub use types::{
    Capabilities, DataFacts, EngineEvent, EngineEventKind, EngineIdentity, EngineKind, EngineVersion, ExecOutcome,
    InstanceSpec, LogLine, LogOptions, LogStream, PrepareProgress, ProgressSink, StartedInstance, StatsSample,
    StopRequest,
};

/// Runs instances.
///
/// Every method may be called at any time from any task. Dropping a future or stream abandons the request;
/// what the engine has begun by then may still happen, and shows in [`Engine::list`] and [`Engine::events`].
pub trait Engine: Send + Sync {
    /// Who this is. Costs nothing.
    fn identity(&self) -> &EngineIdentity;

    /// What it can do. Costs nothing; a surface hides what is `false`.
    fn capabilities(&self) -> Capabilities;

    /// What it can run, looked up anew; may read folders, never the network.
    fn offers(&self) -> BoxFuture<'_, Offers> {
        Box::pin(std::future::ready(Offers::containers()))
    }

    /// Asks the engine for a sign of life and its version; answers within 3 seconds in every case.
    ///
    /// # Errors
    /// [`EngineError::Connect`] with what exactly is wrong with the way there.
    fn connect(&self) -> BoxFuture<'_, Result<EngineVersion, EngineError>>;

    /// Asks for a sign of life and nothing else; answers within 3 seconds in every case.
    ///
    /// # Errors
    /// As [`Engine::connect`].
    fn ping(&self) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Makes sure that all an instance needs is here (fetches the image when it isn't), telling the progress.
    ///
    /// # Errors
    /// [`EngineError::Prepare`] when the image is neither here nor can be fetched.
    fn prepare<'a>(&'a self, spec: &'a InstanceSpec, progress: ProgressSink) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Starts the service's instance. `existing` is one that carries this spec's hash and isn't running: it is
    /// started as it is; when it is gone by now, or `None`, leftovers of the same service are removed and a new one
    /// is made. An instance that runs already is success.
    ///
    /// # Errors
    /// [`EngineError::Create`] or [`EngineError::Start`], with ports and mounts told apart.
    fn start<'a>(
        &'a self,
        spec: &'a InstanceSpec,
        existing: Option<InstanceId>,
    ) -> BoxFuture<'a, Result<StartedInstance, EngineError>>;

    /// Asks the instance to end and kills it after the grace period; returns when it has ended. One that isn't
    /// running, or is gone, is success.
    ///
    /// # Errors
    /// [`EngineError::Stop`].
    fn stop<'a>(&'a self, instance: &'a InstanceId, request: StopRequest) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Removes a stopped instance; its volumes stay. One that is gone is success.
    ///
    /// # Errors
    /// [`EngineError::Remove`].
    fn remove<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Every instance the engine knows, also those that locald did not make. What can't be read of one is left
    /// at "unknown"; one odd instance never spoils the list.
    ///
    /// # Errors
    /// [`EngineError::List`].
    fn list(&self) -> BoxFuture<'_, Result<Vec<ObservedInstance>, EngineError>>;

    /// One instance, `None` when it is gone.
    ///
    /// # Errors
    /// [`EngineError::Inspect`].
    fn inspect<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Option<ObservedInstance>, EngineError>>;

    /// What happens to instances from now on. Resolves once the subscription stands, so that a `list` after it
    /// leaves no gap. The stream ends, or yields an error and ends, when the connection is lost.
    ///
    /// # Errors
    /// [`EngineError::Events`].
    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>>;

    /// As [`Engine::events`], and before it what the engine still knows to have happened from this time on, by its own
    /// clock. How far that goes back is up to the engine; one that was started anew since may know nothing.
    ///
    /// # Errors
    /// [`EngineError::Events`].
    fn events_since(
        &self,
        since: Timestamp,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>>;

    /// The instance's output, a line an item. Ends when the instance ended, or after the last line without `follow`.
    ///
    /// # Errors
    /// [`EngineError::LogsNotKept`] when the engine keeps none for it; [`EngineError::Logs`].
    fn logs<'a>(
        &'a self,
        instance: &'a InstanceId,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError>>;

    /// Its use of CPU and memory, until dropped or until the instance ended.
    ///
    /// # Errors
    /// [`EngineError::Stats`].
    fn stats<'a>(
        &'a self,
        instance: &'a InstanceId,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<StatsSample, EngineError>>, EngineError>>;

    /// Runs a command inside the running instance, with no input, and gathers at most 64 KiB of its output.
    ///
    /// # Errors
    /// [`EngineError::Exec`] when it could not be run at all.
    fn exec<'a>(
        &'a self,
        instance: &'a InstanceId,
        command: &'a [String],
    ) -> BoxFuture<'a, Result<ExecOutcome, EngineError>>;

    /// What there is of this generation of a managed service's data; `None` when there is nothing yet.
    ///
    /// # Errors
    /// [`EngineError::Data`], with damaged or foreign data and missing permissions told apart.
    fn data<'a>(&'a self, spec: &'a InstanceSpec) -> BoxFuture<'a, Result<Option<DataFacts>, EngineError>>;

    /// Copies the data of a managed service, which must not run, into a tar archive at `to` (made anew, mode 0600). The
    /// first data folder's content lies under `data/`, the next one's under `data-2/`. Returns once it is on disk.
    ///
    /// # Errors
    /// [`EngineError::Data`]; nothing is left at `to` then.
    fn export_data<'a>(&'a self, spec: &'a InstanceSpec, to: &'a Path) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Fills this generation of a managed service's data, of which there must be nothing yet, from such an archive.
    ///
    /// # Errors
    /// [`EngineError::Data`]; what was written by then is removed again.
    fn import_data<'a>(&'a self, spec: &'a InstanceSpec, from: &'a Path) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Removes this generation of a managed service's data for good, with the stopped instance that uses it. A person
    /// emptied the trash; nothing else may call this. What is gone already is success.
    ///
    /// # Errors
    /// [`EngineError::Data`].
    fn erase_data<'a>(&'a self, spec: &'a InstanceSpec) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Copies a file out of a running instance.
    ///
    /// # Errors
    /// [`EngineError::Exec`].
    fn copy_out<'a>(
        &'a self,
        instance: &'a InstanceId,
        path: &'a str,
        to: &'a Path,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Copies a file into a running instance; its folder has to exist.
    ///
    /// # Errors
    /// [`EngineError::Exec`].
    fn copy_in<'a>(
        &'a self,
        instance: &'a InstanceId,
        from: &'a Path,
        path: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>>;
}

/// An engine as it is passed around.
pub type SharedEngine = Arc<dyn Engine>;
