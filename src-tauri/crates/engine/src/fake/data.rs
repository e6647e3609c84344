//! Volumes and files of the fake.

use std::path::Path;

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::{InstanceId, ProblemCode, ServiceId, spec::VolumeSource};
use serde::{Deserialize, Serialize};

use super::{FakeEngine, Op};
use crate::{DataFacts, EngineError, InstanceSpec};

/// What is in a volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Volume {
    /// `None` for what isn't the service's.
    format: Option<String>,
    content: String,
}

/// An archive of the fake's: no tar, since nobody but the fake reads it.
#[derive(Serialize, Deserialize)]
struct Archive(Vec<Volume>);

pub(super) fn names(spec: &InstanceSpec) -> Vec<String> {
    let service = &spec.service;
    let mounts = service
        .managed()
        .map_or(&service.volumes, |managed| &managed.container.volumes);
    mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            VolumeSource::Named { name } => Some(spec.volume_name(name)),
            VolumeSource::Path { .. } => None,
        })
        .collect()
}

fn failed(spec: &InstanceSpec, verb: &'static str, code: ProblemCode, detail: String) -> EngineError {
    EngineError::Data {
        service: spec.service.id.to_string(),
        verb,
        code,
        detail,
    }
}

impl FakeEngine {
    /// Fills a service's data; `format` is what its files say of their version.
    pub fn write_data(&self, spec: &InstanceSpec, format: Option<&str>, content: &str) {
        let mut state = self.lock();
        for name in names(spec) {
            let volume = Volume {
                format: format.map(str::to_owned),
                content: content.to_owned(),
            };
            state.volumes.insert(name, volume);
        }
    }

    /// What is in a service's data.
    #[must_use]
    pub fn read_data(&self, spec: &InstanceSpec) -> Option<String> {
        let state = self.lock();
        let name = names(spec).into_iter().next()?;
        state.volumes.get(&name).map(|volume| volume.content.clone())
    }

    /// A file that the service's instances have.
    pub fn write_file(&self, service: &ServiceId, path: &str, content: &[u8]) {
        let key = (service.clone(), path.to_owned());
        self.lock().files.insert(key, content.to_vec());
    }

    /// What the service's instances have in a file.
    #[must_use]
    pub fn read_file(&self, service: &ServiceId, path: &str) -> Option<Vec<u8>> {
        let key = (service.clone(), path.to_owned());
        self.lock().files.get(&key).cloned()
    }

    /// Volumes that an instance was started with are there from then on.
    pub(super) fn make_volumes(&self, spec: &InstanceSpec) {
        let format = spec.service.managed().and_then(|managed| managed.data_format.clone());
        let mut state = self.lock();
        for name in names(spec) {
            let volume = state.volumes.entry(name);
            volume.or_insert_with(|| Volume {
                format: format.clone(),
                content: String::new(),
            });
        }
    }

    pub(super) async fn look_at_data(&self, spec: &InstanceSpec) -> Result<Option<DataFacts>, EngineError> {
        self.enter(Op::Data).await?;
        let names = names(spec);
        let state = self.lock();
        let found: Vec<_> = names
            .iter()
            .filter_map(|name| Some((name, state.volumes.get(name)?)))
            .collect();
        let Some((_, first)) = found.first() else {
            return Ok(None);
        };
        let managed = spec.service.managed();
        if first.format.is_none() && managed.is_some_and(|managed| managed.data_format.is_some()) {
            let detail = format!("volume {} holds files that aren't its own", names.join(", "));
            return Err(failed(spec, "read", ProblemCode::DataForeign, detail));
        }
        Ok(Some(DataFacts {
            place: names.join(", "),
            format: first.format.clone(),
            size_bytes: None,
        }))
    }

    pub(super) fn export<'a>(&'a self, spec: &'a InstanceSpec, to: &'a Path) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            self.enter(Op::ExportData).await?;
            let found: Option<Vec<Volume>> = {
                let state = self.lock();
                names(spec)
                    .iter()
                    .map(|name| state.volumes.get(name).cloned())
                    .collect()
            };
            let fault = |code, detail| failed(spec, "copied", code, detail);
            let found = found.ok_or_else(|| fault(ProblemCode::DataForeign, "there is none".to_owned()))?;
            let text = serde_json::to_vec(&Archive(found));
            let text = text.map_err(|error| fault(ProblemCode::DataForeign, error.to_string()))?;
            write_private(to, &text).map_err(|error| fault(ProblemCode::DataNotPermitted, error.to_string()))
        }
        .boxed()
    }

    pub(super) fn import<'a>(
        &'a self,
        spec: &'a InstanceSpec,
        from: &'a Path,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            self.enter(Op::ImportData).await?;
            let fault = |detail| failed(spec, "restored", ProblemCode::DataForeign, detail);
            let text = std::fs::read(from).map_err(|error| fault(error.to_string()))?;
            let Archive(volumes) = serde_json::from_slice(&text).map_err(|error| fault(error.to_string()))?;
            let names = names(spec);
            let mut state = self.lock();
            if names.iter().any(|name| state.volumes.contains_key(name)) {
                return Err(fault(format!("there is data already, in {}", names.join(", "))));
            }
            state.volumes.extend(names.into_iter().zip(volumes));
            Ok(())
        }
        .boxed()
    }

    pub(super) async fn erase(&self, spec: &InstanceSpec) -> Result<(), EngineError> {
        self.enter(Op::EraseData).await?;
        let names = names(spec);
        let users: Vec<(InstanceId, bool)> = self
            .lock()
            .instances
            .iter()
            .filter(|known| known.volumes.iter().any(|name| names.contains(name)))
            .map(|known| (known.seen.id.clone(), known.seen.run.is_alive()))
            .collect();
        if users.iter().any(|(_, alive)| *alive) {
            let detail = "its container is running".to_owned();
            return Err(failed(spec, "removed", ProblemCode::DataNotPermitted, detail));
        }
        for (id, _) in users {
            self.forget(&id);
        }
        self.lock().volumes.retain(|name, _| !names.contains(name));
        Ok(())
    }

    fn running_service(&self, id: &InstanceId) -> Result<ServiceId, EngineError> {
        let service = self
            .with(id, |known| {
                known.seen.service.clone().filter(|_| known.seen.run.is_alive())
            })
            .flatten();
        service.ok_or_else(|| EngineError::Exec {
            instance: id.to_string(),
            detail: "it is not running".to_owned(),
        })
    }

    pub(super) async fn file_out(&self, id: &InstanceId, path: &str, to: &Path) -> Result<(), EngineError> {
        self.enter(Op::CopyOut).await?;
        let service = self.running_service(id)?;
        let fault = |detail| EngineError::Exec {
            instance: id.to_string(),
            detail,
        };
        let content = self.read_file(&service, path);
        let content = content.ok_or_else(|| fault(format!("{path} does not exist in it")))?;
        write_private(to, &content).map_err(|error| fault(error.to_string()))
    }

    pub(super) async fn file_in(&self, id: &InstanceId, from: &Path, path: &str) -> Result<(), EngineError> {
        self.enter(Op::CopyIn).await?;
        let service = self.running_service(id)?;
        let fault = |detail| EngineError::Exec {
            instance: id.to_string(),
            detail,
        };
        if !path.starts_with("/tmp/") {
            return Err(fault(format!("it has no folder for {path}")));
        }
        let content = std::fs::read(from).map_err(|error| fault(error.to_string()))?;
        self.write_file(&service, path, &content);
        Ok(())
    }
}

fn write_private(to: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)?;
    file.write_all(content)
}
