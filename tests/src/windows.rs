//! The screen of the private session: pictures of it, its windows, and keys.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::desktop::Desktop;
use crate::wait::eventually;

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
        // A window that is destroyed while they are listed ends the program that lists them.
        let text = eventually("a list of windows", Duration::from_secs(20), async || {
            let mut command = self.command("wmctrl");
            command.args(["-l", "-p"]);
            match ran(command).await {
                Err(errors) if errors.contains("BadWindow") => Err(errors),
                other => Ok(other.unwrap_or_else(|errors| panic!("{errors}"))),
            }
        })
        .await;
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

async fn text_of(command: Command) -> String {
    ran(command).await.unwrap_or_else(|errors| panic!("{errors}"))
}

/// What a program wrote, or what it complained of.
async fn ran(mut command: Command) -> Result<String, String> {
    let output = tokio::time::timeout(Duration::from_secs(20), command.kill_on_drop(true).output()).await;
    let output = output.unwrap_or_else(|_| panic!("no answer in 20 s: {command:?}"));
    let output = output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{errors}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
