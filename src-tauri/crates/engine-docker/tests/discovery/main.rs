//! Which engines are found, from whose words, in which order, and under which names.
#![expect(clippy::unwrap_used, reason = "tests")]

mod machine;

use locald_engine::EngineKind::{Docker, Podman};
use machine::Machine;

const CONTEXT: &str =
    r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:2376","SkipTLSVerify":false}}}"#;

#[test]
fn the_order_is_that_of_the_persons_other_tools() {
    let mut machine = Machine::new();
    machine.file(".docker/config.json", r#"{"currentContext":"far","auths":{}}"#);
    machine.context("far", CONTEXT);
    machine.socket("/run/docker.sock");
    machine.socket("/run/user/1000/docker.sock");
    machine.socket("/run/user/1000/podman/podman.sock");
    machine.socket("/run/podman/podman.sock");
    machine.home_socket(".colima/default/docker.sock");
    machine.home_socket(".colima/work/docker.sock");
    machine.home_socket(".rd/docker.sock");
    machine.home_socket(".orbstack/run/docker.sock");
    machine.home_socket(".lima/default/sock/docker.sock");
    machine.home_socket(".lima/alpine/sock/podman.sock");
    machine.home_socket(".docker/desktop/docker.sock");
    machine.home_socket(".local/share/containers/podman/machine/podman-machine-default/podman.sock");
    machine.socket("/run/user/1000/podman/podman-machine-big-api.sock");
    machine.file(
        ".config/containers/podman-connections.json",
        r#"{"Connection":{"Default":"box","Connections":{
            "box":{"URI":"ssh://me@box/run/podman/podman.sock","Identity":"/k"},
            "other":{"URI":"ssh://me@other/run/podman/podman.sock"}}}}"#,
    );
    machine.set("DOCKER_HOST", "tcp://host");
    machine.setting = Some("ssh://me@set".to_owned());
    let found: Vec<_> = machine
        .found()
        .into_iter()
        .map(|one| (one.name, one.kind, one.explicit))
        .collect();
    let expected = [
        ("docker", Docker, true),
        ("docker-2", Docker, true),
        ("far", Docker, true),
        ("docker-3", Docker, false),
        ("docker-rootless", Docker, false),
        ("docker-desktop", Docker, false),
        ("podman", Podman, false),
        ("podman-rootful", Podman, false),
        ("podman-machine-default", Podman, false),
        ("podman-machine-big", Podman, false),
        ("colima", Docker, false),
        ("colima-work", Docker, false),
        ("rancher-desktop", Docker, false),
        ("orbstack", Docker, false),
        ("lima", Docker, false),
        ("lima-alpine", Podman, false),
        ("box", Podman, true),
    ];
    assert_eq!(
        found,
        expected.map(|(name, kind, explicit)| (name.to_owned(), kind, explicit))
    );
    assert_eq!(
        machine.found()[..4]
            .iter()
            .map(|one| one.source.as_str())
            .collect::<Vec<_>>(),
        [
            "from locald's settings",
            "from DOCKER_HOST",
            "from the docker context `far`",
            "found at a usual place"
        ]
    );
}

#[test]
fn with_nothing_there_dockers_usual_socket_is_named() {
    let machine = Machine::new();
    let found = machine.found();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].kind), ("docker", Docker));
    assert!(found[0].endpoint.ends_with("/var/run/docker.sock"), "{found:?}");
}

#[test]
fn one_socket_by_several_paths_is_one_and_keeps_its_name() {
    // As podman-docker has it, and with Docker's folder a link as on every distribution.
    let mut machine = Machine::new();
    machine.socket("/run/podman/podman.sock");
    machine.link("/run/podman/podman.sock", "/run/docker.sock");
    machine.set("CONTAINER_HOST", &machine.unix("/run/podman/podman.sock"));
    let found = machine.found();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].name.as_str(), found[0].kind), ("podman-rootful", Podman));
    assert_eq!(found[0].source, "found at a usual place");
    machine.user = 0;
    assert_eq!(machine.found()[0].name, "podman");

    // By a variable, in another spelling, and by a hard link.
    let mut machine = Machine::new();
    machine.socket("/run/docker.sock");
    machine.hard_link("/run/docker.sock", "/run/again.sock");
    machine.set("DOCKER_HOST", &format!("{}/", machine.unix("//run//again.sock")));
    let found = machine.found();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].name.as_str(), found[0].source.as_str()),
        ("docker", "from DOCKER_HOST")
    );

    // Colima is colima as a context too.
    let mut machine = Machine::new();
    let socket = machine.home_socket(".colima/default/docker.sock");
    let host = socket.display();
    machine.context(
        "work",
        &format!(r#"{{"Name":"work","Endpoints":{{"docker":{{"Host":"unix://{host}"}}}}}}"#),
    );
    machine.set("DOCKER_CONTEXT", "work");
    let found = machine.found();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].name, "colima");
    assert_eq!(found[0].source, "from DOCKER_CONTEXT, the docker context `work`");

    // Addresses in several spellings.
    let mut machine = Machine::new();
    machine.set("DOCKER_HOST", "tcp://Box:2375/");
    machine.setting = Some("http://box".to_owned());
    assert_eq!(machine.found().len(), 1);
}

