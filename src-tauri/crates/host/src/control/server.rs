//! The host's end of the control socket.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use futures_util::{SinkExt as _, StreamExt as _};
use locald_core::{
    Command, ServiceId,
    view::status::{Record, Status, changes},
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{broadcast::error::RecvError, mpsc},
    task::AbortHandle,
};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec, LinesCodecError};

use super::{
    protocol::{
        Action, Answer, AnswerBody, Done, Envelope, Hello, Item, LogText, PROTOCOL, REQUEST_LIMIT, Refusal,
        RefusalCode, Request,
    },
    socket_path,
};
use crate::{HostHandle, LogItem, RequestError, ShellRequest};

/// Answers on their way to one client; one that doesn't read is waited for, not stored up for.
const ANSWERS_UNDER_WAY: usize = 256;

/// How long a host that is asked to yield goes on with starts and stops that are under way.
const YIELD_PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// Makes the socket and serves it until the runtime ends.
pub(crate) async fn serve(runtime: &Path, host: HostHandle) -> Result<PathBuf, (PathBuf, io::Error)> {
    let path = socket_path(runtime);
    let listener = listen(&path).map_err(|error| (path.clone(), error))?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(client(stream, host.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: give others time to close theirs.
                    tracing::warn!(%error, "control socket");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            }
        }
    });
    Ok(path)
}

/// The caller holds the host lock, so a socket that is there was left behind.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Bound elsewhere and renamed, so that nobody connects before the permissions are set.
    let unfinished = path.with_extension("new");
    let _ = std::fs::remove_file(&unfinished);
    let listener = UnixListener::bind(&unfinished)?;
    std::fs::set_permissions(&unfinished, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    std::fs::rename(&unfinished, path)?;
    Ok(listener)
}

