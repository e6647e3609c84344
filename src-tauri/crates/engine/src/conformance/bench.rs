//! What the cases work with.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::BoxStream};
use locald_core::{
    InstanceId, ServiceSpec,
    instance::{ExitFacts, ObservedInstance, RunState},
    spec::Source,
};

use super::{Ability, Foreign, Outside, Verdict};
use crate::{
    EngineError, EngineEvent, EngineEventKind, InstanceSpec, LogLine, LogOptions, SharedEngine, StartedInstance,
    StopRequest,
};

/// The project of all that the suite makes.
const PROJECT: &str = "suite";
/// How long a condition may take to become true.
const SOON: Duration = Duration::from_secs(20);
/// A program that runs on and ends at once with 0 when asked.
pub(super) const SERVE: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
/// A program that runs on and doesn't care.
pub(super) const STUBBORN: &str = "trap '' TERM; while :; do sleep 0.05; done";

/// An engine to try, and what else the cases need.
pub struct Bench {
    /// The engine.
    pub engine: SharedEngine,
    /// The others who use it.
    pub outside: Arc<dyn Outside>,
    /// An image that is here and has a shell with the usual programs.
    pub image: String,
    /// The same with `VOLUME /var/lib/kept/data`.
    pub volume_image: Option<String>,
    /// What it runs are processes, not containers.
    processes: bool,
    lacks: Vec<(Ability, &'static str)>,
    foreign: Mutex<Vec<InstanceId>>,
}

impl Bench {
    /// An engine on the bench.
    #[must_use]
    pub fn new(engine: SharedEngine, outside: Arc<dyn Outside>, image: &str) -> Self {
        Self {
            engine,
            outside,
            image: image.to_owned(),
            volume_image: None,
            processes: false,
            lacks: Vec::new(),
            foreign: Mutex::default(),
        }
    }

    /// An engine that runs processes of this machine.
    #[must_use]
    pub fn native(engine: SharedEngine, outside: Arc<dyn Outside>) -> Self {
        let bench = Self {
            processes: true,
            ..Self::new(engine, outside, "")
        };
        [
            (Ability::Images, "it runs processes, without images"),
            (Ability::Mounts, "a process sees this machine's own folders"),
            (Ability::Volumes, "only managed services keep data in it"),
            (Ability::Network, "a process is in this machine's own network"),
            (Ability::Neighbours, "nobody but locald makes instances in it"),
            (Ability::Meddlers, "nobody but locald removes or restarts its instances"),
            (Ability::MemoryFacts, "a process has no memory limit of its own"),
            (
                Ability::CacheNumbers,
                "a process's own memory never has the page cache in it",
            ),
            (Ability::Pause, "it freezes nothing"),
        ]
        .into_iter()
        .fold(bench, |bench, (ability, reason)| bench.without(ability, reason))
    }

    /// Is what it runs a process of this machine?
    pub(super) fn runs_processes(&self) -> bool {
        self.processes
    }

    /// What runs a command.
    pub(super) fn source(&self, command: Vec<String>) -> Source {
        if self.processes {
            return Source::Process { command };
        }
        Source::Container {
            image: self.image.clone(),
            command: Some(command),
        }
    }

    /// It can't do this, for this reason; what needs it isn't tried.
    #[must_use]
    pub fn without(mut self, ability: Ability, reason: &'static str) -> Self {
        self.lacks.push((ability, reason));
        self
    }

    /// With an image that has a volume at `/var/lib/kept/data`.
    #[must_use]
    pub fn with_volume_image(mut self, image: &str) -> Self {
        self.volume_image = Some(image.to_owned());
        self
    }

    /// The verdict of a case that needs what isn't there.
    pub(super) fn lack(&self, needed: &[Ability]) -> Option<Verdict> {
        let lacking = self.lacks.iter().find(|(ability, _)| needed.contains(ability))?;
        Some(Verdict::NotApplicable(lacking.1))
    }

    /// Do its programs really run?
    pub(super) fn is_real(&self) -> bool {
        self.lack(&[Ability::RealPrograms]).is_none()
    }

    /// A service that runs a script.
    pub(super) fn service(&self, name: &str, script: &str) -> Result<ServiceSpec, String> {
        let id = format!("{PROJECT}/{name}").parse().map_err(debug)?;
        let mut service = ServiceSpec::container(id, &self.image);
        service.source = self.source(["sh", "-c", script].map(str::to_owned).to_vec());
        service.stop_grace = Duration::from_secs(3);
        Ok(service)
    }

    pub(super) fn spec(&self, name: &str, script: &str) -> Result<InstanceSpec, String> {
        Ok(InstanceSpec {
            service: Arc::new(self.service(name, script)?),
        })
    }

    pub(super) async fn start(&self, spec: &InstanceSpec) -> Result<StartedInstance, String> {
        self.engine.start(spec, None).await.map_err(debug)
    }

    /// Starts a script of the name.
    pub(super) async fn run(&self, name: &str, script: &str) -> Result<InstanceId, String> {
        Ok(self.start(&self.spec(name, script)?).await?.id)
    }

