//! Paths that an image wants volumes at and no mount covers. An engine would make a volume without a name for each,
//! and the next container gets another: what was in it is as good as lost. So each has a volume with a name.

use std::collections::HashMap;

use hyper::Method;
use locald_core::{
    ProblemCode, ServiceId,
    spec::{ContainerForm, volume_name},
};
use locald_engine::{EngineError, InstanceSpec};
use serde::Deserialize;

use crate::{
    DockerEngine, PROJECT_LABEL, SERVICE_LABEL,
    archive::{repack, unpack},
    aside::Lent,
    http::{Failure, encode},
    list::service_of,
    wire::{Inspected, InspectedVolume},
};

/// On such a volume: which of the service's data it belongs to.
pub(crate) const GENERATION_LABEL: &str = "dev.locald.generation";
/// On such a volume: the one without a name that it was filled from.
const FROM_LABEL: &str = "dev.locald.from";

/// A volume for a path of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cover {
    /// Its name on the engine.
    pub(crate) volume: String,
    /// Where it goes.
    pub(crate) target: String,
}

/// What the volume is called.
fn cover_name(service: &ServiceId, path: &str, generation: u32) -> String {
    let slug: String = path
        .trim_matches('/')
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let base = format!("locald-{}-{}-{slug}", service.project, service.name);
    volume_name(&base, generation)
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// Which of the image's paths nothing of the form covers exactly. A mount above one doesn't cover it: the engine puts
/// its own volume into that.
fn covers<'a>(spec: &InstanceSpec, form: &ContainerForm, paths: impl Iterator<Item = &'a String>) -> Vec<Cover> {
    let generation = spec.service.managed().map_or(1, |managed| managed.generation);
    paths
        .map(|path| trimmed(path))
        .filter(|path| path.starts_with('/') && !form.volumes.iter().any(|mount| trimmed(&mount.target) == *path))
        .map(|path| Cover {
            volume: cover_name(&spec.service.id, path, generation),
            target: path.to_owned(),
        })
        .collect()
}

