//! Data of PostgreSQL that is foreign, damaged, out of reach or held by somebody; disks that are full. Whatever it is,
//! nothing is harmed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use locald_core::ProblemCode;
use locald_engine_native::postgres::holder;
use locald_engine_testbed::required;
use rustix::process::geteuid;
use support::{Place, debian, give, managed, no_progress, picture, sources, wanted, workers};

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

async fn check(place: &Place) -> Result<Option<String>, (ProblemCode, String)> {
    match place.postgres.check_data("shop/db", place.data()).await {
        Ok(facts) => Ok(facts.map(|facts| facts.format.unwrap())),
        Err(error) => Err((error.code(), error.to_string())),
    }
}

#[tokio::test]
async fn data_is_told_from_what_is_none() {
    let place = Place::new();
    let data = place.data();
    assert_eq!(check(&place).await, Ok(None));
    std::fs::create_dir_all(&data).unwrap();
    mode(&data, 0o700);
    give(&data);
    assert_eq!(check(&place).await, Ok(None));

    std::fs::write(data.join("notes.txt"), "mine").unwrap();
    let (code, words) = check(&place).await.unwrap_err();
    assert_eq!(code, ProblemCode::DataForeign);
    assert!(
        words.contains("notes.txt") && words.contains(data.to_str().unwrap()),
        "{words}"
    );

    std::fs::write(data.join("PG_VERSION"), "14\n").unwrap();
    let (code, words) = check(&place).await.unwrap_err();
    assert_eq!(code, ProblemCode::DataForeign);
    assert!(words.contains("pg_control is missing"), "{words}");

    std::fs::create_dir_all(data.join("global")).unwrap();
    std::fs::create_dir_all(data.join("pg_wal")).unwrap();
    std::fs::write(data.join("global/pg_control"), "").unwrap();
    assert_eq!(check(&place).await.unwrap_err().0, ProblemCode::DataForeign);
    std::fs::write(data.join("global/pg_control"), "control").unwrap();
    // An older major is no fault here: what to do about it is for a person to choose.
    assert_eq!(check(&place).await, Ok(Some("14".to_owned())));
    for nonsense in [&b""[..], b"fifteen", b"\xff\xfe", b"999999999999"] {
        std::fs::write(data.join("PG_VERSION"), nonsense).unwrap();
        assert_eq!(check(&place).await.unwrap_err().0, ProblemCode::DataForeign);
    }
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::write(&data, "a file").unwrap();
    assert_eq!(check(&place).await.unwrap_err().0, ProblemCode::DataForeign);
}

#[tokio::test]
async fn owner_and_mode_are_named_and_never_changed() {
    let place = Place::new();
    let data = place.data();
    std::fs::create_dir_all(data.join("global")).unwrap();
    std::fs::create_dir_all(data.join("pg_wal")).unwrap();
    std::fs::write(data.join("global/pg_control"), "control").unwrap();
    std::fs::write(data.join("PG_VERSION"), "15\n").unwrap();
    give(&data);
    for (wrong, permitted) in [
        (0o755, false),
        (0o770, false),
        (0o750, true),
        (0o500, false),
        (0o700, true),
    ] {
        mode(&data, wrong);
        let checked = check(&place).await;
        assert_eq!(checked.is_ok(), permitted, "{wrong:o}: {checked:?}");
        if let Err((code, words)) = checked {
            assert_eq!(code, ProblemCode::DataNotPermitted);
            assert!(
                words.contains("chmod 700") && words.contains(&format!("{wrong:04o}")),
                "{words}"
            );
        }
        assert_eq!(data.metadata().unwrap().permissions().mode() & 0o7777, wrong);
    }
    if required(
        geteuid()
            .is_root()
            .then_some(())
            .ok_or_else(|| "only root gives a folder away".to_owned()),
    )
    .is_none()
    {
        return;
    }
    chown(&data, Some(1234), Some(1234)).unwrap();
    let (code, words) = check(&place).await.unwrap_err();
    assert_eq!(code, ProblemCode::DataNotPermitted);
    for named in [data.to_str().unwrap(), "user 1234", "user 65534"] {
        assert!(words.contains(named), "{named} in {words}");
    }
}

#[tokio::test]
async fn root_and_folders_out_of_reach_are_refused_in_words() {
    if debian().is_none() || !geteuid().is_root() {
        return;
    }
    let as_root = Place::with(|mut options| {
        options.owner = None;
        options
    });
    let prepare = |place: Place| async move {
        let managed = managed("15");
        let refused = place
            .postgres
            .prepare("x", &managed, &sources(), &wanted(), no_progress())
            .await;
        let error = refused.unwrap_err();
        assert_eq!(error.code(), ProblemCode::RootRefused);
        (error.to_string(), place)
    };
    let (words, _) = prepare(as_root).await;
    assert!(words.contains("PostgreSQL does not run as root"), "{words}");
    let place = Place::new();
    mode(place.root.path(), 0o700);
    let (words, place) = prepare(place).await;
    assert!(
        words.contains(&format!("may not enter {}", place.root.path().display())),
        "{words}"
    );
}

