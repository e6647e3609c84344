//! Images of real servers come up as the official ones do.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use locald_engine_testbed::{Dockerd, Podman, Server, TestEngine, required, server_image};

/// What to run it with, and what it says once it is up.
fn run(server: Server) -> (&'static [&'static str], &'static str) {
    match server {
        Server::Postgres => (
            &[
                "-e",
                "POSTGRES_PASSWORD=secret",
                "-e",
                "POSTGRES_USER=app",
                "-e",
                "POSTGRES_DB=shop",
                "postgres:15",
            ],
            "init process complete",
        ),
        Server::Redis => (&["redis:7"], "Ready to accept connections"),
        Server::Valkey => (&["valkey/valkey:9"], "Ready to accept connections"),
        Server::Mariadb => (
            &[
                "-e",
                "MARIADB_ROOT_PASSWORD=se'cret",
                "-e",
                "MARIADB_DATABASE=shop",
                "mariadb:10.11",
            ],
            "init process done",
        ),
        Server::Rabbitmq => (
            &[
                "-e",
                "RABBITMQ_DEFAULT_USER=app",
                "-e",
                "RABBITMQ_DEFAULT_PASS=secret",
                "rabbitmq:3-management",
            ],
            "Server startup complete",
        ),
        Server::Memcached => (&["memcached:1.6", "memcached", "-vv"], "server listening"),
        Server::Nats => (&["nats:2-alpine"], "Server is ready"),
        Server::Mosquitto => (&["eclipse-mosquitto:2"], "running"),
        Server::Etcd => (&["quay.io/coreos/etcd:v3.5.21"], "ready to serve client requests"),
    }
}

fn comes_up(engine: &impl TestEngine, server: Server) {
    server_image(engine, server).unwrap();
    let (arguments, wanted) = run(server);
    let arguments = [&["run", "-d", "--name", server.entry()], arguments].concat();
    engine.command_ok(&arguments).unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let logs = engine.command(&["logs", server.entry()]).unwrap();
        let logs = String::from_utf8_lossy(&[logs.stdout, logs.stderr].concat()).into_owned();
        if logs.contains(wanted) {
            break;
        }
        let running = engine
            .command_ok(&["inspect", "-f", "{{.State.Running}}", server.entry()])
            .unwrap();
        assert!(
            running == "true" && Instant::now() < deadline,
            "{server:?} {running}: {logs}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn servers_come_up_on_docker() {
    let Some(engine) = required(Dockerd::start()) else {
        return;
    };
    for server in Server::ALL {
        comes_up(&engine, server);
    }
}

#[test]
fn servers_come_up_on_podman_rootful() {
    let Some(engine) = required(Podman::rootful()) else {
        return;
    };
    for server in Server::ALL {
        comes_up(&engine, server);
    }
}