/// Sixty-four digits are what engines call those without a name.
fn is_nameless(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The answer of a create; only that it came matters.
#[derive(Deserialize)]
struct Made {}

impl DockerEngine {
    /// Sees to it that each of the image's paths has a volume with a name.
    pub(crate) async fn cover(&self, spec: &InstanceSpec, form: &ContainerForm) -> Result<Vec<Cover>, Failure> {
        // That it isn't here is for the create to say.
        let Some(image) = self.image(&form.image).await? else {
            return Ok(Vec::new());
        };
        let covers = covers(spec, form, image.config.volumes.keys());
        for cover in &covers {
            let generation = spec.service.managed().map_or(1, |managed| managed.generation);
            let labels = cover_labels(&spec.service.id, generation, None);
            self.make_volume(&cover.volume, &labels).await?;
        }
        Ok(covers)
    }

    /// Makes a volume; one that is there is left as it is. Podman takes labels in no other way than this one.
    pub(crate) async fn make_volume(&self, name: &str, labels: &HashMap<String, String>) -> Result<(), Failure> {
        let body = serde_json::json!({ "Name": name, "Labels": labels }).to_string();
        let made = self.http.document::<Made>(Method::POST, "/volumes/create", Some(body));
        made.await.map(drop)
    }

    /// `None` when there is no such volume.
    pub(crate) async fn volume(&self, name: &str) -> Result<Option<InspectedVolume>, Failure> {
        match self.http.get(&format!("/volumes/{}", encode(name, ""))).await {
            Ok(found) => Ok(Some(found).filter(|found: &InspectedVolume| found.name == name)),
            Err(failure) if failure.status() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Removes a volume; one that is gone is success.
    pub(crate) async fn remove_volume(&self, name: &str) -> Result<(), Failure> {
        // Podman takes the beginning of a name for the name: asked for `db` that is gone, it would remove `db.2`.
        if self.volume(name).await?.is_none() {
            return Ok(());
        }
        let path = format!("/volumes/{}", encode(name, ""));
        match self.http.send(Method::DELETE, &path, None).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.status() == Some(404) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Before a container of ours goes: what it has in volumes without a name is copied into those that the next one
    /// gets. Containers of earlier versions of locald have such.
    pub(crate) async fn keep_nameless(&self, id: &str) -> Result<(), EngineError> {
        let unread = |failure: Failure| {
            failure.into_error(|detail| EngineError::Inspect {
                instance: id.to_owned(),
                detail,
            })
        };
        let Some(container) = self.inspected(id).await.map_err(unread)? else {
            return Ok(());
        };
        let Some(service) = service_of(&container.config.labels) else {
            return Ok(());
        };
        for mount in &container.mounts {
            if mount.kind == "volume" && is_nameless(&mount.name) {
                let kept = self.keep(&service, &container, &mount.name, &mount.destination).await;
                kept.map_err(|failure| {
                    failure.into_error(|detail| EngineError::Data {
                        service: service.to_string(),
                        verb: "kept",
                        code: ProblemCode::StartFailed,
                        detail: format!(
                            "{} of {} lies in a volume without a name and could not be copied: {detail}",
                            mount.destination,
                            container.name.trim_start_matches('/'),
                        ),
                    })
                })?;
            }
        }
        Ok(())
    }

    async fn keep(&self, service: &ServiceId, of: &Inspected, from: &str, path: &str) -> Result<(), Failure> {
        let image = if of.image.is_empty() {
            &of.config.image
        } else {
            &of.image
        };
        let to = cover_name(service, trimmed(path), 1);
        if let Some(there) = self.volume(&to).await? {
            // One that was being filled when locald was killed is of no use, and nobody uses it.
            let begun = there.labels.get(FROM_LABEL).is_some_and(|begun| begun == from);
            if !begun || self.remove_volume(&to).await.is_err() {
                return Ok(());
            }
        }
        let aside = self
            .aside(
                service,
                image,
                &[Lent {
                    volume: from,
                    read_only: true,
                }],
            )
            .await?;
        let contents = aside.look(1, false).await;
        aside.remove().await?;
        if contents?.empty {
            return Ok(());
        }
        self.make_volume(&to, &cover_labels(service, 1, Some(from))).await?;
        let copied = self.copy_volume(service, image, from, &to).await;
        if copied.is_err() {
            // The container keeps what there is; a copy in parts would pass for all of it.
            self.remove_volume(&to).await?;
        }
        copied
    }

    async fn copy_volume(&self, service: &ServiceId, image: &str, from: &str, to: &str) -> Result<(), Failure> {
        let (from, to) = (
            Lent {
                volume: from,
                read_only: true,
            },
            Lent {
                volume: to,
                read_only: false,
            },
        );
        let aside = self.aside(service, image, &[from, to]).await?;
        let copied = async {
            // Through a file: an engine that is asked to read and write one container at once may wait for itself.
            let file = tempfile::tempfile().map_err(|error| Failure::Broken(error.to_string()))?;
            let copy = file.try_clone().map_err(|error| Failure::Broken(error.to_string()))?;
            let read = move |from: &mut crate::archive::Inlet| {
                let mut packed = tar::Builder::new(copy);
                repack(from, &mut packed, "data")?;
                packed.into_inner().map(drop)
            };
            aside
                .read(1, read)
                .await?
                .map_err(|error| Failure::Broken(error.to_string()))?;
            let write = move |name: &str, out| {
                let mut file = file;
                std::io::Seek::rewind(&mut file)?;
                unpack(file, "data", name, out)
            };
            aside.write(2, write).await
        };
        let copied = copied.await;
        aside.remove().await?;
        copied
    }
}

fn cover_labels(service: &ServiceId, generation: u32, from: Option<&str>) -> HashMap<String, String> {
    let mut labels = HashMap::from([
        (PROJECT_LABEL.to_owned(), service.project.to_string()),
        (SERVICE_LABEL.to_owned(), service.name.to_string()),
        (GENERATION_LABEL.to_owned(), generation.to_string()),
    ]);
    if let Some(from) = from {
        labels.insert(FROM_LABEL.to_owned(), from.to_owned());
    }
    labels
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use locald_core::{
        ServiceSpec,
        spec::{VolumeMount, VolumeSource},
    };

    use super::*;

    #[test]
    fn a_mount_covers_its_own_path_and_none_below() {
        let mut service = ServiceSpec::container("shop/db".parse().unwrap(), "postgres");
        service.volumes = vec![VolumeMount {
            source: VolumeSource::Named { name: "db".into() },
            target: "/var/lib/postgresql/".into(),
            read_only: false,
        }];
        let spec = InstanceSpec {
            service: Arc::new(service),
        };
        let form = spec.service.container_form().unwrap();
        let paths = ["/var/lib/postgresql".to_owned(), "/var/lib/postgresql/data/".to_owned()];
        let found = covers(&spec, &form, paths.iter());
        let expected = Cover {
            volume: "locald-shop-db-var-lib-postgresql-data".to_owned(),
            target: "/var/lib/postgresql/data".to_owned(),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn only_names_of_engines_are_no_names() {
        assert!(is_nameless(&"0a".repeat(32)));
        assert!(!is_nameless("locald-shop-db"));
    }
}
