//! Which notifications a change calls for: one for each edge. What was shown before is told from the snapshot before.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{News, Notification, NotificationAction, NotificationChange, Subject, plain};
use crate::{
    ProblemCode, Snapshot,
    snapshot::{Desired, EngineLink, EngineSnapshot, ExitReport, HealthKind, ServiceSnapshot, StateKind},
    spec::Signal,
    view::message,
};

/// The kind whose events don't tell who ended a process (containers/podman#16857).
const PODMAN: &str = "podman";

/// An engine that is shut down ends what it runs first, over as long as this, and is gone then.
const SHUTDOWN: SignedDuration = SignedDuration::from_secs(30);

/// What to show and close as `previous` becomes `next`.
///
/// A close may come for what was never shown; [`super::Outbox`] knows.
#[must_use]
pub fn notifications(previous: &Snapshot, next: &Snapshot) -> Vec<NotificationChange> {
    let mut changes = Vec::new();
    for (index, service) in next.services.iter().enumerate() {
        let close = || NotificationChange::Close(Subject::Service(service.id.clone()));
        // Most changes move no row.
        let same_place = previous.services.get(index).filter(|before| before.id == service.id);
        match same_place.or_else(|| previous.service(&service.id)) {
            Some(before) if Arc::ptr_eq(before, service) => {}
            Some(before) => {
                if let Some(notification) = news(before, service, next) {
                    changes.push(NotificationChange::Show(notification));
                } else if is_settled(before, service) {
                    changes.push(close());
                }
            }
            // The row of a container that crashed and was removed is there again.
            None if standing(service) == Standing::Good => changes.push(close()),
            None => {}
        }
    }
    for before in &previous.services {
        if standing(before) == Standing::Good || next.service(&before.id).is_some() {
            continue;
        }
        // A container that is removed as it ends (`docker run --rm`) has crashed all the same. While that is under way
        // Docker shows it in a state that is neither.
        let crashed = crashed(before) || (before.state == StateKind::Unknown && has_crashed(before));
        if !(before.external && crashed) {
            changes.push(NotificationChange::Close(Subject::Service(before.id.clone())));
        }
    }
    for before in &previous.engines {
        match next.engines.iter().find(|engine| engine.id == before.id) {
            Some(engine) if Arc::ptr_eq(before, engine) => {}
            Some(engine) => changes.extend(engine_news(before, engine, previous, next)),
            None => changes.push(NotificationChange::Close(Subject::Engine(before.id.clone()))),
        }
    }
    changes
}

/// How a service stands with the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing is to be told of it.
    Good,
    /// What was told of it may still be so: it is being started again and has not proved itself, or nothing is known.
    Open,
    /// Something is wrong with it.
    Bad,
}

fn standing(service: &ServiceSnapshot) -> Standing {
    match service.state {
        StateKind::Unknown => Standing::Open,
        StateKind::Failed => Standing::Bad,
        StateKind::Exited | StateKind::BackingOff if crashed(service) => Standing::Bad,
        StateKind::Running if is_unhealthy(service) => Standing::Bad,
        StateKind::Waiting
        | StateKind::Preparing
        | StateKind::Starting
        | StateKind::Running
        | StateKind::BackingOff
            if service.attempts > 0 && service.desired == Desired::Running =>
        {
            Standing::Open
        }
        _ => Standing::Good,
    }
}

fn crashed(service: &ServiceSnapshot) -> bool {
    matches!(service.state, StateKind::Exited | StateKind::BackingOff) && has_crashed(service)
}

fn has_crashed(service: &ServiceSnapshot) -> bool {
    service.exit.as_ref().is_some_and(|exit| exit.crashed)
}

fn is_unhealthy(service: &ServiceSnapshot) -> bool {
    service.state == StateKind::Running && service.health == HealthKind::Unhealthy
}

/// Is what was told of it no longer so, or no longer to be told?
fn is_settled(before: &ServiceSnapshot, service: &ServiceSnapshot) -> bool {
    let muted = service.muted.is_some() && service.muted != before.muted;
    let recovered = is_unhealthy(before) && service.state == StateKind::Running && !is_unhealthy(service);
    let settled = standing(before) != Standing::Good && standing(service) == Standing::Good;
    muted || recovered || settled
}

fn news(before: &ServiceSnapshot, service: &ServiceSnapshot, next: &Snapshot) -> Option<Notification> {
    // What is found after a gap is shown and not told.
    if before.state == StateKind::Unknown {
        return None;
    }
    let podman = || {
        let engine = next
            .engines
            .iter()
            .find(|engine| service.engine.as_ref() == Some(&engine.id));
        engine.is_some_and(|engine| engine.kind == PODMAN)
    };
    crash(before, service, podman)
        .or_else(|| failure(before, service))
        .or_else(|| sickness(before, service))
}

fn of(service: &ServiceSnapshot, news: News, summary: String, lines: &[String]) -> Notification {
    let mut actions = vec![NotificationAction::Restart];
    if news != News::StartFailed {
        actions.push(NotificationAction::ViewLog);
    }
    actions.push(NotificationAction::MuteForHour);
    Notification {
        subject: Subject::Service(service.id.clone()),
        news,
        summary,
        body: lines.join("\n"),
        actions,
        draft: false,
        completes: false,
        external: service.external,
        muted: service.muted,
    }
}

