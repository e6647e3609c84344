//! `depends_on` in all its forms, restart policies, and engines.

use locald_core::{
    ServiceSpec,
    spec::DependencyCondition::{self, Completed, Healthy, Running},
};

use super::*;

/// What `api` needs, in a file with this text for it.
fn needs(api: &str) -> Result<Vec<(String, DependencyCondition)>, ConfigErrors> {
    let text = format!(
        "{api}\n[services.db]\nimage = \"a\"\nports = [80]\n[services.migrate]\nimage = \"a\"\n[services.\"mail.x\"]\nimage = \"a\"\n"
    );
    let project = parse(&text)?;
    let needs = |service: &ServiceSpec| {
        let pairs = service.depends_on.iter();
        pairs.map(|need| (need.name.to_string(), need.condition)).collect()
    };
    Ok(needs(&project.services[0]))
}

fn named(pairs: &[(&str, DependencyCondition)]) -> Vec<(String, DependencyCondition)> {
    pairs
        .iter()
        .map(|(name, condition)| ((*name).to_owned(), *condition))
        .collect()
}

#[test]
fn a_table_says_what_is_waited_for() {
    let api = "[services.api]\nimage = \"a\"\n";
    let all = named(&[("db", Healthy), ("migrate", Completed), ("mail.x", Running)]);
    let inline = r#"depends_on = { db = "healthy", migrate = "completed", "mail.x" = "running" }"#;
    assert_eq!(needs(&format!("{api}{inline}")).unwrap(), all);
    let below = "[services.api.depends_on]\ndb = \"healthy\"\nmigrate = \"completed\"\n\"mail.x\" = \"running\"";
    assert_eq!(needs(&format!("{api}{below}")).unwrap(), all);
    let dotted = "depends_on.db = \"running\"";
    assert_eq!(needs(&format!("{api}{dotted}")).unwrap(), named(&[("db", Running)]));
    let list = r#"depends_on = ["migrate", "db", "migrate"]"#;
    assert_eq!(
        needs(&format!("{api}{list}")).unwrap(),
        named(&[("migrate", Healthy), ("db", Healthy)])
    );
    assert_eq!(needs(&format!("{api}depends_on = {{}}")).unwrap(), []);
}

#[test]
fn a_reference_waits_for_health_unless_told_otherwise() {
    let api = "[services.api]\nimage = \"a\"\nenv = { URL = \"${services.db.host}:${services.db.port}\" }\n";
    assert_eq!(needs(api).unwrap(), named(&[("db", Healthy)]));
    let told = format!("{api}depends_on = {{ migrate = \"completed\", db = \"running\" }}");
    assert_eq!(needs(&told).unwrap(), named(&[("migrate", Completed), ("db", Running)]));
}

#[test]
fn what_is_not_a_condition_is_told_at_once_and_in_place() {
    let text = r#"[services.api]
image = "a"
[services.api.depends_on]
db = "service_healthy"
cache = "service_started"
migrate = "service_completed_successfully"
mail = "runing"
web = true
x = { condition = "service_started" }
"y.z" = {}
nope = "healthy"
nape = "ready"
[services]
db.image = "a"
cache.image = "a"
migrate.image = "a"
mail.image = "a"
web.image = "a"
x.image = "a"
"y.z".image = "a"
"#;
    assert_eq!(
        faults(text),
        [
            "4:6 `service_healthy` isn't something to wait for; write \"healthy\"",
            "5:9 `service_started` isn't something to wait for; write \"running\"",
            "6:11 `service_completed_successfully` isn't something to wait for; write \"completed\"",
            "7:8 `runing` isn't something to wait for; did you mean `running`?",
            "8:7 `services.api.depends_on.web`: expected a string, found true or false; write web = \"healthy\"",
            "9:5 `services.api.depends_on.x`: expected a string, found a table; write x = \"running\"",
            "10:9 `services.api.depends_on.y.z`: expected a string, found a table; write \"y.z\" = \"healthy\"",
            "11:1 `api` depends on `nope`, which doesn't exist; services of this file: `cache`, `db`, `mail`, `migrate`, `web`, `x`, `y.z`",
            "12:1 `api` depends on `nape`, which doesn't exist; services of this file: `cache`, `db`, `mail`, `migrate`, `web`, `x`, `y.z`",
            "12:8 `ready` isn't something to wait for; use one of: `healthy`, `running`, `completed`",
        ]
    );
}

