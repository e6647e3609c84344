//! From the click to the first `SELECT 1`: without a container engine, through Docker and Podman, and with their own commands in
//! the same run.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use locald_engine_testbed::{Dockerd, Podman, Server, TestEngine, free_port, server_image};
use locald_tests::{
    chaos::{Home, Host},
    needs,
    wait::{LATER, eventually},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};
use tokio_postgres::NoTls;

use crate::figures;

const RUNS: usize = 10;
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(2);
/// For a start that a busy machine takes its time for.
const UP: Duration = Duration::from_secs(120);

pub async fn run() {
    println!("\nFrom the click to the first SELECT 1, {RUNS} times each, in ms");
    if !needs::postgres() {
        return;
    }
    let native = native().await;
    let dockerd = Dockerd::start().unwrap_or_else(|reason| panic!("a benchmark needs a real engine: {reason}"));
    let plain = plain(&dockerd, "docker").await;
    let docker = through(&dockerd, "docker").await;
    println!("  native new is {:.1} times as fast as docker run", plain.0 / native.0);
    println!(
        "  through docker: {:.2} of docker's own time, existing {:.2}",
        docker.0 / plain.0,
        docker.1 / plain.1
    );
    drop(dockerd);
    let podman = Podman::rootful().unwrap_or_else(|reason| panic!("a benchmark needs a real engine: {reason}"));
    let plain = self::plain(&podman, "podman").await;
    let through = through(&podman, "podman").await;
    println!(
        "  through podman: {:.2} of podman's own time, existing {:.2}",
        through.0 / plain.0,
        through.1 / plain.1
    );
}

