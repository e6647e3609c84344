//! When notifications are shown: tables of what comes and what is seen.

use jiff::{SignedDuration, Timestamp};

use super::{crash, exit, service, snapshot};
use crate::{
    Snapshot,
    snapshot::{HealthKind, ServiceSnapshot, StateKind},
    state::Mute,
    view::notification::{NotificationAction, NotificationChange, Outbox, Subject, notifications},
};

/// A desktop in made-up time: the picture, the outbox, and a record of what was shown when.
struct Desk {
    outbox: Outbox,
    begun: Timestamp,
    now: Timestamp,
    picture: Snapshot,
    seen: String,
}

impl Desk {
    fn new(services: impl IntoIterator<Item = ServiceSnapshot>) -> Self {
        Self::with(true, services)
    }

    fn with(external: bool, services: impl IntoIterator<Item = ServiceSnapshot>) -> Self {
        let begun: Timestamp = "2026-01-01T10:00:00Z".parse().unwrap();
        Self {
            outbox: Outbox::new(external),
            begun,
            now: begun,
            picture: snapshot(true, services),
            seen: String::new(),
        }
    }

    /// Services become these.
    fn become_(&mut self, services: impl IntoIterator<Item = ServiceSnapshot>) -> &mut Self {
        let mut next = self.picture.clone();
        for new in services {
            match next.services.iter_mut().find(|old| old.id == new.id) {
                Some(old) => *old = new.into(),
                None => next.services.push(new.into()),
            }
        }
        self.outbox.push(self.now, notifications(&self.picture, &next));
        self.picture = next;
        self.look()
    }

    fn look(&mut self) -> &mut Self {
        for change in self.outbox.due(self.now) {
            let at = self.now.duration_since(self.begun).as_millis();
            self.seen += &match change {
                NotificationChange::Show(shown) if shown.completes => format!("{at} ms: + {}\n", shown.body),
                NotificationChange::Show(shown) => format!("{at} ms: {} / {}\n", shown.summary, shown.body),
                NotificationChange::Close(Subject::Service(id)) => format!("{at} ms: close {id}\n"),
                NotificationChange::Close(subject) => format!("{at} ms: close {subject:?}\n"),
            };
        }
        self
    }

    /// Time passes, and the outbox is asked exactly when it wants to be.
    fn after(&mut self, time: SignedDuration) -> &mut Self {
        let until = self.now + time;
        while let Some(due) = self.outbox.next_due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.look();
        }
        self.now = until;
        self
    }

    fn seen(&mut self) -> String {
        std::mem::take(&mut self.seen)
    }
}

fn ms(time: i64) -> SignedDuration {
    SignedDuration::from_millis(time)
}

fn s(time: i64) -> SignedDuration {
    SignedDuration::from_secs(time)
}

fn running(id: &str) -> ServiceSnapshot {
    service(id, StateKind::Running)
}

fn crashed(id: &str, nth: i64, last_line: Option<&str>) -> ServiceSnapshot {
    let mut exit = exit(Some(7), true, last_line);
    exit.at += s(nth);
    ServiceSnapshot {
        exit: Some(exit),
        ..service(id, StateKind::Exited)
    }
}

fn loops(id: &str, attempts: u32) -> ServiceSnapshot {
    ServiceSnapshot {
        attempts,
        state: StateKind::BackingOff,
        ..crashed(id, attempts.into(), Some("boom"))
    }
}

fn runs_again(id: &str, attempts: u32) -> ServiceSnapshot {
    ServiceSnapshot {
        attempts,
        ..running(id)
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("shop/s{n:02}")).collect()
}

