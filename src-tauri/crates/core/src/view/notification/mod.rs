//! What the desktop tells of: which notifications a change calls for, and when each of them is shown.

mod edges;
mod outbox;
mod plain;

pub use edges::notifications;
pub use outbox::Outbox;
pub use plain::plain;

use crate::{EngineId, ServiceId, state::Mute};

/// What to do on the desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationChange {
    /// Show this; it takes the place of an older one with its subject.
    Show(Notification),
    /// What it told of is no longer so.
    Close(Subject),
}

impl NotificationChange {
    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        match self {
            Self::Show(notification) => &notification.subject,
            Self::Close(subject) => subject,
        }
    }
}

/// What a notification is about. There is at most one for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A service.
    Service(ServiceId),
    /// An engine.
    Engine(EngineId),
    /// Many services at once.
    Several,
}

/// A desktop notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What about.
    pub subject: Subject,
    /// What it tells.
    pub news: News,
    /// The first line, plain text.
    pub summary: String,
    /// The rest, plain text: an adapter escapes it where its desktop reads markup.
    pub body: String,
    /// Buttons.
    pub actions: Vec<NotificationAction>,
    /// More may become known of it in a moment.
    pub draft: bool,
    /// It says more of what was told already.
    pub completes: bool,
    /// It is about a container that locald did not make.
    pub external: bool,
    /// The person wants to hear nothing of it, for as long as this.
    pub muted: Option<Mute>,
}

/// What a notification tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum News {
    /// A service crashed.
    Crashed,
    /// It crashed again, after its restart policy had started it again.
    CrashedAgain,
    /// It crashed, and its restart policy gives up.
    GaveUp,
    /// A service could not be started.
    StartFailed,
    /// A service runs and does not do its work.
    Unhealthy,
    /// An engine does not answer.
    EngineLost,
    /// Several services have news.
    Several,
}

/// A button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationAction {
    /// Start the service again.
    Restart,
    /// Show its log.
    ViewLog,
    /// Tell nothing of it for an hour.
    MuteForHour,
    /// Show the dashboard.
    OpenDashboard,
}

impl NotificationAction {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Restart, Self::ViewLog, Self::MuteForHour, Self::OpenDashboard];

    /// The key on the bus.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::ViewLog => "view-log",
            Self::MuteForHour => "mute-hour",
            Self::OpenDashboard => "open-dashboard",
        }
    }

    /// The words on the button.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Restart => "Restart",
            Self::ViewLog => "View log",
            Self::MuteForHour => "Mute for an hour",
            Self::OpenDashboard => "Open dashboard",
        }
    }
}
