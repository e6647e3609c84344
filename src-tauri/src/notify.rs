//! Shows notifications, replaces and closes them, and turns their buttons into commands. Decides nothing.
//!
//! On Linux this is one D-Bus connection for all of them. notify-rust opens a connection and a thread for each
//! notification that has buttons, which fifty crashed services would make fifty of; it does the work elsewhere.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use locald_core::{
    Command,
    state::Mute,
    view::{
        notification::{NotificationAction, NotificationChange, Subject},
        stream::ShowService,
    },
};
use locald_host::HostHandle;
use tauri::AppHandle;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use crate::window;

/// Notifications put away that nobody has heard of yet; more than that in a moment tells nothing.
const DISMISSED: usize = 64;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The task that shows notifications; none of what it does is waited for by anybody else. It ends with this.
pub(crate) struct Desk {
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

/// What is to be done yet: of each subject only the newest, so that a desktop that doesn't answer fills no memory.
#[derive(Default)]
struct Queue {
    changes: Mutex<VecDeque<NotificationChange>>,
    filled: Notify,
}

impl Desk {
    /// Starts it. What a person puts away is told.
    pub(crate) fn start(app: AppHandle, host: HostHandle) -> (Self, mpsc::Receiver<Subject>) {
        let (sender, dismissed) = mpsc::channel(DISMISSED);
        let queue = Arc::new(Queue::default());
        let task = tokio::spawn(platform::run(
            Arc::clone(&queue),
            move |subject, action| clicked(&app, &host, subject, action),
            move |subject| {
                let _ = sender.try_send(subject);
            },
        ));
        (Self { queue, task }, dismissed)
    }

    pub(crate) fn put(&self, change: NotificationChange) {
        self.queue.put(change);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Queue {
    fn put(&self, change: NotificationChange) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.retain(|older| older.subject() != change.subject());
        changes.push_back(change);
        drop(changes);
        self.filled.notify_one();
    }

    /// Loses nothing when it is dropped while it waits.
    async fn next(&self) -> NotificationChange {
        loop {
            let first = self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match first {
                Some(change) => return change,
                None => self.filled.notified().await,
            }
        }
    }
}

/// A button was pressed, or the notification itself. A service that is gone by now is passed over by the supervisor.
fn clicked(app: &AppHandle, host: &HostHandle, subject: &Subject, action: Option<NotificationAction>) {
    let Subject::Service(service) = subject else {
        window::show(app, None);
        return;
    };
    match action {
        Some(NotificationAction::Restart) => host.send(Command::Start(vec![service.clone()])),
        Some(NotificationAction::MuteForHour) => host.send(Command::Mute {
            service: service.clone(),
            mute: Some(Mute::Until(Timestamp::now() + HOUR)),
        }),
        Some(NotificationAction::OpenDashboard) => window::show(app, None),
        Some(NotificationAction::ViewLog) | None => window::show(app, Some(ShowService::log_of(service.clone()))),
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::{collections::HashMap, sync::Arc, time::Duration};

    use futures_util::StreamExt as _;
    use locald_core::view::notification::{Notification, NotificationAction, NotificationChange, Subject};
    use zbus::{Connection, Proxy, fdo, names::UniqueName, proxy::SignalStream, zvariant::Value};

    use super::Queue;

    const NAME: &str = "org.freedesktop.Notifications";
    const PATH: &str = "/org/freedesktop/Notifications";
    /// A daemon that takes longer is taken not to answer; the next notification tries again.
    const TIMEOUT: Duration = Duration::from_secs(5);
    const APP_NAME: &str = "locald";
    /// The key of a click on the notification itself, by the specification.
    const DEFAULT_ACTION: &str = "default";

    struct Daemon {
        proxy: Proxy<'static>,
        invoked: SignalStream<'static>,
        closed: SignalStream<'static>,
        owners: fdo::NameOwnerChangedStream,
    }

    /// A notification on the desktop: its number, and the daemon that gave it. Another daemon may give it to another.
    struct Shown {
        id: u32,
        by: Option<UniqueName<'static>>,
    }

    pub(super) async fn run(
        queue: Arc<Queue>,
        clicked: impl Fn(&Subject, Option<NotificationAction>),
        dismissed: impl Fn(Subject),
    ) {
        let mut daemon: Option<Daemon> = None;
        let mut shown: HashMap<Subject, Shown> = HashMap::new();
        loop {
            let Some(connected) = &mut daemon else {
                let change = queue.next().await;
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
                // What was put away or lost is not to be replaced.
                biased;
                signal = connected.owners.next() => {
                    let Some(signal) = signal else { daemon = None; shown.clear(); continue };
                    if let Ok(args) = signal.args()
                        && let Some(gone) = args.old_owner().as_ref()
                    {
                        shown.retain(|_, shown| shown.by.as_ref() != Some(gone));
                    }
                }
                signal = connected.invoked.next() => {
                    let Some(signal) = signal else { daemon = None; shown.clear(); continue };
                    if let Ok((id, key)) = signal.body().deserialize::<(u32, String)>()
                        && let Some((subject, _)) = shown.iter().find(|(_, shown)| shown.id == id)
                    {
                        let action = NotificationAction::ALL.into_iter().find(|action| action.key() == key);
                        if action.is_some() || key == DEFAULT_ACTION {
                            clicked(subject, action);
                        }
                    }
                }
                signal = connected.closed.next() => {
                    let Some(signal) = signal else { daemon = None; shown.clear(); continue };
                    if let Ok((id, _)) = signal.body().deserialize::<(u32, u32)>() {
                        for (subject, _) in shown.extract_if(|_, shown| shown.id == id) {
                            dismissed(subject);
                        }
                    }
                }
                change = queue.next() => carry_out(connected, &mut shown, change).await,
            }
        }
    }

    async fn carry_out(daemon: &Daemon, shown: &mut HashMap<Subject, Shown>, change: NotificationChange) {
        let done = match change {
            NotificationChange::Show(notification) => {
                let replaces = shown.get(&notification.subject).map_or(0, |shown| shown.id);
                timed(daemon.show(&notification, replaces)).await.map(|now| {
                    shown.insert(notification.subject, now);
                })
            }
            NotificationChange::Close(subject) => match shown.remove(&subject) {
                Some(Shown { id, .. }) => timed(daemon.close(id)).await,
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
            let owners = fdo::DBusProxy::builder(&connection)
                .cache_properties(zbus::proxy::CacheProperties::No)
                .build()
                .await?
                .receive_name_owner_changed_with_args(&[(0, NAME)])
                .await?;
            Ok(Self {
                proxy,
                invoked,
                closed,
                owners,
            })
        }

        async fn show(&self, notification: &Notification, replaces: u32) -> zbus::Result<Shown> {
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
            let reply = self
                .proxy
                .call_method(
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
                .await?;
            Ok(Shown {
                id: reply.body().deserialize()?,
                by: reply.header().sender().map(UniqueName::to_owned),
            })
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
    use std::sync::Arc;

    use locald_core::view::notification::{NotificationAction, NotificationChange, Subject};

    use super::Queue;

    pub(super) async fn run(
        queue: Arc<Queue>,
        _clicked: impl Fn(&Subject, Option<NotificationAction>),
        _dismissed: impl Fn(Subject),
    ) {
        loop {
            let NotificationChange::Show(notification) = queue.next().await else {
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