/// An unrelated process of the user that the server runs as, gone with this value.
struct Stranger(Child);

impl Stranger {
    fn start() -> Self {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new("sleep");
        command.arg("600").current_dir("/");
        if let Some(owner) = support::owner() {
            command.uid(owner.uid).gid(owner.gid);
        }
        Self(command.spawn().unwrap())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_lock_file_that_was_left_stops_nothing_and_no_row_is_lost() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let managed = managed("15");
    let installation = place.made(&managed).await;
    let lock = place.data().join("postmaster.pid");
    let stranger = Stranger::start();
    let mut dead = Command::new("true").spawn().unwrap();
    let dead_pid = dead.id();
    dead.wait().unwrap();
    let mut rows: i64 = 0;
    for left in ["as it was", "dead", "stranger", "empty", "nonsense"] {
        let mut server = place.start(&installation, &managed).await;
        let client = server.client(&managed).await;
        client
            .batch_execute("CREATE TABLE IF NOT EXISTS t (x int); INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        rows += 1;
        server.kill_server();
        let was = std::fs::read_to_string(&lock).unwrap();
        let rest = was.split_once('\n').unwrap().1;
        let text = match left {
            "dead" => format!("{dead_pid}\n{rest}"),
            "stranger" => format!("{}\n{rest}", stranger.0.id()),
            "empty" => String::new(),
            "nonsense" => "\u{0}\u{0}\u{0}".to_owned(),
            _ => was,
        };
        std::fs::write(&lock, text).unwrap();
        let mut server = place.start(&installation, &managed).await;
        let client = server.client(&managed).await;
        let count: i64 = client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
        assert_eq!(count, rows, "{left}");
        server.stop();
    }
}

#[tokio::test]
async fn never_a_second_server_on_the_same_data() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let managed = managed("15");
    let installation = place.made(&managed).await;
    let mut server = place.start(&installation, &managed).await;
    server.client(&managed).await;
    assert_eq!(
        holder(&place.data()).unwrap().pid,
        i32::try_from(server.child.id()).unwrap()
    );
    let lock = place.data().join("postmaster.pid");
    let was = std::fs::read(&lock).unwrap();
    // Whatever became of the lock file: who works in the folder counts.
    for text in [Some(was.clone()), Some(Vec::new()), None] {
        match &text {
            Some(text) => std::fs::write(&lock, text).unwrap(),
            None => std::fs::remove_file(&lock).unwrap(),
        }
        let refused = place.launch(&installation, &managed, 1).await.unwrap_err();
        assert_eq!(refused.code(), ProblemCode::StartFailed);
        assert!(
            refused.to_string().contains(&format!("pid {}", server.child.id())),
            "{refused}"
        );
    }
    std::fs::write(&lock, was).unwrap();
    server.stop();
    assert_eq!(holder(&place.data()), None);
}

#[tokio::test]
async fn what_a_killed_server_left_running_is_gone_before_the_next() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let managed = managed("15");
    let installation = place.made(&managed).await;
    let mut server = place.start(&installation, &managed).await;
    let client = server.client(&managed).await;
    // A query like this never looks whether its server still lives.
    let busy = tokio::spawn(async move {
        let _ = client
            .batch_execute("SELECT count(*) FROM generate_series(1, 1e12)")
            .await;
    });
    let watcher = server.client(&managed).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1e12)'";
        let active: i64 = watcher.query_one(asked, &[]).await.unwrap().get(0);
        if active > 0 {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    server.kill_server();
    let left = workers(&place.data());
    assert!(!left.is_empty());
    let mut next = place.start(&installation, &managed).await;
    next.client(&managed).await;
    for pid in left {
        assert!(!workers(&place.data()).contains(&pid), "{pid} still works there");
    }
    busy.abort();
    next.stop();
}

/// A file system of its own, gone with this value.
struct Mount(PathBuf);

impl Mount {
    fn small(at: PathBuf, options: &str) -> Result<Self, String> {
        std::fs::create_dir_all(&at).map_err(|error| error.to_string())?;
        Self::run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", at.to_str().unwrap()])?;
        Ok(Self(at))
    }

