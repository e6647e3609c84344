//! A PostgreSQL that isn't here is fetched: from a server of the test's own, since the real one isn't always reached.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{collections::HashMap, path::Path, process::Command, sync::Arc};

use locald_core::ProblemCode;
use locald_engine::{EngineError, PrepareProgress};
use locald_engine_native::servers::{Sources, fetchable};
use sha2::{Digest as _, Sha256};
use support::{Place, managed, npm_package, wanted, with_npm};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    sync::mpsc,
};

/// What a path is answered with: status, body, and how long it is said to be.
type Answers = HashMap<String, (u16, Vec<u8>, usize)>;

/// A server that lists releases as GitHub does.
struct Mirror {
    url: String,
    answers: Answers,
    listener: TcpListener,
}

impl Mirror {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            answers: HashMap::new(),
            listener,
        }
    }

    fn file(&mut self, name: &str, body: Vec<u8>) {
        let long = body.len();
        self.answers.insert(format!("/{name}"), (200, body, long));
    }

    /// Lists these versions with an archive each, and a checksum where wanted.
    fn releases(&mut self, versions: &[&str], checksums: bool) {
        let asset = |name: String| serde_json::json!({"name": name, "size": 1, "browser_download_url": format!("{}/{name}", self.url)});
        let listed: Vec<_> = versions
            .iter()
            .map(|version| {
                let mut assets = vec![
                    asset(format!("postgresql-{version}-riscv64-other-os.tar.gz")),
                    asset(archive(version)),
                ];
                if checksums {
                    assets.push(asset(format!("{}.sha256", archive(version))));
                }
                serde_json::json!({"tag_name": version, "draft": false, "prerelease": false, "assets": assets})
            })
            .collect();
        let body = serde_json::to_vec(&listed).unwrap();
        self.file("releases", body);
    }

    fn serve(self) -> String {
        let url = format!("{}/releases", self.url);
        let answers = Arc::new(self.answers);
        tokio::spawn(async move {
            while let Ok((socket, _)) = self.listener.accept().await {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    let mut request = String::new();
                    while socket.read_line(&mut request).await.is_ok_and(|read| read > 2) {}
                    let path = request.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
                    let none = (404, Vec::new(), 0);
                    let (status, body, long) = answers.get(&path).unwrap_or(&none);
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {long}\r\nconnection: close\r\n\r\n");
                    let _ = socket.write_all(head.as_bytes()).await;
                    let _ = socket.write_all(body).await;
                    let _ = socket.shutdown().await;
                });
            }
        });
        url
    }
}

