//! One task for each instance that runs: it tells of what happens to it, and sees to it that somebody keeps it.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use locald_core::{ServiceId, instance::ExitFacts, spec::Signal};
use locald_engine::{EngineError, EngineEvent, EngineEventKind};
use tokio_stream::wrappers::BroadcastStream;

use super::{Shared, locked, monitors::Talk, observe, time};
use crate::{
    process,
    record::{Exit, Instance, Place, Run},
    wire::{Begun, Request, Told},
};

/// How long a monitor that lives may take to answer on its socket, at its start and its end.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn subscribe(shared: &Shared) -> BoxStream<'static, Result<EngineEvent, EngineError>> {
    BroadcastStream::new(shared.events.subscribe())
        .map(|event| {
            event.map_err(|missed| EngineError::Events {
                detail: format!("{missed}"),
            })
        })
        .boxed()
}

pub(super) fn facts(exit: Exit) -> ExitFacts {
    ExitFacts {
        code: exit.told(),
        oom: false,
        at: exit.at.and_then(time),
    }
}

/// Ends from this time on that are on disk, with whether somebody asked for them.
pub(super) fn ended_since(shared: &Shared, since: Timestamp) -> Vec<EngineEvent> {
    let mut events = Vec::new();
    for (place, instance) in observe::instances(shared) {
        let Ok(Some(Run {
            exit: Some(exit),
            asked,
            over: true,
            ..
        })) = place.run()
        else {
            continue;
        };
        let facts = facts(exit);
        if facts.at.is_none_or(|at| at < since) {
            continue;
        }
        let mut tell = |kind, at| {
            events.push(EngineEvent {
                instance: instance.id.as_str().into(),
                service: Some(instance.service.clone()),
                kind,
                at,
            });
        };
        if let Some(asked) = asked {
            let signal = Some(Signal(asked.signal));
            tell(EngineEventKind::Signaled { signal }, time(asked.at));
        }
        let at = facts.at;
        tell(EngineEventKind::Exited(facts), at);
    }
    events.sort_by_key(|event| event.at);
    events
}

/// Sees to it that all that runs is watched.
pub(super) async fn watch_all(shared: &Arc<Shared>) {
    for (place, instance) in observe::instances(shared) {
        watch(shared, &place, &instance);
    }
}

/// Sees to it that an instance that runs is watched.
pub(super) fn watch(shared: &Arc<Shared>, place: &Place, instance: &Instance) {
    let Ok(Some(run)) = place.run() else { return };
    if run.over || run.boot != process::boot() {
        return;
    }
    if locked(&shared.watched).insert(instance.id.clone(), run.main) == Some(run.main) {
        return;
    }
    let (shared, place, instance) = (Arc::clone(shared), place.clone(), instance.clone());
    tokio::spawn(async move {
        let exit = follow(&shared, &place, &instance, &run).await;
        let mut watched = locked(&shared.watched);
        if let Some(facts) = exit {
            let at = facts.at.or_else(|| Some(Timestamp::now()));
            shared.emit(&instance.id, &instance.service, EngineEventKind::Exited(facts), at);
        }
        if watched.get(&instance.id) == Some(&run.main) {
            watched.remove(&instance.id);
        }
        drop(watched);
        shared.watch_ended.notify_waiters();
    });
}

/// Returns once nobody watches the instance any more, so that its end has been told.
pub(super) async fn told(shared: &Shared, id: &str) {
    let ended = async {
        loop {
            let mut next = std::pin::pin!(shared.watch_ended.notified());
            next.as_mut().enable();
            if !locked(&shared.watched).contains_key(id) {
                return;
            }
            next.await;
        }
    };
    // What isn't told by then is told late, which is no reason to keep anybody waiting.
    let _ = tokio::time::timeout(PATIENCE, ended).await;
}

/// Tells of what happens, until the end; `None` when there is nothing to tell of it.
async fn follow(shared: &Shared, place: &Place, instance: &Instance, run: &Run) -> Option<ExitFacts> {
    loop {
        if let Ok(mut talk) = Talk::begin(&instance.run, Request::Watch).await {
            while let Some(told) = talk.next().await {
                match told {
                    Told::Alive { .. } => {}
                    Told::Signaled { signal, at } => {
                        let signal = Some(Signal(signal));
                        let kind = EngineEventKind::Signaled { signal };
                        shared.emit(&instance.id, &instance.service, kind, time(at));
                    }
                    Told::Over { exit } => return Some(facts(exit)),
                }
            }
        }
        match keep(shared, place).await {
            Ok(Some(now)) if now.main != run.main => return None,
            Ok(Some(now)) if now.over => return now.exit.map(facts),
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => {
                tracing::warn!(service = %instance.service, %error, "nobody keeps this process");
                return None;
            }
        }
    }
}

/// Sees to it that an instance has a monitor that answers, or is over. Gives what is known of its run then.
pub(super) async fn keep(shared: &Shared, place: &Place) -> io::Result<Option<Run>> {
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        let (Some(instance), Some(run)) = (place.instance()?, place.run()?) else {
            return Ok(None);
        };
        if run.over {
            return Ok(Some(run));
        }
        if Talk::begin(&instance.run, Request::Status).await.is_ok() {
            return Ok(Some(run));
        }
        let monitor_lives = run.boot == process::boot() && run.monitor.seen().is_some();
        if monitor_lives && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        if monitor_lives {
            // Its socket was removed: nobody will ever hear of it again.
            process::send(run.monitor, Signal::KILL.0)?;
            deadline = Instant::now() + PATIENCE;
        }
        make_run_folder(shared, &instance)?;
        match shared.monitor("adopt", place).await? {
            Begun::Running | Begun::Over => {}
            Begun::Held if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(5)).await,
            Begun::Held => return Err(io::Error::other("another monitor holds it and doesn't answer")),
            Begun::NotRun { detail, .. } | Begun::Failed { detail } => return Err(io::Error::other(detail)),
        }
    }
}

/// The folder of its sockets, for this user and the one that it runs as.
pub(super) fn make_run_folder(shared: &Shared, instance: &Instance) -> io::Result<()> {
    shared.private_folder(&instance.run, instance.launch.user)
}

/// For listeners that only care about the service.
#[must_use]
pub(super) fn name(service: &ServiceId) -> String {
    format!("locald-{}-{}", service.project, service.name)
}