#[test]
fn contexts_bring_their_certificates() {
    let mut machine = Machine::new();
    machine.context("far", CONTEXT);
    machine.set("DOCKER_CONTEXT", "far");
    assert_eq!(machine.found()[0].access.tls, None);
    let folder = machine.tls("far", &["ca.pem", "cert.pem", "key.pem"]);
    let tls = machine.found()[0].access.tls.clone().unwrap();
    assert_eq!(
        (tls.ca, tls.cert, tls.key, tls.verify),
        (
            Some(folder.join("ca.pem")),
            Some(folder.join("cert.pem")),
            Some(folder.join("key.pem")),
            true
        )
    );

    let careless = CONTEXT.replace("\"SkipTLSVerify\":false", "\"SkipTLSVerify\":true");
    machine.context("far", &careless);
    assert!(!machine.found()[0].access.tls.as_ref().unwrap().verify);
}

#[test]
fn variables_bring_certificates_as_for_docker() {
    let mut machine = Machine::new();
    machine.set("DOCKER_HOST", "tcp://far");
    assert_eq!(machine.found()[0].access.tls, None);
    machine.set("DOCKER_TLS", "1");
    assert!(!machine.found()[0].access.tls.as_ref().unwrap().verify);
    machine.set("DOCKER_TLS_VERIFY", "1");
    machine.set("DOCKER_CERT_PATH", "/certs");
    let tls = machine.found()[0].access.tls.clone().unwrap();
    // Named and missing: an error later, and no trust in whatever this machine trusts.
    assert_eq!(
        (tls.ca, tls.cert, tls.verify),
        (Some("/certs/ca.pem".into()), None, true)
    );
}

#[test]
fn a_context_that_is_broken_is_shown_with_what_is_wrong() {
    let mut machine = Machine::new();
    machine.file(".docker/config.json", r#"{"currentContext":"gone"}"#);
    let obstacle = |machine: &Machine| {
        let found = machine.found();
        (
            found[0].name.clone(),
            found[0].access.obstacle.clone().unwrap_or_default(),
        )
    };
    let (name, words) = obstacle(&machine);
    assert!(
        name == "gone" && words.contains("no context `gone`") && words.contains("docker context ls"),
        "{words}"
    );
    for (text, expected) in [("{", "meta.json"), (r#"{"Endpoints":{}}"#, "missing field `docker`")] {
        machine.context("gone", text);
        let (_, words) = obstacle(&machine);
        assert!(words.contains(expected), "{words}");
    }
    let empty = r#"{"Name":"gone","Endpoints":{"docker":{"Host":""}}}"#;
    machine.context("gone", empty);
    assert!(obstacle(&machine).1.contains("has no address"));
    // It doesn't keep the others from being found.
    machine.socket("/run/docker.sock");
    assert_eq!(machine.found().len(), 2);
    // A variable is stronger, also with the context that means none.
    machine.set("DOCKER_CONTEXT", "default");
    assert_eq!(machine.found().len(), 1);
    // Where the file itself is broken, no context is named.
    let broken = Machine::new();
    broken.file(".docker/config.json", "{\"currentContext\": ");
    assert_eq!(broken.found()[0].source, "the usual place");
}

#[test]
fn podmans_connections_are_the_chosen_one_and_those_of_this_machine() {
    let mut machine = Machine::new();
    let socket = machine.home_socket("p.sock");
    let local = format!("unix://{}", socket.display());
    machine.file(
        ".config/containers/containers.conf",
        &format!(
            "[engine]\nactive_service = \"vm\"\n[engine.service_destinations]\n\
             [engine.service_destinations.vm]\nuri = \"ssh://core@127.0.0.1:4000/run/podman/podman.sock\"\n\
             identity = \"/id\"\nis_machine = true\n\
             [engine.service_destinations.far]\nuri = \"ssh://core@far/run/podman/podman.sock\"\n\
             [engine.service_destinations.here]\nuri = \"{local}\"\n\
             [engine.service_destinations.stopped]\nuri = \"unix:///nonexistent/p.sock\"\n"
        ),
    );
    let found = machine.found();
    let names: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.explicit)).collect();
    assert_eq!(names, [("vm", true), ("here", false)]);
    assert_eq!(found[0].source, "the Podman connection `vm`");
    let ssh = &found[0].access.ssh;
    assert_eq!((ssh.identity.clone(), ssh.machine), (Some("/id".into()), true));

    machine.set("CONTAINER_CONNECTION", "far");
    let found = machine.found();
    assert_eq!((found[0].name.as_str(), found[0].access.ssh.machine), ("far", false));
    // The newer file is the stronger one.
    machine.unset("CONTAINER_CONNECTION");
    machine.file(
        ".config/containers/podman-connections.json",
        r#"{"Connection":{"Default":"far","Connections":{"far":{"URI":"ssh://core@far2/p.sock","Identity":""}}}}"#,
    );
    let found = machine.found();
    assert_eq!(found[0].endpoint, "ssh://core@far2/p.sock");
    assert_eq!(found[0].access.ssh.identity, None);
    // Broken files count as none.
    machine.file(".config/containers/podman-connections.json", "{");
    machine.file(".config/containers/containers.conf", "[engine");
    assert_eq!(machine.found()[0].source, "the usual place");

    machine.set("CONTAINER_HOST", "ssh://core@x:22/p.sock");
    machine.set("CONTAINER_SSHKEY", "/key");
    let found = machine.found();
    assert_eq!((found[0].name.as_str(), found[0].kind), ("podman", Podman));
    assert_eq!(found[0].access.ssh.identity, Some("/key".into()));
}

#[test]
fn blank_variables_and_odd_names_do_no_harm() {
    let mut machine = Machine::new();
    machine.set("DOCKER_HOST", " ");
    machine.set("DOCKER_CONTEXT", "../../etc x");
    machine.setting = Some(String::new());
    let found = machine.found();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "..-..-etc-x");
    assert!(found[0].access.obstacle.is_some());
}
