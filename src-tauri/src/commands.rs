//! What the window may call. Each command is a few lines that send a request.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    time::Duration,
};

use futures_util::StreamExt as _;
use locald_core::{
    Command, InstanceId, Problem, ServiceId,
    state::Mute,
    view::{
        dashboard::{DashboardChange, DashboardView},
        message,
        stream::{LogBatch, LogLineView, LogStream, StatsView},
    },
};
use locald_host::{HostHandle, LogItem, RequestError, engine};
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Emitter as _, State, WebviewWindow, ipc::Channel};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinSet,
};

use crate::{
    app::{self, Desktop},
    display, window,
};

/// Lines that go to the window at once; when more are there, the oldest are dropped, and the window says so.
const BATCH_LINES: usize = 2000;
/// How often a log that is written to goes to the window.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

/// How many services' numbers are asked for at once.
const STATS_LIMIT: usize = 50;

const HOUR: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// How long nothing is to be told of a service.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MuteFor {
    /// It is told of.
    Nothing,
    /// For an hour.
    Hour,
    /// Until the person says otherwise.
    Good,
}

/// Why a command was refused, in words.
#[derive(Debug, Serialize)]
pub(crate) struct CommandError {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl CommandError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }
}

impl From<RequestError> for CommandError {
    fn from(error: RequestError) -> Self {
        let code = match &error {
            RequestError::Config(_) => "bad_config",
            RequestError::NameInUse { .. } => "name_in_use",
            RequestError::NoSuchService(_) => "no_such_service",
            RequestError::NoSuchEngine { .. } => "no_such_engine",
            RequestError::NotOurs(_) => "not_ours",
            RequestError::Settings(_) | RequestError::NotSaved(_) => "not_saved",
            RequestError::BadEntry(_) => "bad_entry",
            RequestError::NotPossible(_) => "not_possible",
            RequestError::NoSuchThing(_) => "no_such_thing",
            RequestError::Failed(_) => "failed",
            RequestError::NoShell => "no_shell",
        };
        Self::new(code, error.to_string())
    }
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> Self {
        let view = message::problem_view(&problem);
        Self {
            code: "engine",
            message: view.message,
            hint: view.hint,
        }
    }
}

#[tauri::command]
pub(crate) async fn dashboard_subscribe(
    window: WebviewWindow,
    desktop: State<'_, Desktop>,
    channel: Channel<DashboardChange>,
) -> Result<DashboardView, CommandError> {
    let host = &desktop.host;
    // Subscribe, then look: a change between the two comes twice, and the window passes over the older one.
    let mut steps = host.steps();
    let first = host.snapshot();
    let view = DashboardView::of(&first);
    let host = host.clone();
    desktop.streams.open(async move {
        let mut last = first;
        loop {
            let next = match steps.recv().await {
                Ok(step) if step.next.seq <= last.seq => continue,
                Ok(step) => step.next,
                Err(RecvError::Lagged(_)) => host.snapshot(),
                Err(RecvError::Closed) => return,
            };
            if channel.send(DashboardChange::between(&last, &next)).is_err() {
                return;
            }
            last = next;
        }
    });
    let to_show = desktop.to_show.lock().ok().and_then(|mut service| service.take());
    if let Some(service) = to_show
        && let Err(error) = window.emit(window::SHOW_SERVICE, service)
    {
        tracing::warn!(%error, "the window was not told which service to show");
    }
    Ok(view)
}

#[tauri::command]
pub(crate) async fn set_services(
    desktop: State<'_, Desktop>,
    ids: Vec<ServiceId>,
    on: bool,
) -> Result<(), CommandError> {
    let command = if on { Command::Start(ids) } else { Command::Stop(ids) };
    desktop.host.command(command).await?;
    Ok(())
}

#[tauri::command]
pub(crate) async fn mute_service(
    desktop: State<'_, Desktop>,
    id: ServiceId,
    mute: MuteFor,
) -> Result<(), CommandError> {
    let mute = match mute {
        MuteFor::Nothing => None,
        MuteFor::Hour => Some(Mute::Until(jiff::Timestamp::now() + HOUR)),
        MuteFor::Good => Some(Mute::ForGood),
    };
    desktop.host.command(Command::Mute { service: id, mute }).await?;
    Ok(())
}

#[tauri::command]
pub(crate) async fn move_service(
    desktop: State<'_, Desktop>,
    id: ServiceId,
    engine: String,
) -> Result<(), CommandError> {
    desktop.host.move_service(&id, &engine).await?;
    Ok(())
}

#[tauri::command]
pub(crate) async fn set_default_engine(desktop: State<'_, Desktop>, engine: String) -> Result<(), CommandError> {
    desktop.host.set_default_engine(Some(engine)).await?;
    Ok(())
}

#[tauri::command]
pub(crate) async fn restart_services(desktop: State<'_, Desktop>, ids: Vec<ServiceId>) -> Result<(), CommandError> {
    desktop.host.command(Command::Restart(ids)).await?;
    Ok(())
}

#[tauri::command]
pub(crate) async fn logs_open(
    desktop: State<'_, Desktop>,
    service: ServiceId,
    tail: u32,
    channel: Channel<LogBatch>,
) -> Result<u32, CommandError> {
    let lines = desktop.host.logs(&service, Some(tail), true)?;
    Ok(desktop.streams.open(pump(lines, channel)))
}

