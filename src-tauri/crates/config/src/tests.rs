#![expect(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, time::Duration};

use locald_core::spec::{
    HealthCheck, PortMapping, ProbeSpec, Protocol, Resources, RestartPolicy, Signal, Source, VolumeSource,
};

use super::{catalog::Catalog, provision::Fixed, *};

mod bad;
mod catalog;
mod edit;
mod files;
mod health;
mod managed;
mod mutated;
mod order;
mod own_catalog;
mod settings;

fn context() -> ParseContext {
    ParseContext {
        folder: "/p/shop".into(),
        home: Some("/home/u".into()),
        personal: false,
    }
}

fn read_text(path: &Path, text: &str, context: &ParseContext) -> Result<ProjectFile, ConfigErrors> {
    parse_project(path, text, context, &Catalog::built_in(), &mut Fixed::default())
}

fn read_file(path: &Path) -> Result<ProjectFile, ConfigErrors> {
    load_project(path, &Catalog::built_in(), &mut Fixed::default())
}

fn parse(text: &str) -> Result<ProjectFile, ConfigErrors> {
    read_text(Path::new("/p/shop/locald.toml"), text, &context())
}

/// Each fault as `line:column what; what to write`.
fn faults(text: &str) -> Vec<String> {
    told(&parse(text).unwrap_err())
}

fn told(errors: &ConfigErrors) -> Vec<String> {
    let tell = |fault: &Fault| {
        let (line, column) = fault.position().unwrap();
        let help = fault.help().and_then(|help| help.lines().next()).unwrap_or_default();
        format!("{line}:{column} {fault}; {help}")
    };
    errors.faults().iter().map(tell).collect()
}

/// A file that uses every key.
const FULL: &str = r#"# Our shop.
[project]
name = "my-shop"

[services.db]
image = "registry.example:5000/team/postgres:17@sha256:0123"
ports = ["5432:5432", "127.0.0.1:5433:5433/tcp", "53:53/udp", 8025, "9000"]
env = { POSTGRES_PASSWORD = "geheim ü", LEVEL = 1.10, DEBUG = true, WORKERS = 0x10 }
volumes = ["data:/var/lib/data", "./conf:/etc/conf:ro", "~/x:/x"]
stop_signal = "SIGINT"
stop_grace = "1m30s"
workdir = "/srv"
resources = { memory = "512m", cpus = 1.5 }
restart = "on-failure:5"
engine = "podman"

[services.db.health_check]
type = "tcp"
port = 5432
interval = "500ms"
timeout = "1s"
retries = 7
start_period = "1m"

[services.api]
image = "shop/api"
command = "serve --name 'a b' --port 80"
ports = ["80"]
depends_on = ["mail"]
env = ["URL=postgres://${services.db.host}:${services.db.port}/x", "PRICE=$$5", "SHELL=$FOO", "EMPTY="]
health_check = { type = "http", path = "/healthz", status = 204, body = "all well" }
restart = "always"

[services.mail]
image = "axllent/mailpit"
command = ["sh", "-c", "sleep 1"]
health_check = { type = "command", command = "pg_isready -q" }

[services.web]
image = "shop/web"
health_check = false
[services.web.depends_on]
api = "running"
mail = "completed"
"#;

