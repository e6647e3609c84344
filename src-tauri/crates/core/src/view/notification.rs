//! Which notifications a change calls for. Pure: what was shown before is told from the snapshot before.

use crate::{
    EngineId, ProblemCode, ServiceId, Snapshot,
    snapshot::{Desired, EngineLink, ServiceSnapshot, StateKind},
    view::message,
};

/// Characters of a log line that a notification shows.
const LINE_LIMIT: usize = 200;

/// What to do on the desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationChange {
    /// Show this; it takes the place of an older one with its subject.
    Show(Notification),
    /// What it told of is no longer so.
    Close(Subject),
}

/// What a notification is about. There is at most one for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A service.
    Service(ServiceId),
    /// An engine.
    Engine(EngineId),
}

/// A desktop notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What about.
    pub subject: Subject,
    /// The first line, plain text.
    pub summary: String,
    /// The rest, plain text: an adapter escapes it where its desktop reads markup.
    pub body: String,
    /// Buttons.
    pub actions: Vec<NotificationAction>,
    /// More may become known of it in a moment: an adapter waits a little before it shows it.
    pub draft: bool,
}

/// A button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationAction {
    /// Start the service again.
    Restart,
    /// Show its log.
    ViewLog,
}

impl NotificationAction {
    /// The key on the bus.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::ViewLog => "view-log",
        }
    }

    /// The words on the button.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Restart => "Restart",
            Self::ViewLog => "View log",
        }
    }
}

/// What to show and close as `previous` becomes `next`.
#[must_use]
pub fn notifications(previous: &Snapshot, next: &Snapshot) -> Vec<NotificationChange> {
    let mut changes = Vec::new();
    for service in &next.services {
        let Some(before) = previous.service(&service.id) else {
            continue;
        };
        if std::sync::Arc::ptr_eq(before, service) {
            continue;
        }
        if let Some(notification) = crash(before, service).or_else(|| failure(before, service)) {
            changes.push(NotificationChange::Show(notification));
        } else if is_bad(before) && !is_bad(service) && !restarts_itself(before, service) {
            changes.push(NotificationChange::Close(Subject::Service(service.id.clone())));
        }
    }
    for before in &previous.services {
        if is_bad(before) && next.service(&before.id).is_none() {
            changes.push(NotificationChange::Close(Subject::Service(before.id.clone())));
        }
    }
    for engine in &next.engines {
        let Some(before) = previous.engines.iter().find(|before| before.id == engine.id) else {
            continue;
        };
        match (&before.link, &engine.link) {
            (EngineLink::Online { .. }, EngineLink::Offline { problem }) => {
                let ran = previous
                    .services
                    .iter()
                    .filter(|s| s.engine.as_ref() == Some(&engine.id) && s.is_up())
                    .count();
                // Nobody misses an engine that ran nothing.
                if ran > 0 {
                    let services = if ran == 1 {
                        "one service".to_owned()
                    } else {
                        format!("{ran} services")
                    };
                    changes.push(NotificationChange::Show(Notification {
                        subject: Subject::Engine(engine.id.clone()),
                        summary: format!("{} does not answer", engine.id),
                        body: format!("The state of {services} is unknown until it does.\n{}", problem.detail),
                        actions: Vec::new(),
                        draft: false,
                    }));
                }
            }
            (EngineLink::Offline { .. }, EngineLink::Online { .. }) => {
                changes.push(NotificationChange::Close(Subject::Engine(engine.id.clone())));
            }
            _ => {}
        }
    }
    changes
}

fn crashed(service: &ServiceSnapshot) -> bool {
    matches!(service.state, StateKind::Exited | StateKind::BackingOff)
        && service.exit.as_ref().is_some_and(|exit| exit.crashed)
}

fn is_bad(service: &ServiceSnapshot) -> bool {
    crashed(service) || service.state == StateKind::Failed
}

/// Its restart policy starts it again. That is no reason to take back, half a second later, that it crashed.
fn restarts_itself(before: &ServiceSnapshot, service: &ServiceSnapshot) -> bool {
    before.state == StateKind::BackingOff && service.desired == Desired::Running && service.restarts > before.restarts
}

/// It ran, and now it has crashed. One that restarts by itself is told of at its first crash in a row, and once more
/// when locald gives up.
fn crash(before: &ServiceSnapshot, service: &ServiceSnapshot) -> Option<Notification> {
    let exit = service.exit.as_ref().filter(|_| crashed(service))?;
    if before.state == StateKind::Unknown || before.exit.as_ref() == Some(exit) {
        return None;
    }
    // More became known of the crash that is told already: the same notification says more.
    let more = crashed(before) && before.exit.as_ref().is_some_and(|before| before.at == exit.at);
    if more && before.attempts != service.attempts {
        return None;
    }
    if service.state == StateKind::BackingOff && service.attempts > 0 {
        return None;
    }
    let how = message::exit_text(exit);
    let summary = match (service.state, service.attempts) {
        (StateKind::Exited, 1..) => format!("{} keeps crashing: {how}", service.id),
        _ => format!("{} crashed: {how}", service.id),
    };
    let mut lines = Vec::new();
    if let Some(line) = exit.last_line.as_deref().filter(|line| !line.trim().is_empty()) {
        lines.push(plain(line));
    }
    match (service.state, service.attempts) {
        (StateKind::BackingOff, _) => lines.push("It is started again by its restart policy.".into()),
        (_, 1) => lines.push("locald gave up after one restart.".into()),
        (_, attempts @ 2..) => lines.push(format!("locald gave up after {attempts} restarts.")),
        _ => {}
    }
    Some(Notification {
        subject: Subject::Service(service.id.clone()),
        summary,
        body: lines.join("\n"),
        actions: vec![NotificationAction::Restart, NotificationAction::ViewLog],
        draft: exit.last_line.is_none(),
    })
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
    let body = match view.hint {
        Some(hint) => format!("{}\n{hint}", plain(&view.message)),
        None => plain(&view.message),
    };
    Some(Notification {
        subject: Subject::Service(service.id.clone()),
        summary: format!("{} could not start: {}", service.id, message::short(problem.code)),
        body,
        actions: vec![NotificationAction::Restart],
        draft: false,
    })
}

/// Text of a stranger's as one short plain line: without escape sequences, control characters and line breaks.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut clean = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' => clean.push(' '),
            c if c.is_control() || is_direction_mark(c) => {}
            c => clean.push(c),
        }
        if clean.chars().count() > LINE_LIMIT {
            return clean.chars().take(LINE_LIMIT).chain(['…']).collect();
        }
    }
    clean
}

/// Marks that turn the direction of text could make a notification read otherwise than it is.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// ECMA-48: `ESC [` runs to a byte from `@` to `~`; `ESC ]` to BEL or `ESC \`; others are one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            while let Some(&c) = chars.peek() {
                if !c.is_ascii() || c.is_control() {
                    break;
                }
                chars.next();
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
        Some(']') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        _ => {}
    }
}
