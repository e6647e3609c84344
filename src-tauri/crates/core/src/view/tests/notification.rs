//! Which edges call for which words.

use super::{crash, exit, failed, service, snapshot};
use crate::{
    ProblemCode,
    snapshot::{Desired, HealthKind, ServiceSnapshot, StateKind},
    state::Mute,
    view::notification::{NotificationAction, NotificationChange, notifications, plain},
};

fn told(before: ServiceSnapshot, after: ServiceSnapshot) -> String {
    words(&notifications(&snapshot(true, [before]), &snapshot(true, [after])))
}

fn words(changes: &[NotificationChange]) -> String {
    let line = |change: &NotificationChange| match change {
        NotificationChange::Show(shown) => {
            let actions: Vec<&str> = shown.actions.iter().map(|action| action.label()).collect();
            format!("{}\n{}\n{}", shown.summary, shown.body, actions.join(" | "))
                .trim()
                .to_owned()
        }
        NotificationChange::Close(subject) => format!("close {subject:?}"),
    };
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn running() -> ServiceSnapshot {
    service("shop/db", StateKind::Running)
}

fn backing_off(restarts: u32, attempts: u32) -> ServiceSnapshot {
    ServiceSnapshot {
        restarts,
        attempts,
        ..crash("shop/db", StateKind::BackingOff, "boom")
    }
}

#[test]
fn a_crash_names_the_service_the_exit_and_the_last_line() {
    insta::assert_snapshot!(told(running(), crash("shop/db", StateKind::Exited, "panic: no disk")), @r"
    shop/db crashed: exited with code 3
    panic: no disk
    Restart | View log | Mute for an hour
    ");
    assert_eq!(NotificationAction::ViewLog.key(), "view-log");
}

#[test]
fn what_is_no_crash_is_not_told() {
    let ended = |state, code| ServiceSnapshot {
        exit: Some(exit(Some(code), false, None)),
        ..service("shop/db", state)
    };
    assert_eq!(told(running(), ended(StateKind::Exited, 0)), "");
    assert_eq!(told(running(), ended(StateKind::Stopped, 137)), "");
    let unknown = || service("shop/db", StateKind::Unknown);
    assert_eq!(told(running(), unknown()), "");
    assert_eq!(told(unknown(), crash("shop/db", StateKind::Exited, "old news")), "");
    assert_eq!(
        told(
            crash("shop/db", StateKind::Exited, "x"),
            crash("shop/db", StateKind::Exited, "x")
        ),
        ""
    );
    assert_eq!(
        words(&notifications(
            &snapshot(true, []),
            &snapshot(true, [backing_off(0, 0)])
        )),
        ""
    );
}

#[test]
fn each_crash_in_a_row_is_told_and_the_end_of_a_restart_policy() {
    insta::assert_snapshot!(told(running(), backing_off(0, 0)), @r"
    shop/db crashed: exited with code 3
    boom
    It is started again by its restart policy.
    Restart | View log | Mute for an hour
    ");
    insta::assert_snapshot!(told(running(), backing_off(11, 11)), @r"
    shop/db keeps crashing, 12 times: exited with code 3
    boom
    It is started again by its restart policy.
    Restart | View log | Mute for an hour
    ");
    assert_ne!(
        told(running(), backing_off(7, 0)),
        "",
        "after a stable run it is news again"
    );
    let gave_up = ServiceSnapshot {
        restarts: 9,
        attempts: 5,
        gave_up: true,
        ..crash("shop/db", StateKind::Exited, "boom")
    };
    insta::assert_snapshot!(told(running(), gave_up.clone()), @r"
    shop/db keeps crashing, 6 times: exited with code 3
    boom
    locald gave up after 5 restarts.
    Restart | View log | Mute for an hour
    ");
    // An engine's own policy is seen to have given up a while after the last crash.
    let by_engine = ServiceSnapshot {
        external: true,
        attempts: 1,
        ..gave_up
    };
    insta::assert_snapshot!(told(backing_off(1, 1), by_engine.clone()), @r"
    shop/db keeps crashing, 2 times: exited with code 3
    boom
    Its restart policy gave up after one restart.
    Restart | View log | Mute for an hour
    ");
    assert_eq!(told(by_engine.clone(), by_engine), "");
}

#[test]
fn a_notification_goes_when_somebody_sees_to_it() {
    let close = r#"close Service(shop/db)"#;
    assert_eq!(
        told(
            crash("shop/db", StateKind::Exited, "x"),
            service("shop/db", StateKind::Starting)
        ),
        close
    );
    assert_eq!(told(backing_off(0, 0), service("shop/db", StateKind::Stopped)), close);
    assert_eq!(
        words(&notifications(
            &snapshot(true, [backing_off(0, 0)]),
            &snapshot(true, [])
        )),
        close
    );
    let again = ServiceSnapshot {
        restarts: 1,
        attempts: 1,
        desired: Desired::Running,
        ..service("shop/db", StateKind::Starting)
    };
    assert_eq!(
        told(backing_off(0, 0), again),
        "",
        "the restart of its policy is not somebody"
    );
}

#[test]
fn a_start_that_fails_is_told_with_what_to_do() {
    let starting = || service("shop/db", StateKind::Starting);
    let in_use = failed("shop/db", ProblemCode::PortInUse, "port 5432 is used by postgres");
    insta::assert_snapshot!(told(starting(), in_use.clone()), @r"
    shop/db could not start: port in use
    Port 5432 is used by postgres
    Stop what holds the port, or use another one.
    Restart | Mute for an hour
    ");
    assert_eq!(told(service("shop/db", StateKind::Unknown), in_use), "");
    for code in [
        ProblemCode::DependencyFailed,
        ProblemCode::EngineLost,
        ProblemCode::NoEngine,
    ] {
        assert_eq!(
            told(starting(), failed("shop/db", code, "x")),
            "",
            "{code:?} has its own say"
        );
    }
}

#[test]
fn a_crash_that_is_told_is_completed_and_not_told_again() {
    let told_by = |before: ServiceSnapshot, after: ServiceSnapshot| {
        let changes = notifications(&snapshot(true, [before]), &snapshot(true, [after]));
        match changes.as_slice() {
            [NotificationChange::Show(shown)] => Some((shown.draft, shown.completes)),
            [] => None,
            other => unreachable!("{other:?}"),
        }
    };
    let bare = || ServiceSnapshot {
        exit: Some(exit(Some(3), true, None)),
        ..service("shop/db", StateKind::Exited)
    };
    let full = || crash("shop/db", StateKind::Exited, "boom");
    assert_eq!(told_by(running(), bare()), Some((true, false)));
    assert_eq!(told_by(bare(), full()), Some((false, true)));
    assert_eq!(told_by(full(), full()), None);
    // On Podman an end is shown at once and judged a second later.
    let unjudged = ServiceSnapshot {
        exit: Some(exit(Some(137), false, Some("boom"))),
        ..service("shop/db", StateKind::Exited)
    };
    let judged = ServiceSnapshot {
        exit: Some(exit(Some(137), true, Some("boom"))),
        ..service("shop/db", StateKind::Exited)
    };
    assert_eq!(told_by(running(), unjudged.clone()), None);
    assert_eq!(told_by(unjudged, judged), Some((false, false)));
    // One that is being started again shows how it ended before.
    let stale = ServiceSnapshot {
        exit: full().exit,
        ..service("shop/db", StateKind::Starting)
    };
    assert_eq!(told_by(stale, full()), None);
}

#[test]
fn podman_does_not_say_who_killed_it_and_memory_only_is_to_blame_where_the_engine_says_so() {
    let killed = |code, oom| {
        let mut service = ServiceSnapshot {
            exit: Some(exit(Some(code), true, Some("bye"))),
            ..service("shop/db", StateKind::Exited)
        };
        service.exit.as_mut().unwrap().oom = oom;
        service
    };
    let on = |kind: &str, service: ServiceSnapshot| {
        let of_kind = |service| {
            let mut snapshot = snapshot(true, [service]);
            std::sync::Arc::make_mut(&mut snapshot.engines[0]).kind = kind.to_owned();
            snapshot
        };
        words(&notifications(&of_kind(running()), &of_kind(service)))
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    for (kind, code, oom, expected) in [
        (
            "podman",
            137,
            false,
            "shop/db crashed: killed or stopped from outside (SIGKILL)",
        ),
        (
            "podman",
            143,
            false,
            "shop/db crashed: killed or stopped from outside (SIGTERM)",
        ),
        ("podman", 137, true, "shop/db crashed: killed: out of memory"),
        ("podman", 139, false, "shop/db crashed: killed by SIGSEGV (code 139)"),
        ("docker", 137, false, "shop/db crashed: killed by SIGKILL (code 137)"),
        ("docker", 137, true, "shop/db crashed: killed: out of memory"),
    ] {
        assert_eq!(on(kind, killed(code, oom)), expected);
    }
}

fn health(kind: HealthKind) -> ServiceSnapshot {
    ServiceSnapshot {
        health: kind,
        health_detail: (kind == HealthKind::Unhealthy).then(|| "GET /\u{1b}[1mhealthz: 503".into()),
        ..running()
    }
}

#[test]
fn unhealthy_is_an_edge() {
    let close = "close Service(shop/db)";
    insta::assert_snapshot!(told(health(HealthKind::Healthy), health(HealthKind::Unhealthy)), @r"
    shop/db is unhealthy
    GET /healthz: 503
    Restart | View log | Mute for an hour
    ");
    assert_ne!(told(health(HealthKind::Starting), health(HealthKind::Unhealthy)), "");
    let still = ServiceSnapshot {
        health_detail: Some("other words".into()),
        ..health(HealthKind::Unhealthy)
    };
    assert_eq!(told(health(HealthKind::Unhealthy), still), "");
    let unknown = service("shop/db", StateKind::Unknown);
    assert_eq!(told(unknown.clone(), health(HealthKind::Unhealthy)), "", "found so");
    assert_eq!(told(health(HealthKind::Unhealthy), unknown), "", "nobody knows");
    assert_eq!(told(health(HealthKind::Unhealthy), health(HealthKind::Healthy)), close);
    assert_eq!(
        told(health(HealthKind::Unhealthy), service("shop/db", StateKind::Stopped)),
        close
    );
    let crashed = told(health(HealthKind::Unhealthy), crash("shop/db", StateKind::Exited, "x"));
    assert!(crashed.starts_with("shop/db crashed"), "{crashed}");
}

#[test]
fn what_is_being_started_again_is_open_until_it_runs_stably() {
    let run = |attempts| ServiceSnapshot {
        restarts: 4,
        attempts,
        ..running()
    };
    assert_eq!(told(backing_off(4, 4), run(4)), "");
    assert_eq!(told(run(4), run(0)), "close Service(shop/db)");
    let unknown = service("shop/db", StateKind::Unknown);
    assert_eq!(told(crash("shop/db", StateKind::Exited, "x"), unknown.clone()), "");
    assert_eq!(told(unknown, running()), "close Service(shop/db)");
}

#[test]
fn muting_takes_back_what_is_shown() {
    let muted = |mute| ServiceSnapshot {
        muted: Some(mute),
        ..crash("shop/db", StateKind::Exited, "x")
    };
    let close = "close Service(shop/db)";
    assert_eq!(
        told(crash("shop/db", StateKind::Exited, "x"), muted(Mute::ForGood)),
        close
    );
    assert_eq!(
        told(muted(Mute::ForGood), crash("shop/db", StateKind::Exited, "x")),
        "",
        "to hear of it again is not to hear of the past"
    );
}

#[test]
fn a_container_that_removes_itself_keeps_its_notification_until_it_is_there_again() {
    let external = |state| ServiceSnapshot {
        external: true,
        ..crash("containers/job", state, "x")
    };
    let gone = |before: ServiceSnapshot| words(&notifications(&snapshot(true, [before]), &snapshot(true, [])));
    assert_eq!(gone(external(StateKind::Exited)), "");
    assert_eq!(gone(external(StateKind::Unknown)), "", "it was being removed");
    let close = "close Service(containers/job)";
    let sick = ServiceSnapshot {
        external: true,
        id: "containers/job".parse().unwrap(),
        ..health(HealthKind::Unhealthy)
    };
    assert_eq!(gone(sick), close);
    let back = snapshot(true, [service("containers/job", StateKind::Running)]);
    assert_eq!(words(&notifications(&snapshot(true, []), &back)), close);
}

#[test]
fn an_engine_that_goes_is_told_once_and_taken_back() {
    let on = snapshot(true, [running(), service("shop/api", StateKind::Running)]);
    let off = snapshot(
        false,
        [
            service("shop/db", StateKind::Unknown),
            service("shop/api", StateKind::Unknown),
        ],
    );
    insta::assert_snapshot!(words(&notifications(&on, &off)), @r"
    docker does not answer
    The state of 2 services is unknown until it does.
    connection to /run/docker.sock closed
    Open dashboard
    ");
    assert!(words(&notifications(&off, &on)).contains("close Engine"));
    assert_eq!(
        words(&notifications(&snapshot(true, []), &snapshot(false, []))),
        "",
        "nobody misses it"
    );
    assert_eq!(words(&notifications(&off, &off)), "");
    let gone = crate::Snapshot {
        engines: Vec::new(),
        ..off.clone()
    };
    assert!(words(&notifications(&off, &gone)).starts_with("close Engine"));
}

#[test]
fn an_engine_that_ends_what_it_runs_before_it_goes_is_missed_too() {
    let at = |seconds: i64| Some(jiff::Timestamp::from_second(seconds).unwrap());
    let ended = |second, external, desired| ServiceSnapshot {
        exit: Some(exit(Some(137), false, None)),
        since: at(second),
        external,
        desired,
        ..service("shop/db", StateKind::Stopped)
    };
    let unknown = ServiceSnapshot {
        since: at(1000),
        ..service("shop/db", StateKind::Unknown)
    };
    let lost = |before: ServiceSnapshot| {
        words(&notifications(
            &snapshot(true, [before]),
            &snapshot(false, [unknown.clone()]),
        ))
    };
    for (what, before, missed) in [
        ("wanted", ended(1, false, Desired::Running), true),
        ("stopped long ago", ended(1, false, Desired::Stopped), false),
        ("another's, stopped just now", ended(990, true, Desired::Stopped), true),
        ("another's, stopped long ago", ended(900, true, Desired::Stopped), false),
    ] {
        assert_eq!(lost(before).starts_with("docker does not answer"), missed, "{what}");
    }
}

#[test]
fn text_of_strangers_is_one_plain_line() {
    for (text, expected) in [
        ("\u{1b}[38;5;999999999mred\u{1b}[0m", "red"),
        ("\u{1b}[\nnext\n", "next "),
        ("\u{1b}]0;title\u{7}a\u{1b}]8;;file:///x\u{1b}\\b", "ab"),
        ("a\u{202e}cba\u{2066}d\u{2069}\u{200f}\u{61c}", "acbad"),
        ("one\u{2028}two\n\nthree", "one two three"),
        ("a\tb\r\nc\0d", "a b cd"),
        ("<img src=x onerror=y>", "<img src=x onerror=y>"),
        ("\u{1b}", ""),
        ("\u{1b}]never ended", ""),
    ] {
        assert_eq!(plain(text), expected, "{text:?}");
    }
    let long = plain(&"ü".repeat(5000));
    assert_eq!((long.chars().count(), long.chars().last()), (201, Some('…')));
}
