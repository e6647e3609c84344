//! Engines that answer oddly, late, or not at all (C28, C45, C46 for Podman's wording, C61).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    fs::Permissions,
    os::unix::{fs::PermissionsExt as _, net::UnixListener, process::CommandExt as _},
    path::Path,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use locald_core::{ProblemCode, instance::RunState};
use locald_engine::{ConnectFault, Engine as _, EngineError, EngineEventKind, EngineKind, LogOptions};
use locald_engine_docker::{Access, DockerEngine};
use support::{engine, engine_at, server::Server};

const VERSION: &str = r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#;

async fn fault(socket: &Path) -> ConnectFault {
    let begun = Instant::now();
    let error = engine_at(socket).connect().await.unwrap_err();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{error} took {:?}",
        begun.elapsed()
    );
    match error {
        EngineError::Connect(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_way_of_not_being_there_has_its_own_message_in_time_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    drop(UnixListener::bind(path("stale")).unwrap());
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::write(path("file"), "").unwrap();
    let silent = Server::with(|_| None);
    let broken = Server::start(&[("GET /_ping", 500, r#"{"message":"out of order"}"#)]);
    let garbage = Server::with(|_| Some("SSH-2.0-OpenSSH\r\n".to_owned()));
    let other = Server::start(&[("GET /version", 200, "<html></html>")]);

    let faults = [
        fault(&path("none")).await,
        fault(&path("stale")).await,
        fault(&path("folder")).await,
        fault(&path("file")).await,
        fault(&silent.socket()).await,
        fault(&broken.socket()).await,
        fault(&garbage.socket()).await,
        fault(&other.socket()).await,
    ];
    assert!(matches!(faults[0], ConnectFault::Missing { .. }), "{faults:?}");
    assert!(matches!(faults[1], ConnectFault::Refused { .. }), "{faults:?}");
    assert!(matches!(faults[2], ConnectFault::IsDirectory { .. }), "{faults:?}");
    assert!(matches!(faults[3], ConnectFault::Unreachable { .. }), "{faults:?}");
    assert!(matches!(faults[4], ConnectFault::Silent { .. }), "{faults:?}");
    assert!(
        faults[5..]
            .iter()
            .all(|fault| matches!(fault, ConnectFault::Fault { .. })),
        "{faults:?}"
    );
    let mut messages: Vec<String> = faults.iter().map(ToString::to_string).collect();
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), faults.len());

    // The same engine object, once there is somebody.
    let healing = folder.path().join("later");
    let engine = engine_at(&healing);
    assert_eq!(engine.connect().await.unwrap_err().code(), ProblemCode::EngineMissing);
    let good = Server::start(&[("GET /version", 200, VERSION)]);
    std::os::unix::fs::symlink(good.socket(), &healing).unwrap();
    assert_eq!(engine.connect().await.unwrap().version, "20.10.24");
}

/// The socket that the child of the test below is to open.
const FORBIDDEN: &str = "LOCALD_TEST_FORBIDDEN_SOCKET";

#[tokio::test]
async fn a_socket_of_somebody_else_is_not_permitted() {
    if let Ok(socket) = std::env::var(FORBIDDEN) {
        assert!(matches!(
            fault(Path::new(&socket)).await,
            ConnectFault::NotPermitted { .. }
        ));
        return;
    }
    let good = Server::start(&[("GET /version", 200, VERSION)]);
    std::fs::set_permissions(good.socket(), Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(good.folder(), Permissions::from_mode(0o755)).unwrap();
    if engine_at(&good.socket()).connect().await.is_err() {
        assert!(matches!(fault(&good.socket()).await, ConnectFault::NotPermitted { .. }));
        return;
    }
    // Root may open everything, so this test runs itself as nobody, from where nobody can reach it.
    let program = good.folder().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let child = std::process::Command::new(&program)
        .args(["--exact", "a_socket_of_somebody_else_is_not_permitted"])
        .env(FORBIDDEN, good.socket())
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

#[tokio::test]
async fn versions_that_do_not_meet_are_told_with_both_numbers() {
    for (version, words) in [
        (r#"{"Version":"19.03","ApiVersion":"1.40"}"#, ["1.40", "1.41"]),
        (
            r#"{"Version":"40.0","ApiVersion":"1.99","MinAPIVersion":"1.80"}"#,
            ["1.80", "1.53"],
        ),
    ] {
        let server = Server::start(&[("GET /version", 200, version)]);
        let ConnectFault::Version { detail } = fault(&server.socket()).await else {
            panic!("{version}")
        };
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
    }
    let server = Server::start(&[(
        "GET /version",
        200,
        r#"{"Version":"29.0","ApiVersion":"1.52","MinAPIVersion":"1.44"}"#,
    )]);
    assert_eq!(engine_at(&server.socket()).connect().await.unwrap().api, "1.52");
    let podman = r#"{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine"},null,{"Name":7}]}"#;
    let server = Server::start(&[("GET /version", 200, podman)]);
    assert_eq!(
        engine_at(&server.socket()).connect().await.unwrap().kind,
        EngineKind::Podman
    );
}

#[tokio::test]
async fn one_odd_container_does_not_spoil_the_list() {
    let list = r#"[
        {"Id":"good","Names":["/good"],"State":"running","Status":"Up","Labels":{},"Ports":[
            {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
            {"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
            {"PrivatePort":"x"}, null]},
        {"Id":"odd1","Names":[],"State":"stopping","Ports":null,"Created":"yesterday","New":{"a":[1]}},
        {"Id":"odd2","Names":null,"State":7,"Labels":null,"NetworkSettings":{"Networks":null},"Health":{"Status":""}},
        {"Id":"odd3","Names":["/x"],"State":"exited","Status":"Exited (3) 2 minutes ago"},
        {"Id":"ours","Labels":{"dev.locald.project":"shop","dev.locald.service":"db","dev.locald.spec":"ab"}},
        {"Id":"half","Labels":{"dev.locald.project":"shop","odd":5}},
        "text", null, {"Names":["/no-id"]}
    ]"#;
    let ours = r#"{"Id":"ours","Name":"/locald-shop-db","State":{"Status":"exited","ExitCode":137,"OOMKilled":true,
        "FinishedAt":"2026-01-01T10:00:00.5Z","StartedAt":"0001-01-01T00:00:00Z","Health":{"Status":"","Log":null}},
        "Config":{"Labels":{"dev.locald.project":"shop","dev.locald.service":"db"},"Tty":null},
        "NetworkSettings":{"Ports":{"80/tcp":null,"90/sctp":[{"HostIp":"","HostPort":"1"}]}}}"#;
    let server = Server::start(&[
        ("GET /containers/json", 200, list),
        ("GET /containers/ours/json", 200, ours),
    ]);
    let engine = engine_at(&server.socket());
    let seen = engine.list().await.unwrap();
    let ids: Vec<_> = seen.iter().map(|seen| seen.id.as_str()).collect();
    assert_eq!(ids, ["good", "odd1", "odd2", "odd3", "ours", "half"]);
    assert_eq!((seen[0].run.clone(), seen[0].ports.len()), (RunState::Running, 1));
    assert_eq!(seen[1].run, RunState::Unknown("stopping".into()));
    assert!(matches!(seen[2].run, RunState::Unknown(_)));
    let RunState::Exited(facts) = &seen[3].run else {
        panic!("{:?}", seen[3])
    };
    assert_eq!(facts.code, Some(3));
    let RunState::Exited(facts) = &seen[4].run else {
        panic!("{:?}", seen[4])
    };
    assert_eq!((facts.code, facts.oom, facts.at.is_some()), (Some(137), true, true));
    assert_eq!((seen[4].started_at, seen[5].service.clone()), (None, None));
    // Strangers are not inspected one by one.
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_event_stream_goes_on_after_bad_lines() {
    let events = concat!(
        "null\n\n{garbage\n",
        r#"{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"a"},"timeNano":1767225600000000001}"#,
        "\n",
        r#"{"Action":"exec_die: false","Actor":{"ID":"a","Attributes":{"exitCode":"1"}}}"#,
        "\n",
        r#"{"Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"3","dev.locald.project":"shop","dev.locald.service":"db"}}}"#,
        "\n{\"Type\":\"container\",\"Act",
    );
    let server = Server::start(&[("GET /events", 200, events)]);
    let engine = engine_at(&server.socket());
    let seen: Vec<_> = engine.events().await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(matches!(seen[0].kind, EngineEventKind::EngineHealth { .. }) && seen[0].at.is_some());
    assert!(matches!(&seen[1].kind, EngineEventKind::Exited(facts) if facts.code == Some(3)));
    assert_eq!(
        seen[1].service.as_ref().map(ToString::to_string),
        Some("shop/db".to_owned())
    );
}

#[tokio::test]
async fn podman_says_in_its_own_words_that_it_keeps_no_logs() {
    let server = Server::start(&[
        (
            "GET /containers/a/json",
            200,
            r#"{"Id":"a","HostConfig":{"LogConfig":{"Type":"none"}}}"#,
        ),
        (
            "GET /containers/a/logs",
            500,
            r#"{"cause":"x","message":"this container is using the 'none' log driver, cannot read logs: x"}"#,
        ),
    ]);
    let options = LogOptions {
        tail: None,
        follow: true,
        since: None,
    };
    let Err(error) = engine_at(&server.socket()).logs(&"a".into(), options).await else {
        panic!("there are logs")
    };
    assert_eq!(
        error,
        EngineError::LogsNotKept {
            driver: "none".to_owned()
        }
    );
}

#[tokio::test]
async fn starting_an_existing_instance_is_one_request() {
    let server = Server::start(&[("POST /containers/abc/start", 204, "")]);
    let spec = locald_engine::InstanceSpec {
        service: std::sync::Arc::new(locald_core::ServiceSpec::container("shop/db".parse().unwrap(), "i")),
    };
    let started = engine_at(&server.socket())
        .start(&spec, Some("abc".into()))
        .await
        .unwrap();
    assert!(started.reused);
    assert_eq!(server.requests(), ["POST /containers/abc/start"]);
}

#[tokio::test]
async fn an_engine_behind_tcp_works_and_other_schemes_say_so() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = engine(&format!("tcp://{unused}")).connect().await.unwrap_err();
    assert_eq!(refused.code(), ProblemCode::EngineRefused);
    let odd = support::identity("npipe:////./pipe/docker");
    let error = DockerEngine::new(odd, Access::default()).unwrap_err();
    assert!(
        error.to_string().contains("unix:///path, tcp://host:port, and ssh://"),
        "{error}"
    );
}

/// An engine that says it is Podman.
const PODMAN: &str = r#"{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine"}]}"#;

#[tokio::test]
async fn podmans_events_tell_the_code_once_and_nothing_of_a_failed_start() {
    let line = |action: &str, more: &str| {
        format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"a","Attributes":{{{more}"dev.locald.project":"shop","dev.locald.service":"db"}}}}}}"#
        ) + "\n"
    };
    let events = [
        line("init", r#""containerExitCode":"0","#),
        line("start", r#""containerExitCode":"0","#),
        line("restart", r#""containerExitCode":"0","#),
        line("died", r#""containerExitCode":"3","#),
        line("cleanup", r#""containerExitCode":"0","#),
        line("cleanup", r#""containerExitCode":"0","#),
        line("remove", r#""containerExitCode":"0","#),
    ]
    .concat();
    let server = Server::start(&[("GET /events", 200, &events)]);
    let engine = engine_at(&server.socket());
    let seen: Vec<_> = engine
        .events()
        .await
        .unwrap()
        .map(|event| event.unwrap().kind)
        .collect()
        .await;
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert_eq!(seen[..2], [EngineEventKind::Started, EngineEventKind::RestartRequested]);
    assert!(matches!(&seen[2], EngineEventKind::Exited(facts) if facts.code == Some(3)));
    assert_eq!(seen[3], EngineEventKind::Removed);
}

#[tokio::test]
async fn podmans_numbers_are_asked_for_and_end_with_an_empty_answer() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::with(move |request| {
        let body = match request {
            "GET /version" => PODMAN,
            "GET /info" => r#"{"MemTotal":1000,"CgroupVersion":"2"}"#,
            "GET /containers/a/stats" if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
                r#"{"Id":"a","read":"2026-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":5}},"networks":null,
                    "precpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{"usage":300,"limit":1000}}"#
            }
            "GET /containers/a/stats" => "",
            _ => "{}",
        };
        Some(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}"))
    });
    let engine = engine_at(&server.socket());
    assert_eq!(engine.connect().await.unwrap().kind, EngineKind::Podman);
    assert!(!engine.capabilities().health_checks);
    let samples: Vec<_> = engine
        .stats(&"a".into())
        .await
        .unwrap()
        .map(Result::unwrap)
        .collect()
        .await;
    let [sample] = samples[..] else { panic!("{samples:?}") };
    // No `stats` to take the page cache from, and all of the machine's memory is no limit.
    assert_eq!(
        (sample.cpu_percent, sample.memory_bytes, sample.memory_limit_bytes),
        (None, Some(300), None)
    );
}

#[tokio::test]
async fn podmans_terminals_are_read_without_time_stamps() {
    let server = Server::start(&[
        ("GET /version", 200, PODMAN),
        ("GET /containers/a/json", 200, r#"{"Id":"a","Config":{"Tty":true}}"#),
        (
            "GET /containers/a/logs",
            200,
            "2026-01-01T00:00:00Z its own\r\n10%\r100%\r\nno end",
        ),
    ]);
    let engine = engine_at(&server.socket());
    engine.connect().await.unwrap();
    let options = LogOptions {
        tail: None,
        follow: true,
        since: None,
    };
    let lines: Vec<_> = engine
        .logs(&"a".into(), options)
        .await
        .unwrap()
        .map(Result::unwrap)
        .collect()
        .await;
    let texts: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(&line.bytes)).collect();
    assert_eq!(texts, ["2026-01-01T00:00:00Z its own", "10%\r100%", "no end"]);
    assert!(lines.iter().all(|line| line.at.is_none()));
    // Nothing is asked for twice: Podman gives the unfinished line by itself.
    let logs = server
        .requests()
        .iter()
        .filter(|request| request.ends_with("/logs"))
        .count();
    assert_eq!(logs, 1);
}

#[tokio::test]
async fn compose_and_images_are_read_from_the_list() {
    let list = r#"[{"Id":"a","Names":["/p-web-1"],"Image":"docker.io/library/redis:7","State":"restarting",
        "Status":"Restarting (7) 1 second ago","Labels":{"com.docker.compose.project":"p",
        "com.docker.compose.service":"web","com.docker.compose.container-number":"1","com.docker.compose.oneoff":"False"}},
        {"Id":"b","Image":7,"Labels":{"com.docker.compose.project":"p"}}]"#;
    let server = Server::start(&[("GET /containers/json", 200, list)]);
    let seen = engine_at(&server.socket()).list().await.unwrap();
    assert_eq!(seen[0].image, "redis:7");
    let origin = seen[0].compose.as_ref().unwrap();
    assert_eq!(
        (origin.project.as_str(), origin.service.as_str(), origin.number),
        ("p", "web", 1)
    );
    assert!(matches!(&seen[0].run, RunState::Restarting(facts) if facts.code == Some(7)));
    assert_eq!((seen[1].image.as_str(), seen[1].compose.clone()), ("", None));
}