#[tauri::command]
pub(crate) fn logs_close(desktop: State<'_, Desktop>, id: u32) {
    desktop.streams.close(id);
}

#[tauri::command]
pub(crate) async fn stats_open(desktop: State<'_, Desktop>, channel: Channel<StatsView>) -> Result<u32, CommandError> {
    let host = desktop.host.clone();
    Ok(desktop.streams.open(watch_stats(host, channel)))
}

#[tauri::command]
pub(crate) fn stats_close(desktop: State<'_, Desktop>, id: u32) {
    desktop.streams.close(id);
}

#[tauri::command]
pub(crate) async fn open_url(url: String) -> Result<(), CommandError> {
    // What the window shows may come from a container's labels; only web addresses leave it.
    let parsed = tauri::Url::parse(&url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = parsed else {
        return Err(CommandError::new(
            "not_a_link",
            format!("only http and https links are opened, and this is none: {url}"),
        ));
    };
    open::that_detached(url.as_str())
        .map_err(|error| CommandError::new("no_browser", format!("no browser could be started: {error}")))
}

#[tauri::command]
pub(crate) fn copy_text(app: AppHandle, text: String) -> Result<(), CommandError> {
    app.run_on_main_thread(move || display::copy(&text))
        .map_err(|error| CommandError::new("clipboard", error.to_string()))
}

#[tauri::command]
pub(crate) async fn add_project(desktop: State<'_, Desktop>, folder: PathBuf) -> Result<(), CommandError> {
    let folder = match (folder.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => folder,
    };
    if !folder.is_absolute() {
        return Err(CommandError::new(
            "bad_path",
            "give the folder's whole path, as in /home/me/code/shop",
        ));
    }
    // People also paste the file's own path.
    let folder = if folder.is_file() {
        folder.parent().map(PathBuf::from).unwrap_or(folder)
    } else {
        folder
    };
    desktop.host.load_project(&folder).await?;
    Ok(())
}

#[tauri::command]
pub(crate) fn quit(app: AppHandle) {
    app::quit(&app);
}

/// Gathers lines, so that a service that writes a lot costs one message in 50 ms and not one a line.
async fn pump(mut lines: mpsc::Receiver<LogItem>, channel: Channel<LogBatch>) {
    let mut items = Vec::new();
    while lines.recv_many(&mut items, BATCH_LINES).await > 0 {
        // What came meanwhile is taken along: the window shows the newest.
        while let Ok(item) = lines.try_recv() {
            items.push(item);
        }
        let dropped = items.len().saturating_sub(BATCH_LINES);
        let mut batch = LogBatch {
            dropped: dropped as u64,
            ..LogBatch::default()
        };
        let mut ended = false;
        for (at, item) in items.drain(..).enumerate() {
            match item {
                LogItem::Line(line) if at >= dropped => batch.lines.push(LogLineView {
                    at: line.at,
                    stream: match line.stream {
                        engine::LogStream::Stdout => LogStream::Stdout,
                        engine::LogStream::Stderr => LogStream::Stderr,
                    },
                    text: String::from_utf8_lossy(&line.bytes).into_owned(),
                    cut_bytes: line.cut_bytes,
                }),
                LogItem::Line(_) => {}
                LogItem::Restarted => {
                    // A batch says of its beginning whether a run began there.
                    if !batch.lines.is_empty() && channel.send(std::mem::take(&mut batch)).is_err() {
                        return;
                    }
                    batch.restarted = true;
                }
                LogItem::Ended(reason) => {
                    batch.ended = Some(reason);
                    ended = true;
                }
            }
        }
        if channel.send(batch).is_err() || ended {
            return;
        }
        tokio::time::sleep(BATCH_INTERVAL).await;
    }
}

/// Numbers of all services that run, as long as the window shows them. An engine measures each once a second, so
/// there is a limit to how many are asked for.
async fn watch_stats(host: HostHandle, channel: Channel<StatsView>) {
    let mut snapshots = host.snapshots();
    let mut open: HashMap<(ServiceId, Option<InstanceId>), JoinSet<()>> = HashMap::new();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let up = snapshot
            .services
            .iter()
            .filter(|service| service.is_up())
            .take(STATS_LIMIT);
        let wanted: HashSet<_> = up
            .map(|service| (service.id.clone(), service.instance.clone()))
            .collect();
        // A stream that has ended belongs to a run that has; when the service runs again, so does its stream.
        open.retain(|key, stream| wanted.contains(key) && stream.try_join_next().is_none());
        for key in wanted {
            let (host, channel, service) = (host.clone(), channel.clone(), key.0.clone());
            open.entry(key).or_insert_with(|| {
                let mut stream = JoinSet::new();
                stream.spawn(stats_of(host, service, channel));
                stream
            });
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

async fn stats_of(host: HostHandle, service: ServiceId, channel: Channel<StatsView>) {
    let Ok(Some(mut samples)) = host.stats(&service).await else {
        return;
    };
    while let Some(Ok(sample)) = samples.next().await {
        let view = StatsView {
            service: service.clone(),
            cpu_percent: sample.cpu_percent,
            memory_bytes: sample.memory_bytes,
            memory_limit_bytes: sample.memory_limit_bytes,
        };
        if channel.send(view).is_err() {
            return;
        }
    }
}
