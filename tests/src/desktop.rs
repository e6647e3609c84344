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
use crate::failure::{self, Evidence};
use crate::needs;
use crate::notifications::NotificationServer;
use crate::session::{Bus, Display, WindowManager, tied_command};
use crate::tray_host::TrayHost;
use crate::wait::eventually;

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

/// A window on the display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// X11 id, as `0x…`.
    pub id: String,
    /// The title.
    pub title: String,
    /// The process that opened it.
    pub pid: Option<u32>,
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

    /// Takes a picture of the whole screen.
    ///
    /// # Panics
    /// When that fails.
    pub async fn screenshot(&self, path: &Path) {
        let mut command = self.command("import");
        command.args(["-window", "root"]).arg(path);
        text_of(command).await;
    }

    /// The windows a person could see, with a title.
    ///
    /// # Panics
    /// When the window manager does not answer.
    pub async fn windows(&self) -> Vec<Window> {
        let mut command = self.command("wmctrl");
        command.args(["-l", "-p"]);
        let text = text_of(command).await;
        let parse = |line: &str| {
            let mut words = line.split_whitespace();
            let (id, _desktop, pid, host) = (words.next()?, words.next()?, words.next()?, words.next()?);
            let title = line.split_once(&format!(" {host} ")).map_or("", |(_, title)| title);
            Some(Window {
                id: id.to_owned(),
                title: title.trim().to_owned(),
                pid: pid.parse().ok().filter(|&pid| pid != 0),
            })
        };
        text.lines().filter_map(parse).collect()
    }

    /// Waits for a window with this title.
    ///
    /// # Panics
    /// When there is none at the deadline.
    pub async fn wait_for_window(&self, title: &str, deadline: Duration) -> Window {
        eventually(&format!("a window titled {title:?}"), deadline, async || {
            let windows = self.windows().await;
            let found = windows.iter().find(|window| window.title == title).cloned();
            found.ok_or_else(|| format!("{windows:?}"))
        })
        .await
    }

    /// Waits until no window has this title.
    ///
    /// # Panics
    /// When there still is one at the deadline.
    pub async fn wait_for_no_window(&self, title: &str, deadline: Duration) {
        eventually(&format!("no window titled {title:?}"), deadline, async || {
            let windows = self.windows().await;
            if windows.iter().any(|window| window.title == title) {
                Err(format!("{windows:?}"))
            } else {
                Ok(())
            }
        })
        .await;
    }

    /// Asks the window to close, as its close button does.
    ///
    /// # Panics
    /// When there is no such window.
    pub async fn close_window(&self, title: &str) {
        self.wmctrl("-c", title).await;
    }

    /// Brings the window to the front and gives it the focus.
    ///
    /// # Panics
    /// When there is no such window.
    pub async fn focus_window(&self, title: &str) {
        self.wmctrl("-a", title).await;
    }

    async fn wmctrl(&self, action: &str, title: &str) {
        let windows = self.windows().await;
        let window = windows.iter().find(|window| window.title == title);
        let window = window.unwrap_or_else(|| panic!("no window titled {title:?} among {windows:?}"));
        let mut command = self.command("wmctrl");
        command.args(["-i", action, &window.id]);
        text_of(command).await;
    }

    /// Whether the window with this title has the focus.
    ///
    /// # Panics
    /// When the display does not answer.
    pub async fn window_is_focused(&self, title: &str) -> bool {
        let mut command = self.command("xprop");
        command.args(["-root", "_NET_ACTIVE_WINDOW"]);
        let text = text_of(command).await;
        let id = |text: &str| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
        let active = text.rsplit('#').next().and_then(id);
        active.is_some()
            && self
                .windows()
                .await
                .iter()
                .any(|window| window.title == title && id(&window.id) == active)
    }

    /// Presses keys in the focused window, in `xdotool`'s names: `Tab`, `Return`, `ctrl+f`.
    ///
    /// # Panics
    /// When a name is not known.
    pub async fn press(&self, keys: &[&str]) {
        let mut command = self.command("xdotool");
        command.args(["key", "--clearmodifiers"]).args(keys);
        text_of(command).await;
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

fn environment(
    home: &Path,
    runtime: &Path,
    display: u32,
    bus: Option<&Bus>,
    appearance: Appearance,
) -> BTreeMap<OsString, OsString> {
    let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
    for key in [
        "PATH",
        "USER",
        "LOGNAME",
        "CI",
        "RUST_LOG",
        "LLVM_PROFILE_FILE",
        "LD_LIBRARY_PATH",
    ] {
        if let Some(value) = std::env::var_os(key) {
            env.insert(key.into(), value);
        }
    }
    let mut set = |key: &str, value: OsString| env.insert(key.into(), value);
    set("HOME", home.into());
    for (key, folder) in [
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_STATE_HOME", ".local/state"),
        ("XDG_CACHE_HOME", ".cache"),
    ] {
        fs::create_dir_all(home.join(folder)).expect("the test's folder is writable");
        set(key, home.join(folder).into());
    }
    set("XDG_RUNTIME_DIR", runtime.into());
    set("XDG_SESSION_TYPE", "x11".into());
    set("XDG_CURRENT_DESKTOP", "locald-tests".into());
    set("TMPDIR", "/tmp".into());
    set("LANG", "C.UTF-8".into());
    set("TZ", "UTC".into());
    set("RUST_BACKTRACE", "1".into());
    // Else the app would find, and change, the engine of the person running the tests.
    set(
        "DOCKER_HOST",
        format!("unix://{}", runtime.with_file_name("no-engine.sock").display()).into(),
    );
    set("DISPLAY", format!(":{display}").into());
    set("GDK_BACKEND", "x11".into());
    // Accessibility, settings and file-system daemons would be started per test and outlive it.
    set("NO_AT_BRIDGE", "1".into());
    set("GTK_A11Y", "none".into());
    set("GSETTINGS_BACKEND", "memory".into());
    set("GIO_USE_VFS", "local".into());
    // There is no GPU behind Xvfb.
    set("LIBGL_ALWAYS_SOFTWARE", "1".into());
    set("WEBKIT_DISABLE_DMABUF_RENDERER", "1".into());
    if let Some(bus) = bus {
        set("DBUS_SESSION_BUS_ADDRESS", bus.address.clone().into());
    }
    // The theme's name is what WebKit and tao both go by; `gtk-application-prefer-dark-theme` alone leaves WebKit light.
    let theme = if appearance == Appearance::Dark {
        "Adwaita-dark"
    } else {
        "Adwaita"
    };
    let gtk = home.join(".config/gtk-3.0");
    fs::create_dir_all(&gtk).expect("the test's folder is writable");
    let settings = format!("[Settings]\ngtk-theme-name={theme}\ngtk-enable-animations=0\n");
    fs::write(gtk.join("settings.ini"), settings).expect("the test's folder is writable");
    env
}

async fn text_of(mut command: Command) -> String {
    let output = tokio::time::timeout(Duration::from_secs(20), command.kill_on_drop(true).output()).await;
    let output = output.unwrap_or_else(|_| panic!("no answer in 20 s: {command:?}"));
    let output = output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
