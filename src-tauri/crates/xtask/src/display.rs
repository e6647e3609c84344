//! A display and a session bus, where the machine has none.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{packages, sh};

const SHOWN_WITHIN: Duration = Duration::from_secs(60);

/// What was started for the app; ends with it.
#[derive(Default)]
pub(crate) struct Display {
    children: Vec<Child>,
    /// Variables that the app needs.
    pub env: Vec<(String, String)>,
}

impl Display {
    /// Starts what is missing.
    pub(crate) fn ensure() -> Result<Self, String> {
        let mut display = Self::default();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
            packages::install(&[packages::DISPLAY])?;
            sh::say("No display here: starting a virtual one.");
            let number = display.start(Command::new("Xvfb").args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1280x800x24",
                "-nolisten",
                "tcp",
            ]))?;
            display.env.push(("DISPLAY".to_owned(), format!(":{number}")));
            let mut manager = Command::new("openbox");
            manager
                .env("DISPLAY", format!(":{number}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            display
                .children
                .push(manager.spawn().map_err(|error| format!("openbox: {error}"))?);
        }
        if !set("DBUS_SESSION_BUS_ADDRESS") {
            let bus = Command::new("dbus-daemon")
                .args(["--session", "--nofork", "--print-address"])
                .spawn_lines();
            match bus {
                Ok((child, address)) => {
                    display.children.push(child);
                    display.env.push(("DBUS_SESSION_BUS_ADDRESS".to_owned(), address));
                }
                Err(error) => sh::say(&format!("No session bus: {error}")),
            }
        }
        Ok(display)
    }

    /// Is it one that nobody sees?
    pub(crate) fn is_virtual(&self) -> bool {
        self.env.iter().any(|(name, _)| name == "DISPLAY")
    }

    fn start(&mut self, command: &mut Command) -> Result<String, String> {
        let (child, line) = command.spawn_lines()?;
        self.children.push(child);
        Ok(line)
    }

    /// Takes a picture of the display once the dashboard is on it.
    pub(crate) fn screenshot(&self, path: &Path) -> Result<(), String> {
        let deadline = Instant::now() + SHOWN_WITHIN;
        let with_env = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            command.args(args).envs(self.env.iter().cloned()).stderr(Stdio::null());
            command.output().ok().filter(|output| output.status.success())
        };
        let file = path.display().to_string();
        loop {
            let window = with_env("xdotool", &["search", "--onlyvisible", "--name", "^locald$"]).is_some();
            if window && with_env("import", &["-silent", "-window", "root", &file]).is_some() {
                // A window that isn't drawn yet has a handful of colours.
                let colors = sh::output("identify", &["-format", "%k", &file]);
                if colors
                    .and_then(|text| text.trim().parse::<u32>().ok())
                    .is_some_and(|colors| colors > 100)
                {
                    return Ok(());
                }
            }
            if Instant::now() > deadline {
                return Err("the dashboard did not appear on the display".to_owned());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a program that says in its first line what it is to be reached by.
trait SpawnLines {
    fn spawn_lines(&mut self) -> Result<(Child, String), String>;
}

impl SpawnLines for Command {
    fn spawn_lines(&mut self) -> Result<(Child, String), String> {
        let name = self.get_program().to_string_lossy().into_owned();
        let mut child = self
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(|error| format!("{name}: {error}"))?;
        }
        let line = line.trim().to_owned();
        if line.is_empty() {
            Err(format!("{name} did not start"))
        } else {
            Ok((child, line))
        }
    }
}
