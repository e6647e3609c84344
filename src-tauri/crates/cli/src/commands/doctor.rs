//! `locald doctor`.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use locald_core::{
    ProblemCode,
    snapshot::StateKind,
    view::status::{EngineStatus, ServiceStatus},
};
use locald_host::{
    config::Folders,
    control::{client::Client, protocol::Request},
};
use rustix::fs::Access;
use serde::Serialize;
use serde_json::json;

use crate::{
    connect,
    exit::{Code, Failure},
    format, output,
    session::{Session, is_managed},
    target::{self, Project},
};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// `null` for what is missing and isn't needed.
    pub ok: Option<bool>,
    pub message: String,
    pub hint: Option<String>,
}

impl Check {
    fn good(message: impl Into<String>) -> Self {
        Self {
            ok: Some(true),
            message: message.into(),
            hint: None,
        }
    }

    fn bad(message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            ok: Some(false),
            message: message.into(),
            hint,
        }
    }

    fn absent(message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            ok: None,
            message: message.into(),
            hint,
        }
    }
}

pub(crate) async fn run(folders: Folders, project: Project, json: bool) -> Result<(), Failure> {
    let mut checks = of_folders(&folders);
    match connect::host(&folders).await {
        Err(failure) => checks.push(Check::bad(failure.message, failure.hint)),
        Ok(client) => {
            checks.push(Check::good(reached(&client)));
            let session = &mut Session {
                folders,
                client,
                project,
                json,
            };
            with_host(session, &mut checks).await?;
        }
    }
    let text = if json {
        json!({ "checks": checks }).to_string()
    } else {
        format::checks(&checks)
    };
    output::line(text.trim_end())?;
    let bad = checks.iter().filter(|check| check.ok == Some(false)).count();
    match bad {
        0 => Ok(()),
        1 => Err(Failure::new(Code::Failed, "unwell", "1 thing is wrong")),
        count => Err(Failure::new(
            Code::Failed,
            "unwell",
            format!("{count} things are wrong"),
        )),
    }
}

fn reached(client: &Client) -> String {
    let kind = if client.hello.shell {
        "the desktop app"
    } else {
        "a host without a desktop"
    };
    format!(
        "locald {} answers: {kind}, process {}",
        client.hello.version, client.hello.pid
    )
}

fn of_folders(folders: &Folders) -> Vec<Check> {
    let all = [
        ("settings", &folders.config),
        ("data", &folders.data),
        ("state", &folders.state),
        ("downloads", &folders.cache),
        ("control socket", &folders.runtime),
    ];
    all.into_iter()
        .map(|(what, folder)| match writable(folder) {
            Ok(()) => Check::good(format!("{} can be written ({what})", folder.display())),
            Err((at, error)) => Check::bad(
                format!("{} can't be written ({what}): {error}", folder.display()),
                Some(format!("Make {} a folder that you may write to.", at.display())),
            ),
        })
        .collect()
}

/// May the folder be written to, or be made where it isn't there yet?
fn writable(folder: &Path) -> Result<(), (PathBuf, io::Error)> {
    let there = folder
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok())
        .unwrap_or(folder);
    let failed = |error: io::Error| (there.to_owned(), error);
    if !there.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| failed(error.into()))
}

async fn with_host(session: &mut Session, checks: &mut Vec<Check>) -> Result<(), Failure> {
    let loaded = match session.project.load(&mut session.client).await {
        Ok(loaded) => {
            if let Some(name) = &loaded {
                checks.push(Check::good(format!("the file of project {name} has no faults")));
            }
            loaded
        }
        Err(failure) => {
            checks.push(Check::bad(failure.message, failure.hint));
            None
        }
    };
    let status = target::settled(&mut session.client).await?;
    checks.extend(of_engines(&status.engines));
    let catalog = session.client.call(Request::Catalog).await?.catalog.unwrap_or_default();
    let here: Vec<String> = catalog
        .iter()
        .filter(|item| !item.here.is_empty())
        .map(|item| format!("{} {}", item.title, item.here.join(", ")))
        .collect();
    checks.push(if here.is_empty() {
        Check::absent("no server of the catalog is installed here", None)
    } else {
        Check::good(format!("installed servers: {}", here.join("; ")))
    });
    for notice in &status.notices {
        checks.push(Check::absent(notice.clone(), None));
    }
    let Some(project) = loaded else { return Ok(()) };
    for service in status.services.iter().filter(|service| service.project == project) {
        checks.extend(of_service(service));
    }
    for (service, connection) in session.connections(&project).await? {
        let Some(program) = connection.client.as_ref().and_then(|client| client.first()) else {
            continue;
        };
        checks.push(if in_path(program) {
            Check::good(format!(
                "`locald connect {}` has its client program, {program}",
                service.name
            ))
        } else {
            Check::absent(
                format!("the client program of {}, `{program}`, isn't installed", service.id),
                Some(format!("For `locald connect {}`, install it.", service.name)),
            )
        });
    }
    Ok(())
}