async fn client(stream: UnixStream, host: HostHandle) {
    let (read, write) = stream.into_split();
    let mut lines = FramedRead::new(read, LinesCodec::new_with_max_length(REQUEST_LIMIT));
    let mut sink = FramedWrite::new(write, LinesCodec::new());
    let hello = Hello {
        protocol: PROTOCOL,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        shell: host.has_shell(),
    };
    let Ok(hello) = serde_json::to_string(&hello) else {
        return;
    };
    if sink.send(hello).await.is_err() {
        return;
    }
    let (answers, mut outbox) = mpsc::channel::<Answer>(ANSWERS_UNDER_WAY);
    let writer = tokio::spawn(async move {
        while let Some(answer) = outbox.recv().await {
            let Ok(line) = serde_json::to_string(&answer) else {
                continue;
            };
            if sink.send(line).await.is_err() {
                return;
            }
        }
    });
    let mut under_way: HashMap<u64, AbortHandle> = HashMap::new();
    while let Some(line) = lines.next().await {
        under_way.retain(|_, request| !request.is_finished());
        let envelope = match line {
            Ok(line) => serde_json::from_str::<Envelope>(&line).map_err(|error| error.to_string()),
            Err(LinesCodecError::MaxLineLengthExceeded) => Err(format!("a request has at most {REQUEST_LIMIT} bytes")),
            Err(LinesCodecError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => Err(error.to_string()),
            Err(LinesCodecError::Io(_)) => break,
        };
        match envelope {
            Ok(Envelope {
                request: Request::Cancel { request },
                id,
            }) => {
                if let Some(task) = under_way.remove(&request) {
                    task.abort();
                }
                let _ = answers
                    .send(Answer {
                        id: Some(id),
                        body: AnswerBody::Done(Done::default()),
                    })
                    .await;
            }
            Ok(Envelope { id, request }) => {
                let reply = Reply {
                    id,
                    answers: answers.clone(),
                };
                let host = host.clone();
                let task = tokio::spawn(async move {
                    let body = match answer(&host, request, &reply).await {
                        Ok(done) => AnswerBody::Done(done),
                        Err(refusal) => AnswerBody::Error(refusal),
                    };
                    let _ = reply
                        .answers
                        .send(Answer {
                            id: Some(reply.id),
                            body,
                        })
                        .await;
                });
                under_way.insert(id, task.abort_handle());
            }
            Err(message) => {
                let refusal = refuse(RefusalCode::BadRequest, format!("this is no request: {message}"));
                let _ = answers
                    .send(Answer {
                        id: None,
                        body: AnswerBody::Error(refusal),
                    })
                    .await;
            }
        }
    }
    for task in under_way.into_values() {
        task.abort();
    }
    drop(answers);
    let _ = writer.await;
}

struct Reply {
    id: u64,
    answers: mpsc::Sender<Answer>,
}

impl Reply {
    /// `false` when the client is gone.
    async fn item(&self, item: Item) -> bool {
        self.answers
            .send(Answer {
                id: Some(self.id),
                body: AnswerBody::Item(item),
            })
            .await
            .is_ok()
    }
}

async fn answer(host: &HostHandle, request: Request, reply: &Reply) -> Result<Done, Refusal> {
    match request {
        Request::Status => {
            reply.item(Item::Status(Box::new(Status::of(&host.snapshot())))).await;
            Ok(Done::default())
        }
        Request::Watch => {
            let mut snapshots = host.snapshots();
            loop {
                let status = Status::of(&snapshots.borrow_and_update().clone());
                if !reply.item(Item::Status(Box::new(status))).await || snapshots.changed().await.is_err() {
                    return Ok(Done::default());
                }
            }
        }
        Request::Events => events(host, reply).await,
        Request::LoadProject { folder } => {
            let name = host.load_project(&PathBuf::from(folder)).await.map_err(refusal)?;
            Ok(Done {
                project: Some(name.to_string()),
                ..Done::default()
            })
        }
        Request::Command { action, services } => reflected(host, command(action, services)).await,
        Request::Mute { service, mute } => reflected(host, Command::Mute { service, mute }).await,
        Request::DefaultEngine { engine } => {
            host.set_default_engine(engine).await.map_err(refusal)?;
            Ok(Done::default())
        }
        Request::Logs { service, tail, follow } => {
            let mut lines = host.logs(&service, tail, follow).map_err(refusal)?;
            while let Some(item) = lines.recv().await {
                let item = match item {
                    LogItem::Line(line) => Item::Line(LogText {
                        at: line.at,
                        stream: line.stream,
                        text: String::from_utf8_lossy(&line.bytes).into_owned(),
                        cut_bytes: line.cut_bytes,
                    }),
                    LogItem::Restarted => Item::Restarted,
                    LogItem::Ended(reason) => {
                        return Ok(Done {
                            reason: Some(reason),
                            ..Done::default()
                        });
                    }
                };
                if !reply.item(item).await {
                    break;
                }
            }
            Ok(Done::default())
        }
        Request::Show { service } => {
            if let Some(service) = service
                .as_ref()
                .filter(|service| host.snapshot().service(service).is_none())
            {
                return Err(refusal(RequestError::NoSuchService(service.clone())));
            }
            host.shell(ShellRequest::Show { service }).map_err(refusal)?;
            Ok(Done::default())
        }
        Request::Yield if host.has_shell() => Err(refuse(
            RefusalCode::HasShell,
            "the desktop app runs; quit it from its tray menu".to_owned(),
        )),
        Request::Yield => {
            // What is under way is finished first: the next host sees what is, not what was about to be.
            host.at_rest(YIELD_PATIENCE).await;
            host.quit();
            Ok(Done::default())
        }
        Request::Cancel { .. } => Ok(Done::default()),
        other => {
            // Work on data is finished also when nobody waits for it any more.
            let host = host.clone();
            let work = tokio::spawn(async move { keeping(&host, other).await });
            work.await
                .unwrap_or_else(|error| Err(refuse(RefusalCode::Failed, error.to_string())))
        }
    }
}

/// What is asked of services' data, and of the catalog.
async fn keeping(host: &HostHandle, request: Request) -> Result<Done, Refusal> {
    let mut done = Done::default();
    match request {
        Request::Move { service, engine } => {
            let moved = host.move_service(&service, &engine).await.map_err(refusal)?;
            done.trash = Some(moved.into_iter().collect());
        }
        Request::Catalog => done.catalog = Some(host.catalog().await),
        Request::Add {
            folder,
            entry,
            version,
            name,
        } => {
            let folder = folder.map(PathBuf::from);
            let added = host
                .add_service(folder, &entry, version.as_deref(), name.as_deref())
                .await;
            done.service = Some(added.map_err(refusal)?);
        }
        Request::Remove { service } => {
            let removed = host.remove_service(&service).await.map_err(refusal)?;
            done.trash = Some(removed.into_iter().collect());
        }
        Request::Choose { service, choice } => host.choose(&service, choice).await.map_err(refusal)?,
        Request::Connection { service } => {
            let connection = host.connection(&service).map_err(refusal)?;
            done.connection = Some(Box::new(connection.as_ref().clone()));
        }
        Request::Snapshots { service } => done.snapshots = Some(host.saved(&service).await.map_err(refusal)?),
        Request::SaveSnapshot { service, name } => {
            done.snapshots = Some(vec![host.save(&service, name).await.map_err(refusal)?]);
        }
        Request::RestoreSnapshot { service, name } => {
            let replaced = host.restore(&service, &name).await.map_err(refusal)?;
            done.trash = Some(replaced.into_iter().collect());
        }
        Request::RemoveSnapshot { service, name } => host.remove_saved(&service, &name).await.map_err(refusal)?,
        Request::Trash => done.trash = Some(host.trash()),
        Request::RestoreTrash { id } => {
            let (service, replaced) = host.restore_trash(&id).await.map_err(refusal)?;
            done.service = Some(service);
            done.trash = Some(replaced.into_iter().collect());
        }
        Request::EmptyTrash { id } => {
            done.trash = Some(host.empty_trash(id.as_deref()).await.map_err(refusal)?);
        }
        // All others are answered before.
        _ => {}
    }
    done.seq = Some(host.snapshot().seq);
    Ok(done)
}

/// Runs a command and says from when on the picture reflects it.
async fn reflected(host: &HostHandle, command: Command) -> Result<Done, Refusal> {
    let seq = host.command(command).await.map_err(refusal)?;
    Ok(Done {
        seq: Some(seq),
        ..Done::default()
    })
}

async fn events(host: &HostHandle, reply: &Reply) -> Result<Done, Refusal> {
    let mut steps = host.steps();
    let mut last = host.snapshot();
    loop {
        let (at, previous, next) = match steps.recv().await {
            Ok(step) => (step.at, step.previous, step.next),
            // Too slow for each step: what lies between is told as one.
            Err(RecvError::Lagged(_)) => (jiff::Timestamp::now(), last.clone(), host.snapshot()),
            Err(RecvError::Closed) => return Ok(Done::default()),
        };
        if next.seq <= last.seq {
            continue;
        }
        for change in changes(&previous, &next) {
            if !reply.item(Item::Record(Box::new(Record { at, change }))).await {
                return Ok(Done::default());
            }
        }
        last = next;
    }
}

fn command(action: Action, services: Vec<ServiceId>) -> Command {
    match action {
        Action::Start => Command::Start(services),
        Action::Up => Command::Up(services),
        Action::Stop => Command::Stop(services),
        Action::Restart => Command::Restart(services),
    }
}

fn refuse(code: RefusalCode, message: String) -> Refusal {
    Refusal {
        code,
        message,
        hint: None,
        report: None,
    }
}

fn refusal(error: RequestError) -> Refusal {
    let message = error.to_string();
    let (code, hint, report) = match &error {
        RequestError::Config(errors) => (RefusalCode::BadConfig, None, Some(errors.render(false, 100))),
        RequestError::NameInUse { .. } => (
            RefusalCode::NameInUse,
            Some("Give one of them another name under [project] in its locald.toml.".to_owned()),
            None,
        ),
        RequestError::NoSuchService(_) => (
            RefusalCode::NoSuchService,
            Some("`locald status` lists the services.".to_owned()),
            None,
        ),
        RequestError::NoSuchEngine { .. } => (
            RefusalCode::NoSuchEngine,
            Some("`locald engines` lists the engines.".to_owned()),
            None,
        ),
        RequestError::NotOurs(_) => (RefusalCode::NotOurs, None, None),
        RequestError::Settings(_) | RequestError::NotSaved(_) => (RefusalCode::NotSaved, None, None),
        RequestError::BadEntry(_) => (
            RefusalCode::BadEntry,
            Some("`locald catalog` lists what there is.".to_owned()),
            None,
        ),
        RequestError::NotPossible(_) => (RefusalCode::NotPossible, None, None),
        RequestError::NoSuchThing(_) => (RefusalCode::NoSuchThing, None, None),
        RequestError::Failed(_) => (RefusalCode::Failed, None, None),
        RequestError::NoShell => (RefusalCode::NoShell, Some("Start locald-desktop.".to_owned()), None),
    };
    Refusal {
        code,
        message,
        hint,
        report,
    }
}
