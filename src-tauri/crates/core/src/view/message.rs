//! The one table of words: states, exits and problems, with what to do next.

use crate::{
    Problem, ProblemCode,
    offers::EngineReason,
    snapshot::{ExitReport, HealthKind, ServiceSnapshot, StateDetail, StateKind},
    spec::Signal,
    view::dashboard::{ProblemView, Tone},
};

/// The state in words: `running`, `waiting for db`, `exited with code 3`.
#[must_use]
pub fn state_text(service: &ServiceSnapshot) -> String {
    let names = |ids: &[crate::ServiceId]| ids.iter().map(|id| id.name.to_string()).collect::<Vec<_>>().join(", ");
    match (service.state, &service.detail) {
        (StateKind::Waiting, StateDetail::WaitingFor(ids)) if !ids.is_empty() => format!("waiting for {}", names(ids)),
        (StateKind::Stopping, StateDetail::WaitingFor(ids)) => format!("waiting for {} to stop", names(ids)),
        (StateKind::Preparing, StateDetail::Progress(Some(percent))) => format!("fetching image, {percent} %"),
        (StateKind::Preparing, _) => "fetching image".into(),
        (StateKind::Running, StateDetail::Paused) => "paused".into(),
        (StateKind::BackingOff, _) if service.crash_looping => {
            let how = service.exit.as_ref().map_or_else(|| "ended".into(), exit_text);
            format!("crash-looping: {how}, {} restarts", service.restarts)
        }
        (StateKind::BackingOff, _) => match &service.exit {
            Some(exit) => format!("{}, restarting soon", exit_text(exit)),
            None => "restarting soon".into(),
        },
        (StateKind::Unknown, StateDetail::StartPending) => match &service.engine {
            Some(engine) => format!("starts when {engine} is back"),
            None => "starts when an engine is there".into(),
        },
        (StateKind::Exited, _) if service.gave_up => {
            let how = service.exit.as_ref().map_or_else(|| "ended".into(), exit_text);
            format!("gave up: {how}, {} restarts", service.restarts)
        }
        (StateKind::Exited, _) => service.exit.as_ref().map_or_else(|| "ended".into(), exit_text),
        (StateKind::Failed, _) => match service.problem.as_ref().map(|problem| problem.code) {
            Some(code) => format!("failed: {}", short(code)),
            None => "failed".into(),
        },
        (state, _) => state.as_str().replace('_', " "),
    }
}

/// The state and health in words, for a menu: `None` when it is plain running or stopped.
#[must_use]
pub fn menu_state(service: &ServiceSnapshot) -> Option<String> {
    match (service.state, service.health) {
        (StateKind::Stopped, _) => None,
        (StateKind::Running, HealthKind::Unhealthy) => Some("unhealthy".into()),
        (StateKind::Running, _) if service.crash_looping => Some("crash-looping".into()),
        (StateKind::Running, HealthKind::Starting) if service.detail == StateDetail::None => {
            Some("not ready yet".into())
        }
        (StateKind::Running, _) if service.detail == StateDetail::None => None,
        _ => Some(state_text(service)),
    }
}

/// How a process ended, in words.
#[must_use]
pub fn exit_text(exit: &ExitReport) -> String {
    if exit.oom {
        return "killed: out of memory".into();
    }
    match (exit.code, exit.signal) {
        (Some(0), _) => "finished".into(),
        (Some(code), Some(signal)) => format!("killed by {} (code {code})", Signal(signal).name()),
        (Some(code), None) => format!("exited with code {code}"),
        (None, _) => "ended, exit code unknown".into(),
    }
}

/// How serious a service's state is.
#[must_use]
pub fn tone(service: &ServiceSnapshot) -> Tone {
    match service.state {
        StateKind::Stopped => Tone::Neutral,
        StateKind::Exited if service.exit.as_ref().is_some_and(|exit| exit.crashed) => Tone::Bad,
        StateKind::Exited => Tone::Neutral,
        StateKind::Failed | StateKind::BackingOff => Tone::Bad,
        StateKind::Unknown => Tone::Warning,
        StateKind::Waiting | StateKind::Preparing | StateKind::Starting | StateKind::Stopping => Tone::Busy,
        StateKind::Running if service.crash_looping => Tone::Warning,
        StateKind::Running => match (service.health, &service.detail, &service.problem) {
            (_, StateDetail::Paused, _) | (HealthKind::Unhealthy, ..) | (.., Some(_)) => Tone::Warning,
            (HealthKind::Starting, ..) => Tone::Busy,
            (HealthKind::Healthy | HealthKind::None, ..) => Tone::Good,
        },
    }
}

/// A problem in words, with what to do next.
#[must_use]
pub fn problem_view(problem: &Problem) -> ProblemView {
    ProblemView {
        code: problem.code,
        message: sentence(&problem.detail),
        hint: hint(problem.code).map(str::to_owned),
        choices: problem.choices.clone(),
    }
}

fn sentence(detail: &str) -> String {
    let mut text = detail.trim().trim_end_matches('.').to_owned();
    // A path, a quoted name or a service id keeps its case.
    let word = text.split_whitespace().next().unwrap_or_default();
    if !word.contains(['/', '`', '.', ':', '_', '-'])
        && let Some(first) = text.get(..1)
        && word.chars().all(|c| c.is_ascii_lowercase())
    {
        text.replace_range(..1, &first.to_ascii_uppercase());
    }
    text
}

