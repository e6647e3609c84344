//! Services with a `type`, and processes: what they come to, and what is told of slips.

use locald_core::spec::{ServiceSpec, Transfer};

use super::*;
use crate::provision::Fixed;

fn services(text: &str) -> Vec<ServiceSpec> {
    parse(text)
        .map_err(|errors| errors.render(false, 100))
        .unwrap()
        .services
}

fn told_of(text: &str) -> String {
    parse(text).unwrap_err().render(false, 100)
}

#[test]
fn a_type_is_all_that_postgres_needs() {
    let [db] = &services("[services.db]\ntype = \"postgres\"")[..] else {
        unreachable!("one service")
    };
    let managed = db.managed().unwrap();
    assert_eq!(
        (managed.entry.as_str(), managed.title.as_str()),
        ("postgres", "PostgreSQL")
    );
    assert_eq!((managed.version.as_str(), managed.generation), ("18", 1));
    assert_eq!(managed.container.image, "postgres:18");
    let env = &managed.container.env;
    assert_eq!(
        (&*env["POSTGRES_USER"], &*env["POSTGRES_PASSWORD"], &*env["POSTGRES_DB"]),
        ("postgres", "password", "shop")
    );
    assert_eq!(
        managed.container.volumes[0].source,
        VolumeSource::Named { name: "db".into() }
    );
    assert!(managed.credentials_in_data && managed.native.as_ref().unwrap().postgres);
    assert_eq!(db.stop_signal, Some(Signal::INT));
    assert_eq!(db.stop_grace, Duration::from_secs(30));
    let connection = db.connection.as_ref().unwrap();
    assert_eq!(connection.url, "postgres://postgres:password@127.0.0.1:5432/shop");
    assert_eq!(connection.masked_url, "postgres://postgres:…@127.0.0.1:5432/shop");
    assert_eq!(
        connection.client.clone().unwrap().join(" "),
        "psql --host=127.0.0.1 --port=5432 --username=postgres --dbname=shop"
    );
    let Transfer::Dump { dump, restore } = &managed.transfer else {
        unreachable!("a dump carries it over majors")
    };
    assert_eq!(
        dump.join(" "),
        "pg_dumpall --username=postgres --clean --if-exists --file={file}"
    );
    assert_eq!(
        restore.join(" "),
        "psql --username=postgres --dbname=postgres --no-psqlrc --quiet --output=/dev/null --file={file}"
    );
}

#[test]
fn what_the_file_says_holds() {
    let text = r#"[services.db]
type = "pg"
version = "16"
port = 5433
user = "ada"
password = 'p@ss:/?#[]%'
database = "my shop"
env = { TZ = "UTC" }
volumes = ["./init:/docker-entrypoint-initdb.d:ro"]
health_check = { type = "tcp", interval = "5s" }
restart = "always"
stop_signal = "SIGTERM"
stop_grace = "5s"
resources = { memory = "1g" }
engine = "podman""#;
    let [db] = &services(text)[..] else {
        unreachable!("one service")
    };
    assert_eq!((db.ports[0].host, db.ports[0].port), (Some(5433), 5432));
    let connection = db.connection.as_ref().unwrap();
    assert_eq!(
        connection.url,
        "postgres://ada:p%40ss%3A%2F%3F%23%5B%5D%25@127.0.0.1:5433/my%20shop"
    );
    assert_eq!(connection.masked_url, "postgres://ada:…@127.0.0.1:5433/my%20shop");
    let env = &connection.env;
    assert_eq!(env["DATABASE_URL"], connection.url);
    assert_eq!(
        (&*env["PGPASSWORD"], &*env["DB_PASSWORD"]),
        ("p@ss:/?#[]%", "p@ss:/?#[]%")
    );
    assert_eq!(env["SPRING_DATASOURCE_PASSWORD"], "p@ss:/?#[]%");
    assert_eq!(
        env["SPRING_DATASOURCE_URL"],
        "jdbc:postgresql://127.0.0.1:5433/my%20shop"
    );
    assert_eq!(
        env["JDBC_DATABASE_URL"],
        "jdbc:postgresql://127.0.0.1:5433/my%20shop?user=ada&password=p%40ss%3A%2F%3F%23%5B%5D%25"
    );
    let form = db.container_form().unwrap();
    assert_eq!((&*form.env["TZ"], &*form.env["POSTGRES_USER"]), ("UTC", "ada"));
    let targets: Vec<_> = form.volumes.iter().map(|volume| volume.target.as_str()).collect();
    assert_eq!(targets, ["/var/lib/postgresql/data", "/docker-entrypoint-initdb.d"]);
    assert_eq!(db.health_check.as_ref().unwrap().probe, ProbeSpec::Tcp { port: 5432 });
    assert_eq!(
        (db.stop_signal, db.stop_grace),
        (Some(Signal::TERM), Duration::from_secs(5))
    );
    assert_eq!(db.engine.as_deref(), Some("podman"));
    assert_eq!(db.restart, RestartPolicy::Always);
}

