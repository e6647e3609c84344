//! A private desktop session: display, bus, tray, notification server and home folder, shared with nobody.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::app::{self, Output};
use crate::environment::environment;
use crate::failure::{self, Evidence};
use crate::needs;
use crate::notifications::NotificationServer;
use crate::servers;
use crate::session::{Bus, Display, WindowManager, tied_command};
use crate::tray_host::TrayHost;

/// What the desktop says about light and dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Appearance {
    /// Prefers light.
    #[default]
    Light,
    /// Prefers dark.
    Dark,
}

/// What happens to notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notifications {
    /// A server records and answers.
    #[default]
    Recorded,
    /// Nobody serves them until a test calls `desktop.notifications.start()`.
    Absent,
    /// A server records and never answers.
    Unanswered,
    /// The bus starts a program for them that never claims the name.
    NeverClaimed,
}

/// How a [`Desktop`] is put together.
#[derive(Clone, Debug)]
pub struct Options {
    bus: bool,
    tray: bool,
    notifications: Notifications,
    appearance: Appearance,
    size: (u32, u32),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bus: true,
            tray: true,
            notifications: Notifications::default(),
            appearance: Appearance::default(),
            size: (1280, 900),
        }
    }
}

impl Options {
    /// No session bus: `DBUS_SESSION_BUS_ADDRESS` is unset, and nothing listens where it would be.
    pub fn without_bus(mut self) -> Self {
        self.bus = false;
        self
    }

    /// No tray until a test calls `desktop.tray.start()`.
    pub fn without_tray(mut self) -> Self {
        self.tray = false;
        self
    }

    /// Another kind of notification server.
    pub fn notifications(mut self, kind: Notifications) -> Self {
        self.notifications = kind;
        self
    }

    /// Light or dark.
    pub fn appearance(mut self, appearance: Appearance) -> Self {
        self.appearance = appearance;
        self
    }

    /// Pixels of the screen.
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When a part of it does not come up.
    pub async fn start(self) -> Desktop {
        Desktop::start_with(self).await
    }
}

/// The running session. Everything in it ends when it and the apps in it are dropped.
#[derive(Debug)]
pub struct Desktop {
    // Drop order: the programs end before the folder they write to goes.
    window_manager: Option<WindowManager>,
    /// The tray host.
    pub tray: TrayHost,
    /// The notification server.
    pub notifications: NotificationServer,
    bus: Option<Bus>,
    display: Display,
    shared: Arc<Shared>,
}

/// What an [`App`](crate::App) needs of its desktop, and what outlives a failed test long enough to be written down.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: TempDir,
    pub(crate) env: Mutex<BTreeMap<OsString, OsString>>,
    pub(crate) display: u32,
    evidence: Evidence,
}

impl Desktop {
    /// A whole desktop with a tray and a notification server.
    ///
    /// # Panics
    /// When a part of it does not come up.
    pub async fn start() -> Self {
        Options::default().start().await
    }

    /// What to start with: `Desktop::with().without_tray().start()`.
    pub fn with() -> Options {
        Options::default()
    }

    async fn start_with(options: Options) -> Self {
        // A short path: names of unix sockets end at 107 bytes.
        let root = tempfile::Builder::new()
            .prefix("lt-")
            .tempdir_in("/tmp")
            .expect("/tmp is writable");
        let folder = |name: &str, mode: u32| {
            let path = root.path().join(name);
            fs::create_dir_all(&path).expect("the test's folder is writable");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("our own folder");
            path
        };
        let (logs, services) = (folder("logs", 0o755), folder("services", 0o755));
        let runtime = folder("run", 0o700);
        let home = folder("home", 0o755);
        if options.notifications == Notifications::NeverClaimed {
            let service = "[D-BUS Service]\nName=org.freedesktop.Notifications\nExec=/bin/sleep 600\n";
            fs::write(services.join("org.freedesktop.Notifications.service"), service).expect("writable");
        }
        let (display, bus) = tokio::join!(Display::start(&logs, options.size), async {
            if options.bus {
                Some(Bus::start(&runtime, &services, &logs).await)
            } else {
                None
            }
        });
        let env = environment(&home, &runtime, display.number, bus.as_ref(), options.appearance);
        let address = bus
            .as_ref()
            .map_or("unix:path=/nonexistent", |bus| bus.address.as_str());
        let mut desktop = Self {
            window_manager: None,
            tray: TrayHost::new(address),
            notifications: NotificationServer::new(address),
            shared: Arc::new(Shared {
                env: Mutex::new(env),
                display: display.number,
                root,
                evidence: Evidence::default(),
            }),
            bus,
            display,
        };
        desktop
            .notifications
            .set_answers(options.notifications != Notifications::Unanswered);
        let recorded = matches!(
            options.notifications,
            Notifications::Recorded | Notifications::Unanswered
        );
        let openbox = desktop.command("openbox");
        let ((), (), window_manager) = tokio::join!(
            async {
                if options.bus && options.tray {
                    desktop.tray.start().await;
                }
            },
            async {
                if options.bus && recorded {
                    desktop.notifications.start().await;
                }
            },
            WindowManager::start(openbox, desktop.display.number, &logs),
        );
        desktop.window_manager = Some(window_manager);
        desktop
    }

