//! Health checks: the forms, and what is wrong with each.

use super::*;

fn check(value: &str) -> Result<ProjectFile, ConfigErrors> {
    parse(&format!(
        "[services.a]\nimage = \"a\"\nports = [80]\nhealth_check = {value}"
    ))
}

/// The one fault, without its place.
fn fault(value: &str) -> String {
    let errors = check(value).unwrap_err();
    let [only] = &told(&errors)[..] else {
        unreachable!("one fault: {errors:?}")
    };
    only.split_once(' ').unwrap().1.to_owned()
}

#[test]
fn the_images_own_check_can_be_turned_off() {
    for off in ["false", "{ type = \"none\" }"] {
        let service = check(off).unwrap().services.remove(0);
        assert!(!service.image_health_check, "{off}");
        assert_eq!(service.health_check, None);
    }
    let service = check("{ type = \"tcp\" }").unwrap().services.remove(0);
    assert!(service.image_health_check);
    assert!(service.health_check.is_some());
}

#[test]
fn what_is_neither_a_table_nor_false() {
    let lead = "`services.a.health_check`: expected a table or false, found";
    for (value, rest) in [
        (
            "true",
            "true or false; leave the key out to use the image's own check, or write a table such as { type = \"tcp\" }",
        ),
        ("\"none\"", "a string; write health_check = false to ask nothing"),
        ("\"tcp\"", "a string; write { type = \"tcp\" }"),
        (
            "\"curl localhost\"",
            "a string; write a table such as { type = \"tcp\" }, or false to ask nothing",
        ),
        (
            "[\"CMD\"]",
            "a list; write a table such as { type = \"tcp\" }, or false to ask nothing",
        ),
    ] {
        assert_eq!(fault(value), format!("{lead} {rest}"));
    }
    assert_eq!(
        fault("{}"),
        "a health check needs a `type`; write type = \"tcp\", \"http\" or \"command\""
    );
    assert_eq!(
        fault("{ type = \"none\", interval = \"2s\" }"),
        "a health check of type `none` asks nothing and has no `interval`; remove it, or write another `type`"
    );
    assert_eq!(
        fault("{ type = \"https\" }"),
        "`https` isn't a type of health check; did you mean `http`?"
    );
}

#[test]
fn the_text_of_an_answer() {
    let probe = |value: &str| check(value).unwrap().services.remove(0).health_check.unwrap().probe;
    let http = |body: Option<&str>| ProbeSpec::Http {
        port: 80,
        path: "/".into(),
        status: None,
        body: body.map(str::to_owned),
    };
    assert_eq!(probe("{ type = \"http\" }"), http(None));
    assert_eq!(
        probe("{ type = \"http\", body = \"\\\"ok\\\"\" }"),
        http(Some("\"ok\""))
    );
    assert_eq!(
        fault("{ type = \"http\", body = \"\" }"),
        "`services.a.health_check.body` is empty; write text that the answer has to have, or leave the key out"
    );
    assert_eq!(
        fault("{ type = \"http\", body = 1 }"),
        "`services.a.health_check.body`: expected a string, found an integer; write it in quotes: \"1\""
    );
    assert_eq!(
        fault("{ type = \"tcp\", body = \"x\" }"),
        "a health check of type `tcp` has no `body`; a check of this type has `port`, and `type`, `interval`, `timeout`, `retries`, `start_period`"
    );
}

#[test]
fn timing_has_bounds() {
    let timed = |timing: &str| check(&format!("{{ type = \"tcp\", {timing} }}"));
    let least = timed("interval = \"100ms\", timeout = \"1ms\", retries = 1, start_period = \"0s\"").unwrap();
    let least = least.services[0].health_check.clone().unwrap();
    assert_eq!(least.interval, Duration::from_millis(100));
    assert_eq!((least.retries, least.start_period), (1, Duration::ZERO));
    let errors = timed("interval = \"99ms\", timeout = \"0s\", retries = 0, start_period = \"-1s\"").unwrap_err();
    assert_eq!(
        told(&errors),
        [
            "4:43 `services.a.health_check.interval` can't be \"99ms\"; write at least \"100ms\"",
            "4:61 `services.a.health_check.timeout` can't be \"0s\"; write at least \"1ms\"",
            "4:77 `services.a.health_check.retries` can't be 0; write a number from 1 to 1000000",
            "4:95 `services.a.health_check.start_period`: \"-1s\" isn't a duration; write a number with a unit, such as \"500ms\", \"2s\" or \"1m30s\"",
        ]
    );
}
