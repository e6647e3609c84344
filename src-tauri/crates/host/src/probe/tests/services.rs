//! Each protocol against the real server.

use super::{
    servers::{PASSWORD, Place, Server, USER, ask_service, credentials, have},
    *,
};

/// What any server with users has to be asked, in its own words where they differ.
async fn tells_who_asks(server: &Server, protocol: ServiceProtocol, database: Option<&str>) {
    server
        .answers(protocol, &credentials(USER, PASSWORD, database), &Ok(()))
        .await;
    let refused = said("password authentication failed for user `app`");
    let wrong = credentials(USER, "wrong", database);
    assert_eq!(
        ask_service(server.address, protocol, &wrong, PATIENT).await,
        refused,
        "{}",
        server.log()
    );
    assert_eq!(
        ask_service(
            server.address,
            protocol,
            &credentials("nobody", PASSWORD, database),
            PATIENT
        )
        .await,
        said("password authentication failed for user `nobody`")
    );
}

/// A server's log after questions that were answered has none of these words. What it had to say of earlier ones may come
/// late, and comes once.
async fn says_goodbye(server: &Server, protocol: ServiceProtocol, who: &Credentials) {
    let mut complaints = Vec::new();
    for _ in 0..3 {
        let before = server.log().len();
        for _ in 0..3 {
            assert_eq!(ask_service(server.address, protocol, who, PATIENT).await, Ok(()));
        }
        let log = server.log().split_off(before).to_lowercase();
        let words = ["reset", "eof", "unexpected", "abort", "error", "warn", "broken"];
        match words.into_iter().find(|complaint| log.contains(complaint)) {
            None => return,
            Some(complaint) => complaints.push(format!("{complaint}: {log}")),
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.concat());
}

fn postgres_place() -> (Place, String) {
    let place = Place::new();
    let password = place.file("password", PASSWORD);
    let data = place.path("data");
    place.run(&[
        "/usr/lib/postgresql/15/bin/initdb",
        "--no-sync",
        "-U",
        USER,
        "--pwfile",
        &password,
        "-A",
        "scram-sha-256",
        "-D",
        &data,
    ]);
    (place, data)
}

fn postgres(place: Place, data: &str, options: &[&str]) -> Server {
    let port = place.port.to_string();
    let mut words = vec!["/usr/lib/postgresql/15/bin/postgres", "-D", data, "-p", &port, "-F"];
    words.extend(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
    words.extend(options);
    place.serve("INT", &words)
}

#[tokio::test]
async fn postgres_tells_who_asks_and_hears_a_goodbye() {
    if !have("../lib/postgresql/15/bin/postgres", "postgresql-15") {
        return;
    }
    let (place, data) = postgres_place();
    let server = postgres(place, &data, &[]);
    tells_who_asks(&server, ServiceProtocol::Postgres, Some("postgres")).await;
    let asked = async |who: &Credentials| ask_service(server.address, ServiceProtocol::Postgres, who, PATIENT).await;
    assert_eq!(
        asked(&credentials(USER, PASSWORD, Some("shop"))).await,
        said("database `shop` does not exist")
    );
    says_goodbye(
        &server,
        ServiceProtocol::Postgres,
        &credentials(USER, PASSWORD, Some("postgres")),
    )
    .await;
}

#[tokio::test]
async fn a_postgres_that_recovers_is_not_ready() {
    if !have("../lib/postgresql/15/bin/postgres", "postgresql-15") {
        return;
    }
    let (place, data) = postgres_place();
    place.file("data/standby.signal", "");
    let server = postgres(place, &data, &["-c", "hot_standby=off", "-c", "restore_command=false"]);
    let who = credentials(USER, PASSWORD, Some("postgres"));
    let wanted = said("the database system is not accepting connections");
    server.answers(ServiceProtocol::Postgres, &who, &wanted).await;
}

#[tokio::test]
async fn redis_tells_who_asks_and_hears_a_goodbye() {
    if !have("redis-server", "redis-server") {
        return;
    }
    let place = Place::new();
    let port = place.port;
    let quoted = PASSWORD.replace('"', "\\\"");
    let config = format!(
        "port {port}\nbind 127.0.0.1\nsave \"\"\nrequirepass \"{quoted}\"\n\
         user app on \"#{}\" ~* &* +@all\n",
        sha256(PASSWORD)
    );
    let config = place.file("redis.conf", &config);
    let server = place.serve("TERM", &["redis-server", &config]);
    tells_who_asks(&server, ServiceProtocol::Redis, None).await;
    let asked = async |who: &Credentials| ask_service(server.address, ServiceProtocol::Redis, who, PATIENT).await;
    assert_eq!(asked(&credentials("default", PASSWORD, None)).await, Ok(()));
    assert_eq!(
        asked(&Credentials::default()).await,
        said("the server asks for a password")
    );
    says_goodbye(&server, ServiceProtocol::Redis, &credentials(USER, PASSWORD, None)).await;
}

#[tokio::test]
async fn a_redis_without_a_password_is_not_the_one_that_was_made() {
    if !have("redis-server", "redis-server") {
        return;
    }
    let place = Place::new();
    let config = place.file(
        "redis.conf",
        &format!("port {}\nbind 127.0.0.1\nsave \"\"\n", place.port),
    );
    let server = place.serve("TERM", &["redis-server", &config]);
    server
        .answers(ServiceProtocol::Redis, &Credentials::default(), &Ok(()))
        .await;
    let made = Credentials {
        password: Some(Secret::new(PASSWORD)),
        ..Credentials::default()
    };
    assert_eq!(
        ask_service(server.address, ServiceProtocol::Redis, &made, PATIENT).await,
        said(OTHER_SERVER)
    );
}

#[tokio::test]
async fn mariadb_tells_who_asks_and_hears_a_goodbye() {
    if !have("mariadbd", "mariadb-server") {
        return;
    }
    let place = Place::new();
    let (data, socket, port) = (place.path("data"), place.path("s"), place.port.to_string());
    let data_option = format!("--datadir={data}");
    place.run(&[
        "mariadb-install-db",
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        &data_option,
    ]);
    let quoted = PASSWORD.replace('\'', "''");
    let sql = format!(
        "CREATE DATABASE shop;\nCREATE USER app@'%' IDENTIFIED BY '{quoted}';\nGRANT ALL ON shop.* TO app@'%';\n\
         DROP USER IF EXISTS ''@'localhost';\nDELETE FROM mysql.global_priv WHERE User='';\nFLUSH PRIVILEGES;\n"
    );
    let init = format!("--init-file={}", place.file("init.sql", &sql));
    let (socket, port) = (format!("--socket={socket}"), format!("--port={port}"));
    let words = [
        "mariadbd",
        "--no-defaults",
        &data_option,
        &socket,
        &port,
        "--bind-address=127.0.0.1",
        &init,
    ];
    let server = place.serve("TERM", &words);
    tells_who_asks(&server, ServiceProtocol::Mysql, Some("shop")).await;
    let other = credentials(USER, PASSWORD, Some("other"));
    assert_eq!(
        ask_service(server.address, ServiceProtocol::Mysql, &other, PATIENT).await,
        said("Access denied for user 'app'@'%' to database 'other'")
    );
    says_goodbye(
        &server,
        ServiceProtocol::Mysql,
        &credentials(USER, PASSWORD, Some("shop")),
    )
    .await;
}

#[tokio::test]
async fn rabbitmq_tells_who_asks_and_hears_a_goodbye() {
    if !have("rabbitmq-server", "rabbitmq-server") {
        return;
    }
    let mut place = Place::new();
    let installed = std::fs::read_dir("/usr/lib/rabbitmq/lib")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let program = installed
        .map(|path| path.join("sbin/rabbitmq-server"))
        .find(|path| path.exists())
        .unwrap();
    let other = Place::new();
    let epmd = Place::new();
    let config = format!(
        "listeners.tcp.1 = 127.0.0.1:{}\ndefault_user = {USER}\ndefault_pass = plain-secret\nlog.console = true\n",
        place.port
    );
    let config = place.file("rabbitmq.conf", &config);
    let plugins = place.file("enabled_plugins", "[].\n");
    place.environment("RABBITMQ_CONFIG_FILE", config);
    place.environment("RABBITMQ_ENABLED_PLUGINS_FILE", plugins);
    for (name, folder) in [("RABBITMQ_MNESIA_BASE", "db"), ("RABBITMQ_LOG_BASE", "logs")] {
        let folder = place.folder(folder);
        place.environment(name, folder);
    }
    place.environment("RABBITMQ_NODENAME", format!("ldp{}@localhost", place.port));
    place.environment("RABBITMQ_DIST_PORT", other.port);
    place.environment("RABBITMQ_LOGS", "-");
    place.environment("ERL_EPMD_PORT", epmd.port);
    place.environment("ERL_EPMD_ADDRESS", "127.0.0.1");
    for spare in [other, epmd] {
        std::fs::remove_dir_all(spare.root).unwrap();
    }
    let server = place.serve("TERM", &[program.to_str().unwrap()]);
    let right = credentials(USER, "plain-secret", None);
    server.answers(ServiceProtocol::Amqp, &right, &Ok(())).await;
    let asked = async |who: &Credentials| ask_service(server.address, ServiceProtocol::Amqp, who, PATIENT).await;
    let refused = said("password authentication failed for user `app`");
    assert_eq!(asked(&credentials(USER, "wrong", None)).await, refused);
    assert_eq!(
        asked(&credentials(USER, "plain-secret", Some("shop"))).await,
        said("NOT_ALLOWED - vhost shop not found")
    );
    says_goodbye(&server, ServiceProtocol::Amqp, &right).await;
}

#[tokio::test]
async fn nats_tells_who_asks_and_hears_a_goodbye() {
    if !have("nats-server", "nats-server") {
        return;
    }
    let place = Place::new();
    let quoted = PASSWORD.replace('"', "\\\"");
    let config = format!(
        "host: \"127.0.0.1\"\nport: {}\nauthorization {{ user: \"{USER}\", password: \"{quoted}\" }}\n",
        place.port
    );
    let config = place.file("nats.conf", &config);
    let server = place.serve("TERM", &["nats-server", "-c", &config]);
    tells_who_asks(&server, ServiceProtocol::Nats, None).await;
    says_goodbye(&server, ServiceProtocol::Nats, &credentials(USER, PASSWORD, None)).await;
}

#[tokio::test]
async fn a_nats_without_a_password_is_not_the_one_that_was_made() {
    if !have("nats-server", "nats-server") {
        return;
    }
    let place = Place::new();
    let config = place.file("nats.conf", &format!("host: \"127.0.0.1\"\nport: {}\n", place.port));
    let server = place.serve("TERM", &["nats-server", "-c", &config]);
    server
        .answers(ServiceProtocol::Nats, &Credentials::default(), &Ok(()))
        .await;
    let made = credentials(USER, PASSWORD, None);
    assert_eq!(
        ask_service(server.address, ServiceProtocol::Nats, &made, PATIENT).await,
        said(OTHER_SERVER)
    );
}

#[tokio::test]
async fn memcached_tells_its_version() {
    if !have("memcached", "memcached") {
        return;
    }
    let place = Place::new();
    let port = place.port.to_string();
    let server = place.serve("TERM", &["memcached", "-l", "127.0.0.1", "-p", &port, "-v"]);
    let nobody = Credentials::default();
    server.answers(ServiceProtocol::Memcached, &nobody, &Ok(())).await;
    says_goodbye(&server, ServiceProtocol::Memcached, &nobody).await;
}

#[tokio::test]
async fn mosquitto_tells_who_asks_and_hears_a_goodbye() {
    if !have("mosquitto", "mosquitto") {
        return;
    }
    let place = Place::new();
    let users = place.path("users");
    place.run(&["mosquitto_passwd", "-b", "-c", &users, USER, PASSWORD]);
    let config = format!(
        "listener {} 127.0.0.1\nallow_anonymous false\npassword_file {users}\npersistence false\n",
        place.port
    );
    let config = place.file("mosquitto.conf", &config);
    let server = place.serve("TERM", &["mosquitto", "-c", &config]);
    tells_who_asks(&server, ServiceProtocol::Mqtt, None).await;
    assert_eq!(
        ask_service(server.address, ServiceProtocol::Mqtt, &Credentials::default(), PATIENT).await,
        said("the password is refused")
    );
    says_goodbye(&server, ServiceProtocol::Mqtt, &credentials(USER, PASSWORD, None)).await;
}

#[tokio::test]
async fn etcd_says_that_it_is_healthy() {
    if !have("etcd", "etcd-server") {
        return;
    }
    let place = Place::new();
    let peers = Place::new();
    let (data, clients) = (place.path("data"), format!("http://127.0.0.1:{}", place.port));
    let peer = format!("http://127.0.0.1:{}", peers.port);
    std::fs::remove_dir_all(peers.root).unwrap();
    let words = [
        "etcd",
        "--data-dir",
        &data,
        "--listen-client-urls",
        &clients,
        "--advertise-client-urls",
        &clients,
    ];
    let more = ["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer];
    let cluster = format!("default={peer}");
    let words = [&words[..], &more, &["--initial-cluster", &cluster]].concat();
    let server = place.serve("TERM", &words);
    server
        .answers(ServiceProtocol::Etcd, &Credentials::default(), &Ok(()))
        .await;
}

fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
