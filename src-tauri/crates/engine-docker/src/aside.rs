//! A container beside a service, made for one task on its volumes and removed after it: through it locald gets at what
//! is in a volume wherever the engine runs. It is never shown, and never taken for an instance.

use std::{
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hyper::Method;
use locald_core::ServiceId;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::{
    DockerEngine, PROJECT_LABEL,
    archive::{Contents, Inlet, Outlet, Owner, inlet, look, outlet},
    exec::Stream,
    http::{Client, Failure, encode},
    wire::{InspectedImage, lenient},
};

/// On what is made for a task: the service's name.
const TASK_LABEL: &str = "dev.locald.task";
/// Which process made it.
const BY_LABEL: &str = "dev.locald.by";
/// Where its volumes are: nowhere that an image has anything, since engines copy that into an empty volume.
const MOUNTS: &str = "/.locald";
/// What Podman leaves out.
const LEFT_OUT: [&str; 3] = ["dev", "proc", "sys"];
/// The reader gave up, and knows why.
const READER_GONE: &str = "nobody reads it";
/// As much as is kept of what a command complains of.
const COMPLAINT: usize = 2000;

/// Is it made for a task, by its labels?
pub(crate) fn is_aside(labels: &HashMap<String, String>) -> bool {
    labels.contains_key(TASK_LABEL)
}

/// This process, and no other one before or after it.
fn myself() -> &'static str {
    static MYSELF: OnceLock<String> = OnceLock::new();
    MYSELF.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{:x}-{:x}", std::process::id(), since.as_nanos())
    })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Made {
    #[serde(deserialize_with = "lenient")]
    id: String,
}

/// A volume in such a container.
pub(crate) struct Lent<'a> {
    pub(crate) volume: &'a str,
    pub(crate) read_only: bool,
}

/// Such a container; volumes are counted from 1. Dropped, it is removed.
pub(crate) struct Aside<'a> {
    engine: &'a DockerEngine,
    id: String,
    gone: bool,
}

impl DockerEngine {
    /// What the engine has of an image; `None` when that isn't here.
    pub(crate) async fn image(&self, image: &str) -> Result<Option<InspectedImage>, Failure> {
        match self.http.get(&format!("/images/{}/json", encode(image, "/:@"))).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.status() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a container of the image with these volumes. It isn't started.
    pub(crate) async fn aside(
        &self,
        service: &ServiceId,
        image: &str,
        lent: &[Lent<'_>],
    ) -> Result<Aside<'_>, Failure> {
        self.sweep(service).await?;
        let declared = self.image(image).await?.unwrap_or_default();
        // Else the engine would make a volume without a name for each.
        let mut mounts: Vec<_> = (declared.config.volumes.keys())
            .map(|path| serde_json::json!({ "Type": "tmpfs", "Target": path }))
            .collect();
        mounts.extend(lent.iter().zip(1..).map(|(lent, number)| {
            serde_json::json!({
                "Type": "volume",
                "Source": lent.volume,
                "Target": format!("{MOUNTS}/{number}"),
                "ReadOnly": lent.read_only,
                "VolumeOptions": { "NoCopy": true },
            })
        }));
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("locald-{}-{}-task-{}-{number}", service.project, service.name, myself());
        let body = serde_json::json!({
            "Image": image,
            "Entrypoint": ["sh", "-c", "while :; do sleep 1; done"],
            "Cmd": [],
            "StopSignal": "9",
            "Labels": {
                PROJECT_LABEL: service.project.as_str(),
                TASK_LABEL: service.name.as_str(),
                BY_LABEL: myself(),
            },
            "HostConfig": { "NetworkMode": "none", "LogConfig": { "Type": "none" }, "Mounts": mounts },
        });
        let path = format!("/containers/create?name={name}");
        let made: Made = self.http.document(Method::POST, &path, Some(body.to_string())).await?;
        Ok(Aside {
            engine: self,
            id: made.id,
            gone: false,
        })
    }

    /// Removes what a process that was killed left behind.
    async fn sweep(&self, service: &ServiceId) -> Result<(), Failure> {
        let labels = [
            format!("{PROJECT_LABEL}={}", service.project),
            format!("{TASK_LABEL}={}", service.name),
        ];
        let filters = serde_json::json!({ "label": labels }).to_string();
        let listed = self.listed(&format!("all=1&filters={}", encode(&filters, ""))).await?;
        for left in listed {
            let labels = &left.labels;
            let same = labels
                .get(PROJECT_LABEL)
                .is_some_and(|name| name == service.project.as_str())
                && labels.get(TASK_LABEL).is_some_and(|name| name == service.name.as_str());
            if same && labels.get(BY_LABEL).is_some_and(|by| by != myself()) {
                remove(&self.http, &left.id).await?;
            }
        }
        Ok(())
    }
}

/// Volumes stay: those that have no name would be lost otherwise.
async fn remove(http: &Client, id: &str) -> Result<(), Failure> {
    let path = format!("/containers/{}?force=1", encode(id, ""));
    match http.send(Method::DELETE, &path, None).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.status() == Some(404) => Ok(()),
        Err(failure) => Err(failure),
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        let (http, id) = (self.engine.http.clone(), std::mem::take(&mut self.id));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(failure) = remove(&http, &id).await {
                    tracing::warn!(id, ?failure, "a container made for a task could not be removed");
                }
            });
        }
    }
}