#[test]
fn a_user_beside_the_administrator_is_made_where_one_is_named() {
    let env = |text: &str| services(text)[0].container_form().unwrap().env;
    let usual = env("[services.db]\ntype = \"mysql\"");
    assert!(!usual.contains_key("MYSQL_USER"), "the image refuses `root` there");
    let named = env("[services.db]\ntype = \"mysql\"\nuser = \"ada\"");
    assert_eq!(
        (&*named["MYSQL_USER"], &*named["MYSQL_ROOT_PASSWORD"]),
        ("ada", "password")
    );
}

#[test]
fn a_database_is_named_after_the_project_as_far_as_the_server_takes_it() {
    let database = |entry: &str| {
        let text = format!("[project]\nname = \"my-shop.x\"\n[services.db]\ntype = \"{entry}\"");
        let services = services(&text);
        services[0].managed().unwrap().credentials.database.clone()
    };
    assert_eq!(database("postgres").as_deref(), Some("my-shop.x"));
    assert_eq!(database("mysql").as_deref(), Some("my-shop.x"));
    assert_eq!(database("mongodb").as_deref(), Some("my_shop_x"));
    assert_eq!(database("redis"), None);
}

const SHOP: &str = r#"
[services.db]
type = "postgres"
port = 5433
[services.events]
type = "kafka"
[services.mail]
image = "axllent/mailpit"
ports = ["8026:8025"]
[services.api]
command = "cargo run --bin 'my api'"
port = 8090
"#;

#[test]
fn references_are_to_what_the_reader_reaches() {
    let refs = r#"env = { DB = "${services.db.url}", DBH = "${services.db.host}:${services.db.port}", PW = "${services.db.password}$$", WHO = "${services.db.user}/${services.db.database}", LOG = "${services.events.host}:${services.events.port}", MAIL = "${services.mail.host}:${services.mail.port}""#;
    let text = format!(
        "{SHOP}[services.inside]\nimage = \"a\"\n{refs} }}\n[services.outside]\ncommand = \"b\"\n{refs}, API = \"${{services.api.url}}\" }}"
    );
    let services = services(&text);
    let [.., inside, outside] = &services[..] else {
        unreachable!("six services")
    };
    assert_eq!(inside.env["DB"], "postgres://postgres:password@db:5432/shop");
    assert_eq!(outside.env["DB"], "postgres://postgres:password@127.0.0.1:5433/shop");
    assert_eq!(
        (&*inside.env["DBH"], &*outside.env["DBH"]),
        ("db:5432", "127.0.0.1:5433")
    );
    assert_eq!(
        (&*inside.env["PW"], &*outside.env["WHO"]),
        ("password$", "postgres/shop")
    );
    assert_eq!(
        inside.env["LOG"], "events:9092",
        "brokers tell containers another place"
    );
    assert_eq!(outside.env["LOG"], "127.0.0.1:9092");
    assert_eq!(
        (&*inside.env["MAIL"], &*outside.env["MAIL"]),
        ("mail:8025", "127.0.0.1:8026")
    );
    assert_eq!(outside.env["API"], "http://127.0.0.1:8090");
    let mut needs: Vec<_> = outside.depends_on.iter().map(|need| need.name.as_str()).collect();
    needs.sort_unstable();
    assert_eq!(needs, ["api", "db", "events", "mail"]);
}

#[test]
fn what_a_reader_cannot_reach_is_told() {
    let text = format!(
        "{SHOP}[services.web]\nimage = \"a\"\nports = [80]\nenv = {{ A = \"${{services.api.port}}\", B = \"${{services.mail.url}}\", C = \"${{services.events.password}}\" }}\n[services.job]\ncommand = \"x\"\nenv = {{ W = \"${{services.web.port}}\", J = \"${{services.job.url}}\" }}"
    );
    assert_eq!(
        faults(&text),
        [
            "16:14 `api` is a process of this machine, which a container can't reach; run both as processes, or both as containers",
            "16:42 `url` of a container can't be referenced; use one of: `host`, `port`",
            "16:70 `password` of Kafka can't be referenced; use one of: `url`, `host`, `port`",
            "19:14 `web` takes any free port on this machine, which isn't known beforehand; name one in its `ports`, such as \"80:80\"",
            "19:42 `job` declares no port; add port = \"auto\" to `services.job`",
        ]
    );
}

