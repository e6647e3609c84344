//! Data of services: what is in their volumes, and carrying it elsewhere.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use locald_core::{ProblemCode, spec::VolumeSource};
use locald_engine::{DataFacts, EngineError, InstanceSpec};
use serde::Deserialize;

use crate::{
    DockerEngine, PROJECT_LABEL, SERVICE_LABEL, SPEC_LABEL,
    archive::{Inlet, repack, unpack},
    aside::{Aside, Lent},
    cover::GENERATION_LABEL,
    create,
    http::{Failure, encode},
    list::service_of,
    wire::{InspectedVolume, lenient_list, time},
};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Volumes {
    #[serde(deserialize_with = "lenient_list")]
    volumes: Vec<InspectedVolume>,
}

/// The engine's names of the volumes that hold the service's data, in the catalog's order. What its file mounts besides
/// may be others' too, and has no generations.
fn volumes_of(spec: &InstanceSpec) -> Vec<String> {
    let service = &spec.service;
    let mounts = service
        .managed()
        .map_or(&service.volumes, |managed| &managed.container.volumes);
    let mut names: Vec<String> = Vec::new();
    for mount in mounts.iter().filter(|mount| !mount.read_only) {
        if let VolumeSource::Named { name } = &mount.source {
            let name = spec.volume_name(name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// What a volume's content is called in an archive: `data`, `data-2`.
fn part(number: usize) -> String {
    if number == 1 {
        "data".to_owned()
    } else {
        format!("data-{number}")
    }
}

/// What could not be done, in whose data.
struct Doing<'a> {
    spec: &'a InstanceSpec,
    verb: &'static str,
}

impl Doing<'_> {
    fn error(&self, code: ProblemCode, detail: String) -> EngineError {
        EngineError::Data {
            service: self.spec.service.id.to_string(),
            verb: self.verb,
            code,
            detail,
        }
    }

    fn failure(&self, failure: Failure) -> EngineError {
        failure.into_error(|detail| {
            let text = detail.to_ascii_lowercase();
            let code = if text.contains("no space left") || text.contains("disk quota") {
                ProblemCode::DiskFull
            } else if text.contains("permission denied") || text.contains("read-only file system") {
                ProblemCode::DataNotPermitted
            } else {
                ProblemCode::EngineFault
            };
            // Podman puts its whole request before the reason.
            let detail = detail.rsplit_once("}}: ").map_or(detail.as_str(), |(_, reason)| reason);
            self.error(code, detail.to_owned())
        })
    }

    fn io(&self, error: &io::Error, path: &Path) -> EngineError {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ProblemCode::DiskFull
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ProblemCode::DataNotPermitted,
            _ => ProblemCode::DataForeign,
        };
        self.error(code, format!("{}: {error}", path.display()))
    }
}

impl DockerEngine {
    pub(crate) async fn data_of(&self, spec: &InstanceSpec) -> Result<Option<DataFacts>, EngineError> {
        let doing = Doing { spec, verb: "read" };
        let form = spec.container(&self.identity)?;
        let mut there = Vec::new();
        for name in volumes_of(spec) {
            if self
                .volume(&name)
                .await
                .map_err(|failure| doing.failure(failure))?
                .is_some()
            {
                there.push(name);
            }
        }
        if there.is_empty() {
            return Ok(None);
        }
        let managed = spec.service.managed();
        let facts = |format: Option<String>| DataFacts {
            place: there.join(", "),
            format,
            size_bytes: None,
        };
        let wanted = managed.and_then(|managed| managed.data_format.clone());
        // It was looked at then, and nothing but this spec ran on it since.
        if self.has_run(spec).await.map_err(|failure| doing.failure(failure))? {
            return Ok(Some(facts(wanted)));
        }
        if self
            .image(&form.image)
            .await
            .map_err(|failure| doing.failure(failure))?
            .is_none()
        {
            tracing::info!(
                image = form.image,
                "what is in a volume can't be told without the image"
            );
            return Ok(Some(facts(None)));
        }
        let postgres = managed.is_some_and(|managed| managed.entry == "postgres");
        let lent: Vec<_> = there
            .iter()
            .map(|volume| Lent {
                volume,
                read_only: true,
            })
            .collect();
        let looking = async {
            let aside = self.aside(&spec.service.id, &form.image, &lent).await?;
            let mut found = Vec::new();
            for number in 1..=lent.len() {
                found.push(aside.look(number, postgres).await);
            }
            aside.remove().await?;
            found.into_iter().collect::<Result<Vec<_>, Failure>>()
        };
        let found = looking.await.map_err(|failure| doing.failure(failure))?;
        if found.iter().all(|contents| contents.empty) {
            return Ok(None);
        }
        let format = found.into_iter().find_map(|contents| contents.postgres);
        if postgres && format.is_none() {
            let detail = format!("volume {} holds files that aren't PostgreSQL's data", there.join(", "));
            return Err(doing.error(ProblemCode::DataForeign, detail));
        }
        Ok(Some(facts(format)))
    }

    /// Has a container of this very spec been started?
    async fn has_run(&self, spec: &InstanceSpec) -> Result<bool, Failure> {
        let hash = spec.service.hash();
        for listed in self.listed_of(&spec.service.id).await? {
            if listed.labels.get(SPEC_LABEL) == Some(&hash)
                && let Some(container) = self.inspected(&listed.id).await?
                && time(&container.state.started_at).is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The image, fetched where it isn't here.
    async fn image_is_here(&self, spec: &InstanceSpec) -> Result<(), EngineError> {
        let (progress, _unheard) = tokio::sync::mpsc::channel(1);
        self.prepare_image(spec, progress).await
    }

    pub(crate) async fn export(&self, spec: &InstanceSpec, to: &Path) -> Result<(), EngineError> {
        let doing = Doing { spec, verb: "copied" };
        let form = spec.container(&self.identity)?;
        let names = volumes_of(spec);
        for name in &names {
            if self
                .volume(name)
                .await
                .map_err(|failure| doing.failure(failure))?
                .is_none()
            {
                return Err(doing.error(ProblemCode::DataForeign, format!("there is no volume {name}")));
            }
        }
        self.image_is_here(spec).await?;
        let folder = to.parent().unwrap_or(Path::new("."));
        let unwritten = |error: &io::Error| doing.io(error, to);
        let file = tempfile::Builder::new()
            .prefix(".locald-")
            .tempfile_in(folder)
            .map_err(|error| unwritten(&error))?;
        let mut archive = tar::Builder::new(file.as_file().try_clone().map_err(|error| unwritten(&error))?);
        let lent: Vec<_> = names
            .iter()
            .map(|volume| Lent {
                volume,
                read_only: true,
            })
            .collect();
        let aside = self
            .aside(&spec.service.id, &form.image, &lent)
            .await
            .map_err(|failure| doing.failure(failure))?;
        for number in 1..=lent.len() {
            let folder = part(number);
            let read = move |from: &mut Inlet| {
                repack(from, &mut archive, &folder)?;
                Ok(archive)
            };
            archive = aside
                .read(number, read)
                .await
                .map_err(|failure| doing.failure(failure))?
                .map_err(|error| unwritten(&error))?;
        }
        aside.remove().await.map_err(|failure| doing.failure(failure))?;
        let (folder, to) = (folder.to_owned(), to.to_owned());
        let finish = move || {
            archive.into_inner()?.sync_all()?;
            file.persist(&to)?;
            File::open(folder)?.sync_all()
        };
        finished(tokio::task::spawn_blocking(finish).await).map_err(|error| unwritten(&error))
    }

    pub(crate) async fn import(&self, spec: &InstanceSpec, from: &Path) -> Result<(), EngineError> {
        let doing = Doing { spec, verb: "restored" };
        let form = spec.container(&self.identity)?;
        let names = volumes_of(spec);
        self.image_is_here(spec).await?;
        if let Some(facts) = self.data_of(spec).await? {
            let detail = format!("there is data already, in {}", facts.place);
            return Err(doing.error(ProblemCode::DataForeign, detail));
        }
        let labels = create::project_labels(&spec.service.id);
        let mut made = Vec::new();
        let filled = async {
            for name in &names {
                // An empty one may be of another kind, or in use.
                self.remove_volume(name).await?;
                self.make_volume(name, &labels).await?;
                made.push(name.clone());
            }
            let lent: Vec<_> = names
                .iter()
                .map(|volume| Lent {
                    volume,
                    read_only: false,
                })
                .collect();
            let aside = self.aside(&spec.service.id, &form.image, &lent).await?;
            let filled = fill(&aside, names.len(), from).await;
            aside.remove().await?;
            filled
        };
        let Err(failure) = filled.await else { return Ok(()) };
        for name in made {
            if let Err(failure) = self.remove_volume(&name).await {
                tracing::warn!(name, ?failure, "a volume that was being filled could not be removed");
            }
        }
        Err(doing.failure(failure))
    }

    pub(crate) async fn erase(&self, spec: &InstanceSpec) -> Result<(), EngineError> {
        let doing = Doing { spec, verb: "removed" };
        spec.container(&self.identity)?;
        let mut names = volumes_of(spec);
        let erasing = async {
            names.extend(self.covers_of(spec).await?);
            for listed in self.listed_of(&spec.service.id).await? {
                let Some(container) = self.inspected(&listed.id).await? else {
                    continue;
                };
                if container.mounts.iter().any(|mount| names.contains(&mount.name)) {
                    if container.state.status == "running" {
                        return Err(Failure::Broken("its container is running".to_owned()));
                    }
                    self.remove_container(&listed.id).await?;
                }
            }
            for name in &names {
                self.remove_volume(name).await?;
            }
            Ok(())
        };
        erasing.await.map_err(|failure| doing.failure(failure))
    }

    /// Volumes that were made for paths of the image.
    async fn covers_of(&self, spec: &InstanceSpec) -> Result<Vec<String>, Failure> {
        let id = &spec.service.id;
        let generation = spec
            .service
            .managed()
            .map_or(1, |managed| managed.generation)
            .to_string();
        let filters = serde_json::json!({ "label": [
            format!("{PROJECT_LABEL}={}", id.project),
            format!("{SERVICE_LABEL}={}", id.name),
            format!("{GENERATION_LABEL}={generation}"),
        ] });
        let path = format!("/volumes?filters={}", encode(&filters.to_string(), ""));
        let listed: Volumes = self.http.get(&path).await?;
        // The comparison is ours.
        let of_it = listed.volumes.into_iter().filter(|volume| {
            service_of(&volume.labels).as_ref() == Some(id) && volume.labels.get(GENERATION_LABEL) == Some(&generation)
        });
        Ok(of_it.map(|volume| volume.name).collect())
    }
}

async fn fill(aside: &Aside<'_>, count: usize, from: &Path) -> Result<(), Failure> {
    for number in 1..=count {
        let (file, folder) = (from.to_owned(), part(number));
        let write = move |name: &str, out| {
            // Data is nobody else's business, and a link might lead anywhere.
            let file = OpenOptions::new()
                .read(true)
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
                .open(&file)?;
            unpack(io::BufReader::new(file), &folder, name, out)
        };
        aside.write(number, write).await?;
    }
    Ok(())
}

/// What a thread came to.
pub(crate) fn finished<T>(joined: Result<io::Result<T>, tokio::task::JoinError>) -> io::Result<T> {
    joined.unwrap_or_else(|error| Err(io::Error::other(error)))
}