impl Aside<'_> {
    /// Removes it; only then are its volumes free.
    pub(crate) async fn remove(mut self) -> Result<(), Failure> {
        remove(&self.engine.http, &self.id).await?;
        self.gone = true;
        Ok(())
    }

    fn archive(&self, path: &str) -> String {
        format!(
            "/containers/{}/archive?path={}",
            encode(&self.id, ""),
            encode(path, "/")
        )
    }

    /// What is at the beginning of a volume.
    pub(crate) async fn look(&self, number: usize, postgres: bool) -> Result<Contents, Failure> {
        let (sender, from) = inlet();
        let looked = tokio::task::spawn_blocking(move || look(from, postgres));
        let handed = self.hand_out(&format!("{MOUNTS}/{number}/."), &sender).await;
        drop(sender);
        let looked = looked.await.map_err(|error| Failure::Broken(error.to_string()))?;
        match (handed, looked) {
            // It is let go as soon as enough is known.
            (Ok(_), Ok(contents)) => {
                let empty = contents.empty && self.left_out(number).await?.is_none();
                Ok(Contents { empty, ..contents })
            }
            (Err(failure), _) => Err(failure),
            (_, Err(error)) => Err(Failure::Broken(error.to_string())),
        }
    }

    /// The engine's archive of a path; `false` when the reader had enough.
    async fn hand_out(&self, path: &str, to: &mpsc::Sender<Bytes>) -> Result<bool, Failure> {
        use futures_util::StreamExt as _;
        let mut body = self.engine.http.open(&self.archive(path)).await?;
        while let Some(chunk) = body.next().await {
            if to.send(chunk.map_err(Failure::Broken)?).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Everything in a volume, as a tar archive, with what reads it in a thread of its own.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        number: usize,
        reader: impl FnOnce(&mut Inlet) -> std::io::Result<T> + Send + 'static,
    ) -> Result<std::io::Result<T>, Failure> {
        let (sender, from) = inlet();
        let reading = tokio::task::spawn_blocking(move || {
            let mut from = from;
            let read = reader(&mut from);
            // What comes after the archive's end is padding, and whoever sends it has to be heard out.
            if read.is_ok() {
                let _ = std::io::copy(&mut from, &mut std::io::sink());
            }
            read
        });
        let handed = self.hand_out_all(number, &sender).await;
        drop(sender);
        let read = reading.await.map_err(|error| Failure::Broken(error.to_string()))?;
        match handed {
            Err(Failure::Broken(why)) if why == READER_GONE => Ok(read),
            // Of an archive that broke off the reader may not even have seen that it did.
            Err(failure) => Err(failure),
            Ok(()) => Ok(read),
        }
    }

    async fn hand_out_all(&self, number: usize, to: &mpsc::Sender<Bytes>) -> Result<(), Failure> {
        let folder = format!("{MOUNTS}/{number}");
        if self.engine.dialect.hands_out_folders_whole() {
            return self.hand_out(&format!("{folder}/."), to).await.map(drop);
        }
        let command = ["tar", "-C", &folder, "-cf", "-", "."].map(str::to_owned);
        let (mut complaint, mut any) = (String::new(), false);
        let run = async {
            self.start().await?;
            let mut run = self.engine.exec_begin(&self.id, &command, Some("0:0")).await?;
            while let Some((stream, bytes)) = run.output.next().await? {
                if stream == Stream::Out {
                    any = true;
                    if to.send(bytes).await.is_err() {
                        return Err(Failure::Broken(READER_GONE.to_owned()));
                    }
                } else {
                    let room = COMPLAINT.saturating_sub(complaint.len());
                    complaint.extend(String::from_utf8_lossy(&bytes).chars().take(room));
                }
            }
            self.engine.exec_code(&run).await
        };
        let ended = run.await;
        match ended {
            Ok(0) => Ok(()),
            // There is no such program in the image, or no shell, or no way to run anything.
            Ok(_) | Err(Failure::Status { .. }) if !any => self.hand_out_rest(number, to).await,
            Ok(code) => Err(Failure::Broken(format!("tar ended with {code}: {}", complaint.trim()))),
            Err(failure) => Err(failure),
        }
    }

    /// As far as the engine itself hands it out, and only where that is all of it. Owners become the image's user.
    async fn hand_out_rest(&self, number: usize, to: &mpsc::Sender<Bytes>) -> Result<(), Failure> {
        if let Some(name) = self.left_out(number).await? {
            let text = format!("its image has no tar, and the engine leaves out what is called {name}");
            return Err(Failure::Broken(text));
        }
        self.hand_out(&format!("{MOUNTS}/{number}/."), to).await.map(drop)
    }

    /// Something in a volume that the engine doesn't hand out.
    async fn left_out(&self, number: usize) -> Result<Option<&'static str>, Failure> {
        if self.engine.dialect.hands_out_folders_whole() {
            return Ok(None);
        }
        for name in LEFT_OUT {
            let path = self.archive(&format!("{MOUNTS}/{number}/{name}"));
            match self.engine.http.send(Method::HEAD, &path, None).await {
                Ok(_) => return Ok(Some(name)),
                Err(failure) if failure.status() == Some(404) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    async fn start(&self) -> Result<(), Failure> {
        let path = format!("/containers/{}/start", encode(&self.id, ""));
        self.engine.http.send(Method::POST, &path, None).await.map(drop)
    }

    /// Fills a volume with what `writer` packs below the folder name it is given; it tells whose the folder itself is.
    pub(crate) async fn write(
        &self,
        number: usize,
        writer: impl FnOnce(&str, Outlet) -> std::io::Result<Option<Owner>> + Send + 'static,
    ) -> Result<(), Failure> {
        let (to, mut receiver) = outlet();
        let across = self.engine.dialect.unpacks_across_mounts();
        let (name, path) = if across {
            (number.to_string(), MOUNTS.to_owned())
        } else {
            (String::new(), format!("{MOUNTS}/{number}"))
        };
        let writing = tokio::task::spawn_blocking(move || writer(&name, to));
        let archive = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let put = self.engine.http.put_archive(&self.archive(&path), archive).await;
        let written = writing.await.map_err(|error| Failure::Broken(error.to_string()))?;
        let owner = match (put, written) {
            // It broke off since the engine gave up.
            (Err(failure), Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => return Err(failure),
            (_, Err(error)) => return Err(Failure::Broken(error.to_string())),
            (Err(failure), Ok(_)) => return Err(failure),
            (Ok(()), Ok(owner)) => owner,
        };
        if let Some(owner) = owner.filter(|_| !across) {
            self.own(number, owner).await;
        }
        Ok(())
    }

    /// The folder's owner, which Podman does not take from an archive. Most servers see to it themselves when they are
    /// started, so an image without `chown` is no reason to give up.
    async fn own(&self, number: usize, owner: Owner) {
        let folder = format!("{MOUNTS}/{number}");
        let Owner { uid, gid, mode } = owner;
        let run = async {
            self.start().await?;
            for command in [
                ["chown", &format!("{uid}:{gid}"), &folder],
                ["chmod", &format!("{mode:o}"), &folder],
            ] {
                let command = command.map(str::to_owned);
                let mut run = self.engine.exec_begin(&self.id, &command, Some("0:0")).await?;
                while run.output.next().await?.is_some() {}
                let code = self.engine.exec_code(&run).await?;
                if code != 0 {
                    return Err(Failure::Broken(format!("{} ended with {code}", command.join(" "))));
                }
            }
            Ok(())
        };
        if let Err(failure) = run.await {
            tracing::warn!(?failure, "the owner of a volume's folder could not be restored");
        }
    }
}
