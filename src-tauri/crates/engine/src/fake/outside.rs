//! What others do with the engine, behind locald's back.

use std::time::Duration;

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::{
    InstanceId, ServiceId,
    instance::{ObservedInstance, RunState},
    spec::Signal,
};

use super::{FakeEngine, Instance};
use crate::{
    EngineEventKind,
    conformance::{Foreign, Outside},
};

impl FakeEngine {
    /// `docker stop` by somebody else; returns at once, the instance ends when it takes the signal or is killed.
    pub fn external_stop(&self, service: &ServiceId) {
        if let Some(id) = self.instance_of(service) {
            let fake = self.clone();
            tokio::spawn(async move { fake.stop_as_engine(&id, Signal::TERM, Duration::from_secs(10)).await });
        }
    }

    /// `docker kill` by somebody else.
    pub fn external_kill(&self, service: &ServiceId, signal: Signal) {
        if let Some(id) = self.instance_of(service) {
            self.signal(&id, signal);
        }
    }

    /// `docker rm -f` by somebody else.
    pub fn external_remove(&self, service: &ServiceId) {
        if let Some(id) = self.instance_of(service) {
            self.remove_by_force(&id);
        }
    }

    /// `docker start` by somebody else.
    pub fn external_start(&self, service: &ServiceId) {
        if let Some(id) = self.instance_of(service) {
            self.run(&id);
        }
    }

    /// A running instance that locald did not make.
    pub fn run_foreign(&self, foreign: Foreign) -> InstanceId {
        let command = vec!["sh".to_owned(), "-c".to_owned(), foreign.script];
        let id = self.add(Instance::new(foreign.name, Some(command)));
        self.with(&id, |made| {
            made.seen.image = foreign.image;
            made.seen.tty = foreign.tty;
            made.seen.compose = foreign.compose;
            made.seen.health_check = foreign.health_check;
            made.seen.engine_restarts = foreign.engine_restarts;
            made.keeps_logs = foreign.keeps_logs;
        });
        self.emit(&id, EngineEventKind::Created);
        self.run(&id);
        id
    }

    fn remove_by_force(&self, id: &InstanceId) {
        if self.is_alive(id) {
            self.signal(id, Signal::KILL);
        }
        self.forget(id);
    }

    /// Takes the instance out of the list and says so.
    pub(super) fn forget(&self, id: &InstanceId) {
        let service = self.with(id, |known| known.seen.service.clone());
        self.lock().instances.retain(|known| known.seen.id != *id);
        if let Some(service) = service {
            self.emit_for(id, service, EngineEventKind::Removed);
        }
    }
}

impl Instance {
    pub(super) fn new(name: String, command: Option<Vec<String>>) -> Self {
        Self {
            seen: ObservedInstance::new(InstanceId::from(""), &name, RunState::Created),
            logs: Vec::new(),
            keeps_logs: true,
            command,
            wants: Vec::new(),
            volumes: Vec::new(),
            on_term: Some(143),
            runs: 0,
        }
    }
}

impl Outside for FakeEngine {
    fn run(&self, foreign: Foreign) -> BoxFuture<'_, Result<InstanceId, String>> {
        async { Ok(self.run_foreign(foreign)) }.boxed()
    }

    fn stop<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async {
            self.stop_as_engine(id, Signal::TERM, Duration::from_secs(10)).await;
            Ok(())
        }
        .boxed()
    }

    fn kill<'a>(&'a self, id: &'a InstanceId, signal: Signal) -> BoxFuture<'a, Result<(), String>> {
        async move {
            self.signal(id, signal);
            Ok(())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async {
            self.remove_by_force(id);
            Ok(())
        }
        .boxed()
    }

    fn restart<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async {
            self.stop_as_engine(id, Signal::TERM, Duration::from_secs(10)).await;
            self.run(id);
            self.emit(id, EngineEventKind::RestartRequested);
            Ok(())
        }
        .boxed()
    }

    fn pause<'a>(&'a self, id: &'a InstanceId, paused: bool) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let (run, kind) = if paused {
                (RunState::Paused, EngineEventKind::Paused)
            } else {
                (RunState::Running, EngineEventKind::Unpaused)
            };
            self.with(id, |known| known.seen.run = run);
            self.emit(id, kind);
            Ok(())
        }
        .boxed()
    }
}
