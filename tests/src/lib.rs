//! The end-to-end harness: a private display, a private session bus with a tray host and a notification server,
//! the real web view through WebDriver, and a proxy that shows what reaches an engine.
//!
//! A test starts a [`Desktop`], then the [`App`] in it, and talks to both only the way a person's session would:
//!
//! ```no_run
//! # use locald_tests::{Desktop, wait::SOON};
//! # async fn test() {
//! if !locald_tests::needs::desktop() { return }
//! let desktop = Desktop::start().await;
//! let app = desktop.app().hidden().start().await;
//! let tray = desktop.tray.wait_for_item("locald", SOON).await;
//! tray.click("db").await;
//! tray.wait_for_menu("db is checked", SOON, |menu| menu.item("db").is_some_and(|db| db.checked())).await;
//! # drop(app);
//! # }
//! ```
//!
//! Tests with a real engine (see [`engines`]) run as `#[tokio::test(flavor = "multi_thread")]`: starting it and calling
//! `docker` block the thread, and the bus has to be served meanwhile.
//!
//! When a test panics, everything needed to understand it is written to `test-output/<test>/`: see [`failure`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test harness fails by panicking and reports on stderr"
)]

pub mod app;
pub mod chaos;
pub mod desktop;
pub mod engine_proxy;
pub mod engines;
pub(crate) mod environment;
pub mod failure;
pub mod menu;
pub mod needs;
pub mod notifications;
pub mod proc;
pub mod servers;
mod session;
pub mod tray_host;
pub mod tray_item;
pub mod wait;
pub mod webdriver;
pub mod windows;

pub use app::{App, Output};
pub use desktop::Desktop;
pub use engine_proxy::EngineProxy;
pub use notifications::Notification;
pub use webdriver::WebView;