#[test]
fn a_service_that_is_always_restarted_never_completes() {
    let text = r#"[services.api]
image = "a"
depends_on = { migrate = "completed" }
[services.migrate]
image = "a"
restart = "always"
"#;
    insta::assert_snapshot!(parse(text).unwrap_err().render(false, 100), @r#"
     x `api` waits until `migrate` has completed, which it never does: it is always restarted
      ,-[/p/shop/locald.toml:3:26]
    2 | image = "a"
    3 | depends_on = { migrate = "completed" }
      :                          ^^^^^^^^^^^
    4 | [services.migrate]
    5 | image = "a"
    6 | restart = "always"
      :           ^^^^|^^^
      :               `-- `migrate` is always restarted
      `----
     help: write restart = "on-failure" for `migrate`, or wait until it is "healthy"
    "#);
    for restart in ["no", "on-failure", "on-failure:3"] {
        assert!(parse(&text.replace("always", restart)).is_ok(), "{restart}");
    }
    for condition in ["healthy", "running"] {
        assert!(parse(&text.replace("completed", condition)).is_ok(), "{condition}");
    }
}

#[test]
fn circles_are_found_whatever_is_waited_for() {
    let text = r#"[services.a]
image = "a"
depends_on = { b = "running" }
[services.b]
image = "a"
env = { C = "${services.c.host}" }
[services.c]
image = "a"
depends_on = { a = "completed" }
[services.d]
image = "a"
depends_on = { d = "running" }
"#;
    assert_eq!(
        faults(text),
        [
            "3:16 services depend on each other in a circle: a → b → c → a; remove one of these dependencies",
            "12:16 `d` depends on itself; remove it",
        ]
    );
}

#[test]
fn restart_policies() {
    let read = |value: &str| parse(&format!("[services.a]\nimage = \"a\"\nrestart = {value}"));
    for (value, policy) in [
        ("\"no\"", RestartPolicy::No),
        ("\"on-failure\"", RestartPolicy::OnFailure { max: None }),
        ("\"on-failure:5\"", RestartPolicy::OnFailure { max: Some(5) }),
        ("\"always\"", RestartPolicy::Always),
    ] {
        assert_eq!(read(value).unwrap().services[0].restart, policy);
    }
    for (value, fault) in [
        (
            "false",
            "`services.a.restart`: expected a string, found true or false; write restart = \"no\"",
        ),
        (
            "true",
            "`services.a.restart`: expected a string, found true or false; write restart = \"always\"",
        ),
        (
            "\"unless-stopped\"",
            "`unless-stopped` isn't a restart policy of locald; write \"always\"; a service that you stop stays stopped",
        ),
        (
            "\"on-failure:0\"",
            "`0` isn't a number of restarts; write a number from 1, such as \"on-failure:5\"",
        ),
        (
            "\"on-failure:-1\"",
            "`-1` isn't a number of restarts; write a number from 1, such as \"on-failure:5\"",
        ),
        (
            "\"on-failure:\"",
            "`` isn't a number of restarts; write a number from 1, such as \"on-failure:5\"",
        ),
        (
            "\"on_failure\"",
            "`on_failure` isn't a restart policy; did you mean `on-failure`?",
        ),
        ("\"Always\"", "`Always` isn't a restart policy; did you mean `always`?"),
        (
            "\"never\"",
            "`never` isn't a restart policy; write \"no\", or leave the key out",
        ),
    ] {
        assert_eq!(told(&read(value).unwrap_err()), [format!("3:11 {fault}")]);
    }
}

#[test]
fn engines() {
    let read = |value: &str| parse(&format!("[services.a]\nimage = \"a\"\nengine = {value}"));
    for word in ["podman", "docker-rootless", "colima_2", "ctx:my.host", "podman@5+x"] {
        let project = read(&format!("\"{word}\"")).unwrap();
        assert_eq!(project.services[0].engine.as_deref(), Some(word));
    }
    let ask = "write what `locald engines` calls it, such as \"docker\" or \"podman\"";
    for (value, fault) in [
        (
            "\"Podman\"",
            "`Podman` isn't the name of an engine; write \"podman\"".to_owned(),
        ),
        ("\"\"", format!("`` isn't the name of an engine; {ask}")),
        (
            "\"unix:///run/x.sock\"",
            format!("`unix:///run/x.sock` isn't the name of an engine; {ask}"),
        ),
        (
            "1",
            "`services.a.engine`: expected a string, found an integer; write it in quotes: \"1\"".to_owned(),
        ),
    ] {
        assert_eq!(told(&read(value).unwrap_err()), [format!("3:10 {fault}")]);
    }
}

#[test]
fn what_only_locald_acts_on_does_not_recreate_a_container() {
    let hash = |rest: &str| {
        let text = format!("[services.a]\nimage = \"a\"\n{rest}\n[services.b]\nimage = \"a\"");
        parse(&text).unwrap().services[0].hash()
    };
    for rest in [
        "depends_on = { b = \"running\" }",
        "health_check = false",
        "engine = \"podman\"",
        "restart = \"always\"",
        "health_check = { type = \"command\", command = \"true\" }",
    ] {
        assert_eq!(hash(rest), hash(""), "{rest}");
    }
}
