//! One tray icon and the D-Bus menu behind it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zbus::zvariant::{OwnedObjectPath, Structure, Value};
use zbus::{Connection, MatchRule, MessageStream, Proxy};

use crate::menu::MenuModel;
use crate::tray_host::{ITEM, Registered};
use crate::wait::SOON;

const MENU: &str = "com.canonical.dbusmenu";

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
    pub(crate) async fn open(
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
