//! Which parts of a desktop are there: a session bus, a tray host, a notification daemon.

use std::sync::Arc;

use tokio::sync::watch;

/// What is there, kept current.
#[derive(Debug, Clone)]
pub(crate) struct Presence {
    current: watch::Receiver<Parts>,
}

/// The parts of a desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    bus: bool,
    tray_host: bool,
    notifications: bool,
}

const NO_BUS: &str = "There is no session bus, so neither tray nor notifications work; locald works in this window.";
const NO_TRAY: &str =
    "This desktop has no tray, so closing the window minimises it. On GNOME, the AppIndicator extension adds a tray.";
const NO_NOTIFICATIONS: &str = "This desktop has no notification service, so crashes show here and in the tray only.";

impl Parts {
    /// What is missing, in sentences.
    pub(crate) fn notices(self) -> Vec<String> {
        let missing = [(!self.tray_host, NO_TRAY), (!self.notifications, NO_NOTIFICATIONS)];
        if !self.bus {
            return vec![NO_BUS.to_owned()];
        }
        missing
            .into_iter()
            .filter(|(missing, _)| *missing)
            .map(|(_, text)| text.to_owned())
            .collect()
    }
}

impl Presence {
    /// Begins to watch. All counts as there until it is known not to be.
    pub(crate) fn watch() -> Self {
        let (sender, current) = watch::channel(Parts {
            bus: true,
            tray_host: true,
            notifications: true,
        });
        #[cfg(target_os = "linux")]
        tokio::spawn(linux::keep(Arc::new(sender)));
        // Elsewhere both belong to the system; the sender lives as long as the process.
        #[cfg(not(target_os = "linux"))]
        std::mem::forget(Arc::new(sender));
        Self { current }
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Parts> {
        self.current.clone()
    }

    /// Is there a tray that brings a closed window back?
    pub(crate) fn tray_host(&self) -> bool {
        self.current.borrow().tray_host
    }

    /// Is this notice one of this module's?
    pub(crate) fn is_own(notice: &str) -> bool {
        [NO_BUS, NO_TRAY, NO_NOTIFICATIONS].contains(&notice)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{sync::Arc, time::Duration};

    use futures_util::StreamExt as _;
    use tokio::sync::watch;
    use zbus::{Connection, fdo::DBusProxy, names::BusName};

    use super::Parts;

    /// StatusNotifierItem specification, "StatusNotifierWatcher".
    const WATCHER: &str = "org.kde.StatusNotifierWatcher";
    /// Desktop notifications specification, 1.2.
    const NOTIFICATIONS: &str = "org.freedesktop.Notifications";
    const RETRY: Duration = Duration::from_secs(5);

    pub(super) async fn keep(parts: Arc<watch::Sender<Parts>>) {
        loop {
            if let Err(error) = follow(&parts).await {
                tracing::debug!(%error, "session bus");
            }
            set(
                &parts,
                Parts {
                    bus: false,
                    tray_host: false,
                    notifications: false,
                },
            );
            tokio::time::sleep(RETRY).await;
        }
    }

    fn set(parts: &watch::Sender<Parts>, now: Parts) {
        parts.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }

    async fn follow(parts: &watch::Sender<Parts>) -> zbus::Result<()> {
        let connection = Connection::session().await?;
        let bus = DBusProxy::new(&connection).await?;
        // Subscribe, then look.
        let mut changes = bus.receive_name_owner_changed().await?;
        loop {
            set(parts, look(&connection, &bus).await?);
            loop {
                let Some(change) = changes.next().await else {
                    return Ok(());
                };
                let args = change.args()?;
                if [WATCHER, NOTIFICATIONS].contains(&args.name().as_str()) {
                    break;
                }
            }
        }
    }

    async fn look(connection: &Connection, bus: &DBusProxy<'_>) -> zbus::Result<Parts> {
        let owned = |name: &'static str| async move {
            bus.name_has_owner(BusName::try_from(name)?)
                .await
                .map_err(zbus::Error::from)
        };
        let watcher = owned(WATCHER).await?;
        let tray_host = watcher && host_registered(connection).await;
        // A daemon that isn't started yet is started by the bus at the first notification.
        let startable = bus
            .list_activatable_names()
            .await?
            .iter()
            .any(|name| name.as_str() == NOTIFICATIONS);
        let notifications = startable || owned(NOTIFICATIONS).await?;
        Ok(Parts {
            bus: true,
            tray_host,
            notifications,
        })
    }

    async fn host_registered(connection: &Connection) -> bool {
        let proxy = zbus::Proxy::new(connection, WATCHER, "/StatusNotifierWatcher", WATCHER).await;
        match proxy {
            // Some watchers don't have the property, and are hosts themselves.
            Ok(proxy) => proxy
                .get_property::<bool>("IsStatusNotifierHostRegistered")
                .await
                .unwrap_or(true),
            Err(_) => false,
        }
    }
}