#[test]
fn a_crash_with_its_last_line_is_shown_at_once_and_one_without_waits_for_it_a_moment() {
    let mut desk = Desk::new([running("shop/db")]);
    desk.become_([crashed("shop/db", 1, Some("boom"))]);
    assert_eq!(desk.seen(), "0 ms: shop/db crashed: exited with code 7 / boom\n");

    let mut desk = Desk::new([running("shop/db")]);
    desk.become_([crashed("shop/db", 1, None)]).after(ms(20));
    assert_eq!(desk.seen(), "");
    desk.become_([crashed("shop/db", 1, Some("boom"))]);
    assert_eq!(desk.seen(), "20 ms: shop/db crashed: exited with code 7 / boom\n");

    let mut desk = Desk::new([running("shop/db")]);
    desk.become_([crashed("shop/db", 1, None)]).after(ms(80));
    desk.become_([crashed("shop/db", 1, Some("boom"))]).after(s(1));
    desk.become_([running("shop/db")]);
    insta::assert_snapshot!(desk.seen(), @r"
    30 ms: shop/db crashed: exited with code 7 / 
    80 ms: + boom
    1080 ms: close shop/db
    ");
}

#[test]
fn what_is_over_before_it_is_told_is_not_told() {
    let mut desk = Desk::new([running("shop/db")]);
    desk.become_([crashed("shop/db", 1, None)]).after(ms(10));
    desk.become_([running("shop/db")]).after(s(100));
    assert_eq!(desk.seen(), "");
    assert_eq!(desk.outbox.next_due(), None);
}

#[test]
fn a_loop_is_told_once_a_minute_with_the_newest_and_its_end_at_once() {
    let mut desk = Desk::new([running("shop/db")]);
    for attempts in 0..20 {
        desk.become_([loops("shop/db", attempts)]).after(ms(4850));
        desk.become_([runs_again("shop/db", attempts + 1)]).after(s(1));
    }
    let last = ServiceSnapshot {
        gave_up: true,
        state: StateKind::Exited,
        ..loops("shop/db", 20)
    };
    desk.become_([last]).after(s(100));
    insta::assert_snapshot!(desk.seen(), @r"
    0 ms: shop/db crashed: exited with code 7 / boom
    It is started again by its restart policy.
    60000 ms: shop/db keeps crashing, 11 times: exited with code 7 / boom
    It is started again by its restart policy.
    117000 ms: shop/db keeps crashing, 21 times: exited with code 7 / boom
    locald gave up after 20 restarts.
    ");
    desk.become_([running("shop/db")]);
    assert_eq!(desk.seen(), "217000 ms: close shop/db\n");
}

#[test]
fn a_person_who_restarts_it_hears_of_the_next_crash_and_the_third_waits() {
    let mut desk = Desk::new([running("shop/db")]);
    for nth in 0..3 {
        desk.become_([crashed("shop/db", nth, Some("boom"))]).after(s(2));
        desk.become_([running("shop/db")]).after(s(1));
    }
    desk.become_([crashed("shop/db", 3, Some("newest"))]).after(s(100));
    insta::assert_snapshot!(desk.seen(), @r"
    0 ms: shop/db crashed: exited with code 7 / boom
    2000 ms: close shop/db
    3000 ms: shop/db crashed: exited with code 7 / boom
    5000 ms: close shop/db
    60000 ms: shop/db crashed: exited with code 7 / newest
    ");
}

#[test]
fn many_at_once_are_one() {
    let all = names(6);
    let mut desk = Desk::new(all.iter().map(|id| running(id)));
    for (nth, id) in (0..).zip(&all) {
        desk.become_([crashed(id, nth, Some("boom"))]).after(ms(100));
    }
    desk.after(s(5));
    insta::assert_snapshot!(desk.seen(), @r"
    0 ms: shop/s00 crashed: exited with code 7 / boom
    100 ms: shop/s01 crashed: exited with code 7 / boom
    200 ms: shop/s02 crashed: exited with code 7 / boom
    300 ms: 4 services crashed: shop/s00, shop/s01, shop/s02, … / shop/s00, shop/s01, shop/s02, shop/s03
    shop/s03 crashed: exited with code 7
    300 ms: close shop/s00
    300 ms: close shop/s01
    300 ms: close shop/s02
    1300 ms: 6 services crashed: shop/s00, shop/s01, shop/s02, … / shop/s00, shop/s01, shop/s02, shop/s03, shop/s04, shop/s05
    shop/s05 crashed: exited with code 7
    ");
    // A start of all of them.
    desk.become_(all.iter().take(3).map(|id| running(id))).after(s(3));
    desk.become_(all.iter().skip(3).map(|id| running(id))).after(s(3));
    insta::assert_snapshot!(desk.seen(), @r"
    7600 ms: 3 services crashed: shop/s03, shop/s04, shop/s05 / shop/s05 crashed: exited with code 7
    8600 ms: close Several
    ");
    // Later ones are told each by itself again.
    desk.after(s(60));
    desk.become_([crashed("shop/s01", 90, Some("boom"))]).after(s(60));
    assert_eq!(desk.seen(), "71600 ms: shop/s01 crashed: exited with code 7 / boom\n");
}

#[test]
fn drafts_of_one_moment_are_one_from_the_start() {
    let all = names(30);
    let mut desk = Desk::new(all.iter().map(|id| running(id)));
    for (nth, id) in (0..).zip(&all) {
        desk.become_([crashed(id, nth, None)]).after(ms(1));
    }
    desk.after(s(10));
    for (nth, id) in (0..).zip(&all) {
        desk.become_([crashed(id, nth, Some("late"))]);
    }
    desk.after(s(100));
    let seen = desk.seen();
    assert!(
        seen.starts_with("30 ms: 30 services crashed: shop/s00, shop/s01, shop/s02, … / "),
        "{seen}"
    );
    assert!(seen.contains("shop/s19, and 10 more\n"), "{seen}");
    assert_eq!(seen.lines().count(), 2, "{seen}");
}

#[test]
fn in_a_burst_a_loop_is_no_news_and_the_end_of_one_is() {
    let all = names(5);
    let mut desk = Desk::new(all.iter().map(|id| running(id)));
    for attempts in 0..12 {
        desk.become_(all.iter().map(|id| loops(id, attempts))).after(s(9));
        desk.become_(all.iter().map(|id| runs_again(id, attempts + 1)))
            .after(s(1));
    }
    let last = ServiceSnapshot {
        gave_up: true,
        state: StateKind::Exited,
        ..loops("shop/s02", 12)
    };
    desk.become_([last]).after(s(100));
    let seen = desk.seen();
    let first_lines: Vec<&str> = seen
        .lines()
        .filter(|line| line.contains(" ms: "))
        .map(|line| line.split(" / ").next().unwrap())
        .collect();
    insta::assert_snapshot!(first_lines.join("\n"), @r"
    0 ms: 5 services crashed: shop/s00, shop/s01, shop/s02, …
    30000 ms: 5 services keep crashing: shop/s00, shop/s01, shop/s02, …
    60000 ms: 5 services keep crashing: shop/s00, shop/s01, shop/s02, …
    90000 ms: 5 services keep crashing: shop/s00, shop/s01, shop/s02, …
    120000 ms: 5 services keep crashing: shop/s00, shop/s01, shop/s02, …
    120000 ms: shop/s02 keeps crashing, 13 times: exited with code 7
    136000 ms: 4 services keep crashing: shop/s00, shop/s01, shop/s03, …
    ");
}

#[test]
fn kinds_of_news_have_their_words_when_they_are_many() {
    let sick = |id: &str| ServiceSnapshot {
        health: HealthKind::Unhealthy,
        ..running(id)
    };
    let all = names(4);
    for (what, expected) in [
        (
            all.iter().map(|id| sick(id)).collect::<Vec<_>>(),
            "4 services are unhealthy",
        ),
        (all.iter().map(|id| loops(id, 3)).collect(), "4 services keep crashing"),
        (
            vec![
                sick(&all[0]),
                loops(&all[1], 0),
                loops(&all[2], 2),
                crash(&all[3], StateKind::Exited, "x"),
            ],
            "4 services have problems",
        ),
    ] {
        let mut desk = Desk::new(all.iter().map(|id| running(id)));
        let seen = desk.become_(what).seen();
        assert!(seen.contains(expected), "{seen}");
    }
}

#[test]
fn what_is_muted_is_not_told_until_the_time_is_over() {
    let mut desk = Desk::new([running("shop/db")]);
    let until = Mute::Until(desk.now + s(3600));
    let muted = |service: ServiceSnapshot, mute| ServiceSnapshot {
        muted: Some(mute),
        ..service
    };
    desk.become_([crashed("shop/db", 1, Some("boom"))]).after(s(1));
    desk.become_([muted(crashed("shop/db", 1, Some("boom")), until)]);
    desk.become_([muted(running("shop/db"), until)]).after(s(1));
    desk.become_([muted(crashed("shop/db", 2, Some("boom")), until)])
        .after(s(3600));
    desk.become_([muted(running("shop/db"), until)]).after(s(1));
    desk.become_([muted(crashed("shop/db", 3, Some("after")), until)])
        .after(s(1));
    desk.become_([muted(running("shop/db"), Mute::ForGood)]).after(s(1));
    desk.become_([muted(crashed("shop/db", 4, Some("never")), Mute::ForGood)])
        .after(s(100));
    insta::assert_snapshot!(desk.seen(), @r"
    0 ms: shop/db crashed: exited with code 7 / boom
    1000 ms: close shop/db
    3603000 ms: shop/db crashed: exited with code 7 / after
    3604000 ms: close shop/db
    ");
}

#[test]
fn containers_of_others_are_told_of_only_where_that_is_wanted() {
    for (wanted, shows) in [(true, 1), (false, 0)] {
        let external = |service| ServiceSnapshot {
            external: true,
            ..service
        };
        let mut desk = Desk::with(wanted, [external(running("other/web"))]);
        desk.become_([external(crashed("other/web", 1, Some("boom")))]);
        assert_eq!(desk.seen().lines().count(), shows);
    }
}

#[test]
fn what_a_person_put_away_is_not_completed_and_comes_again_only_as_news() {
    let mut desk = Desk::new([running("shop/db")]);
    let subject = Subject::Service("shop/db".parse().unwrap());
    desk.become_([crashed("shop/db", 1, None)]).after(ms(50));
    desk.outbox.dismissed(&subject);
    desk.become_([crashed("shop/db", 1, Some("boom"))]).after(s(1));
    desk.become_([running("shop/db")]).after(s(1));
    desk.become_([crashed("shop/db", 2, Some("boom"))]);
    insta::assert_snapshot!(desk.seen(), @r"
    30 ms: shop/db crashed: exited with code 7 / 
    2050 ms: shop/db crashed: exited with code 7 / boom
    ");

    let all = names(5);
    let mut desk = Desk::new(all.iter().map(|id| running(id)));
    desk.become_(all.iter().map(|id| crashed(id, 1, Some("boom"))))
        .after(s(10));
    desk.outbox.dismissed(&Subject::Several);
    desk.become_(all.iter().map(|id| running(id))).after(s(100));
    assert_eq!(desk.seen().matches(" ms: ").count(), 1);
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut desk = Desk::new([running("shop/db"), running("shop/api")]);
    desk.become_([crashed("shop/db", 1, Some("boom"))]);
    desk.become_([crashed("shop/api", 1, None)]);
    desk.now -= s(3600);
    desk.look();
    let due = desk.outbox.next_due().unwrap();
    assert!(due <= desk.now + ms(30), "{due}");
    desk.after(s(1));
    assert!(desk.seen().contains("shop/api crashed"));
}

#[test]
fn buttons_have_keys_of_their_own() {
    let keys: std::collections::BTreeSet<&str> = NotificationAction::ALL.iter().map(|action| action.key()).collect();
    assert_eq!(keys.len(), NotificationAction::ALL.len());
    assert_eq!(NotificationAction::MuteForHour.key(), "mute-hour");
}
