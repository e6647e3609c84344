//! The part of a desktop panel that shows tray icons: the StatusNotifier watcher and host.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zbus::message::Header;
use zbus::{Connection, Proxy, fdo, interface};

use crate::menu::MenuModel;
use crate::tray_item::TrayItem;
use crate::wait::eventually;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WATCHER_PATH: &str = "/StatusNotifierWatcher";
pub(crate) const ITEM: &str = "org.kde.StatusNotifierItem";

/// The tray of the private desktop. It can be stopped and started while the app runs.
#[derive(Debug)]
pub struct TrayHost {
    address: String,
    running: Mutex<Option<Running>>,
    /// Kept for the evidence of a failed test.
    last_menu: Arc<Mutex<Option<MenuModel>>>,
}

#[derive(Debug)]
struct Running {
    connection: Connection,
    registered: watch::Receiver<Vec<Registered>>,
    departures: JoinHandle<()>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) bus_name: String,
    pub(crate) path: String,
}

impl TrayHost {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            running: Mutex::default(),
            last_menu: Arc::default(),
        }
    }

    /// Claims the watcher's name: apps that wait for a tray register now.
    ///
    /// # Panics
    /// When the bus refuses.
    pub async fn start(&self) {
        assert!(self.running.lock().unwrap().is_none(), "the tray host runs already");
        let (items, registered) = watch::channel(Vec::new());
        let items = Arc::new(items);
        let connection = zbus::connection::Builder::address(self.address.as_str())
            .and_then(|builder| builder.serve_at(WATCHER_PATH, Watcher { items: items.clone() }))
            .expect("a valid address and path")
            .build()
            .await
            .unwrap_or_else(|error| panic!("the tray host cannot reach the bus at {}: {error}", self.address));
        let departures = tokio::spawn(forget_departed(connection.clone(), items));
        // The name comes last: whoever sees it must find the object.
        connection
            .request_name(WATCHER)
            .await
            .expect("nobody else is the watcher on a private bus");
        *self.running.lock().unwrap() = Some(Running {
            connection,
            registered,
            departures,
        });
    }

    /// Leaves the bus as a killed panel does.
    pub async fn stop(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(running) = running {
            running.departures.abort();
            // Releasing first makes the departure certain even while an item still holds this connection.
            let _ = running.connection.release_name(WATCHER).await;
            let _ = running.connection.close().await;
        }
    }

    /// The registered items as `name/path`, as the watcher's property has them.
    pub fn items(&self) -> Vec<String> {
        let running = self.running.lock().unwrap();
        let registered = running.as_ref().map(|running| running.registered.borrow().clone());
        registered.unwrap_or_default().iter().map(Registered::to_text).collect()
    }

    /// The menu a test read last.
    pub fn last_menu(&self) -> Option<MenuModel> {
        self.last_menu.lock().unwrap().clone()
    }

    /// Waits until an item whose `Id` is `id` has registered.
    ///
    /// # Panics
    /// When none has at the deadline, or the tray host is stopped.
    pub async fn wait_for_item(&self, id: &str, deadline: Duration) -> TrayItem {
        let (connection, registered) = {
            let running = self.running.lock().unwrap();
            let running = running
                .as_ref()
                .expect("the tray host is stopped: nothing can register");
            (running.connection.clone(), running.registered.clone())
        };
        eventually(&format!("a tray item with id {id:?}"), deadline, async || {
            let mut ids = Vec::new();
            for item in registered.borrow().clone() {
                let proxy = Proxy::new(&connection, item.bus_name.clone(), item.path.clone(), ITEM).await;
                let proxy = proxy.map_err(|error| error.to_string())?;
                match proxy.get_property::<String>("Id").await {
                    Ok(found) if found == id => {
                        return TrayItem::open(&connection, item, self.last_menu.clone()).await;
                    }
                    Ok(other) => ids.push(other),
                    Err(error) => ids.push(format!("<{}: {error}>", item.to_text())),
                }
            }
            Err(format!("registered ids: {ids:?}"))
        })
        .await
    }

    pub(crate) fn write_evidence(&self, folder: &Path) {
        let text = self
            .last_menu()
            .map_or_else(|| "no menu was read\n".to_owned(), |menu| menu.to_string());
        let _ = std::fs::write(
            folder.join("tray-menu.txt"),
            format!("items: {:?}\n\n{text}", self.items()),
        );
    }
}

impl Registered {
    fn to_text(&self) -> String {
        format!("{}{}", self.bus_name, self.path)
    }
}

/// Items vanish with the program that owned them.
async fn forget_departed(connection: Connection, items: Arc<watch::Sender<Vec<Registered>>>) {
    let Ok(bus) = fdo::DBusProxy::new(&connection).await else {
        return;
    };
    let Ok(mut changes) = bus.receive_name_owner_changed().await else {
        return;
    };
    while let Some(change) = changes.next().await {
        let Ok(args) = change.args() else { continue };
        if args.new_owner().is_some() {
            continue;
        }
        let name = args.name().to_string();
        let gone: Vec<_> = items
            .borrow()
            .iter()
            .filter(|item| item.bus_name == name)
            .cloned()
            .collect();
        for item in gone {
            items.send_modify(|items| items.retain(|other| *other != item));
            let _ = connection
                .emit_signal(
                    None::<&str>,
                    WATCHER_PATH,
                    WATCHER,
                    "StatusNotifierItemUnregistered",
                    &item.to_text(),
                )
                .await;
        }
    }
}

struct Watcher {
    items: Arc<watch::Sender<Vec<Registered>>>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        // Apps pass their bus name, or (older ones) the object path on the connection they call from.
        let item = if service.starts_with('/') {
            let sender = header
                .sender()
                .ok_or_else(|| fdo::Error::InvalidArgs("no sender".to_owned()))?;
            Registered {
                bus_name: sender.to_string(),
                path: service,
            }
        } else {
            Registered {
                bus_name: service,
                path: "/StatusNotifierItem".to_owned(),
            }
        };
        let text = item.to_text();
        self.items.send_if_modified(|items| {
            let new = !items.contains(&item);
            if new {
                items.push(item);
            }
            new
        });
        connection
            .emit_signal(
                None::<&str>,
                WATCHER_PATH,
                WATCHER,
                "StatusNotifierItemRegistered",
                &text,
            )
            .await?;
        Ok(())
    }

    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.borrow().iter().map(Registered::to_text).collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}