/// Why a service is on its engine.
#[must_use]
pub fn engine_reason(reason: EngineReason) -> &'static str {
    match reason {
        EngineReason::HoldsData => "its data is there",
        EngineReason::FileSays => "its file says so",
        EngineReason::Default => "your default",
        EngineReason::NeededByContainers => "containers of the project need it",
        EngineReason::Process => "a process of this machine",
        EngineReason::ServerHere => "its server is installed here",
        EngineReason::ServerFetched => "its server can be fetched",
        EngineReason::FirstOnline => "the first container engine that answers",
    }
}

/// A few words for a row or a menu item.
#[must_use]
pub fn short(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::EngineMissing
        | ProblemCode::EngineRefused
        | ProblemCode::EngineNotPermitted
        | ProblemCode::EngineIsDirectory
        | ProblemCode::EngineSilent
        | ProblemCode::EngineVersion
        | ProblemCode::EngineFault
        | ProblemCode::EngineLost => "engine offline",
        ProblemCode::NoEngine => "no engine",
        ProblemCode::NoSuchEngine => "no such engine",
        ProblemCode::EngineDiffers => "on another engine",
        ProblemCode::ImageMissing => "image not found",
        ProblemCode::PortInUse => "port in use",
        ProblemCode::PortNotPermitted => "port not permitted",
        ProblemCode::MountMissing => "folder to mount is missing",
        ProblemCode::CommandNotFound => "command not found",
        ProblemCode::StartFailed => "could not start",
        ProblemCode::StopFailed => "could not stop",
        ProblemCode::DependencyFailed => "a dependency failed",
        ProblemCode::NameTaken => "container name taken",
        ProblemCode::ConfigBroken => "error in its file",
        ProblemCode::ConfigMissing => "file missing",
        ProblemCode::NotInConfig => "no longer in its file",
        ProblemCode::LogsNotKept => "logs not kept",
        ProblemCode::EngineUnfit => "engine can't run it",
        ProblemCode::ServerMissing => "server not found",
        ProblemCode::VersionDiffers => "data of another version",
        ProblemCode::CredentialsDiffer => "credentials changed",
        ProblemCode::DataForeign => "not its data",
        ProblemCode::DataNotPermitted => "data not accessible",
        ProblemCode::DiskFull => "disk full",
        ProblemCode::RootRefused => "won't run as root",
    }
}

/// What to do next.
#[must_use]
pub fn hint(code: ProblemCode) -> Option<&'static str> {
    Some(match code {
        ProblemCode::EngineMissing => {
            "Install Docker, or start it (`sudo systemctl start docker`); for another socket set DOCKER_HOST."
        }
        ProblemCode::EngineRefused => {
            "The engine isn't running; start it (`sudo systemctl start docker`, or open Docker Desktop)."
        }
        ProblemCode::EngineNotPermitted => {
            "Add yourself to its group (`sudo usermod -aG docker $USER`), then log out and in again."
        }
        ProblemCode::EngineIsDirectory => {
            "A container mounted the socket before the engine ran. Remove the directory (`sudo rmdir`) and restart the engine."
        }
        ProblemCode::EngineSilent => {
            "It may be starting or stuck; locald keeps trying. If it stays so, restart the engine."
        }
        ProblemCode::EngineVersion => "Update the older of the two.",
        ProblemCode::EngineFault => "Look at the engine's own log (`journalctl -u docker`), or restart it.",
        ProblemCode::EngineLost => "locald reconnects by itself; start the engine if it was stopped.",
        ProblemCode::NoEngine => "Install and start Docker or Podman.",
        ProblemCode::NoSuchEngine => "`locald engines` lists the engines; correct `engine` in locald.toml.",
        ProblemCode::EngineDiffers => {
            "It stays where its data is. To have it on the other engine: `locald move SERVICE --engine ENGINE`."
        }
        ProblemCode::ImageMissing => "Check the image's name and the network, or build the image here.",
        ProblemCode::PortInUse => "Stop what holds the port, or use another one.",
        ProblemCode::PortNotPermitted => "Choose a port from 1024 up under `ports` in locald.toml.",
        ProblemCode::MountMissing => "Create it, or correct the path under `volumes` in locald.toml.",
        ProblemCode::CommandNotFound => "Check `command` in locald.toml against what the image has.",
        ProblemCode::StartFailed | ProblemCode::StopFailed => return None,
        ProblemCode::DependencyFailed => "Fix that one, then start this one again.",
        ProblemCode::NameTaken => "Rename or remove that container, or rename the service.",
        ProblemCode::ConfigBroken => "The last good version stays in use until the file is corrected.",
        ProblemCode::ConfigMissing => "Its services stay as they are; put the file back to manage them.",
        ProblemCode::NotInConfig => "Stop it here, and it disappears from the list.",
        ProblemCode::EngineUnfit => {
            "Remove `engine` from its entry in locald.toml, or start an engine that runs containers."
        }
        ProblemCode::ServerMissing => {
            "Install the server with your package manager, or start Docker or Podman and locald runs it there."
        }
        ProblemCode::VersionDiffers | ProblemCode::CredentialsDiffer => "Nothing was touched; choose what to do.",
        ProblemCode::DataForeign => "Nothing was touched. Look at it, or have it set aside in the trash.",
        ProblemCode::DataNotPermitted => "Make the folder readable and writable for you, then start the service again.",
        ProblemCode::DiskFull => "Free some space, then start the service again; its data is as it was.",
        ProblemCode::RootRefused => "Run locald as an ordinary user.",
        ProblemCode::LogsNotKept => "Use another log driver (`json-file`, `local`) to see its output here.",
    })
}