/// It ran, and now it has crashed; or more is known of that; or its restart policy gives up.
fn crash(before: &ServiceSnapshot, service: &ServiceSnapshot, podman: impl Fn() -> bool) -> Option<Notification> {
    let exit = service.exit.as_ref().filter(|_| crashed(service))?;
    let known = before
        .exit
        .as_ref()
        .filter(|known| known.crashed && known.at == exit.at);
    let gives_up = service.gave_up && !before.gave_up && service.attempts > 0;
    let completes = known.is_some() && !gives_up;
    if completes && known.is_some_and(|known| known.oom == exit.oom && known.last_line == exit.last_line) {
        return None;
    }
    let how = if podman() {
        podman_exit_text(exit)
    } else {
        message::exit_text(exit)
    };
    let (news, summary) = match service.attempts {
        0 => (News::Crashed, format!("{} crashed: {how}", service.id)),
        attempts => {
            let news = if service.gave_up {
                News::GaveUp
            } else {
                News::CrashedAgain
            };
            let times = attempts.saturating_add(1);
            (news, format!("{} keeps crashing, {times} times: {how}", service.id))
        }
    };
    let mut lines = Vec::new();
    let last_line = exit.last_line.as_deref().map(plain);
    lines.extend(last_line.filter(|line| !line.trim().is_empty()));
    if service.state == StateKind::BackingOff {
        lines.push("It is started again by its restart policy.".into());
    } else if news == News::GaveUp {
        // Which engine a container's own policy belongs to doesn't matter here: it isn't locald's.
        let who = if service.external {
            "Its restart policy"
        } else {
            "locald"
        };
        lines.push(match service.attempts {
            1 => format!("{who} gave up after one restart."),
            attempts => format!("{who} gave up after {attempts} restarts."),
        });
    }
    Some(Notification {
        draft: exit.last_line.is_none() && !completes,
        completes,
        ..of(service, news, summary, &lines)
    })
}

/// Podman doesn't say whether a process was killed by somebody's stop or by something else.
fn podman_exit_text(exit: &ExitReport) -> String {
    match exit.signal.map(Signal) {
        Some(signal @ (Signal::KILL | Signal::TERM)) if !exit.oom => {
            format!("killed or stopped from outside ({})", signal.name())
        }
        _ => message::exit_text(exit),
    }
}

/// A start that was on its way did not come to be. An engine that is off, or a failed dependency, has its own say.
fn failure(before: &ServiceSnapshot, service: &ServiceSnapshot) -> Option<Notification> {
    let under_way = matches!(
        before.state,
        StateKind::Waiting | StateKind::Preparing | StateKind::Starting
    );
    let problem = service
        .problem
        .as_ref()
        .filter(|_| service.state == StateKind::Failed && under_way)?;
    if problem.code == ProblemCode::DependencyFailed || problem.code.is_engine() {
        return None;
    }
    let view = message::problem_view(problem);
    let mut lines = vec![plain(&view.message)];
    lines.extend(view.hint);
    let summary = format!("{} could not start: {}", service.id, message::short(problem.code));
    Some(of(service, News::StartFailed, summary, &lines))
}

/// Its health check fails, and did not before.
fn sickness(before: &ServiceSnapshot, service: &ServiceSnapshot) -> Option<Notification> {
    if !is_unhealthy(service) || is_unhealthy(before) {
        return None;
    }
    let detail = service.health_detail.as_deref().map(plain);
    let lines: Vec<String> = detail.into_iter().filter(|line| !line.trim().is_empty()).collect();
    Some(of(
        service,
        News::Unhealthy,
        format!("{} is unhealthy", service.id),
        &lines,
    ))
}

fn engine_news(
    before: &EngineSnapshot,
    engine: &EngineSnapshot,
    previous: &Snapshot,
    next: &Snapshot,
) -> Option<NotificationChange> {
    match (&before.link, &engine.link) {
        (EngineLink::Online { .. }, EngineLink::Offline { problem }) => {
            let missed = previous
                .services
                .iter()
                .filter(|service| service.engine.as_ref() == Some(&engine.id))
                .filter(|service| service.is_up() || service.desired == Desired::Running || ended_with(service, next))
                .count();
            let services = match missed {
                // Nobody misses an engine that ran nothing.
                0 => return None,
                1 => "one service".to_owned(),
                missed => format!("{missed} services"),
            };
            Some(NotificationChange::Show(Notification {
                subject: Subject::Engine(engine.id.clone()),
                news: News::EngineLost,
                summary: format!("{} does not answer", engine.id),
                body: format!(
                    "The state of {services} is unknown until it does.\n{}",
                    plain(&problem.detail)
                ),
                actions: vec![NotificationAction::OpenDashboard],
                draft: false,
                completes: false,
                external: false,
                muted: None,
            }))
        }
        (EngineLink::Online { .. }, EngineLink::Online { .. }) => None,
        (_, EngineLink::Online { .. }) => Some(NotificationChange::Close(Subject::Engine(engine.id.clone()))),
        _ => None,
    }
}

/// Did it end just before its engine did? Then the one ended it for the other.
fn ended_with(service: &ServiceSnapshot, next: &Snapshot) -> bool {
    let ended = service
        .since
        .filter(|_| service.exit.is_some() && matches!(service.state, StateKind::Stopped | StateKind::Exited));
    let lost = next
        .service(&service.id)
        .filter(|service| service.state == StateKind::Unknown)
        .and_then(|service| service.since);
    ended
        .zip(lost)
        .is_some_and(|(ended, lost)| lost.duration_since(ended) <= SHUTDOWN)
}