fn of_engines(engines: &[EngineStatus]) -> Vec<Check> {
    let any = engines.iter().any(|engine| engine.state == "online");
    let mut checks: Vec<Check> = engines
        .iter()
        .map(|engine| match &engine.error {
            None if engine.state == "online" => {
                let version = engine.version.as_deref().unwrap_or_default();
                Check::good(format!("engine {} answers {version}", engine.id).trim_end())
            }
            None => Check::absent(format!("engine {} is {}", engine.id, engine.state), None),
            // One is enough.
            Some(error) if any => Check::absent(format!("engine {}: {}", engine.id, error.message), error.hint.clone()),
            Some(error) => Check::bad(format!("engine {}: {}", engine.id, error.message), error.hint.clone()),
        })
        .collect();
    if engines.is_empty() {
        checks.push(Check::bad(
            "no engine is known",
            Some("Install and start Docker or Podman.".to_owned()),
        ));
    }
    checks
}

/// What a service shows, and whether the port of one that doesn't run is free.
fn of_service(service: &ServiceStatus) -> Option<Check> {
    let id = service.id.to_string();
    if let Some(error) = &service.error {
        let hint = [
            format::hint(&id, error),
            (!error.choices.is_empty()).then(|| format::ways_out(&id, &error.choices)),
        ];
        let hint: Vec<String> = hint.into_iter().flatten().collect();
        let hint = (!hint.is_empty()).then(|| hint.join("\n"));
        let message = format!("{id}: {}", error.message);
        return Some(if error.code == ProblemCode::NotInConfig {
            Check::absent(message, hint)
        } else {
            Check::bad(message, hint)
        });
    }
    let down = matches!(
        service.state,
        StateKind::Stopped | StateKind::Exited | StateKind::Failed
    );
    let port = service
        .url
        .as_deref()
        .filter(|_| down && is_managed(service))
        .and_then(port_of)?;
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Some(Check::good(format!("port {port} is free for {id}"))),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Some(Check::bad(
            format!("port {port} of {id} is in use by another program"),
            Some(format!("`locald start {id}` names the program and offers ways out.")),
        )),
        Err(error) => Some(Check::bad(format!("port {port} of {id} can't be used: {error}"), None)),
    }
}

/// The port of a URL's authority.
fn port_of(url: &str) -> Option<u16> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (_, port) = authority
        .rsplit_once('@')
        .unwrap_or(("", authority))
        .1
        .rsplit_once(':')?;
    port.parse().ok()
}

fn in_path(program: &str) -> bool {
    let is_program = |path: &Path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return is_program(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ports_of_urls() {
        for (url, port) in [
            ("postgres://postgres:…@127.0.0.1:5432/shop", Some(5432)),
            ("redis://:…@127.0.0.1:6380", Some(6380)),
            ("http://127.0.0.1:8025/?a=b:1", Some(8025)),
            ("amqp://a:b%40c@127.0.0.1:5672/%2F", Some(5672)),
            ("mongodb://127.0.0.1/shop", None),
            ("nothing", None),
        ] {
            assert_eq!(port_of(url), port, "{url}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_judged_by_where_it_would_be() {
        let folder = tempfile::tempdir().unwrap();
        assert!(writable(&folder.path().join("a/b/c")).is_ok());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (at, error) = writable(&file.join("a")).unwrap_err();
        assert_eq!((at, error.kind()), (file, io::ErrorKind::NotADirectory));
    }

    #[test]
    fn programs_are_found_in_path() {
        assert!(in_path("sh"));
        assert!(in_path("/bin/sh"));
        assert!(!in_path("no-such-program-of-locald"));
    }
}
