use std::sync::Arc;

use super::{crash, service, snapshot};
use crate::{
    Snapshot,
    instance::PublishedPort,
    snapshot::{ServiceSnapshot, StateKind},
    spec::Protocol,
    view::dashboard::{DashboardChange, DashboardView, ServiceRow},
};

#[test]
fn one_change_in_two_hundred_is_one_row() {
    let before = snapshot(
        true,
        (0..200).map(|n| service(&format!("shop/s{n}"), StateKind::Stopped)),
    );
    let mut after = Snapshot {
        seq: before.seq + 1,
        ..before.clone()
    };
    after.services[77] = Arc::new(service("shop/s77", StateKind::Running));
    let change = DashboardChange::between(&before, &after);
    assert_eq!(
        change.services.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
        ["s77"]
    );
    assert_eq!(
        (
            change.seq,
            change.order,
            change.engines,
            change.projects,
            change.notices
        ),
        (1, None, None, None, None)
    );
    assert_eq!(DashboardView::of(&after).services.len(), 200);
}

#[test]
fn rows_that_come_go_or_move_give_the_order() {
    let before = snapshot(
        true,
        [service("a/b", StateKind::Stopped), service("a/c", StateKind::Stopped)],
    );
    let mut after = before.clone();
    after.services.swap(0, 1);
    let change = DashboardChange::between(&before, &after);
    assert!(change.services.is_empty());
    assert_eq!(
        change
            .order
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["a/c", "a/b"]
    );
    after.services.pop();
    assert_eq!(
        DashboardChange::between(&before, &after).order.map(|order| order.len()),
        Some(1)
    );
    let offline = DashboardChange::between(&before, &snapshot(false, []));
    assert_eq!(
        offline.engines.map(|engines| engines[0].state.clone()).as_deref(),
        Some("offline")
    );
}

#[test]
fn a_row_shows_ports_to_click_and_the_last_words_of_a_crash() {
    let port = |host_port, port, protocol| PublishedPort {
        host_ip: "127.0.0.1".into(),
        host_port,
        port,
        protocol,
    };
    let mut up = service("shop/web", StateKind::Running);
    up.ports = vec![port(8080, 80, Protocol::Tcp), port(53, 53, Protocol::Udp)];
    let row = ServiceRow::of(&up);
    let links: Vec<_> = row
        .ports
        .iter()
        .map(|port| (port.label.as_str(), port.href.as_deref()))
        .collect();
    assert_eq!(links, [("8080 → 80", Some("http://127.0.0.1:8080")), ("53/udp", None)]);
    assert_eq!((row.on, row.turns_on), (true, false));

    let row = ServiceRow::of(&crash("shop/web", StateKind::Exited, "\u{1b}[31mboom\u{1b}[0m"));
    assert_eq!(
        (row.last_line.as_deref(), row.on, row.turns_on),
        (Some("boom"), false, true)
    );
    let again = ServiceSnapshot {
        state: StateKind::Running,
        ..crash("shop/web", StateKind::Exited, "boom")
    };
    assert_eq!(ServiceRow::of(&again).last_line, None);
}
