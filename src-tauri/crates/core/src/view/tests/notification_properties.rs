//! Whatever happens: no more than allowed is shown, and in the end what is shown is what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{exit, failed, service, snapshot};
use crate::{
    ProblemCode, ServiceId, Snapshot,
    snapshot::{HealthKind, ServiceSnapshot, StateKind},
    state::Mute,
    view::notification::{News, Notification, NotificationChange, Outbox, Subject, notifications},
};

const SERVICES: usize = 7;

/// What becomes of a service.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Stopped,
    Starting,
    Running,
    RunningAgain,
    Unhealthy,
    Crashed { told: bool },
    BackingOff { attempts: u32 },
    GaveUp,
    LastLine,
    Failed,
    Unknown,
    Muted { seconds: i64 },
    MutedForGood,
    Heard,
}

fn turns() -> impl Strategy<Value = Turn> {
    prop_oneof![
        1 => Just(Turn::Stopped),
        1 => Just(Turn::Starting),
        3 => Just(Turn::Running),
        2 => Just(Turn::RunningAgain),
        2 => Just(Turn::Unhealthy),
        4 => any::<bool>().prop_map(|told| Turn::Crashed { told }),
        4 => (0..4_u32).prop_map(|attempts| Turn::BackingOff { attempts }),
        2 => Just(Turn::GaveUp),
        2 => Just(Turn::LastLine),
        1 => Just(Turn::Failed),
        1 => Just(Turn::Unknown),
        1 => (1..90_i64).prop_map(|seconds| Turn::Muted { seconds }),
        1 => Just(Turn::MutedForGood),
        1 => Just(Turn::Heard),
    ]
}

/// Milliseconds between two steps: storms, and times in which something else becomes due.
fn pauses() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..3_i64, 3 => 0..60_i64, 2 => 0..4_000_i64, 1 => 0..70_000_i64]
}

struct World {
    outbox: Outbox,
    now: Timestamp,
    picture: Snapshot,
    nth: i64,
    /// Services of which it is known that what they are now was told, if it is bad.
    sure: BTreeMap<ServiceId, bool>,
    desktop: BTreeMap<Subject, Notification>,
    shows: Vec<(Timestamp, Notification)>,
}

impl World {
    fn new() -> Self {
        let services: Vec<ServiceSnapshot> = (0..SERVICES)
            .map(|n| service(&format!("shop/s{n}"), StateKind::Running))
            .collect();
        Self {
            outbox: Outbox::new(true),
            now: "2026-01-01T10:00:00Z".parse().unwrap(),
            sure: services.iter().map(|service| (service.id.clone(), true)).collect(),
            picture: snapshot(true, services),
            nth: 0,
            desktop: BTreeMap::new(),
            shows: Vec::new(),
        }
    }

    fn turn(&mut self, which: usize, turn: Turn) {
        let before = self.picture.services[which].clone();
        let id = before.id.to_string();
        self.nth += 1;
        let mut crash = exit(Some(7), true, Some("boom"));
        crash.at += SignedDuration::from_secs(self.nth);
        let is = |state| ServiceSnapshot {
            muted: before.muted,
            ..service(&id, state)
        };
        let after = match turn {
            Turn::Stopped => is(StateKind::Stopped),
            Turn::Starting => is(StateKind::Starting),
            Turn::Running => is(StateKind::Running),
            Turn::RunningAgain => ServiceSnapshot {
                attempts: before.attempts.max(1),
                ..is(StateKind::Running)
            },
            Turn::Unhealthy => ServiceSnapshot {
                health: HealthKind::Unhealthy,
                ..is(StateKind::Running)
            },
            Turn::Crashed { told } => {
                crash.last_line = crash.last_line.filter(|_| told);
                ServiceSnapshot {
                    exit: Some(crash),
                    ..is(StateKind::Exited)
                }
            }
            Turn::BackingOff { attempts } => ServiceSnapshot {
                attempts,
                exit: Some(crash),
                ..is(StateKind::BackingOff)
            },
            Turn::GaveUp => ServiceSnapshot {
                attempts: 5,
                gave_up: true,
                exit: Some(crash),
                ..is(StateKind::Exited)
            },
            Turn::LastLine => {
                let mut after = (*before).clone();
                if let Some(exit) = &mut after.exit {
                    exit.last_line = Some("more".into());
                }
                after
            }
            Turn::Failed if matches!(before.state, StateKind::Starting | StateKind::Failed) => ServiceSnapshot {
                muted: before.muted,
                ..failed(&id, ProblemCode::PortInUse, "port 1 is in use")
            },
            Turn::Failed => return,
            Turn::Unknown => is(StateKind::Unknown),
            Turn::Muted { seconds } => ServiceSnapshot {
                muted: Some(Mute::Until(self.now + SignedDuration::from_secs(seconds))),
                ..(*before).clone()
            },
            Turn::MutedForGood => ServiceSnapshot {
                muted: Some(Mute::ForGood),
                ..(*before).clone()
            },
            Turn::Heard => ServiceSnapshot {
                muted: None,
                ..(*before).clone()
            },
        };
        let sure = self.sure.get_mut(&before.id).unwrap();
        match (bad(&before), bad(&after)) {
            // The same as it was, or muted by a person, or found after a gap.
            _ if is_muted(&after, self.now) || before.state == StateKind::Unknown => *sure = false,
            (_, false) if after.state != StateKind::Unknown => *sure = true,
            (_, true)
                if after.exit != before.exit
                    && after.exit.as_ref().map(|e| e.at) != before.exit.as_ref().map(|e| e.at) =>
            {
                *sure = true;
            }
            (false, true) => *sure = true,
            _ => {}
        }
        let mut next = self.picture.clone();
        next.services[which] = after.into();
        self.outbox.push(self.now, notifications(&self.picture, &next));
        self.picture = next;
        self.look();
    }

