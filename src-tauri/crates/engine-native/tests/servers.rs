//! Servers are found where packages put them, and only those that are whole.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use locald_engine_native::servers::{Installation, Sources, Wanted, find};
use support::{debian, sources, wanted};
use tempfile::TempDir;

fn program(path: &Path, says: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{says}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A folder with programs that say they are PostgreSQL.
fn fake_postgres(bin: &Path, version: &str, names: &[&str]) {
    for name in names {
        program(&bin.join(name), &format!("echo '{name} (PostgreSQL) {version}'"));
    }
}

const ALL: [&str; 5] = ["postgres", "initdb", "pg_ctl", "psql", "pg_dumpall"];

struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Found besides what is really installed here.
    async fn found(&self, path_env: &[&str], want: Wanted) -> Vec<Installation> {
        let on_path = path_env.iter().map(|folder| self.path(folder));
        let sources = Sources {
            find: true,
            path_env: Some(std::env::join_paths(on_path).unwrap()),
            home: Some(self.path("home")),
            projects: vec![self.path("project")],
            cache: Some(self.path("cache")),
            ..Sources::default()
        };
        let root = self.0.path().canonicalize().unwrap();
        let found = find(&sources, &[want]).await.into_iter();
        found
            .filter(|installation| installation.bin.starts_with(&root))
            .collect()
    }
}

fn versions(found: &[Installation]) -> Vec<&str> {
    found.iter().map(|installation| installation.version.as_str()).collect()
}

#[tokio::test]
async fn debians_package_is_found() {
    let Some(bin) = debian() else { return };
    let found = find(&sources(), &[wanted()]).await;
    let fifteen: Vec<_> = found
        .iter()
        .filter(|installation| installation.version == "15")
        .collect();
    assert_eq!(fifteen.len(), 1, "{found:?}");
    assert_eq!(fifteen[0].bin, bin);
    assert_eq!(fifteen[0].source, "Debian's package");
    assert!(fifteen[0].full_version.starts_with("15.") && fifteen[0].clients);
}

#[tokio::test]
async fn a_postgres_counts_only_when_it_is_whole_and_of_one_version() {
    let machine = Machine::new();
    fake_postgres(&machine.path("whole"), "16.4", &ALL);
    fake_postgres(&machine.path("no-initdb"), "14.1", &["postgres", "pg_ctl"]);
    fake_postgres(&machine.path("no-clients"), "13.2", &["postgres", "initdb", "pg_ctl"]);
    fake_postgres(&machine.path("mixed"), "12.1", &ALL);
    program(&machine.path("mixed/initdb"), "echo 'initdb (PostgreSQL) 11.3'");
    fake_postgres(&machine.path("broken"), "10.1", &ALL);
    program(
        &machine.path("broken/postgres"),
        "echo 'error while loading shared libraries: libx.so.1.2' >&2; exit 127",
    );
    // The same once more, by a link.
    std::fs::create_dir_all(machine.path("links")).unwrap();
    std::os::unix::fs::symlink(machine.path("whole/postgres"), machine.path("links/postgres")).unwrap();
    let folders = [
        "no-clients",
        "links",
        "whole",
        "no-initdb",
        "mixed",
        "broken",
        "nowhere",
    ];
    let found = machine.found(&folders, wanted()).await;
    assert_eq!(versions(&found), ["16", "13"]);
    assert_eq!(found[0].full_version, "16.4");
    assert!(found[0].clients && !found[1].clients);
    // Without leave to look it is only what a person named.
    let named = Sources {
        extra_postgres: Some(machine.path("whole")),
        path_env: Some(OsString::from(machine.path("no-clients"))),
        ..Sources::default()
    };
    assert_eq!(versions(&find(&named, &[wanted()]).await), ["16"]);
}

#[tokio::test]
async fn packages_of_npm_and_pypi_and_what_was_fetched_are_found() {
    let machine = Machine::new();
    let platform = format!("linux-{}", if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" });
    let npm = |at: &str, version: &str| {
        let package = machine.path(at).join(format!("@embedded-postgres/{platform}"));
        fake_postgres(&package.join("native/bin"), version, &ALL);
        // Its links are not made: such a server can't be run to ask it.
        program(&package.join("native/bin/postgres"), "exit 127");
        std::fs::write(
            package.join("package.json"),
            format!("{{\"version\": \"{version}.0-beta.1\"}}"),
        )
        .unwrap();
        let links = r#"[{"source": "native/lib/libpq.so.5.17", "target": "native/lib/libpq.so.5"}]"#;
        std::fs::write(package.join("native/pg-symlinks.json"), links).unwrap();
    };
    npm("project/node_modules", "18.4");
    npm("home/node_modules/.pnpm/@embedded-postgres+x@17.1/node_modules", "17.1");
    npm("prefix/lib/node_modules/embedded-postgres/node_modules", "16.2");
    let wheel = "lib/python3.11/site-packages/embedded_postgres/pginstall/bin";
    fake_postgres(&machine.path("project/.venv").join(wheel), "15.3", &ALL);
    fake_postgres(&machine.path("home/.local").join(wheel), "14.4", &ALL);
    fake_postgres(&machine.path("prefix").join(wheel), "13.5", &ALL);
    fake_postgres(&machine.path("cache/servers/postgres/12.6.0/bin"), "12.6", &ALL);
    let found = machine.found(&["prefix/bin"], wanted()).await;
    assert_eq!(versions(&found), ["18", "17", "16", "15", "14", "13", "12"]);
    assert_eq!(found[0].full_version, "18.4");
    assert_eq!(found[6].source, "fetched by locald");
}

#[tokio::test]
async fn other_servers_are_found_by_what_the_catalog_says() {
    let machine = Machine::new();
    program(
        &machine.path("a/redis-server"),
        "echo 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64'",
    );
    program(
        &machine.path("b/redis-server"),
        "echo 'Valkey server v=8.0.1 sha=00000000:0'",
    );
    program(
        &machine.path("b/mysqld"),
        "echo 'mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu'",
    );
    program(
        &machine.path("d/mysqld"),
        "echo '/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64'",
    );
    // One that never says anything keeps nobody waiting.
    program(&machine.path("c/redis-server"), "exec sleep 60");
    program(&machine.path("opt/redis-server"), "echo 'Redis server v=6.2.1 sha=0'");
    let plain = |entry: &str, programs: &[&str]| Wanted {
        entry: entry.to_owned(),
        programs: programs.iter().map(|&name| name.to_owned()).collect(),
        folders: vec![machine.path("opt").to_string_lossy().into_owned()],
        version_parts: 2,
        postgres: false,
    };
    let path = ["a", "b", "c", "d"];
    let redis = machine.found(&path, plain("redis", &["redis-server"])).await;
    assert_eq!(versions(&redis), ["7.0", "6.2"]);
    assert_eq!(redis[0].program, machine.path("a/redis-server"));
    assert_eq!(
        versions(
            &machine
                .found(&path, plain("valkey", &["valkey-server", "redis-server"]))
                .await
        ),
        ["8.0"]
    );
    assert_eq!(
        versions(&machine.found(&path, plain("mariadb", &["mariadbd", "mysqld"])).await),
        ["10.11"]
    );
    assert_eq!(
        versions(&machine.found(&path, plain("mysql", &["mysqld"])).await),
        ["8.0"]
    );
}
