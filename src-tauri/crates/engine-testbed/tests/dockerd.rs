//! The daemon comes up, runs a container, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, process::Command};

use locald_engine_testbed::{BUSYBOX, Dockerd, busybox_image, required};

/// What on this machine still names the folder or the subnet, or is a bridge of the daemon.
fn traces(root: &Path, subnet: &str, bridges: &[String]) -> Vec<String> {
    let root = root.to_str().unwrap();
    let mut traces: Vec<String> = fs::read_to_string("/proc/mounts")
        .unwrap()
        .lines()
        .filter(|line| line.contains(root))
        .map(str::to_owned)
        .collect();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(root) {
            traces.push(line);
        }
    }
    traces.extend(
        bridges
            .iter()
            .filter(|name| Path::new("/sys/class/net").join(name).exists())
            .cloned(),
    );
    let rules = Command::new("iptables").args(["-w", "-S", "FORWARD"]).output();
    let rules = rules
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    traces.extend(rules.lines().filter(|rule| rule.contains(subnet)).map(str::to_owned));
    if Path::new(root).exists() {
        traces.push(root.to_owned());
    }
    traces
}

#[test]
fn nothing_is_left_of_a_daemon_with_running_containers() {
    let Some(mut dockerd) = required(Dockerd::start()) else {
        return;
    };
    busybox_image(&dockerd, BUSYBOX).unwrap();
    let network = dockerd.docker_ok(&["network", "create", "n"]).unwrap();
    dockerd
        .docker_ok(&[
            "run",
            "-d",
            "--stop-signal",
            "KILL",
            "--network",
            "n",
            "-p",
            "127.0.0.1::80",
            BUSYBOX,
            "sleep",
            "1000",
        ])
        .unwrap();
    dockerd.kill();
    dockerd.boot().unwrap();
    dockerd.docker_ok(&["run", "-d", BUSYBOX, "sleep", "1000"]).unwrap();
    let root = dockerd.socket().parent().unwrap().to_owned();
    let range = dockerd
        .docker_ok(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "n"])
        .unwrap();
    let subnet = range.split('.').take(2).collect::<Vec<_>>().join(".") + ".0.0/16";
    let bridges = [format!("br-{}", &network[..12])];
    assert!(!traces(&root, &subnet, &bridges).is_empty());
    drop(dockerd);
    assert_eq!(traces(&root, &subnet, &bridges), Vec::<String>::new());
}