#[test]
fn a_process_has_its_port_and_folder() {
    let text = "[services.api]\ncommand = [\"cargo\", \"run\"]\nport = 8090\nworkdir = \"../api\"\nhealth_check = { type = \"http\", path = \"/healthz\" }\nstop_signal = \"INT\"\nrestart = \"on-failure\"\n[services.web]\ncommand = \"npm run dev\"\nport = \"auto\"\nhealth_check = { type = \"tcp\" }\nenv = { PORT = \"1\" }\n[services.job]\ncommand = \"true\"";
    let services = services(text);
    let [api, web, job] = &services[..] else {
        unreachable!("three services")
    };
    let command = ["cargo", "run"].map(str::to_owned).to_vec();
    assert_eq!(api.source, Source::Process { command });
    assert_eq!(api.workdir.as_deref(), Some("/p/api"));
    assert_eq!(api.env["PORT"], "8090");
    assert_eq!((api.ports[0].host, api.ports[0].port), (Some(8090), 8090));
    assert_eq!(api.connection.as_ref().unwrap().url, "http://127.0.0.1:8090");
    assert!(matches!(
        api.health_check.as_ref().unwrap().probe,
        ProbeSpec::Http { port: 8090, .. }
    ));
    let given = Fixed::default().port;
    assert_eq!((web.ports[0].host, web.ports[0].port), (Some(given), given));
    assert_eq!(web.env["PORT"], "1", "what the file says holds");
    assert_eq!(web.health_check.as_ref().unwrap().probe, ProbeSpec::Tcp { port: given });
    assert_eq!(job.workdir.as_deref(), Some("/p/shop"));
    assert!(job.ports.is_empty() && job.connection.is_none() && !job.image_health_check);
}

#[test]
fn keys_in_the_wrong_place() {
    let text = r#"[services.db]
type = "postgres"
image = "postgres:17"
ports = ["5433:5432"]
workdir = "/x"
[services.api]
command = "x"
ports = [8080]
volumes = ["a:/a"]
user = "ada"
engine = "docker"
health_check = { type = "tcp" }
[services.web]
image = "a"
port = 8081
version = "1"
password = "x"
[services.cache]
type = "redis"
user = "ada"
prot = 1
health_check = { type = "tcp", port = 1 }"#;
    assert_eq!(
        faults(text),
        [
            "3:1 `db` has both a `type` and an `image`; remove one: `type` is for a service that locald knows, `image` for any other container",
            "4:1 a service with a `type` has no `ports`; its ports are known; write port = 5433 to choose the one on this machine",
            "5:1 a service with a `type` has no `workdir`; remove it; how the service is run is known by its `type`",
            "8:1 a process has no `ports`; a process opens its ports itself; write port = 8080 to tell it which",
            "9:1 a process has no `volumes`; remove it, or add an `image` to run it in a container",
            "10:1 a process has no `user`; write it into `env`, or use a service with a `type`, such as type = \"postgres\"",
            "11:10 `api` is a process, which `docker` can't run; remove `engine`, or add an `image`",
            "12:16 the health check has no port to ask; give the process a port: port = \"auto\", or use a check of type \"command\"",
            "15:1 a service with an `image` has no `port`; write ports = [\"8081:8081\"] (port here : port inside)",
            "16:1 a service with an `image` has no `version`; write the version as the image's tag, such as image = \"nginx:1.29\"",
            "17:1 a service with an `image` has no `password`; write it into `env`, or use a service with a `type`, such as type = \"postgres\"",
            "20:1 Redis has no `user`; remove it",
            "21:1 unknown key `prot` in `services.cache`; did you mean `port`?",
            "22:39 port 1 isn't one of this service's; its ports are 6379",
        ]
    );
}

