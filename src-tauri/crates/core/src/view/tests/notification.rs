use super::{crash, exit, failed, service, snapshot};
use crate::{
    ProblemCode,
    snapshot::{Desired, ServiceSnapshot, StateKind},
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
    Restart | View log
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
fn a_restart_policy_is_told_once_in_a_row_and_when_it_gives_up() {
    insta::assert_snapshot!(told(running(), backing_off(0, 0)), @r"
    shop/db crashed: exited with code 3
    boom
    It is started again by its restart policy.
    Restart | View log
    ");
    assert_eq!(told(running(), backing_off(1, 1)), "");
    assert_ne!(
        told(running(), backing_off(7, 0)),
        "",
        "after a stable run it is news again"
    );
    let gave_up = ServiceSnapshot {
        restarts: 9,
        attempts: 5,
        ..crash("shop/db", StateKind::Exited, "boom")
    };
    insta::assert_snapshot!(told(running(), gave_up), @r"
    shop/db keeps crashing: exited with code 3
    boom
    locald gave up after 5 restarts.
    Restart | View log
    ");
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
    Stop what holds the port, or choose another one under `ports` in locald.toml.
    Restart
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
    ");
    assert!(words(&notifications(&off, &on)).starts_with("close Engine"));
    assert_eq!(
        words(&notifications(&snapshot(true, []), &snapshot(false, []))),
        "",
        "nobody misses it"
    );
}

#[test]
fn text_of_strangers_is_one_plain_line() {
    for (text, expected) in [
        ("\u{1b}[38;5;999999999mred\u{1b}[0m", "red"),
        ("\u{1b}[\nnext", "next"),
        ("\u{1b}]0;title\u{7}a\u{1b}]8;;file:///x\u{1b}\\b", "ab"),
        ("a\u{202e}cba\u{2066}d\u{2069}", "acbad"),
        ("a\tb\r\nc\0d", "a bcd"),
        ("<img src=x onerror=y>", "<img src=x onerror=y>"),
        ("\u{1b}", ""),
        ("\u{1b}]never ended", ""),
    ] {
        assert_eq!(plain(text), expected, "{text:?}");
    }
    let long = plain(&"ü".repeat(5000));
    assert_eq!((long.chars().count(), long.chars().last()), (201, Some('…')));
}