#[test]
fn a_file_with_every_key_reads() {
    let project = parse(FULL).unwrap();
    assert_eq!(project.name.as_str(), "my-shop");
    assert_eq!(project.folder, Path::new("/p/shop"));
    let [db, api, mail, web] = &project.services[..] else {
        unreachable!("four services in the order of the file")
    };

    assert_eq!(db.id.to_string(), "my-shop/db");
    let tcp = |host, port| PortMapping {
        host,
        port,
        protocol: Protocol::Tcp,
    };
    assert_eq!(
        db.ports,
        [
            tcp(Some(5432), 5432),
            tcp(Some(5433), 5433),
            PortMapping {
                host: Some(53),
                port: 53,
                protocol: Protocol::Udp
            },
            tcp(None, 8025),
            tcp(None, 9000),
        ]
    );
    assert_eq!(db.env["LEVEL"], "1.10");
    assert_eq!(db.env["DEBUG"], "true");
    assert_eq!(db.env["WORKERS"], "0x10");
    assert_eq!(db.env["POSTGRES_PASSWORD"], "geheim ü");
    assert_eq!(db.volumes[0].source, VolumeSource::Named { name: "data".into() });
    assert!(db.volumes[1].read_only);
    assert_eq!(
        db.volumes[1].source,
        VolumeSource::Path {
            path: "/p/shop/conf".into()
        }
    );
    assert_eq!(db.stop_signal, Some(Signal::INT));
    assert_eq!(db.stop_grace, Duration::from_secs(90));
    assert_eq!(db.workdir.as_deref(), Some("/srv"));
    assert_eq!(
        db.resources,
        Resources {
            memory_bytes: Some(512 << 20),
            cpu_millis: Some(1500)
        }
    );
    assert_eq!(db.restart, RestartPolicy::OnFailure { max: Some(5) });
    assert_eq!(
        db.health_check,
        Some(HealthCheck {
            probe: ProbeSpec::Tcp { port: 5432 },
            interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            retries: 7,
            start_period: Duration::from_secs(60),
        })
    );

    assert_eq!(api.env["URL"], "postgres://db:5432/x");
    assert_eq!(api.env["PRICE"], "$5");
    assert_eq!(api.env["SHELL"], "$FOO");
    assert_eq!(api.env["EMPTY"], "");
    let needs: Vec<_> = api.depends_on.iter().map(|need| need.name.as_str()).collect();
    assert_eq!(needs, ["mail", "db"], "a reference implies the dependency");
    let words = ["serve", "--name", "a b", "--port", "80"].map(str::to_owned).to_vec();
    assert_eq!(
        api.source,
        Source::Container {
            image: "shop/api".into(),
            command: Some(words)
        }
    );
    let check = api.health_check.clone().unwrap();
    assert_eq!(
        check.probe,
        ProbeSpec::Http {
            port: 80,
            path: "/healthz".into(),
            status: Some(204),
            body: Some("all well".into()),
        }
    );
    assert_eq!((check.interval, check.retries), (Duration::from_secs(2), 3));
    assert_eq!(api.restart, RestartPolicy::Always);
    assert_eq!((&db.engine, &api.engine), (&Some("podman".to_owned()), &None));

    assert_eq!(mail.restart, RestartPolicy::No);
    assert_eq!(mail.stop_grace, Duration::from_secs(10));
    let command = ["pg_isready", "-q"].map(str::to_owned).to_vec();
    assert_eq!(mail.health_check.clone().unwrap().probe, ProbeSpec::Command { command });
    assert!(mail.image_health_check && !web.image_health_check);
    assert_eq!(web.health_check, None);
}

#[test]
fn line_ends_do_not_matter() {
    assert_eq!(
        parse(&FULL.replace('\n', "\r\n")).unwrap().services,
        parse(FULL).unwrap().services
    );
}

#[test]
fn a_project_is_named_after_its_folder() {
    for (folder, name) in [
        ("/p/My.App", "my.app"),
        ("/p/_x", "x"),
        ("/p/Café & Bar", "caf-bar"),
        ("/p/a  b", "a-b"),
    ] {
        let context = ParseContext {
            folder: folder.into(),
            ..context()
        };
        let project = read_text(Path::new("locald.toml"), "", &context).unwrap();
        assert_eq!(project.name.as_str(), name);
        assert!(project.services.is_empty());
    }
    let long = ParseContext {
        folder: format!("/p/--{}", "x".repeat(200)).into(),
        ..context()
    };
    assert_eq!(
        read_text(Path::new("locald.toml"), "", &long).unwrap().name.as_str(),
        "x".repeat(63)
    );
    let personal = ParseContext {
        personal: true,
        ..context()
    };
    assert_eq!(
        read_text(Path::new("locald.toml"), "", &personal)
            .unwrap()
            .name
            .as_str(),
        PERSONAL_PROJECT
    );
}

#[test]
fn a_reference_to_oneself_is_no_dependency() {
    let project =
        parse("[services.a]\nimage = \"a\"\nports = [80]\nenv = { SELF = \"${services.a.host}:${services.a.port}\" }")
            .unwrap();
    assert_eq!(project.services[0].env["SELF"], "a:80");
    assert!(project.services[0].depends_on.is_empty());
}

#[test]
fn a_long_chain_of_services_is_no_circle_and_no_overflow() {
    let mut text = "[services.s0]\nimage = \"a\"\n".to_owned();
    for at in 1..3000 {
        text.push_str(&format!(
            "[services.s{at}]\nimage = \"a\"\ndepends_on = [\"s{}\"]\n",
            at - 1
        ));
    }
    assert_eq!(parse(&text).unwrap().services.len(), 3000);
}
