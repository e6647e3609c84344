//! Which project and which services a command means.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use locald_core::{
    EngineId, ServiceId,
    snapshot::StateKind,
    view::status::{ServiceStatus, Status},
};
use locald_host::{
    config::{Folders, PROJECT_FILE, find_project},
    control::{
        client::{Client, Next},
        protocol::{Item, Request},
    },
};

use crate::exit::{Code, Failure};

/// An engine answers, or is found not to, within 3 seconds.
pub(crate) const SETTLE: Duration = Duration::from_secs(4);

/// The project a command runs in.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub folder: PathBuf,
    /// Was it named on the command line?
    pub named: bool,
    /// Does its file exist? The personal project may have none.
    pub exists: bool,
}

/// The project of `--project`, else the nearest upward, else the personal one.
pub(crate) fn project(folders: &Folders, named: Option<&Path>) -> Result<Project, Failure> {
    if let Some(named) = named {
        let Project { folder, exists, .. } = folder(named)?;
        if !exists {
            let message = format!("there is no {PROJECT_FILE} in {}", folder.display());
            return Err(Failure::new(Code::Usage, "no_project", message)
                .hint("Name the folder of a project, or make the file."));
        }
        return Ok(Project {
            folder,
            named: true,
            exists: true,
        });
    }
    let here = std::env::current_dir().ok().and_then(|here| find_project(&here));
    let (file, folder) = match here.as_deref().and_then(Path::parent) {
        Some(folder) => (true, folder.to_owned()),
        None => (folders.config.join(PROJECT_FILE).exists(), folders.config.clone()),
    };
    Ok(Project {
        folder,
        named: false,
        exists: file,
    })
}

/// The project in a folder, or the one that is made there.
pub(crate) fn folder(named: &Path) -> Result<Project, Failure> {
    let usage = |error: String| Failure::new(Code::Usage, "usage", format!("--project {}: {error}", named.display()));
    let folder = std::path::absolute(named).map_err(|error| usage(error.to_string()))?;
    // People also name the file itself.
    let folder = match folder.file_name() {
        Some(name) if name == PROJECT_FILE && folder.is_file() => folder.parent().unwrap_or(&folder).to_owned(),
        _ => folder,
    };
    let exists = folder.join(PROJECT_FILE).exists();
    if !exists && !folder.is_dir() {
        return Err(usage("there is no such folder".to_owned()));
    }
    Ok(Project {
        folder,
        named: true,
        exists,
    })
}

impl Project {
    /// Has the host read the project's file; gives the project's name.
    pub(crate) async fn load(&self, client: &mut Client) -> Result<Option<String>, Failure> {
        if !self.exists {
            return Ok(None);
        }
        Ok(client
            .call(Request::LoadProject {
                folder: self.folder.clone().into(),
            })
            .await?
            .project)
    }
}

/// The picture.
pub(crate) async fn status(client: &mut Client) -> Result<Status, Failure> {
    client.send(Request::Status).await?;
    let mut status = None;
    loop {
        match client.next().await? {
            Next::Item(Item::Status(got)) => status = Some(*got),
            Next::Item(_) => {}
            Next::Done(_) => {
                return status.ok_or_else(|| Failure::failed("the host gave no status"));
            }
        }
    }
}

/// The picture once it says something: a host that was just started knows nothing of its engines yet. Waits for that
/// no longer than an engine may take to answer.
pub(crate) async fn settled(client: &mut Client) -> Result<Status, Failure> {
    client.send(Request::Watch).await?;
    let mut last = None;
    let watch = async {
        loop {
            let Next::Item(Item::Status(status)) = client.next().await? else {
                continue;
            };
            let connecting = status.engines.iter().any(|engine| engine.state == "connecting");
            let online = |id: &Option<EngineId>| {
                status
                    .engines
                    .iter()
                    .any(|engine| Some(&engine.id) == id.as_ref() && engine.state == "online")
            };
            let unread = status
                .services
                .iter()
                .any(|service| service.state == StateKind::Unknown && online(&service.engine));
            last = Some(*status);
            if !connecting && !unread {
                return Ok::<(), Failure>(());
            }
        }
    };
    match tokio::time::timeout(SETTLE, watch).await {
        Ok(Err(failure)) => Err(failure),
        // After that time it is shown as it is: unknown.
        Ok(Ok(())) | Err(_) => last.ok_or_else(|| Failure::failed("the host gave no status")),
    }
}

/// The ids that names on the command line mean: `db` in the current project, or `shop/db`.
pub(crate) fn services(status: &Status, project: Option<&str>, names: &[String]) -> Result<Vec<ServiceId>, Failure> {
    names.iter().map(|name| service(status, project, name)).collect()
}

pub(crate) fn service(status: &Status, project: Option<&str>, name: &str) -> Result<ServiceId, Failure> {
    let matches = |service: &&ServiceStatus| {
        if name.contains('/') {
            service.id.to_string() == name
        } else {
            service.name == name && project.is_none_or(|project| service.project == project)
        }
    };
    let mut found = status.services.iter().filter(matches);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.id.clone()),
        (Some(one), Some(other)) => Err(Failure::new(
            Code::Usage,
            "ambiguous",
            format!("`{name}` may be {} or {}", one.id, other.id),
        )),
        (None, _) => {
            let failure = Failure::new(
                Code::NoSuchService,
                "no_such_service",
                format!("there is no service `{name}`"),
            );
            let known: Vec<String> = status
                .services
                .iter()
                .filter(|service| project.is_none_or(|project| service.project == project))
                .map(|service| service.name.clone())
                .collect();
            Err(match known.as_slice() {
                [] => failure.hint("No services are declared here: add some to locald.toml."),
                known => failure.hint(format!("Known here: {}.", known.join(", "))),
            })
        }
    }
}
