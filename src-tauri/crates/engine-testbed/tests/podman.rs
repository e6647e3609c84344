//! Podman comes up, goes down, runs containers that outlive its service, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use locald_engine_testbed::{BUSYBOX, Podman, TestEngine as _, busybox_image, required};

/// What on this machine still is of the engine: mounts, processes, bridges, firewall rules, its folder.
fn traces(root: &Path, namespace: &Path) -> Vec<String> {
    let root = root.to_str().unwrap();
    let mut traces: Vec<String> = fs::read_to_string("/proc/mounts")
        .unwrap()
        .lines()
        .filter(|line| line.contains(root))
        .map(str::to_owned)
        .collect();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        if fs::read_link(process.path().join("ns/pid")).is_ok_and(|found| found == namespace) {
            traces.push(process.path().display().to_string());
        }
    }
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for text in [output("iptables-save", &[]), output("ip", &["-4", "-o", "addr"])] {
        traces.extend(
            text.lines()
                .filter(|line| line.contains("10.251.") || line.contains("10.252."))
                .map(str::to_owned),
        );
    }
    if Path::new(root).exists() {
        traces.push(root.to_owned());
    }
    traces
}

/// The namespace that all of the engine's processes are in.
fn namespace(root: &Path) -> std::path::PathBuf {
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains("conmon") && line.contains(root.to_str().unwrap()) {
            return fs::read_link(process.path().join("ns/pid")).unwrap();
        }
    }
    unreachable!("no container's process")
}

fn soon(mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < deadline, "it did not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn page(port: u16) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
        let _ = stream.read_to_string(&mut text);
    }
    text
}

fn whole_life(mut podman: Podman) {
    let root = podman.root().to_owned();
    busybox_image(&podman, BUSYBOX).unwrap();
    podman.podman_ok(&["network", "create", "n"]).unwrap();
    let serve = "echo hello > /www/index.html; exec httpd -f -p 80 -h /www";
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let publish = format!("127.0.0.1:{port}:80");
    let run = [
        "run",
        "-d",
        "--name",
        "web",
        "--network",
        "n",
        "-p",
        &publish,
        BUSYBOX,
        "sh",
        "-c",
        serve,
    ];
    podman.podman_ok(&run).unwrap();
    soon(|| page(port).contains("hello"));

    podman.kill();
    assert!(podman.podman_ok(&["ps"]).is_err());
    assert!(page(port).contains("hello"));
    podman.boot().unwrap();
    assert!(podman.podman_ok(&["ps"]).unwrap().contains("web"));
    podman.stop();
    assert!(page(port).contains("hello"));
    podman.boot_on_demand(1).unwrap();
    assert!(podman.podman_ok(&["ps"]).unwrap().contains("web"));
    soon(|| !podman.is_served());
    assert!(podman.podman_ok(&["ps"]).unwrap().contains("web"));
    podman.stop();
    podman.boot().unwrap();

    let namespace = namespace(&root);
    assert!(!traces(&root, &namespace).is_empty());
    drop(podman);
    assert_eq!(traces(&root, &namespace), Vec::<String>::new());
}

#[test]
fn podman_rootful_lives_and_leaves_nothing() {
    if let Some(podman) = required(Podman::rootful()) {
        whole_life(podman);
    }
}

#[test]
fn podman_rootless_lives_and_leaves_nothing() {
    if let Some(podman) = required(Podman::rootless()) {
        whole_life(podman);
    }
}
