//! A notification server that records what it is asked to show, and can be told to misbehave.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zbus::zvariant::OwnedValue;
use zbus::{Connection, interface};

use crate::wait::eventually;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// One `Notify` call.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The id it got.
    pub id: u32,
    /// The application's name.
    pub app_name: String,
    /// The id of the notification it takes the place of, 0 for none.
    pub replaces_id: u32,
    /// Icon name or path.
    pub icon: String,
    /// First line.
    pub summary: String,
    /// The rest.
    pub body: String,
    /// Buttons: key and label.
    pub actions: Vec<(String, String)>,
    /// Everything else, as text.
    pub hints: HashMap<String, String>,
    /// Milliseconds until it goes away, -1 as the server likes, 0 never.
    pub expire_timeout: i32,
    /// When the call arrived.
    pub received_at: Instant,
    /// Whether the application or the person has closed it since.
    pub closed: bool,
}

impl Notification {
    /// The key of the button with this label.
    pub fn action(&self, label: &str) -> Option<&str> {
        self.actions
            .iter()
            .find(|(_, text)| text == label)
            .map(|(key, _)| key.as_str())
    }
}

/// The notification server of the private desktop. It can be stopped and started while the app runs; what it recorded stays.
#[derive(Debug)]
pub struct NotificationServer {
    address: String,
    record: Arc<Record>,
    running: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Record {
    notifications: Mutex<Vec<Notification>>,
    next_id: AtomicU32,
    capabilities: Mutex<Vec<String>>,
    answers: AtomicBool,
}

impl NotificationServer {
    pub(crate) fn new(address: &str) -> Self {
        let capabilities = ["actions", "body", "body-markup", "persistence"].map(str::to_owned);
        let record = Record {
            notifications: Mutex::default(),
            next_id: AtomicU32::new(1),
            capabilities: Mutex::new(capabilities.to_vec()),
            answers: AtomicBool::new(true),
        };
        Self {
            address: address.to_owned(),
            record: Arc::new(record),
            running: Mutex::default(),
        }
    }

    /// Claims the name.
    ///
    /// # Panics
    /// When the bus refuses.
    pub async fn start(&self) {
        assert!(
            self.running.lock().unwrap().is_none(),
            "the notification server runs already"
        );
        let connection = zbus::connection::Builder::address(self.address.as_str())
            .and_then(|builder| {
                builder.serve_at(
                    PATH,
                    Server {
                        record: self.record.clone(),
                    },
                )
            })
            .and_then(|builder| builder.name(NAME))
            .expect("a valid address, path and name")
            .build()
            .await
            .unwrap_or_else(|error| panic!("cannot be the notification server at {}: {error}", self.address));
        *self.running.lock().unwrap() = Some(connection);
    }

    /// Leaves the bus as a killed daemon does.
    pub async fn stop(&self) {
        let connection = self.running.lock().unwrap().take();
        if let Some(connection) = connection {
            let _ = connection.release_name(NAME).await;
            let _ = connection.close().await;
        }
    }

    /// What the server says it can do; without `actions` it shows no buttons.
    pub fn set_capabilities(&self, capabilities: &[&str]) {
        *self.record.capabilities.lock().unwrap() = capabilities.iter().map(|&text| text.to_owned()).collect();
    }

    /// Whether calls are answered: when not, they are recorded and the caller waits for ever.
    pub fn set_answers(&self, answers: bool) {
        self.record.answers.store(answers, Ordering::SeqCst);
    }

    /// Everything received so far.
    pub fn all(&self) -> Vec<Notification> {
        self.record.notifications.lock().unwrap().clone()
    }

    /// Waits for a notification that `accept` likes, among those received before too.
    ///
    /// # Panics
    /// When none has come at the deadline.
    pub async fn wait_for(
        &self,
        what: &str,
        deadline: Duration,
        mut accept: impl FnMut(&Notification) -> bool,
    ) -> Notification {
        eventually(&format!("a notification: {what}"), deadline, async || {
            let all = self.all();
            let found = all.iter().find(|notification| accept(notification)).cloned();
            found.ok_or_else(|| format!("{} received:{}", all.len(), describe(&all)))
        })
        .await
    }

    /// Presses a button, by key: the application hears of it, and the notification closes.
    ///
    /// # Panics
    /// When the server is stopped.
    pub async fn invoke(&self, id: u32, action_key: &str) -> Instant {
        let at = Instant::now();
        self.emit("ActionInvoked", &(id, action_key)).await;
        self.close(id).await;
        at
    }

    /// Closes it as a person does.
    ///
    /// # Panics
    /// When the server is stopped.
    pub async fn close(&self, id: u32) {
        self.record.mark_closed(id);
        const DISMISSED_BY_PERSON: u32 = 2;
        self.emit("NotificationClosed", &(id, DISMISSED_BY_PERSON)).await;
    }

    async fn emit<B: serde::Serialize + zbus::zvariant::DynamicType>(&self, signal: &str, body: &B) {
        let connection = self
            .running
            .lock()
            .unwrap()
            .clone()
            .expect("the notification server runs");
        let sent = connection.emit_signal(None::<&str>, PATH, NAME, signal, body).await;
        sent.unwrap_or_else(|error| panic!("cannot emit {signal}: {error}"));
    }

    pub(crate) fn write_evidence(&self, folder: &Path) {
        let _ = std::fs::write(folder.join("notifications.txt"), format!("{:#?}\n", self.all()));
    }
}

impl Record {
    fn mark_closed(&self, id: u32) {
        for notification in self.notifications.lock().unwrap().iter_mut().filter(|it| it.id == id) {
            notification.closed = true;
        }
    }
}

fn describe(all: &[Notification]) -> String {
    let lines = all.iter().map(|it| {
        format!(
            "\n    {:?} {:?} {:?} {:?}",
            it.app_name, it.summary, it.body, it.actions
        )
    });
    lines.collect()
}

struct Server {
    record: Arc<Record>,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the specification's signature")]
    async fn notify(
        &self,
        app_name: String,
        replaces_id: u32,
        app_icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        expire_timeout: i32,
    ) -> u32 {
        let received_at = Instant::now();
        let id = match replaces_id {
            0 => self.record.next_id.fetch_add(1, Ordering::SeqCst),
            taken => taken,
        };
        let pairs = actions.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        self.record.notifications.lock().unwrap().push(Notification {
            id,
            app_name,
            replaces_id,
            icon: app_icon,
            summary,
            body,
            actions: pairs.collect(),
            hints: hints
                .iter()
                .map(|(key, value)| (key.clone(), format!("{:?}", **value)))
                .collect(),
            expire_timeout,
            received_at,
            closed: false,
        });
        self.answer().await;
        id
    }

    async fn close_notification(&self, id: u32, #[zbus(connection)] connection: &Connection) {
        const CLOSED_BY_CALL: u32 = 3;
        self.record.mark_closed(id);
        self.answer().await;
        let _ = connection
            .emit_signal(None::<&str>, PATH, NAME, "NotificationClosed", &(id, CLOSED_BY_CALL))
            .await;
    }

    async fn get_capabilities(&self) -> Vec<String> {
        self.answer().await;
        self.record.capabilities.lock().unwrap().clone()
    }

    async fn get_server_information(&self) -> (String, String, String, String) {
        self.answer().await;
        (
            "locald-tests".to_owned(),
            "locald".to_owned(),
            "1".to_owned(),
            "1.2".to_owned(),
        )
    }
}

impl Server {
    async fn answer(&self) {
        if !self.record.answers.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}
