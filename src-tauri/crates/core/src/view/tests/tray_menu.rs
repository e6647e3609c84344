use super::{crash, failed, service, snapshot};
use crate::{
    ProblemCode, Snapshot,
    snapshot::{HealthKind, ServiceSnapshot, StateDetail, StateKind},
    view::tray_menu::{MenuEntry, TrayIcon, TrayMenu},
};

fn lines(entries: &[MenuEntry], indent: &str) -> String {
    let line = |entry: &MenuEntry| match entry {
        MenuEntry::Heading(text) => format!("{indent}# {text}"),
        MenuEntry::Separator => format!("{indent}---"),
        MenuEntry::Service { label, checked, .. } => format!("{indent}[{}] {label}", if *checked { "x" } else { " " }),
        MenuEntry::Submenu { label, entries } => {
            let shown: Vec<MenuEntry> = entries.iter().take(2).cloned().collect();
            format!("{indent}> {label}\n{}", lines(&shown, "    "))
        }
        MenuEntry::Action { label, enabled, .. } => format!("{indent}{label}{}", if *enabled { "" } else { " (off)" }),
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn menu(snapshot: &Snapshot) -> String {
    let menu = TrayMenu::of(snapshot);
    format!("{:?}: {}\n{}", menu.icon, menu.tooltip, lines(&menu.entries, ""))
}

#[test]
fn a_few_services_stand_in_the_menu_itself() {
    let starting = ServiceSnapshot {
        health: HealthKind::Starting,
        ..service("shop/db", StateKind::Running)
    };
    let waiting = ServiceSnapshot {
        detail: StateDetail::WaitingFor(vec!["shop/db".parse().unwrap()]),
        ..service("shop/api", StateKind::Waiting)
    };
    let services = [
        service("blog/web", StateKind::Running),
        waiting,
        starting,
        service("shop/mail", StateKind::Stopped),
    ];
    insta::assert_snapshot!(menu(&snapshot(true, services)), @r"
    Busy: 2 of 4 running
    # blog
    [x] web
    ---
    # shop
    [ ] api – waiting for db
    [x] db – not ready yet
    [ ] mail
    ---
    Start all
    Stop all
    ---
    Open dashboard
    Quit
    ");
}

#[test]
fn many_services_stand_in_a_submenu_a_project() {
    let mut services: Vec<ServiceSnapshot> = (0..30)
        .map(|n| service(&format!("shop/s{n:02}"), StateKind::Running))
        .collect();
    services.push(service("blog/web", StateKind::Stopped));
    insta::assert_snapshot!(menu(&snapshot(true, services)), @r"
    Running: 30 of 31 running
    > blog  (0 of 1 running)
        [ ] web
    > shop  (30 of 30 running)
        [x] s00
        [x] s01
    ---
    Start all
    Stop all
    ---
    Open dashboard
    Quit
    ");
}

#[test]
fn without_services_or_engine_it_says_so() {
    insta::assert_snapshot!(menu(&snapshot(true, [])), @r"
    Idle: 0 of 0 running
    # No services yet
    Add PostgreSQL
    ---
    Start all (off)
    Stop all (off)
    ---
    Open dashboard
    Quit
    ");
    insta::assert_snapshot!(menu(&snapshot(false, [service("shop/db", StateKind::Unknown)])), @r"
    Offline: 0 of 1 running
    # docker: engine offline
    # shop
    [ ] db – unknown
    ---
    Start all
    Stop all (off)
    ---
    Open dashboard
    Quit
    ");
}

#[test]
fn what_went_wrong_is_in_the_label_and_the_icon() {
    let services = [
        crash("shop/api", StateKind::Exited, "boom"),
        failed("shop/db", ProblemCode::PortInUse, "port 5432 is in use"),
        ServiceSnapshot {
            health: HealthKind::Unhealthy,
            ..service("shop/web", StateKind::Running)
        },
    ];
    insta::assert_snapshot!(menu(&snapshot(true, services)), @r"
    Problem: 1 of 3 running, 2 with problems
    # shop
    [ ] api – exited with code 3
    [ ] db – failed: port in use
    [x] web – unhealthy
    ---
    Start all
    Stop all
    ---
    Open dashboard
    Quit
    ");
}

#[test]
fn labels_are_never_wider_than_the_screen() {
    let ids = (0..9)
        .map(|n| format!("shop/{n}{}", "x".repeat(60)).parse().unwrap())
        .collect();
    let long = ServiceSnapshot {
        detail: StateDetail::WaitingFor(ids),
        ..service(&format!("shop/{}", "y".repeat(63)), StateKind::Waiting)
    };
    for entry in TrayMenu::of(&snapshot(true, [long])).entries {
        if let MenuEntry::Service { label, .. } = entry {
            assert_eq!(label.chars().count(), 80, "{label}");
        }
    }
}

#[test]
fn an_unhealthy_service_is_a_problem_and_a_finished_one_is_not() {
    let icon = |service| TrayMenu::of(&snapshot(true, [service])).icon;
    let finished = ServiceSnapshot {
        exit: Some(super::exit(Some(0), false, None)),
        ..service("a/b", StateKind::Exited)
    };
    assert_eq!(icon(finished), TrayIcon::Idle);
    let unhealthy = ServiceSnapshot {
        health: HealthKind::Unhealthy,
        ..service("a/b", StateKind::Running)
    };
    assert_eq!(icon(unhealthy), TrayIcon::Problem);
}
