//! The part of a desktop panel that shows tray icons: the StatusNotifier watcher and host, and a reader of the
//! D-Bus menu behind an item.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zbus::message::Header;
use zbus::zvariant::{OwnedObjectPath, Structure, Value};
use zbus::{Connection, MatchRule, MessageStream, Proxy, fdo, interface};

use crate::menu::MenuModel;
use crate::wait::{SOON, eventually};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WATCHER_PATH: &str = "/StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

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
struct Registered {
    bus_name: String,
    path: String,
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

/// A signal by which the app announced that its menu changed.
#[derive(Clone, Debug)]
pub struct MenuUpdate {
    /// When it arrived.
    pub at: Instant,
    /// `LayoutUpdated` or `ItemsPropertiesUpdated`.
    pub signal: String,
}

/// What an item shows beside its menu.
#[derive(Clone, Debug)]
pub struct Appearance {
    /// `Active`, `Passive` or `NeedsAttention`.
    pub status: String,
    /// The title.
    pub title: String,
    /// Title and text of the tool tip.
    pub tool_tip: (String, String),
    /// Width, height and ARGB32 bytes of each size of the icon.
    pub icons: Vec<(i32, i32, Vec<u8>)>,
}

/// One tray icon, seen and used through D-Bus alone.
#[derive(Debug)]
pub struct TrayItem {
    item: Proxy<'static>,
    menu: Proxy<'static>,
    updates: Arc<Mutex<Vec<MenuUpdate>>>,
    changed: watch::Receiver<usize>,
    listener: JoinHandle<()>,
    last_menu: Arc<Mutex<Option<MenuModel>>>,
}

impl TrayItem {
    async fn open(
        connection: &Connection,
        registered: Registered,
        last_menu: Arc<Mutex<Option<MenuModel>>>,
    ) -> Result<Self, String> {
        let text = |error: zbus::Error| error.to_string();
        let uncached = zbus::proxy::CacheProperties::No;
        let item: Proxy<'static> = zbus::proxy::Builder::new(connection)
            .destination(registered.bus_name.clone())
            .and_then(|builder| builder.path(registered.path))
            .and_then(|builder| builder.interface(ITEM))
            .map_err(text)?
            .cache_properties(uncached)
            .build()
            .await
            .map_err(text)?;
        let path: OwnedObjectPath = item.get_property("Menu").await.map_err(text)?;
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface(MENU)
            .and_then(|rule| rule.path(path.as_str().to_owned()))
            .map_err(text)?
            .build();
        // Listening starts before the first read, so no change falls between the two.
        let mut signals = MessageStream::for_match_rule(rule, connection, Some(4096))
            .await
            .map_err(text)?;
        let menu = Proxy::new(connection, registered.bus_name, path, MENU)
            .await
            .map_err(text)?;
        let updates = Arc::new(Mutex::new(Vec::new()));
        let (notify, changed) = watch::channel(0);
        let seen = updates.clone();
        let listener = tokio::spawn(async move {
            while let Some(Ok(message)) = signals.next().await {
                let signal = message.header().member().map_or_else(String::new, ToString::to_string);
                if signal == "LayoutUpdated" || signal == "ItemsPropertiesUpdated" {
                    seen.lock().unwrap().push(MenuUpdate {
                        at: Instant::now(),
                        signal,
                    });
                    notify.send_modify(|count| *count += 1);
                }
            }
        });
        Ok(Self {
            item,
            menu,
            updates,
            changed,
            listener,
            last_menu,
        })
    }

    /// Reads the whole menu.
    ///
    /// # Panics
    /// When the app does not answer.
    pub async fn menu(&self) -> MenuModel {
        let whole = (0_i32, -1_i32, Vec::<String>::new());
        let call = self.menu.call_method("GetLayout", &whole);
        let reply = tokio::time::timeout(SOON, call)
            .await
            .expect("the app answers GetLayout within 5 s");
        let reply = reply.unwrap_or_else(|error| panic!("GetLayout failed: {error}"));
        let body = reply.body();
        let answer: Structure<'_> = body.deserialize().expect("GetLayout answers with a structure");
        let menu = MenuModel::parse(&answer).unwrap_or_else(|| panic!("not a menu layout: {answer:?}"));
        *self.last_menu.lock().unwrap() = Some(menu.clone());
        menu
    }

