//! Shows notifications, replaces and closes them, and turns their buttons into commands. Decides nothing.
//!
//! On Linux this is one D-Bus connection for all of them. notify-rust opens a connection and a thread for each
//! notification that has buttons, which fifty crashed services would make fifty of; it does the work elsewhere.

use locald_core::{
    Command, ServiceId,
    view::notification::{NotificationAction, NotificationChange, Subject},
};
use locald_host::HostHandle;
use tauri::AppHandle;
use tokio::sync::mpsc;

use crate::window;

/// Notifications on their way; more than that in a moment is a storm nobody reads.
const UNDER_WAY: usize = 64;

/// Starts the task that shows notifications; none of what it does is waited for by anybody else.
pub(crate) fn start(app: AppHandle, host: HostHandle) -> mpsc::Sender<NotificationChange> {
    let (sender, changes) = mpsc::channel(UNDER_WAY);
    tokio::spawn(platform::run(changes, move |subject: &Subject, action| {
        if let Subject::Service(service) = subject {
            clicked(&app, &host, service, action);
        }
    }));
    sender
}

fn clicked(app: &AppHandle, host: &HostHandle, service: &ServiceId, action: Option<NotificationAction>) {
    match action {
        // A service that is gone by now is passed over by the supervisor.
        Some(NotificationAction::Restart) => host.send(Command::Start(vec![service.clone()])),
        Some(NotificationAction::ViewLog) => window::show(app, Some(service.clone())),
        // A click on the notification itself.
        None => window::show(app, Some(service.clone())),
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::{
        collections::{HashMap, VecDeque},
        time::Duration,
    };

    use futures_util::StreamExt as _;
    use locald_core::view::notification::{Notification, NotificationAction, NotificationChange, Subject};
    use tokio::sync::mpsc;
    use zbus::{Connection, Proxy, proxy::SignalStream, zvariant::Value};

    const NAME: &str = "org.freedesktop.Notifications";
    const PATH: &str = "/org/freedesktop/Notifications";
    /// A daemon that takes longer is taken not to answer; the next notification tries again.
    const TIMEOUT: Duration = Duration::from_secs(5);
    /// How long a notification waits for the rest of what is to be said. Engines that take longer see it replaced.
    const DRAFT_HELD: Duration = Duration::from_millis(30);
    const APP_NAME: &str = "locald";
    /// The key of a click on the notification itself, by the specification.
    const DEFAULT_ACTION: &str = "default";

    struct Daemon {
        proxy: Proxy<'static>,
        invoked: SignalStream<'static>,
        closed: SignalStream<'static>,
    }

    pub(super) async fn run(
        mut changes: mpsc::Receiver<NotificationChange>,
        clicked: impl Fn(&Subject, Option<NotificationAction>),
    ) {
        let mut daemon: Option<Daemon> = None;
        let mut shown: HashMap<Subject, u32> = HashMap::new();
        let mut ahead: VecDeque<NotificationChange> = VecDeque::new();
        loop {
            let Some(connected) = &mut daemon else {
                let Some(change) = next(&mut changes, &mut ahead).await else {
                    return;
                };
                match timed(Daemon::connect()).await {
                    Ok(connected) => {
                        carry_out(&connected, &mut shown, change).await;
                        daemon = Some(connected);
                    }
                    Err(error) => tracing::warn!("a notification was not shown: {error}"),
                }
                continue;
            };
            tokio::select! {
                change = next(&mut changes, &mut ahead) => {
                    let Some(change) = change else { return };
                    carry_out(connected, &mut shown, change).await;
                }
                signal = connected.invoked.next() => {
                    let Some(signal) = signal else { daemon = None; shown.clear(); continue };
                    if let Ok((id, key)) = signal.body().deserialize::<(u32, String)>()
                        && let Some((subject, _)) = shown.iter().find(|(_, shown)| **shown == id)
                    {
                        let all = [NotificationAction::Restart, NotificationAction::ViewLog];
                        let action = all.into_iter().find(|action| action.key() == key);
                        if action.is_some() || key == DEFAULT_ACTION {
                            clicked(subject, action);
                        }
                    }
                }
                signal = connected.closed.next() => {
                    let Some(signal) = signal else { daemon = None; shown.clear(); continue };
                    if let Ok((id, _)) = signal.body().deserialize::<(u32, u32)>() {
                        shown.retain(|_, shown| *shown != id);
                    }
                }
            }
        }
    }

    /// The next change. A draft is held back for a moment, and the fuller one that comes meanwhile takes its place.
    /// Nothing is lost when this is dropped while it waits: what it holds stands in `ahead` all the time.
    async fn next(
        changes: &mut mpsc::Receiver<NotificationChange>,
        ahead: &mut VecDeque<NotificationChange>,
    ) -> Option<NotificationChange> {
        if ahead.is_empty() {
            ahead.push_back(changes.recv().await?);
        }
        let draft = |change: &NotificationChange| match change {
            NotificationChange::Show(notification) if notification.draft => Some(notification.subject.clone()),
            NotificationChange::Show(_) | NotificationChange::Close(_) => None,
        };
        if let Some(subject) = ahead.front().and_then(draft) {
            let until = tokio::time::Instant::now() + DRAFT_HELD;
            while let Ok(Some(change)) = tokio::time::timeout_at(until, changes.recv()).await {
                let fuller = matches!(&change, NotificationChange::Show(other) if other.subject == subject);
                if fuller {
                    ahead.pop_front();
                    ahead.push_front(change);
                    break;
                }
                ahead.push_back(change);
            }
        }
        ahead.pop_front()
    }

    async fn carry_out(daemon: &Daemon, shown: &mut HashMap<Subject, u32>, change: NotificationChange) {
        let done = match change {
            NotificationChange::Show(notification) => {
                let replaces = shown.get(&notification.subject).copied().unwrap_or(0);
                timed(daemon.show(&notification, replaces)).await.map(|id| {
                    shown.insert(notification.subject, id);
                })
            }
            NotificationChange::Close(subject) => match shown.remove(&subject) {
                Some(id) => timed(daemon.close(id)).await,
                None => Ok(()),
            },
        };
        if let Err(error) = done {
            tracing::warn!("the notification service did not do it: {error}");
        }
    }

    async fn timed<T>(work: impl Future<Output = zbus::Result<T>>) -> Result<T, String> {
        match tokio::time::timeout(TIMEOUT, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    impl Daemon {
        async fn connect() -> zbus::Result<Self> {
            let connection = Connection::session().await?;
            let proxy: Proxy<'static> = zbus::proxy::Builder::new(&connection)
                .destination(NAME)?
                .path(PATH)?
                .interface(NAME)?
                .cache_properties(zbus::proxy::CacheProperties::No)
                .build()
                .await?;
            let invoked = proxy.receive_signal("ActionInvoked").await?;
            let closed = proxy.receive_signal("NotificationClosed").await?;
            Ok(Self { proxy, invoked, closed })
        }

        async fn show(&self, notification: &Notification, replaces: u32) -> zbus::Result<u32> {
            // Asked each time: a daemon may have been replaced by another kind.
            let capabilities: Vec<String> = self.proxy.call("GetCapabilities", &()).await?;
            let can = |capability: &str| capabilities.iter().any(|known| known == capability);
            let mut actions: Vec<&str> = Vec::new();
            if can("actions") {
                actions.extend([DEFAULT_ACTION, "Open"]);
                for action in &notification.actions {
                    actions.extend([action.key(), action.label()]);
                }
            }
            let body = if can("body-markup") {
                escape(&notification.body)
            } else {
                notification.body.clone()
            };
            let hints: HashMap<&str, Value<'_>> = HashMap::from([
                // Normal: "do not disturb" is to hold for a crashed service too.
                ("urgency", Value::from(1u8)),
                ("desktop-entry", Value::from("dev.locald.desktop")),
            ]);
            let timeout: i32 = -1;
            self.proxy
                .call(
                    "Notify",
                    &(
                        APP_NAME,
                        replaces,
                        "locald",
                        &notification.summary,
                        &body,
                        &actions,
                        hints,
                        timeout,
                    ),
                )
                .await
        }

        async fn close(&self, id: u32) -> zbus::Result<()> {
            self.proxy.call("CloseNotification", &(id,)).await
        }
    }

    /// The specification's markup is XML-like.
    fn escape(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn markup_is_shown_as_text() {
            assert_eq!(super::escape("<b>a & b</b>"), "&lt;b&gt;a &amp; b&lt;/b&gt;");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use locald_core::view::notification::{NotificationAction, NotificationChange, Subject};
    use tokio::sync::mpsc;

    pub(super) async fn run(
        mut changes: mpsc::Receiver<NotificationChange>,
        _clicked: impl Fn(&Subject, Option<NotificationAction>),
    ) {
        while let Some(change) = changes.recv().await {
            let NotificationChange::Show(notification) = change else {
                continue;
            };
            let shown = tokio::task::spawn_blocking(move || {
                notify_rust::Notification::new()
                    .appname("locald")
                    .summary(&notification.summary)
                    .body(&notification.body)
                    .show()
                    .map(|_| ())
            });
            match shown.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a notification was not shown"),
                Err(error) => tracing::warn!(%error, "a notification was not shown"),
            }
        }
    }
}
