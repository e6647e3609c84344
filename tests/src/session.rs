//! The programs a desktop session is made of: an X display, a session bus, a window manager.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::needs;
use crate::proc::{Tree, last_lines};
use crate::wait::{LATER, SOON, eventually};

/// A command that is killed with the thread that started it, so that nothing outlives a test process that was killed.
pub(crate) fn tied_command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

fn program(name: &str) -> PathBuf {
    needs::find(name).unwrap_or_else(|| panic!("{name} not found: begin the test with `if !needs::desktop()`"))
}

async fn first_line(tree: &mut Tree, what: &str) -> String {
    let mut lines = BufReader::new(tree.take_stdout()).lines();
    match tokio::time::timeout(LATER, lines.next_line()).await {
        Ok(Ok(Some(line))) => line.trim().to_owned(),
        other => panic!("{what} did not come up: {other:?}\n    {}", last_lines(&tree.log())),
    }
}

/// An X server without a screen.
#[derive(Debug)]
pub(crate) struct Display {
    pub(crate) number: u32,
    _server: Tree,
}

impl Display {
    pub(crate) async fn start(logs: &Path, size: (u32, u32)) -> Self {
        let mut command = tied_command(&program("Xvfb"));
        // The server itself picks a free number, so tests that start at once cannot collide.
        command.args([
            "-displayfd",
            "1",
            "-nolisten",
            "tcp",
            "-noreset",
            "-dpi",
            "96",
            "-screen",
            "0",
        ]);
        command.arg(format!("{}x{}x24", size.0, size.1));
        let mut server = Tree::spawn("Xvfb", command, &logs.join("xvfb.log"), true);
        let line = first_line(&mut server, "Xvfb").await;
        let number = line
            .parse()
            .unwrap_or_else(|_| panic!("Xvfb printed {line:?} as its display"));
        Self {
            number,
            _server: server,
        }
    }
}

/// A session bus that starts no services but those a test wrote into `services`.
#[derive(Debug)]
pub(crate) struct Bus {
    pub(crate) address: String,
    _daemon: Tree,
}

impl Bus {
    pub(crate) async fn start(runtime: &Path, services: &Path, logs: &Path) -> Self {
        let socket = runtime.join("bus");
        let config = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_message_size">1000000000</limit>
  <limit name="reply_timeout">600000</limit>
</busconfig>
"#,
            socket.display(),
            services.display()
        );
        let file = services.with_file_name("bus.conf");
        std::fs::write(&file, config).expect("the test's folder is writable");
        let mut command = tied_command(&program("dbus-daemon"));
        command
            .arg(format!("--config-file={}", file.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"]);
        let mut daemon = Tree::spawn("dbus-daemon", command, &logs.join("bus.log"), true);
        let address = first_line(&mut daemon, "the session bus").await;
        Self {
            address,
            _daemon: daemon,
        }
    }
}

/// Without a window manager nothing has focus and no window can be asked to close.
#[derive(Debug)]
pub(crate) struct WindowManager {
    _program: Tree,
}

impl WindowManager {
    pub(crate) async fn start(mut command: Command, display: u32, logs: &Path) -> Self {
        command.args(["--sm-disable"]);
        let tree = Tree::spawn("openbox", command, &logs.join("openbox.log"), false);
        eventually("the window manager to take over the display", SOON, async || {
            let asked = Command::new("xprop")
                .args(["-display", &format!(":{display}"), "-root", "_NET_CLIENT_LIST"])
                .output()
                .await
                .map_err(|error| error.to_string())?;
            let answer = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
            // Set last: the check window is there before windows can be listed.
            if answer.contains("(WINDOW)") {
                Ok(())
            } else {
                Err(answer)
            }
        })
        .await;
        Self { _program: tree }
    }
}
