//! What Debian and Ubuntu have to have installed.

use std::process::Command;

use crate::sh;

/// To build the desktop app.
pub(crate) const BUILD: &[&str] = &["build-essential", "pkg-config", "libgtk-3-dev", "libwebkit2gtk-4.1-dev"];
/// To show it where there is no display, and take its picture.
pub(crate) const DISPLAY: &[&str] = &[
    "xvfb",
    "dbus",
    "openbox",
    "imagemagick",
    "xdotool",
    "x11-utils",
    "fonts-dejavu-core",
];
/// To run private engines, Docker and Podman, with images made here.
pub(crate) const ENGINE: &[&str] = &[
    "docker.io",
    "containerd",
    "runc",
    "iptables",
    "iproute2",
    "busybox-static",
    "podman",
    "crun",
    "netavark",
    "aardvark-dns",
    "slirp4netns",
    "uidmap",
];
/// What only the tests need.
pub(crate) const TEST: &[&str] = &[
    "webkit2gtk-driver",
    "wmctrl",
    "libnotify-bin",
    "procps",
    "util-linux",
    "jq",
    "openssh-client",
    "openssh-server",
    "faketime",
];
/// All of them.
pub(crate) const ALL: &[&[&str]] = &[BUILD, DISPLAY, ENGINE, TEST];

/// Installs what is missing of these.
pub(crate) fn install(groups: &[&[&str]]) -> Result<(), String> {
    if !sh::exists("dpkg-query") {
        sh::say("This is no Debian or Ubuntu; install the counterparts of these by hand where something is missing:");
        sh::say(&groups.concat().join(" "));
        return Ok(());
    }
    let missing: Vec<&str> = groups
        .concat()
        .into_iter()
        .filter(|package| !installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    sh::step(&format!("installing {}", missing.join(" ")));
    let apt = |args: &[&str]| {
        let mut command = if sh::is_root() {
            Command::new("apt-get")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.arg("apt-get");
            sudo
        };
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        sh::run(&mut command)
    };
    apt(&["update", "-qq"])?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(&missing);
    apt(&args)
}

fn installed(package: &str) -> bool {
    sh::output("dpkg-query", &["-W", "-f", "${Status}", package]).is_some_and(|status| status.ends_with("ok installed"))
}