    pub(super) async fn run_foreign(&self, mut foreign: Foreign) -> Result<InstanceId, String> {
        if foreign.image.is_empty() {
            foreign.image.clone_from(&self.image);
        }
        let id = self.outside.run(foreign).await?;
        self.foreign
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(id.clone());
        Ok(id)
    }

    pub(super) async fn inspect(&self, id: &InstanceId) -> Result<Option<ObservedInstance>, String> {
        self.engine.inspect(id).await.map_err(debug)
    }

    /// The instance's entry in the list.
    pub(super) async fn listed(&self, id: &InstanceId) -> Result<ObservedInstance, String> {
        let mut list = self.list().await?.into_iter();
        list.find(|listed| listed.id == *id)
            .ok_or_else(|| "it isn't listed".to_owned())
    }

    /// What is seen of an instance as soon as it is as wanted.
    pub(super) async fn seen(
        &self,
        id: &InstanceId,
        wanted: impl Fn(&ObservedInstance) -> bool,
    ) -> Result<ObservedInstance, String> {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let seen = self.inspect(id).await?.ok_or("it is gone")?;
            if wanted(&seen) {
                return Ok(seen);
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("still {seen:?}"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What is seen of an instance once it has ended.
    pub(super) async fn ended(&self, id: &InstanceId) -> Result<ExitFacts, String> {
        match self.seen(id, |seen| matches!(seen.run, RunState::Exited(_))).await?.run {
            RunState::Exited(facts) => Ok(facts),
            other => Err(debug(other)),
        }
    }

    /// Waits until the instance has written so many lines.
    pub(super) async fn written(&self, id: &InstanceId, count: usize) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let lines = self
                .lines(
                    id,
                    LogOptions {
                        tail: None,
                        follow: false,
                        since: None,
                    },
                )
                .await?;
            if lines.len() >= count {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("{} lines of {count} were written", lines.len()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the service has data.
    pub(super) async fn written_data(&self, spec: &InstanceSpec) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + SOON;
        while self.engine.data(spec).await.map_err(debug)?.is_none() {
            if tokio::time::Instant::now() > deadline {
                return Err("no data was written".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Lines to the end of the stream.
    pub(super) async fn lines(&self, id: &InstanceId, options: LogOptions) -> Result<Vec<LogLine>, String> {
        let stream = self.engine.logs(id, options).await.map_err(debug)?;
        let lines: Vec<_> = stream.collect().await;
        lines.into_iter().collect::<Result<_, _>>().map_err(debug)
    }

    pub(super) async fn stop(&self, id: &InstanceId, grace: Duration) -> Result<(), String> {
        self.engine
            .stop(id, StopRequest { signal: None, grace })
            .await
            .map_err(debug)
    }

    pub(super) async fn remove(&self, id: &InstanceId) -> Result<(), String> {
        self.engine.remove(id).await.map_err(debug)
    }

    pub(super) async fn list(&self) -> Result<Vec<ObservedInstance>, String> {
        self.engine.list().await.map_err(debug)
    }

    pub(super) async fn events(&self) -> Result<Events, String> {
        Ok(Events(self.engine.events().await.map_err(debug)?))
    }

    /// Removes all that a case made.
    pub(super) async fn clear(&self) -> Result<(), String> {
        let foreign = std::mem::take(&mut *self.foreign.lock().unwrap_or_else(PoisonError::into_inner));
        for id in foreign {
            self.outside.remove(&id).await?;
        }
        for seen in self.list().await? {
            if seen.service.is_some_and(|service| service.project.as_str() == PROJECT) {
                self.outside.remove(&seen.id).await?;
            }
        }
        Ok(())
    }
}

/// A subscription.
pub(super) struct Events(BoxStream<'static, Result<EngineEvent, EngineError>>);

impl Events {
    /// Fails when anything else comes before the first event of the instance.
    pub(super) async fn first_is(&mut self, id: &InstanceId) -> Result<(), String> {
        match tokio::time::timeout(SOON, self.0.next()).await {
            Ok(Some(event)) => same("the first event's", &event.map_err(debug)?.instance, id),
            Ok(None) | Err(_) => Err("no event came".to_owned()),
        }
    }

    /// Events of the instance up to and with the first that matches.
    pub(super) async fn until(
        &mut self,
        id: &InstanceId,
        last: impl Fn(&EngineEventKind) -> bool,
    ) -> Result<Vec<EngineEvent>, String> {
        let mut seen = Vec::new();
        let work = async {
            while let Some(event) = self.0.next().await {
                let event = event.map_err(debug)?;
                if event.instance == *id {
                    let done = last(&event.kind);
                    seen.push(event);
                    if done {
                        return Ok(());
                    }
                }
            }
            Err("the event stream ended".to_owned())
        };
        match tokio::time::timeout(SOON, work).await {
            Ok(Ok(())) => Ok(seen),
            Ok(Err(how)) => Err(how),
            Err(_) => Err(format!("the event didn't come; these did: {seen:?}")),
        }
    }
}

pub(super) fn debug(value: impl Debug) -> String {
    format!("{value:?}")
}

/// Fails with both sides when they differ.
pub(super) fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found:?} where {expected:?} was expected"))
    }
}

/// Fails with the reason when it isn't so.
pub(super) fn ensure(so: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if so { Ok(()) } else { Err(what()) }
}