    fn run(program: &str, args: &[&str]) -> Result<(), String> {
        let output = Command::new(program)
            .args(args)
            .output()
            .map_err(|error| error.to_string())?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(words)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(words) = Self::run("umount", &["-l", self.0.to_str().unwrap()]) {
            assert!(std::thread::panicking(), "{words}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_half_made() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let managed = managed("15");
    let installation = place.prepared(&managed).await;
    let native = place.root.path().join("native");
    let Some(mount) = required(Mount::small(native.clone(), "size=20m,mode=755")) else {
        return;
    };
    let full = place
        .postgres
        .make_data("locald-shop-db", &installation, &managed, place.data())
        .await;
    let full = full.unwrap_err();
    assert_eq!(full.code(), ProblemCode::DiskFull);
    assert!(full.to_string().contains("the disk is full"), "{full}");
    let parent = place.data().parent().unwrap().to_owned();
    assert_eq!(parent.read_dir().unwrap().count(), 0);

    // Room for the copy, and none for what is written then.
    Mount::run("mount", &["-o", "remount,size=41m", native.to_str().unwrap()]).unwrap();
    let full = place
        .postgres
        .make_data("locald-shop-db", &installation, &managed, place.data())
        .await;
    if let Err(full) = full {
        assert_eq!(full.code(), ProblemCode::DiskFull, "{full}");
        assert_eq!(parent.read_dir().unwrap().count(), 0);
    }

    // And a disk that can't be written to.
    Mount::run("mount", &["-o", "remount,size=90m", native.to_str().unwrap()]).unwrap();
    if !place.data().exists() {
        place
            .postgres
            .make_data("x", &installation, &managed, place.data())
            .await
            .unwrap();
    }
    Mount::run("mount", &["-o", "remount,ro", native.to_str().unwrap()]).unwrap();
    let before = picture(&place.data());
    let (code, words) = check(&place).await.unwrap_err();
    assert_eq!(code, ProblemCode::DataNotPermitted);
    assert!(words.contains("can't be written to"), "{words}");
    let other = native.join("shop/other/1");
    let refused = place
        .postgres
        .make_data("x", &installation, &managed, other)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ProblemCode::DataNotPermitted);
    let refused = place.launch(&installation, &managed, 1).await.unwrap_err();
    assert_eq!(refused.code(), ProblemCode::DataNotPermitted);
    assert_eq!(picture(&place.data()), before);
    drop(mount);
}

#[tokio::test]
async fn a_cache_without_room_leaves_no_template() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let Some(_mount) = required(Mount::small(place.options.cache.clone(), "size=10m,mode=755")) else {
        return;
    };
    let managed = managed("15");
    let full = place
        .postgres
        .prepare("x", &managed, &sources(), &wanted(), no_progress())
        .await;
    let full = full.unwrap_err();
    assert_eq!(full.code(), ProblemCode::DiskFull, "{full}");
    let templates = place.options.cache.join("templates/postgres");
    assert_eq!(templates.read_dir().unwrap().count(), 0);
}

/// Debian's server with an `initdb` of the test's.
fn with_initdb(place: &Place, script: &str) -> locald_engine_native::servers::Sources {
    let real = debian().unwrap();
    let bin = place.root.path().join("server/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for entry in real.read_dir().unwrap().flatten() {
        if entry.file_name() != "initdb" {
            std::os::unix::fs::symlink(entry.path(), bin.join(entry.file_name())).unwrap();
        }
    }
    let initdb = bin.join("initdb");
    std::fs::write(&initdb, script.replace("REAL", real.join("initdb").to_str().unwrap())).unwrap();
    mode(&initdb, 0o755);
    locald_engine_native::servers::Sources {
        extra_postgres: Some(bin),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_machine_without_the_locale_does_without() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let sources = with_initdb(
        &place,
        "#!/bin/sh\ncase \"$*\" in *C.UTF-8*) echo 'initdb: error: invalid locale name \"C.UTF-8\"' >&2; exit 1;; esac\nexec REAL \"$@\"\n",
    );
    let managed = managed("15");
    let installation = place
        .postgres
        .prepare("x", &managed, &sources, &wanted(), no_progress())
        .await
        .unwrap();
    assert_eq!(installation.source, "named in the settings");
    place
        .postgres
        .make_data("x", &installation, &managed, place.data())
        .await
        .unwrap();
    let mut server = place.start(&installation, &managed).await;
    let row = server
        .client(&managed)
        .await
        .query_one(
            "SELECT datcollate::text, pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = 'shop'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, String>(0).as_str(), row.get::<_, String>(1).as_str()),
        ("C", "UTF8")
    );
    server.stop();
}

#[tokio::test]
async fn an_initdb_that_fails_leaves_nothing_and_says_why() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let sources = with_initdb(
        &place,
        "#!/bin/sh\n[ \"$1\" = --version ] && exec REAL \"$@\"\nmkdir \"$2\"; echo half > \"$2/PG_VERSION\"\necho 'initdb: error: no luck today' >&2; exit 1\n",
    );
    let failed = place
        .postgres
        .prepare("locald-shop-db", &managed("15"), &sources, &wanted(), no_progress())
        .await;
    let error = failed.unwrap_err();
    assert!(error.to_string().contains("no luck today"), "{error}");
    if place
        .options
        .cache
        .join("templates/postgres")
        .read_dir()
        .unwrap()
        .count()
        != 0
    {
        panic!("a half made template was left");
    }
}