/// An archive's name for this platform.
fn archive(version: &str) -> String {
    format!(
        "postgresql-{version}-{}-unknown-linux-gnu.tar.gz",
        std::env::consts::ARCH
    )
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks for PostgreSQL 17 where nothing is installed.
async fn prepare(place: &Place) -> (Result<String, EngineError>, Vec<PrepareProgress>) {
    let sources = Sources {
        fetch: true,
        ..Sources::default()
    };
    let (sink, mut told) = mpsc::channel(100_000);
    let got = place
        .postgres
        .prepare("locald-shop-db", &managed("17"), &sources, &wanted(), sink)
        .await;
    let mut progress = Vec::new();
    while let Ok(step) = told.try_recv() {
        progress.push(step);
    }
    (got.map(|installation| installation.full_version), progress)
}

fn mirrored(url: String) -> Place {
    Place::with(|mut options| {
        options.releases = Some(url);
        options
    })
}

/// The error of a fetch that has to fail, and leave nothing.
async fn refused(url: String) -> String {
    let place = mirrored(url);
    let (got, _) = prepare(&place).await;
    let error = got.unwrap_err();
    assert_eq!(error.code(), ProblemCode::ServerMissing);
    let servers = place.options.cache.join("servers/postgres");
    let left: Vec<_> = servers.read_dir().into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    error.to_string()
}

/// An archive of a server that runs, made of npm's.
async fn real_archive(modules: &Path) -> Vec<u8> {
    let place = Place::new();
    let linked = place
        .postgres
        .prepare(
            "x",
            &managed("17"),
            &with_npm(&place, modules),
            &wanted(),
            support::no_progress(),
        )
        .await
        .unwrap();
    let top = place.root.path().join("postgresql-17.10.0");
    std::fs::rename(linked.bin.parent().unwrap(), &top).unwrap();
    let output = Command::new("tar")
        .args(["-c", "-I", "gzip -1", "-C"])
        .arg(place.root.path())
        .arg("postgresql-17.10.0")
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

#[tokio::test]
async fn the_newest_of_the_major_is_fetched_checked_and_works() {
    let Some(modules) = npm_package() else { return };
    let bytes = real_archive(&modules).await;
    let mut mirror = Mirror::new().await;
    mirror.releases(&["18.1.0", "17.9.0", "17.10.0", "16.14.0"], true);
    mirror.file(
        &format!("{}.sha256", archive("17.10.0")),
        format!("{}  file\n", sha256(&bytes)).into_bytes(),
    );
    let long = bytes.len() as u64;
    mirror.file(&archive("17.10.0"), bytes);
    let place = mirrored(mirror.serve());
    let (got, progress) = prepare(&place).await;
    assert_eq!(got.unwrap(), "17.10");
    let last = progress.last().unwrap();
    assert_eq!((last.done_bytes, last.total_bytes), (long, Some(long)));
    assert!(progress.len() > 5 && progress.windows(2).all(|pair| pair[0].done_bytes < pair[1].done_bytes));
    let servers = place.options.cache.join("servers/postgres");
    assert!(servers.join("17.10.0/bin/postgres").exists());
    assert_eq!(servers.read_dir().unwrap().count(), 1);

    // Once is enough: now it is found here, with nobody to fetch it from.
    let offline = Place::with(|mut options| {
        options.cache = place.options.cache.clone();
        options.releases = Some("http://127.0.0.1:1/releases".to_owned());
        options
    });
    let (again, progress) = prepare(&offline).await;
    assert_eq!((again.unwrap().as_str(), progress.len()), ("17.10", 0));
}

#[tokio::test]
async fn what_is_not_what_was_published_is_refused() {
    let mut mirror = Mirror::new().await;
    mirror.releases(&["17.10.0"], true);
    mirror.file(&archive("17.10.0"), b"something else".to_vec());
    mirror.file(
        &format!("{}.sha256", archive("17.10.0")),
        sha256(b"the archive").into_bytes(),
    );
    let words = refused(mirror.serve()).await;
    assert!(
        words.contains("is not what was published") && words.contains(&sha256(b"something else")),
        "{words}"
    );

    let mut mirror = Mirror::new().await;
    mirror.releases(&["17.10.0"], false);
    mirror.file(&archive("17.10.0"), b"the archive".to_vec());
    assert!(refused(mirror.serve()).await.contains("comes without a checksum"));

    // As published, and no archive.
    let mut mirror = Mirror::new().await;
    mirror.releases(&["17.10.0"], true);
    mirror.file(&archive("17.10.0"), b"no archive".to_vec());
    mirror.file(
        &format!("{}.sha256", archive("17.10.0")),
        sha256(b"no archive").into_bytes(),
    );
    assert!(refused(mirror.serve()).await.contains("could not be unpacked"));
}

#[tokio::test]
async fn a_download_that_breaks_off_leaves_nothing() {
    let mut mirror = Mirror::new().await;
    mirror.releases(&["17.10.0"], true);
    mirror.file(&format!("{}.sha256", archive("17.10.0")), sha256(b"x").into_bytes());
    mirror
        .answers
        .insert(format!("/{}", archive("17.10.0")), (200, vec![0; 100_000], 200_000));
    let words = refused(mirror.serve()).await;
    assert!(words.contains("broke off"), "{words}");
}

#[tokio::test]
async fn nobody_there_is_said_in_plain_words() {
    let free = locald_engine_testbed::free_port();
    let words = refused(format!("http://127.0.0.1:{free}/releases")).await;
    for part in [
        "PostgreSQL 17 is not on this machine",
        "127.0.0.1 can't be reached",
        "refused",
        "Install it, or choose",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    let mut mirror = Mirror::new().await;
    mirror.answers.insert("/releases".to_owned(), (403, Vec::new(), 0));
    let words = refused(mirror.serve()).await;
    assert!(words.contains("403"), "{words}");
    let mut mirror = Mirror::new().await;
    mirror.releases(&["16.14.0", "18.1.0"], true);
    assert!(
        refused(mirror.serve())
            .await
            .contains("no archive of it for this platform")
    );
}

#[test]
fn what_can_be_fetched_is_offered_only_where_it_may_be() {
    let mut sources = Sources::default();
    assert!(fetchable(&sources).is_empty());
    sources.fetch = true;
    assert_eq!(fetchable(&sources), ["18", "17", "16", "15", "14", "13"]);
}
