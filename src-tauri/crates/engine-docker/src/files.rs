//! Single files into and out of running containers.

use std::{fs::File, io, path::Path};

use hyper::Method;
use locald_core::InstanceId;
use locald_engine::EngineError;

use crate::{
    DockerEngine,
    archive::{Owner, inlet, outlet, pack, single},
    data::finished,
    http::{Failure, encode},
};

fn archive_path(instance: &InstanceId, path: &str) -> String {
    format!(
        "/containers/{}/archive?path={}",
        encode(instance.as_str(), ""),
        encode(path, "/")
    )
}

fn broken(error: &io::Error) -> Failure {
    Failure::Broken(error.to_string())
}

impl DockerEngine {
    pub(crate) async fn file_out(&self, instance: &InstanceId, path: &str, to: &Path) -> Result<(), EngineError> {
        self.take_out(instance, path, to).await.map_err(|failure| {
            failure.into_error(|detail| EngineError::Exec {
                instance: instance.to_string(),
                detail: format!("{path} could not be copied out of it: {detail}"),
            })
        })
    }

    async fn take_out(&self, instance: &InstanceId, path: &str, to: &Path) -> Result<(), Failure> {
        use futures_util::StreamExt as _;
        let folder = to.parent().unwrap_or(Path::new(".")).to_owned();
        // Of this user alone from the start.
        let file = tempfile::Builder::new()
            .prefix(".locald-")
            .tempfile_in(&folder)
            .map_err(|error| broken(&error))?;
        let mut body = self.http.open(&archive_path(instance, path)).await?;
        let (sender, mut from) = inlet();
        let to = to.to_owned();
        let writing = tokio::task::spawn_blocking(move || {
            let mut file = file;
            single(&mut from, file.as_file_mut())?;
            io::copy(&mut from, &mut io::sink())?;
            Ok(file)
        });
        let mut handed = Ok(());
        while let Some(chunk) = body.next().await {
            match chunk {
                Ok(chunk) => {
                    if sender.send(chunk).await.is_err() {
                        break;
                    }
                }
                Err(why) => {
                    handed = Err(Failure::Broken(why));
                    break;
                }
            }
        }
        drop(sender);
        let written = finished(writing.await);
        handed?;
        let file = written.map_err(|error| broken(&error))?;
        let keep = move || {
            file.as_file().sync_all()?;
            file.persist(&to)?;
            File::open(folder)?.sync_all()
        };
        finished(tokio::task::spawn_blocking(keep).await).map_err(|error| broken(&error))
    }

    pub(crate) async fn file_in(&self, instance: &InstanceId, from: &Path, path: &str) -> Result<(), EngineError> {
        self.put_in(instance, from, path).await.map_err(|failure| {
            failure.into_error(|detail| EngineError::Exec {
                instance: instance.to_string(),
                detail: format!("{} could not be copied into it: {detail}", from.display()),
            })
        })
    }

    async fn put_in(&self, instance: &InstanceId, from: &Path, path: &str) -> Result<(), Failure> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = if folder.is_empty() { "/" } else { folder };
        let container = self.inspected(instance.as_str()).await?;
        let container = container.ok_or_else(|| Failure::Broken("it is gone".to_owned()))?;
        // Podman would make it, for root alone.
        self.http
            .send(Method::HEAD, &archive_path(instance, folder), None)
            .await
            .map_err(|failure| {
                if failure.status() == Some(404) {
                    Failure::Broken(format!("it has no folder {folder}"))
                } else {
                    failure
                }
            })?;
        let owner = owner_for(&container.config.user);
        let mut file = File::open(from).map_err(|error| broken(&error))?;
        let (out, mut pieces) = outlet();
        let name = name.to_owned();
        let packing = tokio::task::spawn_blocking(move || pack(&mut file, &name, owner, out));
        let archive = futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx));
        let put = self.http.put_archive(&archive_path(instance, folder), archive).await;
        match (put, finished(packing.await)) {
            (Err(failure), Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Err(failure),
            (_, Err(error)) => Err(broken(&error)),
            (put, Ok(())) => put,
        }
    }
}

/// Whose the file has to be for those in the container to read it. A user's name is known only in there, so a file for
/// one is open to all of the container.
fn owner_for(user: &str) -> Owner {
    let (name, group) = user.split_once(':').unwrap_or((user, ""));
    let uid = if matches!(name, "" | "root") {
        Some(0)
    } else {
        name.parse().ok()
    };
    Owner {
        uid: uid.unwrap_or(0),
        gid: group.parse().unwrap_or(0),
        mode: if uid.is_some() { 0o600 } else { 0o644 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_for_whoever_the_container_runs_as() {
        let of = |user: &str| {
            let owner = owner_for(user);
            (owner.uid, owner.gid, owner.mode)
        };
        assert_eq!(of(""), (0, 0, 0o600));
        assert_eq!(of("999:998"), (999, 998, 0o600));
        assert_eq!(of("postgres"), (0, 0, 0o644));
    }
}
