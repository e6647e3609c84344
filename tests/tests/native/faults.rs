//! Data that can't be used, disks that are full, ports that are taken, servers that were killed: a clear word, and nothing
//! harmed.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use locald_engine_testbed::free_port;
use locald_tests::{needs, servers, wait::eventually};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::stage::{Stage, UP, connect, fill, names, picture};

struct Gone(Child);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn stopped(stage: &Stage) -> (PathBuf, String, PathBuf) {
    let body = format!("type = \"postgres\"\nport = {}", free_port());
    let folder = stage.project("shop", &[("db", &body)]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    fill(&url, &["ada"]).await;
    stage.locald(&folder, &["stop", "db"]).await.unwrap();
    (folder, url, stage.data("shop/db", 1))
}

/// A start that fails with this code and names the folder; all that is there stays as it is.
async fn refused(stage: &Stage, folder: &Path, data: &Path, code: &str) -> String {
    let before = picture(data);
    let error = stage.locald(folder, &["start", "db", "--wait"]).await.unwrap_err();
    let fault = stage.fault("shop/db", code).await;
    assert!(picture(data) == before, "{code}: the data was touched");
    let message = fault["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&*data.to_string_lossy()), "{message}; {error}");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_cannot_be_used_is_named_and_left_alone() {
    let Some(stage) = Stage::new().await else { return };
    let (folder, url, data) = stopped(&stage).await;
    let mode = |mode| fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
    for wrong in [0o500, 0o000, 0o777] {
        mode(wrong);
        let message = refused(&stage, &folder, &data, "data_not_permitted").await;
        assert!(message.contains("chmod 700"), "{wrong:o}: {message}");
        assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, wrong);
    }
    mode(0o700);
    if geteuid().is_root() {
        chown(&data, Some(1), Some(1)).unwrap();
        let message = refused(&stage, &folder, &data, "data_not_permitted").await;
        assert!(
            message.contains("user 1,") && message.contains("user 65534"),
            "{message}"
        );
        chown(&data, Some(servers::NOBODY), Some(servers::NOBODY)).unwrap();
    }
    for (file, content) in [
        ("PG_VERSION", None),
        ("PG_VERSION", Some("garbage")),
        ("global/pg_control", None),
    ] {
        let (path, aside) = (data.join(file), data.with_extension("aside"));
        fs::rename(&path, &aside).unwrap();
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        refused(&stage, &folder, &data, "data_foreign").await;
        fs::rename(&aside, &path).unwrap();
    }
    stage.locald(&folder, &["start", "db", "--wait"]).await.unwrap();
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_can_start_empty_beside_what_is_damaged() {
    let Some(stage) = Stage::new().await else { return };
    let (folder, url, data) = stopped(&stage).await;
    fs::write(data.join("PG_VERSION"), "garbage").unwrap();
    refused(&stage, &folder, &data, "data_foreign").await;
    stage.locald(&folder, &["choose", "db", "start-empty"]).await.unwrap();
    stage.healthy("shop/db").await;
    assert!(names(&url).await.is_err());
    let kept = stage.json(&folder, &["trash"]).await;
    let id = kept["trash"][0]["id"].as_str().unwrap();
    fs::write(data.join("PG_VERSION"), "15\n").unwrap();
    stage.locald(&folder, &["trash", "restore", id]).await.unwrap();
    stage.healthy("shop/db").await;
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

/// A small disk, unmounted whatever happens.
struct Disk(PathBuf);

impl Disk {
    fn mount(place: &Path, size: &str) -> Self {
        fs::create_dir_all(place).unwrap();
        let disk = Self(place.to_owned());
        disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "locald-test"]);
        disk
    }

    fn resize(&self, size: &str) {
        self.run("mount", &["-o", &format!("remount,size={size}")]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        self.try_run(program, arguments).unwrap();
    }

    fn try_run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let done = Command::new(program).args(arguments).arg(&self.0).output().unwrap();
        if done.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also while a server still has files there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_and_nothing_is_left_half_made() {
    if !geteuid().is_root() {
        needs::unmet("only root can mount a small disk");
        return;
    }
    let mut disk = None;
    let Some(stage) = Stage::with(|home| disk = Some(Disk::mount(&home.data(), "12m"))).await else {
        return;
    };
    // Goes before the stage does.
    let disk = disk.unwrap();
    let body = format!("type = \"postgres\"\nport = {}", free_port());
    let folder = stage.project("shop", &[("db", &body)]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap_err();
    let fault = stage.fault("shop/db", "disk_full").await;
    assert!(
        fault["message"].as_str().unwrap().contains("the disk is full"),
        "{fault}"
    );
    assert!(!stage.data("shop/db", 1).join("PG_VERSION").exists(), "half made");
    disk.resize("200m");
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    fill(&url, &["ada"]).await;
    // Full while it runs: what was committed stays.
    let client = connect(&url).await.unwrap();
    let filled = client
        .batch_execute("CREATE TABLE big AS SELECT repeat(md5(n::text), 40) FROM generate_series(1, 1000000) n")
        .await;
    assert!(filled.is_err(), "it fitted");
    drop(client);
    eventually("rows after a full disk", UP, async || names(&url).await).await;
    stage.locald(&folder, &["stop", "db"]).await.unwrap();
    disk.resize("400m");
    stage.locald(&folder, &["start", "db", "--wait"]).await.unwrap();
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
    drop(disk);
    drop(stage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_named() {
    if !geteuid().is_root() {
        needs::unmet("only root can mount a small disk");
        return;
    }
    let mut disk = None;
    let Some(stage) = Stage::with(|home| disk = Some(Disk::mount(&home.data().join("native"), "300m"))).await else {
        return;
    };
    let disk = disk.unwrap();
    chown(&disk.0, Some(servers::NOBODY), Some(servers::NOBODY)).unwrap();
    let (folder, url, data) = stopped(&stage).await;
    // Data folders are being made ready on it meanwhile.
    eventually("nobody to write to the disk", UP, async || {
        disk.try_run("mount", &["-o", "remount,ro"])
    })
    .await;
    let before = picture(&data);
    stage.locald(&folder, &["start", "db", "--wait"]).await.unwrap_err();
    let fault = stage.fault("shop/db", "data_not_permitted").await;
    assert!(fault["message"].as_str().unwrap().contains("ead-only"), "{fault}");
    assert!(picture(&data) == before);
    disk.run("mount", &["-o", "remount,rw"]);
    stage.locald(&folder, &["start", "db", "--wait"]).await.unwrap();
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
    drop(disk);
    drop(stage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_locale_is_no_hindrance() {
    let stage = Stage::with(|home| {
        for name in ["LANG", "LC_ALL", "LC_CTYPE"] {
            home.set_env(name, "xx_YY.UTF-8");
        }
    });
    let Some(stage) = stage.await else { return };
    let (folder, url, _) = stopped(&stage).await;
    stage.locald(&folder, &["start", "db", "--wait"]).await.unwrap();
    fill(&url, &["Ärger 🐘"]).await;
    assert_eq!(names(&url).await.unwrap().len(), 2);
}

fn listener(port: u16) -> Gone {
    let script = format!(
        "import socket\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
         s.bind(('127.0.0.1', {port}))\ns.listen()\nprint('ready', flush=True)\nwhile True: s.accept()"
    );
    let mut child = Command::new("python3")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    Gone(child)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_that_holds_a_port_is_named_and_another_port_is_kept_for_good() {
    if !needs::programs(&[("python3", "python3")]) {
        return;
    }
    let Some(stage) = Stage::new().await else { return };
    let port = free_port();
    let body = format!("type = \"postgres\"\nport = {port} # ours");
    let folder = stage.project("shop", &[("db", &body)]);
    let holder = listener(port);
    let error = stage.locald(&folder, &["up", "--wait"]).await.unwrap_err();
    let named = format!("pid {}", holder.0.id());
    assert!(error.contains("python3") && error.contains(&named), "{error}");
    let fault = stage.fault("shop/db", "port_in_use").await;
    assert_eq!(fault["choices"], serde_json::json!(["other-port"]), "{fault}");
    stage.locald(&folder, &["choose", "db", "other-port"]).await.unwrap();
    stage.healthy("shop/db").await;
    let url = stage.url(&folder, "db").await;
    assert!(!url.contains(&format!(":{port}/")), "{url}");
    fill(&url, &["ada"]).await;
    assert!(stage.file(&folder).contains("# ours"), "{}", stage.file(&folder));
    // Also when the first is free again.
    drop(holder);
    stage.locald(&folder, &["restart", "db", "--wait"]).await.unwrap();
    assert_eq!(stage.url(&folder, "db").await, url);
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_that_holds_a_port_is_named_and_can_be_stopped() {
    let Some(stage) = Stage::new().await else { return };
    let body = format!("type = \"postgres\"\nport = {}", free_port());
    let shop = stage.project("shop", &[("db", &body)]);
    let blog = stage.project("blog", &[("db", &body)]);
    stage.locald(&shop, &["up", "--wait"]).await.unwrap();
    let error = stage.locald(&blog, &["up", "--wait"]).await.unwrap_err();
    assert!(error.contains("shop/db"), "{error}");
    let fault = stage.fault("blog/db", "port_in_use").await;
    assert_eq!(
        fault["choices"],
        serde_json::json!(["other-port", "stop-holder"]),
        "{fault}"
    );
    stage.locald(&blog, &["choose", "db", "stop-holder"]).await.unwrap();
    stage.healthy("blog/db").await;
    let row = stage.row("shop/db").await.unwrap();
    assert_eq!(row["state"], "stopped", "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_left_never_costs_its_data() {
    let Some(stage) = Stage::new().await else { return };
    let (folder, url, data) = stopped(&stage).await;
    let identity = fs::read(data.join("global/pg_control")).unwrap()[..8].to_vec();
    let kill = || {
        for process in servers::of(&data) {
            let pid = Pid::from_raw(i32::try_from(process.pid).unwrap()).unwrap();
            let _ = kill_process(pid, Signal::KILL);
        }
    };
    let stranger = Gone(Command::new("sleep").arg("997").spawn().unwrap());
    let pid_of_a_stranger = stranger.0.id().to_string();
    let nobody = "4194304".to_owned();
    for first_line in [None, Some(nobody), Some(pid_of_a_stranger), Some(String::new())] {
        stage.locald(&folder, &["start", "db", "--wait"]).await.unwrap();
        assert_eq!(names(&url).await.unwrap(), ["ada"]);
        kill();
        stage.wait("shop/db", "ended", |row| row["state"] != "running").await;
        // As if it had been left so.
        if let Some(line) = first_line {
            let path = data.join("postmaster.pid");
            let text = fs::read_to_string(&path).unwrap();
            let rest: Vec<&str> = text.lines().skip(1).collect();
            let text = if line.is_empty() {
                String::new()
            } else {
                format!("{line}\n{}\n", rest.join("\n"))
            };
            fs::write(&path, text).unwrap();
        }
    }
    stage.locald(&folder, &["start", "db", "--wait"]).await.unwrap();
    assert_eq!(names(&url).await.unwrap(), ["ada"]);
    assert_eq!(
        fs::read(data.join("global/pg_control")).unwrap()[..8],
        identity,
        "new data"
    );
}
