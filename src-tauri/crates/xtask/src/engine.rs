//! A Docker engine for the example: the one that runs, else a private one.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{packages, sh};

const BRIDGE: &str = "locald-run0";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The engine that the example runs on.
pub(crate) struct Engine {
    /// `DOCKER_HOST`, where it isn't the person's own engine.
    pub host: Option<String>,
    private: Option<Child>,
}

impl Engine {
    /// One that runs, if any.
    pub(crate) fn find() -> Self {
        Self {
            host: None,
            private: None,
        }
    }

    /// Finds one that runs, or starts a private one as root.
    pub(crate) fn ensure() -> Result<Self, String> {
        if sh::output("docker", &["version", "--format", "{{.Server.Version}}"]).is_some() {
            return Ok(Self {
                host: None,
                private: None,
            });
        }
        if !sh::is_root() {
            sh::say(
                "No Docker engine answers. Install and start one to run services:\n  sudo apt-get install docker.io && sudo systemctl start docker && sudo usermod -aG docker $USER\n(then log in again). The app starts without one and says so.",
            );
            return Ok(Self {
                host: None,
                private: None,
            });
        }
        packages::install(&[packages::ENGINE])?;
        sh::say("No Docker engine answers: starting a private one.");
        let folder = folder();
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let link = |args: &[&str]| sh::output("ip", args).is_some();
        if !link(&["link", "show", BRIDGE]) {
            let made = link(&["link", "add", BRIDGE, "type", "bridge"])
                && link(&["addr", "add", "10.78.0.1/24", "dev", BRIDGE])
                && link(&["link", "set", BRIDGE, "up"]);
            if !made {
                return Err(format!("the bridge {BRIDGE} can't be made"));
            }
        }
        // Outside the target folder: a socket's path has at most 107 bytes.
        let socket = format!("/tmp/locald-run-{}.sock", std::process::id());
        let host = format!("unix://{socket}");
        let log = fs::File::create(folder.join("dockerd.log")).map_err(|error| error.to_string())?;
        let path = |name: &str| folder.join(name).display().to_string();
        let mut child = Command::new("dockerd")
            .args([
                "--data-root",
                &path("data"),
                "--exec-root",
                &path("exec"),
                "--pidfile",
                &path("pid"),
            ])
            .args(["-H", &host, "--bridge", BRIDGE])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))?;
        let deadline = Instant::now() + READY_WITHIN;
        while sh::output("docker", &["-H", &host, "version", "--format", "{{.Server.Version}}"]).is_none() {
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > deadline {
                return Err(format!(
                    "the private engine did not start; its log is {}",
                    path("dockerd.log")
                ));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Self {
            host: Some(host),
            private: Some(child),
        })
    }

    /// A docker command for this engine.
    pub(crate) fn docker(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(args);
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    /// Does an engine answer?
    pub(crate) fn answers(&self) -> bool {
        self.docker(&["version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(child) = &mut self.private {
            // Asked to end, so that it ends its containers too.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
            let _ = sh::output("ip", &["link", "del", BRIDGE]);
        }
    }
}

fn folder() -> PathBuf {
    sh::target().join("xtask/engine")
}
