//! The fake as an [`Engine`].

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use jiff::{SignedDuration, Timestamp};
use locald_core::{
    InstanceId, ProblemCode,
    instance::{ObservedInstance, PublishedPort, RunState},
    spec::{Signal, VolumeSource},
};
use std::{path::Path, time::Duration};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{FakeEngine, Instance, Op};
use crate::{
    Capabilities, DataFacts, Engine, EngineError, EngineEvent, EngineEventKind, EngineIdentity, EngineKind,
    EngineVersion, ExecOutcome, InstanceSpec, LogLine, LogOptions, PrepareProgress, ProgressSink, StartedInstance,
    StatsSample, StopRequest,
};

impl FakeEngine {
    pub(super) fn add(&self, mut instance: Instance) -> InstanceId {
        let mut state = self.lock();
        state.made += 1;
        let id = InstanceId::from(format!("{:064x}", state.made).as_str());
        instance.seen.id = id.clone();
        state.instances.push(instance);
        id
    }

    /// The process starts; nothing when it runs already.
    pub(super) fn run(&self, id: &InstanceId) {
        let now = self.now();
        let started = self.with(id, |known| {
            if known.seen.run.is_alive() {
                return None;
            }
            known.seen.run = RunState::Running;
            known.seen.started_at = Some(now);
            known.on_term = Some(143);
            known.runs += 1;
            known.seen.ports = known
                .wants
                .iter()
                .zip(40_000_u16..)
                .map(|(wanted, free)| PublishedPort {
                    host_ip: "127.0.0.1".to_owned(),
                    host_port: wanted.host.unwrap_or(free),
                    port: wanted.port,
                    protocol: wanted.protocol,
                })
                .collect();
            Some((known.runs, known.command.clone()))
        });
        let Some(Some((run, command))) = started else { return };
        self.emit(id, EngineEventKind::Started);
        if let Some([shell, flag, script]) = command.as_deref()
            && shell == "sh"
            && flag == "-c"
        {
            self.execute(id, run, script);
        }
    }

    fn refuse(&self, spec: &InstanceSpec) -> Option<EngineError> {
        let name = spec.instance_name();
        let form = spec.service.container_form();
        if let Some(program) = form
            .as_ref()
            .and_then(|form| form.command.as_ref())
            .and_then(|command| command.first())
            && program.starts_with("no-such-")
        {
            let detail = format!("the program `{program}` does not exist in the image");
            let code = ProblemCode::CommandNotFound;
            return Some(EngineError::Start { name, code, detail });
        }
        let state = self.lock();
        let own = &spec.service.id;
        for port in spec.service.ports.iter().filter_map(|mapping| mapping.host) {
            let holder = state.instances.iter().find(|known| {
                known.seen.service.as_ref() != Some(own) && known.seen.ports.iter().any(|held| held.host_port == port)
            });
            let service = holder.and_then(|known| known.seen.service.clone());
            let holder = match (holder, &service) {
                (Some(_), Some(service)) => format!("the service {service}"),
                (Some(known), None) => format!("container {}", known.seen.name),
                (None, _) if state.taken_ports.contains(&port) => "another program".to_owned(),
                (None, _) => continue,
            };
            return Some(EngineError::PortInUse {
                name,
                detail: format!("port {port} on 127.0.0.1 is in use by {holder}"),
                holder: service,
            });
        }
        None
    }

    async fn clear(&self, spec: &InstanceSpec, id: &InstanceId) {
        let signal = spec.service.stop_signal.unwrap_or(Signal::TERM);
        self.stop_as_engine(id, signal, spec.service.stop_grace).await;
        self.forget(id);
    }

    async fn start_now(
        &self,
        spec: &InstanceSpec,
        existing: Option<InstanceId>,
    ) -> Result<StartedInstance, EngineError> {
        self.enter(Op::Start).await?;
        if let Some(id) = existing
            && self.with(&id, |_| ()).is_some()
        {
            if let Some(refused) = self.refuse(spec) {
                return Err(refused);
            }
            self.run(&id);
            return Ok(StartedInstance { id, reused: true });
        }
        let hash = spec.service.hash();
        let ours: Vec<(InstanceId, bool)> = self
            .lock()
            .instances
            .iter()
            .filter(|known| known.seen.service.as_ref() == Some(&spec.service.id))
            .map(|known| (known.seen.id.clone(), known.seen.spec_hash.as_ref() == Some(&hash)))
            .collect();
        let keep = ours.iter().find(|(_, same)| *same).map(|(id, _)| id.clone());
        for (id, _) in ours.iter().filter(|(id, _)| Some(id) != keep.as_ref()) {
            self.clear(spec, id).await;
        }
        if let Some(id) = keep {
            self.run(&id);
            return Ok(StartedInstance { id, reused: true });
        }
        self.create(spec, hash).map(|id| StartedInstance { id, reused: false })
    }