#[test]
fn unknown_type() {
    insta::assert_snapshot!(told_of("[services.db]\ntype = \"postgress\""), @r#"
     x locald knows no service `postgress`
      ,-[/p/shop/locald.toml:2:8]
    1 | [services.db]
    2 | type = "postgress"
      :        ^^^^^^^^^^^
      `----
     help: did you mean `postgres`?
           use one of: `postgres`, `mysql`, `mariadb`, `redis`, `valkey`, `mongodb`, `rabbitmq`,
           `nats`, `kafka`, `memcached`, `minio`, `mailpit`, `opensearch`, `meilisearch`,
           `clickhouse`, `mosquitto`, `etcd`
           or describe it as a container, with `image`
    "#);
}

#[test]
fn unknown_version() {
    insta::assert_snapshot!(told_of("[services.db]\ntype = \"postgres\"\nversion = \"latest\""), @r#"
     x there is no version `latest` of PostgreSQL
      ,-[/p/shop/locald.toml:3:11]
    2 | type = "postgres"
    3 | version = "latest"
      :           ^^^^^^^^
      `----
     help: use one of: `18`, `17`, `16`, `15`, `14`, `13`
    "#);
}

#[test]
fn what_a_server_would_not_take() {
    let long = "x".repeat(64);
    let text = format!(
        "[services.a]\ntype = \"Postgres:17\"\n[services.b]\ntype = \"postgres\"\nversion = 17\nport = 70000\npassword = \"a\\nb\"\ndatabase = \"{long}\"\nuser = \"\"\n[services.c]\ntype = \"mysql\"\nversion = \"banana\"\npassword = \"it's\"\nuser = \"a b\"\n[services.d]\ntype = \"minio\"\npassword = \"short\"\n[services.e]\ntype = \"postgres\"\nversion = \"9.6\"\npassword = \"\"\nuser = \"{{run}}\""
    );
    let told = faults(&text);
    assert_eq!(
        told,
        [
            "2:8 locald knows no service `Postgres:17`; write type = \"postgres\" and version = \"17\"",
            "5:11 `services.b.version`: expected a string, found an integer; write it in quotes: \"17\"",
            "6:8 `services.b.port` can't be 70000; write a number from 1 to 65535",
            "7:12 `password` has a control character, such as a line end; use characters that can be printed",
            "8:12 `database` has 64 bytes, and the server takes 63; write a shorter name",
            "9:8 `user` is empty; write a name, or leave the key out",
            "12:11 there is no version `banana` of MySQL; use one of: `9`, `8.4`, `8.0`",
            "13:12 `password` has the character `'`, which this service's image can't take; use another character",
            "14:8 `user` has the character ` `; use letters, digits, `_`, `-` and `.`",
            "17:12 `password` is too short: the server insists on 8 characters; write a longer one, or leave the key out and locald makes one",
            "20:11 there is no version `9.6` of PostgreSQL; use one of: `18`, `17`, `16`, `15`, `14`, `13`",
            "21:12 `password` is empty; leave the key out, and locald makes one",
            "22:8 `user` can't have `{run}` in it; write it another way",
        ]
    );
}

#[test]
fn one_port_for_two() {
    let text = "[services.a]\ntype = \"postgres\"\nport = 5432\n[services.b]\ncommand = \"x\"\nport = 5432";
    assert_eq!(
        faults(text),
        ["6:8 `a` and `b` both publish port 5432; give one of them another port"]
    );
    let text = "[services.a]\ncommand = \"x\"\nport = \"auto\"\n[services.b]\ncommand = \"x\"\nport = \"auto\"";
    assert_eq!(services(text).len(), 2);
}

/// C62: what YAML reads as a number in base 60 is a time or nothing to TOML, and is told so.
#[test]
fn ports_without_quotes() {
    insta::assert_snapshot!(told_of("[services.a]\nimage = \"a\"\nports = [2122:22, 22:22]"), @r#"
     x a port mapping has to be in quotes
      ,-[/p/shop/locald.toml:3:10]
    2 | image = "a"
    3 | ports = [2122:22, 22:22]
      :          ^^^^^^^
      `----
     help: write "2122:22"
    "#);
    for (raw, told) in [
        (
            "22:22",
            "3:10 `services.a.ports`: expected a port, found a date or time; write it in quotes: \"22:22\"",
        ),
        ("1082:21", "3:10 a port mapping has to be in quotes; write \"1082:21\""),
        ("80:8080", "3:10 a port mapping has to be in quotes; write \"80:8080\""),
    ] {
        assert_eq!(faults(&format!("[services.a]\nimage = \"a\"\nports = [{raw}]")), [told]);
    }
}
