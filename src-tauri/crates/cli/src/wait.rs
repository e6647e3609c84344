//! Waits until services are where a command wants them.

use std::{collections::BTreeSet, time::Duration};

use locald_core::{
    ServiceId,
    snapshot::{HealthKind, StateKind},
    view::status::{ServiceStatus, Status},
};
use locald_host::{
    config::Folders,
    control::{
        client::{Client, ClientError, Next},
        protocol::{Item, Request},
    },
};

use crate::{
    connect,
    exit::{Code, Failure},
    format, output,
    progress::Progress,
};

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Up; with health checks answered where `healthy`.
    Up {
        healthy: bool,
    },
    Down,
}

enum Verdict {
    Reached,
    Missed(Failure),
    Open,
}

/// Watches until each service has reached the goal or can't any more; tells of each on stderr as it gets there.
pub(crate) async fn until(
    folders: &Folders,
    client: &mut Client,
    ids: &[ServiceId],
    goal: Goal,
    mut seq: u64,
    timeout: Duration,
    quiet: bool,
) -> Result<Status, Failure> {
    let mut progress = Progress::new(quiet);
    let wait = async {
        client.send(Request::Watch).await?;
        let mut told = BTreeSet::new();
        loop {
            let status = match client.next().await {
                Ok(Next::Item(Item::Status(status))) => *status,
                Ok(Next::Item(_)) => continue,
                Ok(Next::Done(_)) | Err(ClientError::Closed) => {
                    // A desktop app took over; the wish is stored, and its count of changes begins anew.
                    *client = connect::host(folders).await?;
                    seq = 0;
                    client.send(Request::Watch).await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if status.seq < seq {
                continue;
            }
            let mut open = 0;
            let mut under_way = Vec::new();
            let mut missed: Vec<Failure> = Vec::new();
            for id in ids {
                let service = status.services.iter().find(|service| service.id == *id);
                match judge(service, id, goal, is_offline(&status, service)) {
                    Verdict::Open => {
                        open += 1;
                        under_way.extend(service);
                        continue;
                    }
                    Verdict::Reached => {}
                    Verdict::Missed(failure) => missed.push(failure),
                }
                if told.insert(id.clone())
                    && !quiet
                    && let Some(service) = service
                {
                    progress.clear();
                    output::note(&format::progress(service));
                }
            }
            progress.show(&under_way);
            if open == 0 {
                return match missed
                    .into_iter()
                    .max_by_key(|failure| failure.word != "dependency_failed")
                {
                    None => Ok(status),
                    Some(failure) => Err(failure),
                };
            }
        }
    };
    match tokio::time::timeout(timeout, wait).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(
            Code::TimedOut,
            "timed_out",
            format!("not done within {} s", timeout.as_secs_f64()),
        )
        .hint("locald goes on with it; `locald status` shows where it stands.")),
    }
}

/// Is it known that the service's engine doesn't answer?
fn is_offline(status: &Status, service: Option<&ServiceStatus>) -> bool {
    let engine = service.and_then(|service| service.engine.as_ref());
    let mut engines = status.engines.iter();
    engines.any(|known| Some(&known.id) == engine && known.state == "offline")
}

fn judge(service: Option<&ServiceStatus>, id: &ServiceId, goal: Goal, offline: bool) -> Verdict {
    let Some(service) = service else {
        return match goal {
            // It was left over from its file, and has ended.
            Goal::Down => Verdict::Reached,
            Goal::Up { .. } => Verdict::Missed(Failure::failed(format!("{id} is no longer in its project"))),
        };
    };
    let missed = || match &service.error {
        Some(error) => Failure::of_error(&id.to_string(), error),
        None => Failure::failed(format!("{id}: {}", service.state_text)),
    };
    match (goal, service.state) {
        (Goal::Up { healthy: true }, StateKind::Running) => match service.health {
            None | Some(HealthKind::Healthy | HealthKind::None) => Verdict::Reached,
            Some(HealthKind::Starting) => Verdict::Open,
            Some(HealthKind::Unhealthy) => {
                let said = service.health_text.as_deref().unwrap_or("its health check fails");
                Verdict::Missed(Failure::new(
                    Code::Failed,
                    "unhealthy",
                    format!("{id} is unhealthy: {said}"),
                ))
            }
        },
        (Goal::Up { .. }, StateKind::Running) | (Goal::Down, StateKind::Stopped) => Verdict::Reached,
        // Something that was to do one thing, and did it.
        (Goal::Up { .. }, StateKind::Exited) if service.exit.as_ref().is_some_and(|exit| !exit.crashed) => {
            Verdict::Reached
        }
        (Goal::Up { .. }, StateKind::Exited) => {
            let mut failure = missed();
            if let Some(line) = service.exit.as_ref().and_then(|exit| exit.last_line.as_deref()) {
                failure.hint = Some(format!(
                    "Its last line: {}",
                    locald_core::view::notification::plain(line)
                ));
            }
            Verdict::Missed(failure)
        }
        (Goal::Up { .. }, StateKind::Failed | StateKind::Stopped) => Verdict::Missed(missed()),
        // Its engine is away. What is asked for stays asked for.
        (Goal::Up { .. }, StateKind::Unknown) if service.error.as_ref().is_some_and(|error| error.code.is_engine()) => {
            let mut failure = missed();
            let hint = failure.hint.take().unwrap_or_default();
            Verdict::Missed(failure.hint(format!("{hint} {id} is started when it is back.").trim_start()))
        }
        (Goal::Down, StateKind::Exited | StateKind::Failed) => Verdict::Reached,
        // Of what nothing was ever made, nothing runs; else nobody can tell before the engine is back.
        (Goal::Down, StateKind::Unknown) if offline && service.instance.is_none() => Verdict::Reached,
        (Goal::Down, StateKind::Unknown) if offline => Verdict::Missed(
            Failure::new(
                Code::NoEngine,
                "engine_lost",
                format!("whether {id} runs is not known: its engine doesn't answer"),
            )
            .hint("`locald engines` says what is wrong with it."),
        ),
        (Goal::Down, StateKind::Running) if service.error.is_some() => Verdict::Missed(missed()),
        _ => Verdict::Open,
    }
}