    fn create(&self, spec: &InstanceSpec, hash: String) -> Result<InstanceId, EngineError> {
        let name = spec.instance_name();
        let create = |code, detail| EngineError::Create {
            name: name.clone(),
            code,
            detail,
        };
        let form = spec.container(&self.identity)?;
        let (image, command) = (&form.image, &form.command);
        if self.lock().absent_images.contains(image) {
            return Err(create(ProblemCode::ImageMissing, format!("No such image: {image}")));
        }
        if self.lock().instances.iter().any(|known| known.seen.name == name) {
            let detail = format!("a container named {name} exists that locald did not make");
            return Err(create(ProblemCode::NameTaken, detail));
        }
        for mount in &form.volumes {
            if let VolumeSource::Path { path } = &mount.source
                && !path.exists()
            {
                let detail = format!("{} does not exist on this machine", path.display());
                return Err(create(ProblemCode::MountMissing, detail));
            }
        }
        let mut instance = Instance::new(name.clone(), command.clone());
        instance.seen.service = Some(spec.service.id.clone());
        instance.seen.spec_hash = Some(hash);
        instance.seen.image.clone_from(image);
        instance.wants.clone_from(&spec.service.ports);
        instance.volumes = super::data::names(spec);
        let id = self.add(instance);
        self.emit(&id, EngineEventKind::Created);
        if let Some(refused) = self.refuse(spec) {
            self.forget(&id);
            return Err(refused);
        }
        self.make_volumes(spec);
        self.run(&id);
        Ok(id)
    }

    async fn open_logs(
        &self,
        id: &InstanceId,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        self.enter(Op::Logs).await?;
        let found = self.with(id, |known| {
            let lines = known
                .logs
                .iter()
                .filter(|line| options.since.is_none() || line.at >= options.since)
                .count();
            (known.keeps_logs, known.logs.len(), lines)
        });
        let Some((keeps, all, matching)) = found else {
            let detail = "it does not exist any more".to_owned();
            return Err(EngineError::Logs {
                instance: id.to_string(),
                detail,
            });
        };
        if !keeps {
            return Err(EngineError::LogsNotKept {
                driver: "none".to_owned(),
            });
        }
        let wanted = options.tail.map_or(matching, |tail| matching.min(tail as usize));
        let state = (self.clone(), id.clone(), all - wanted, self.changed.subscribe());
        let lines = stream::unfold(state, move |(fake, id, position, mut changes)| async move {
            loop {
                let (line, alive) = fake
                    .with(&id, |known| {
                        (known.logs.get(position).cloned(), known.seen.run.is_alive())
                    })
                    .unwrap_or((None, false));
                if let Some(line) = line {
                    return Some((Ok(line), (fake, id, position + 1, changes)));
                }
                if !alive || !options.follow || !fake.lock().online || changes.changed().await.is_err() {
                    return None;
                }
            }
        });
        Ok(lines.boxed())
    }
}