    /// A command in this session: of the caller's environment it sees `PATH` and little else.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        self.shared.command(program.as_ref())
    }

    /// Sets a variable for every command from now on.
    pub fn set_env(&self, key: &str, value: impl Into<OsString>) {
        self.shared.env.lock().unwrap().insert(key.into(), value.into());
    }

    /// Unsets a variable for every command from now on.
    pub fn unset_env(&self, key: &str) {
        self.shared.env.lock().unwrap().remove(&OsString::from(key));
    }

    /// Points everything in this session at the engine behind this socket. Before, `DOCKER_HOST` names a socket that is
    /// not there; a test of discovery unsets it.
    pub fn use_docker(&self, socket: &Path) {
        self.set_env("DOCKER_HOST", format!("unix://{}", socket.display()));
    }

    /// The private folder all others are in: `home`, `run`, `logs`, and what a test adds.
    pub fn root(&self) -> &Path {
        self.shared.root.path()
    }

    /// `$HOME`.
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// `$XDG_CONFIG_HOME/locald`.
    pub fn config(&self) -> PathBuf {
        self.home().join(".config/locald")
    }

    /// `$XDG_RUNTIME_DIR/locald`.
    pub fn runtime(&self) -> PathBuf {
        self.root().join("run/locald")
    }

    /// A file of the personal project's folder, made with its parents.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_config(&self, name: &str, text: &str) -> PathBuf {
        self.write(&self.config().join(name), text)
    }

    /// A project folder below `$HOME` with this `locald.toml`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn project(&self, name: &str, locald_toml: &str) -> PathBuf {
        let folder = self.home().join(name);
        self.write(&folder.join("locald.toml"), locald_toml);
        folder
    }

    fn write(&self, path: &Path, text: &str) -> PathBuf {
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the test's folder is writable");
        fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path.to_owned()
    }

    /// The address of the session bus.
    ///
    /// # Panics
    /// When the desktop has none.
    pub fn bus_address(&self) -> &str {
        &self.bus.as_ref().expect("this desktop has a bus").address
    }

    /// The app of this project, to be configured and started.
    pub fn app(&self) -> app::Builder {
        app::Builder::new(self.shared.clone())
    }

    /// Runs `locald` to its end, in `$HOME`.
    ///
    /// # Panics
    /// When the program is missing or does not end within a minute.
    pub async fn cli(&self, args: &[&str]) -> Output {
        self.cli_in(&self.home(), args).await
    }

    /// Runs `locald` to its end, in `folder`.
    ///
    /// # Panics
    /// When the program is missing or does not end within a minute.
    pub async fn cli_in(&self, folder: &Path, args: &[&str]) -> Output {
        let mut command = self.command(app::cli_program());
        command.current_dir(folder).args(args);
        app::run(command, &self.root().join("logs/cli.log"), Duration::from_secs(60)).await
    }
}

impl Shared {
    pub(crate) fn command(&self, program: &Path) -> Command {
        let path = program
            .to_str()
            .and_then(needs::find)
            .unwrap_or_else(|| program.to_owned());
        let mut command = tied_command(&path);
        command
            .env_clear()
            .envs(self.env.lock().unwrap().iter())
            .current_dir(self.root.path().join("home"));
        command
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.path().join("logs").join(name)
    }

    /// While a test fails: what every guard can tell, even when the desktop itself is not at hand.
    pub(crate) fn on_panic(&self, more: impl FnOnce(&Path)) {
        self.evidence.on_panic(|folder| {
            let _ = std::process::Command::new("import")
                .args(["-display", &format!(":{}", self.display), "-window", "root"])
                .arg(folder.join("screen.png"))
                .status();
            failure::copy_logs(&self.root.path().join("logs"), folder);
            more(folder);
        });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Hosts that a command started, and servers, outlive all else in it by design.
        servers::sweep(self.root.path());
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        self.shared.on_panic(|_| {});
        if std::thread::panicking() {
            let folder = failure::folder();
            self.tray.write_evidence(&folder);
            self.notifications.write_evidence(&folder);
        }
    }
}