    /// Clicks the item that [`MenuModel::item`] finds; answers with the moment before the click was sent.
    ///
    /// # Panics
    /// When there is no such item, it is disabled, or the app refuses the click.
    pub async fn click(&self, label: &str) -> Instant {
        // A click that meets a new layout has an id that is gone; a person would aim again.
        for last in [false, true] {
            let menu = self.menu().await;
            let Some(item) = menu.item(label) else {
                panic!("no item {label:?} in the tray menu:\n{menu}")
            };
            assert!(
                item.enabled && item.visible,
                "{label:?} cannot be clicked in the tray menu:\n{menu}"
            );
            let at = Instant::now();
            match self.event(item.id, "clicked").await {
                Ok(()) => return at,
                // The click did its work before an answer could be sent: *Quit*.
                Err(zbus::Error::MethodError(name, ..)) if name.ends_with(".NoReply") => return at,
                Err(error) if last => panic!("the app refused a click on {label:?}: {error}\n{menu}"),
                Err(_) => {}
            }
        }
        unreachable!("the second try returns or panics")
    }

    /// Clicks the item with this id, without a look at the menu before: for measuring.
    ///
    /// # Errors
    /// When the app refuses, as with an id of an older layout.
    pub async fn event(&self, id: i32, event: &str) -> zbus::Result<()> {
        self.menu
            .call_method("Event", &(id, event, Value::I32(0), 0_u32))
            .await
            .map(drop)
    }

    /// Tells the app that the menu opens, as a panel does before it shows it.
    pub async fn about_to_show(&self) {
        let _ = self.menu.call_method("AboutToShow", &0_i32).await;
    }

    /// Left click on the icon.
    ///
    /// # Panics
    /// When the app refuses.
    pub async fn activate(&self) -> Instant {
        let at = Instant::now();
        let reply = self.item.call_method("Activate", &(0_i32, 0_i32)).await;
        reply.unwrap_or_else(|error| panic!("the app refused a left click on its icon: {error}"));
        at
    }

    /// Reads the menu now and after each announced change until `accept` likes it.
    ///
    /// # Panics
    /// When the deadline passes first. The text tells apart a wrong menu and a right one that was never announced.
    pub async fn wait_for_menu(
        &self,
        what: &str,
        deadline: Duration,
        mut accept: impl FnMut(&MenuModel) -> bool,
    ) -> MenuModel {
        let end = Instant::now() + deadline;
        let mut changed = self.changed.clone();
        loop {
            changed.borrow_and_update();
            let menu = self.menu().await;
            if accept(&menu) {
                return menu;
            }
            if !matches!(tokio::time::timeout_at(end.into(), changed.changed()).await, Ok(Ok(()))) {
                let now = self.menu().await;
                let silent = if accept(&now) {
                    " (it is so now, but no signal announced it)"
                } else {
                    ""
                };
                panic!("waited {deadline:?} for the tray menu: {what}{silent}\n{now}");
            }
        }
    }

    /// The announced changes so far.
    pub fn updates(&self) -> Vec<MenuUpdate> {
        self.updates.lock().unwrap().clone()
    }

    /// What the icon looks like now.
    ///
    /// # Panics
    /// When the app does not answer.
    pub async fn appearance(&self) -> Appearance {
        type ToolTip = (String, Vec<(i32, i32, Vec<u8>)>, String, String);
        let (_, _, title, text): ToolTip = self.property("ToolTip").await;
        Appearance {
            status: self.property("Status").await,
            title: self.property("Title").await,
            tool_tip: (title, text),
            icons: self.property("IconPixmap").await,
        }
    }

    async fn property<T>(&self, name: &str) -> T
    where
        T: TryFrom<zbus::zvariant::OwnedValue>,
        T::Error: Into<zbus::Error>,
    {
        self.item
            .get_property(name)
            .await
            .unwrap_or_else(|error| panic!("tray item has no {name}: {error}"))
    }
}

impl Drop for TrayItem {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