/// Waits for the first answer, and gives how long it took since then.
async fn first_answer(url: &str, since: Instant) -> Duration {
    let answer = async {
        loop {
            if let Ok((client, connection)) = tokio_postgres::connect(url, NoTls).await {
                let connection = tokio::spawn(connection);
                let answered = client.query_one("SELECT 1", &[]).await.is_ok();
                let took = since.elapsed();
                connection.abort();
                if answered {
                    return took;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(UP, answer)
        .await
        .unwrap_or_else(|_| panic!("no answer at {url}"))
}

/// A host with so many databases declared.
struct Databases {
    home: Home,
    _host: Host,
    folder: String,
    in_containers: bool,
}

impl Databases {
    async fn new(home: Home, engine: &str) -> Self {
        home.lend_data_folder();
        let mut text = "[project]\nname = \"bench\"\n".to_owned();
        for number in 0..=RUNS {
            text += &format!(
                "\n[services.db{number}]\ntype = \"postgres\"\nversion = \"15\"\nengine = \"{engine}\"\nport = {}\n",
                free_port()
            );
        }
        let file = home.write("home/bench/locald.toml", &text);
        let folder = file.parent().unwrap().to_string_lossy().into_owned();
        let host = Host::alone(&home).await;
        let databases = Self {
            home,
            _host: host,
            folder,
            in_containers: engine != "native",
        };
        // The first makes what all share: the template, the project's network.
        databases.cli(&["start", "db0", "--wait"]).await;
        databases.cli(&["stop", "db0"]).await;
        databases
    }

    async fn cli(&self, arguments: &[&str]) -> String {
        let mut all = vec!["--project", &self.folder];
        all.extend(arguments);
        self.home.cli(&all).await.unwrap()
    }

    /// What a click sends, without the start of a program.
    async fn click(&self, service: &str) -> (Instant, BufReader<UnixStream>) {
        let socket = self.home.root().join("run/locald/control.sock");
        let mut stream = BufReader::new(UnixStream::connect(socket).await.unwrap());
        let mut hello = String::new();
        stream.read_line(&mut hello).await.unwrap();
        let request = format!(
            "{{\"id\":1,\"request\":{{\"type\":\"command\",\"action\":\"start\",\"services\":[\"bench/{service}\"]}}}}\n"
        );
        let clicked = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        // A request is dropped with its connection.
        (clicked, stream)
    }

    /// From the click on. A container engine takes connections before there is a container to pass them on to, and who is
    /// too early waits for a second: there the client begins when locald says that the service is up, as it does beside the
    /// engine's own program when `pg_isready` says so.
    async fn timed(&self, service: &str) -> Duration {
        let url = self.cli(&["url", service]).await;
        if self.in_containers {
            let clicked = Instant::now();
            self.cli(&["start", service, "--wait"]).await;
            return first_answer(url.trim(), clicked).await;
        }
        let (clicked, _connection) = self.click(service).await;
        first_answer(url.trim(), clicked).await
    }

    async fn new_and_existing(&self, name: &str, before: impl AsyncFn()) -> (f64, f64) {
        let mut new = Vec::new();
        for number in 1..=RUNS {
            before().await;
            let service = format!("db{number}");
            new.push(self.timed(&service).await);
            self.cli(&["stop", &service]).await;
        }
        let new = figures(&format!("{name}, new"), &mut new);
        let mut existing = Vec::new();
        for number in 1..=RUNS {
            let service = format!("db{number}");
            existing.push(self.timed(&service).await);
            self.cli(&["stop", &service]).await;
        }
        (new, figures(&format!("{name}, existing"), &mut existing))
    }
}

/// Data folders that are ready: those that are being made begin with a dot.
fn spares(home: &Home) -> usize {
    let folder = home.data().join("native/.spares");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .count()
}

async fn native() -> (f64, f64) {
    let databases = Databases::new(Home::new(), "native").await;
    databases
        .new_and_existing("native", async || {
            // As it is for whoever doesn't add ten in a row.
            eventually("spares to be ready", LATER, async || {
                if spares(&databases.home) > 1 {
                    Ok(())
                } else {
                    Err("none")
                }
            })
            .await;
        })
        .await
}

async fn through<E: TestEngine>(engine: &E, family: &str) -> (f64, f64) {
    server_image(engine, Server::Postgres).unwrap();
    let mut home = Home::new();
    let variable = if family == "podman" {
        "CONTAINER_HOST"
    } else {
        "DOCKER_HOST"
    };
    home.set_env(variable, engine.endpoint());
    let databases = Databases::new(home, family).await;
    databases
        .new_and_existing(&format!("locald on {family}"), async || {})
        .await
}

/// The engine's own program, with a poll of `pg_isready` as people have it.
async fn plain<E: TestEngine>(engine: &E, family: &str) -> (f64, f64) {
    server_image(engine, Server::Postgres).unwrap();
    let endpoint = engine.endpoint();
    let client = |arguments: &[&str]| {
        let mut command = Command::new("docker");
        command.args(["-H", &endpoint]).args(arguments);
        command.output().unwrap()
    };
    let ready = |name: &str| {
        let poll = ["exec", name, "pg_isready", "-q", "-h", "127.0.0.1"];
        while !client(&poll).status.success() {
            std::thread::sleep(PAUSE);
        }
    };
    let (mut new, mut existing) = (Vec::new(), Vec::new());
    for number in 0..=RUNS {
        let name = format!("plain{number}");
        let port = free_port();
        let publish = format!("127.0.0.1:{port}:5432");
        let volume = format!("{name}:/var/lib/postgresql/data");
        let url = format!("postgres://postgres:secret@127.0.0.1:{port}/postgres");
        let run = [
            "run",
            "-d",
            "--name",
            &name,
            "-e",
            "POSTGRES_PASSWORD=secret",
            "-p",
            &publish,
            "-v",
            &volume,
            "postgres:15",
        ];
        let began = Instant::now();
        let made = client(&run);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        ready(&name);
        let first = first_answer(&url, began).await;
        client(&["stop", &name]);
        let began = Instant::now();
        client(&["start", &name]);
        ready(&name);
        let again = first_answer(&url, began).await;
        client(&["stop", &name]);
        // The first warms the engine up.
        if number > 0 {
            new.push(first);
            existing.push(again);
        }
    }
    let new = figures(&format!("{family} run, new"), &mut new);
    (new, figures(&format!("{family} start, existing"), &mut existing))
}