impl Engine for FakeEngine {
    fn identity(&self) -> &EngineIdentity {
        &self.identity
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            pull: true,
            exec: true,
            stats: true,
            health_checks: true,
        }
    }

    fn connect(&self) -> BoxFuture<'_, Result<EngineVersion, EngineError>> {
        async {
            self.enter(Op::Connect).await?;
            Ok(EngineVersion {
                version: "1.0.0".to_owned(),
                api: "1.41".to_owned(),
                kind: EngineKind::Fake,
                key: None,
                clock_offset: SignedDuration::ZERO,
            })
        }
        .boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        async { self.enter(Op::Connect).await }.boxed()
    }

    fn prepare<'a>(&'a self, spec: &'a InstanceSpec, progress: ProgressSink) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            self.enter(Op::Prepare).await?;
            let form = spec.container(&self.identity)?;
            let image = &form.image;
            if self.lock().absent_images.contains(image) {
                let detail = "the registry can't be reached; is this machine online?".to_owned();
                return Err(EngineError::Prepare {
                    image: image.clone(),
                    detail,
                });
            }
            // Nobody may be there to hear it.
            let _ = progress.try_send(PrepareProgress {
                done_bytes: 1,
                total_bytes: Some(1),
            });
            Ok(())
        }
        .boxed()
    }

    fn start<'a>(
        &'a self,
        spec: &'a InstanceSpec,
        existing: Option<InstanceId>,
    ) -> BoxFuture<'a, Result<StartedInstance, EngineError>> {
        self.start_now(spec, existing).boxed()
    }

    fn stop<'a>(&'a self, instance: &'a InstanceId, request: StopRequest) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            self.enter(Op::Stop).await?;
            self.stop_as_engine(instance, request.signal.unwrap_or(Signal::TERM), request.grace)
                .await;
            Ok(())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            self.enter(Op::Remove).await?;
            if self.is_alive(instance) {
                let detail = "it is running".to_owned();
                return Err(EngineError::Remove {
                    instance: instance.to_string(),
                    detail,
                });
            }
            self.forget(instance);
            Ok(())
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ObservedInstance>, EngineError>> {
        async {
            self.enter(Op::List).await?;
            Ok(self.lock().instances.iter().map(|known| known.seen.clone()).collect())
        }
        .boxed()
    }

    fn inspect<'a>(&'a self, instance: &'a InstanceId) -> BoxFuture<'a, Result<Option<ObservedInstance>, EngineError>> {
        async move {
            self.enter(Op::Inspect).await?;
            Ok(self.with(instance, |known| known.seen.clone()))
        }
        .boxed()
    }

    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>> {
        async {
            self.enter(Op::Events).await?;
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
            self.lock().subscribers.push(sender);
            Ok(UnboundedReceiverStream::new(receiver).map(Ok).boxed())
        }
        .boxed()
    }

    /// The fake keeps no history: a list tells what was missed.
    fn events_since(
        &self,
        _since: Timestamp,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>> {
        self.events()
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
        async move {
            self.enter(Op::Stats).await?;
            let state = (self.clone(), instance.clone(), None);
            let samples = stream::unfold(state, |(fake, id, before)| async move {
                if before.is_some() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                let sample = StatsSample {
                    cpu_percent: before,
                    memory_bytes: Some(8 * 1024 * 1024),
                    memory_limit_bytes: None,
                };
                let alive = fake.is_alive(&id) && fake.lock().online;
                alive.then_some((Ok(sample), (fake, id, Some(1.0))))
            });
            Ok(samples.boxed())
        }
        .boxed()
    }

    fn exec<'a>(
        &'a self,
        instance: &'a InstanceId,
        command: &'a [String],
    ) -> BoxFuture<'a, Result<ExecOutcome, EngineError>> {
        async move {
            self.enter(Op::Exec).await?;
            if !self.is_alive(instance) {
                let detail = "it is not running".to_owned();
                return Err(EngineError::Exec {
                    instance: instance.to_string(),
                    detail,
                });
            }
            let queued = self.lock().exec.pop_front();
            Ok(queued.unwrap_or_else(|| run_command(command)))
        }
        .boxed()
    }

    fn data<'a>(&'a self, spec: &'a InstanceSpec) -> BoxFuture<'a, Result<Option<DataFacts>, EngineError>> {
        self.look_at_data(spec).boxed()
    }

    fn export_data<'a>(&'a self, spec: &'a InstanceSpec, to: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        self.export(spec, to)
    }

    fn import_data<'a>(&'a self, spec: &'a InstanceSpec, from: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        self.import(spec, from)
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

/// `sh -c 'echo TEXT; exit CODE'`, as far as the suite needs it.
fn run_command(command: &[String]) -> ExecOutcome {
    let mut outcome = ExecOutcome {
        code: 0,
        output: String::new(),
    };
    for statement in command.last().map(String::as_str).unwrap_or_default().split("; ") {
        if let Some(text) = statement.strip_prefix("echo ") {
            outcome.output.push_str(text.trim_end_matches(" >&2"));
            outcome.output.push('\n');
        } else if let Some(code) = statement.strip_prefix("exit ") {
            outcome.code = code.parse().unwrap_or(0);
        }
    }
    outcome
}