    fn look(&mut self) {
        for change in self.outbox.due(self.now) {
            match change {
                NotificationChange::Show(shown) => {
                    if shown.completes {
                        assert!(
                            self.desktop.contains_key(&shown.subject),
                            "completes nothing: {shown:?}"
                        );
                    } else {
                        self.shows.push((self.now, shown.clone()));
                    }
                    self.desktop.insert(shown.subject.clone(), shown);
                }
                NotificationChange::Close(subject) => {
                    assert!(self.desktop.remove(&subject).is_some(), "{subject:?} was not there");
                }
            }
        }
    }

    fn pass(&mut self, time: SignedDuration) {
        let until = self.now + time;
        for _ in 0..1000 {
            match self.outbox.next_due().filter(|due| *due <= until) {
                Some(due) => {
                    self.now = self.now.max(due);
                    self.look();
                }
                None => {
                    self.now = until;
                    return;
                }
            }
        }
        unreachable!("it never rests: {:#?}", self.outbox);
    }

    /// Services that something on the desktop is about.
    fn told(&self) -> BTreeSet<ServiceId> {
        let ids = self.picture.services.iter().map(|service| service.id.clone());
        ids.filter(|id| {
            let alone = self.desktop.contains_key(&Subject::Service(id.clone()));
            let among = self.desktop.get(&Subject::Several).is_some_and(|several| {
                format!("{}\n{}", several.summary, several.body).contains(id.to_string().as_str())
            });
            assert!(!(alone && among), "{id} is told twice: {:#?}", self.desktop);
            alone || among
        })
        .collect()
    }

    fn most_in_a_minute(&self, counts: impl Fn(&Notification) -> bool) -> usize {
        let times: Vec<Timestamp> = self
            .shows
            .iter()
            .filter(|(_, shown)| counts(shown))
            .map(|(at, _)| *at)
            .collect();
        let within = |from: &Timestamp| {
            let minute = SignedDuration::from_secs(60);
            times
                .iter()
                .filter(|at| *at >= from && at.duration_since(*from) < minute)
                .count()
        };
        times.iter().map(within).max().unwrap_or_default()
    }
}

fn bad(service: &ServiceSnapshot) -> bool {
    match service.state {
        StateKind::Exited | StateKind::BackingOff => service.exit.as_ref().is_some_and(|exit| exit.crashed),
        StateKind::Running => service.health == HealthKind::Unhealthy,
        state => state == StateKind::Failed,
    }
}

fn is_muted(service: &ServiceSnapshot, now: Timestamp) -> bool {
    match service.muted {
        Some(Mute::Until(until)) => now < until,
        Some(Mute::ForGood) => true,
        None => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn notifications_are_few_and_in_the_end_right(
        steps in prop::collection::vec((0..SERVICES, turns(), pauses()), 1..80)
    ) {
        let mut world = World::new();
        for (which, turn, pause) in steps {
            world.turn(which, turn);
            world.pass(SignedDuration::from_millis(pause));
        }
        world.pass(SignedDuration::from_mins(10));
        prop_assert_eq!(world.outbox.next_due(), None);
        let told = world.told();
        for service in &world.picture.services {
            let is_told = told.contains(&service.id);
            if is_muted(service, world.now) {
                prop_assert!(!is_told, "{} is muted: {:#?}", service.id, world.desktop);
            } else if bad(service) && world.sure[&service.id] {
                prop_assert!(is_told, "{:#?} is not told: {:#?}", service, world.desktop);
            } else if service.attempts == 0 && service.state != StateKind::Unknown && !bad(service) {
                prop_assert!(!is_told, "{} is well: {:#?}", service.id, world.desktop);
            }
            let own = |shown: &Notification| shown.subject == Subject::Service(service.id.clone());
            let plain = |shown: &Notification| own(shown) && shown.news != News::GaveUp;
            prop_assert!(world.most_in_a_minute(plain) <= 2, "{:#?}", world.shows);
            prop_assert!(world.most_in_a_minute(own) <= 3, "{:#?}", world.shows);
        }
        let of_all = world.most_in_a_minute(|shown| shown.subject == Subject::Several);
        prop_assert!(of_all <= 12, "{} of several", of_all);
    }
}
