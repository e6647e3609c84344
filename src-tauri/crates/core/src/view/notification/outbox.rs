//! When each notification is shown: what comes too often is held back, what comes all at once becomes one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{News, Notification, NotificationAction, NotificationChange, Subject};
use crate::state::Mute;

/// How long a draft waits for the rest of what is to be said. Engines that take longer see it replaced.
const HELD: SignedDuration = SignedDuration::from_millis(30);
/// The time in which one subject is told of a limited number of times.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// So many services with news make one notification of them all.
const MANY: usize = 4;
/// News that are no further apart belong to one burst.
const BURST: SignedDuration = SignedDuration::from_secs(3);
/// The one of them all is shown anew after this at the earliest, and later each time while news keep coming.
const FIRST_GAP: SignedDuration = SignedDuration::from_secs(1);
/// That time at most, and how long it takes to say that one of them did again what was told.
const LONGEST_GAP: SignedDuration = SignedDuration::from_secs(30);
/// How long one that has recovered may stay in the list of them all: often the others follow.
const RECOVERY: SignedDuration = SignedDuration::from_secs(2);
/// Names in the first line of the one of them all, and in the rest of it.
const NAMES: (usize, usize) = (3, 20);

/// Holds what is to be told until it is time. Knows no clock: whoever uses it asks at [`Outbox::next_due`].
#[derive(Debug)]
pub struct Outbox {
    external: bool,
    now: Timestamp,
    entries: BTreeMap<Subject, Entry>,
    several: Option<Several>,
    closing: Vec<Subject>,
}

/// What is known of one subject.
#[derive(Debug, Default)]
struct Entry {
    told: Option<Told>,
    waiting: Option<Waiting>,
    /// When it was told of in the last minute.
    tellings: Vec<Timestamp>,
}

/// What stands on the desktop.
#[derive(Debug)]
struct Told {
    notification: Notification,
    /// In a notification of its own, or as one of several?
    alone: bool,
}

#[derive(Debug)]
struct Waiting {
    notification: Notification,
    due: Timestamp,
}

/// The one notification of many services.
#[derive(Debug)]
struct Several {
    shown: Option<Timestamp>,
    due: Option<Timestamp>,
    gap: SignedDuration,
    joined: Timestamp,
    newest: Subject,
}

impl Outbox {
    /// An empty one. `external` says whether anything is told of containers that locald did not make.
    #[must_use]
    pub fn new(external: bool) -> Self {
        Self {
            external,
            now: Timestamp::UNIX_EPOCH,
            entries: BTreeMap::new(),
            several: None,
            closing: Vec::new(),
        }
    }

    /// Takes in what [`super::notifications`] calls for.
    pub fn push(&mut self, now: Timestamp, changes: impl IntoIterator<Item = NotificationChange>) {
        self.set_clock(now);
        for change in changes {
            match change {
                NotificationChange::Show(notification) => self.add(notification),
                NotificationChange::Close(subject) => self.settle(&subject),
            }
        }
    }

    /// A person has put this one away: it isn't on the desktop any more, and they know of it.
    pub fn dismissed(&mut self, subject: &Subject) {
        if *subject == Subject::Several {
            for entry in self.entries.values_mut() {
                entry.told.take_if(|told| !told.alone);
            }
            self.several = None;
        } else if let Some(entry) = self.entries.get_mut(subject) {
            entry.told.take_if(|told| told.alone);
            entry.waiting.take_if(|waiting| waiting.notification.completes);
        }
    }

    /// When there is something to do next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let waiting = self.entries.values().filter_map(Entry::due);
        let several = self.several.as_ref().and_then(|several| several.due);
        let closing = (!self.closing.is_empty()).then_some(self.now);
        waiting.chain(several).chain(closing).min()
    }

    /// What is to be shown and closed now.
    pub fn due(&mut self, now: Timestamp) -> Vec<NotificationChange> {
        self.set_clock(now);
        let mut changes: Vec<NotificationChange> = self.closing.drain(..).map(NotificationChange::Close).collect();
        let covered = if self.is_burst() { self.gather() } else { Vec::new() };
        for (subject, entry) in &mut self.entries {
            if entry.due().is_none_or(|due| due > now) {
                continue;
            }
            let Some(Waiting { notification, .. }) = entry.waiting.take() else {
                continue;
            };
            if !notification.completes {
                entry.tellings.push(now);
            }
            let left = entry.told.take().is_some_and(|told| !told.alone);
            if left && let Some(several) = &mut self.several {
                several.lost_one(now);
            }
            debug_assert_eq!(*subject, notification.subject, "kept under its own subject");
            entry.told = Some(Told {
                notification: notification.clone(),
                alone: true,
            });
            changes.push(NotificationChange::Show(notification));
        }
        self.show_several(&mut changes);
        changes.extend(covered.into_iter().map(NotificationChange::Close));
        self.entries.retain(|_, entry| !entry.is_spent());
        changes
    }

    fn add(&mut self, notification: Notification) {
        let now = self.now;
        let muted = match notification.muted {
            Some(Mute::ForGood) => true,
            Some(Mute::Until(until)) => now < until,
            None => false,
        };
        if muted || (notification.external && !self.external) {
            return;
        }
        let entry = self.entries.entry(notification.subject.clone()).or_default();
        let told_among = entry.told.as_ref().is_some_and(|told| !told.alone);
        if notification.completes {
            match &mut entry.waiting {
                Some(waiting) if !waiting.notification.completes => {
                    let completes = false;
                    waiting.notification = Notification {
                        completes,
                        ..notification
                    };
                    waiting.due = now;
                }
                _ if told_among => {
                    entry.told = Some(Told {
                        notification,
                        alone: false,
                    })
                }
                // What was put away, or never told, is not to be completed.
                _ if entry.told.is_some() => entry.waiting = Some(Waiting { notification, due: now }),
                _ => {}
            }
        } else if told_among && notification.news == News::CrashedAgain {
            if let Some(several) = &mut self.several {
                several.newest = notification.subject.clone();
                several.had_again(now);
            }
            entry.told = Some(Told {
                notification,
                alone: false,
            });
        } else {
            let due = if notification.draft { later(now, HELD) } else { now };
            entry.waiting = Some(Waiting { notification, due });
        }
    }

    fn settle(&mut self, subject: &Subject) {
        let now = self.now;
        let Some(entry) = self.entries.get_mut(subject) else {
            return;
        };
        entry.waiting = None;
        match entry.told.take() {
            Some(told) if told.alone => self.closing.push(subject.clone()),
            Some(_) => {
                if let Some(several) = &mut self.several {
                    several.lost_one(now);
                }
            }
            None => {}
        }
    }

    /// Are there news for a person now, and are they of so many services that nobody would read each?
    fn is_burst(&self) -> bool {
        let mut ready = false;
        let mut burst = 0;
        for (subject, entry) in &self.entries {
            if matches!(subject, Subject::Service(_)) {
                let waits = entry.has_news(self.now);
                ready |= waits && entry.due().is_some_and(|due| due <= self.now);
                burst += usize::from(waits || entry.is_recent(self.now));
            }
        }
        let goes_on = self
            .several
            .as_ref()
            .is_some_and(|several| self.now.duration_since(several.joined) <= BURST);
        ready && (goes_on || burst >= MANY)
    }

    /// Makes all of a burst parts of the one notification. Gives those whose own one is to be closed.
    fn gather(&mut self) -> Vec<Subject> {
        let now = self.now;
        let mut closed = Vec::new();
        let mut newest = None;
        for (subject, entry) in &mut self.entries {
            if !matches!(subject, Subject::Service(_)) {
                continue;
            }
            let news = entry.has_news(now);
            if !news && !entry.is_recent(now) {
                continue;
            }
            let waited = entry.waiting.take();
            let told = entry.told.take();
            if told.as_ref().is_some_and(|told| told.alone) {
                closed.push(subject.clone());
            }
            if news {
                entry.tellings.push(now);
                newest = Some(subject.clone());
            }
            let notification = waited.map(|waited| waited.notification);
            entry.told = notification
                .or(told.map(|told| told.notification))
                .map(|notification| Told {
                    notification,
                    alone: false,
                });
        }
        if let Some(newest) = newest {
            match &mut self.several {
                Some(several) => several.joined_by(newest, now),
                None => self.several = Some(Several::new(newest, now)),
            }
        }
        closed
    }

    fn show_several(&mut self, changes: &mut Vec<NotificationChange>) {
        let now = self.now;
        let Some(several) = self.several.as_mut() else { return };
        let members: Vec<&Notification> = self
            .entries
            .values()
            .filter_map(|entry| entry.told.as_ref().filter(|told| !told.alone))
            .map(|told| &told.notification)
            .collect();
        if members.is_empty() {
            if several.shown.is_some() {
                changes.push(NotificationChange::Close(Subject::Several));
            }
            self.several = None;
        } else if several.due.is_some_and(|due| due <= now) {
            several.due = None;
            if several.shown.replace(now).is_some() {
                several.gap = several.gap.saturating_add(several.gap).min(LONGEST_GAP);
            }
            changes.push(NotificationChange::Show(of_several(&members, &several.newest)));
        }
    }

    /// Takes the time. A clock that was set back must not hold anything for longer than it would have been.
    fn set_clock(&mut self, now: Timestamp) {
        let back = now < self.now;
        self.now = now;
        for entry in self.entries.values_mut() {
            entry.tellings.retain(|at| !back && now.duration_since(*at) < MINUTE);
            if back && let Some(waiting) = &mut entry.waiting {
                waiting.due = waiting.due.min(later(now, HELD));
            }
        }
        if back && let Some(several) = &mut self.several {
            several.joined = now;
            several.shown = several.shown.map(|_| now);
            several.due = several.due.map(|_| now);
        }
    }
}

impl Entry {
    /// When what waits may be shown.
    ///
    /// Of what a service does over and over, one is told a minute, of other news two; one more fits in for the last
    /// word of a restart policy.
    fn due(&self) -> Option<Timestamp> {
        let waiting = self.waiting.as_ref()?;
        let limit = match waiting.notification.news {
            _ if waiting.notification.completes => return Some(waiting.due),
            News::CrashedAgain => 1,
            News::GaveUp => 3,
            _ => 2,
        };
        let full = self.tellings.len().checked_sub(limit);
        let free = full
            .and_then(|oldest| self.tellings.get(oldest))
            .map(|at| later(*at, MINUTE));
        Some(free.map_or(waiting.due, |free| free.max(waiting.due)))
    }

    /// Is there something to tell, but for the rest of a draft?
    fn has_news(&self, now: Timestamp) -> bool {
        let news = self
            .waiting
            .as_ref()
            .is_some_and(|waiting| !waiting.notification.completes);
        news && self.due().is_some_and(|due| due <= later(now, HELD))
    }

    /// Was it told of just now, by itself?
    fn is_recent(&self, now: Timestamp) -> bool {
        let alone = self.told.as_ref().is_some_and(|told| told.alone);
        let last = self.tellings.last();
        alone && last.is_some_and(|at| now.duration_since(*at) <= BURST)
    }

    fn is_spent(&self) -> bool {
        self.told.is_none() && self.waiting.is_none() && self.tellings.is_empty()
    }
}

impl Several {
    fn new(newest: Subject, now: Timestamp) -> Self {
        Self {
            shown: None,
            due: Some(now),
            gap: FIRST_GAP,
            joined: now,
            newest,
        }
    }

    fn joined_by(&mut self, newest: Subject, now: Timestamp) {
        if now.duration_since(self.joined) > BURST {
            self.gap = FIRST_GAP;
        }
        self.joined = now;
        self.newest = newest;
        self.is_due(now);
    }

    fn lost_one(&mut self, now: Timestamp) {
        self.is_due(later(now, RECOVERY));
    }

    fn had_again(&mut self, now: Timestamp) {
        self.is_due(self.shown.map_or(now, |shown| later(shown, LONGEST_GAP)));
    }

    fn is_due(&mut self, at: Timestamp) {
        let at = self.shown.map_or(at, |shown| at.max(later(shown, self.gap)));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(now)
}

/// One notification of these.
fn of_several(members: &[&Notification], newest: &Subject) -> Notification {
    let names: Vec<String> = members
        .iter()
        .filter_map(|member| match &member.subject {
            Subject::Service(id) => Some(id.to_string()),
            Subject::Engine(_) | Subject::Several => None,
        })
        .collect();
    let all = |accept: fn(News) -> bool| members.iter().all(|member| accept(member.news));
    let what = if all(|news| news == News::StartFailed) {
        "could not start"
    } else if all(|news| news == News::Unhealthy) {
        "are unhealthy"
    } else if all(|news| matches!(news, News::CrashedAgain | News::GaveUp)) {
        "keep crashing"
    } else if all(|news| matches!(news, News::Crashed | News::CrashedAgain | News::GaveUp)) {
        "crashed"
    } else {
        "have problems"
    };
    let (summary, body) = match members {
        // Of a burst that is over.
        [last] => (last.summary.clone(), last.body.clone()),
        _ => {
            let first: Vec<&str> = names.iter().take(NAMES.0).map(String::as_str).collect();
            let more = if names.len() > NAMES.0 { ", …" } else { "" };
            let mut body = String::new();
            if names.len() > NAMES.0 {
                body = names
                    .iter()
                    .take(NAMES.1)
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ");
                if let Some(rest) = names.len().checked_sub(NAMES.1).filter(|rest| *rest > 0) {
                    body += &format!(", and {rest} more");
                }
            }
            if let Some(newest) = members.iter().find(|member| member.subject == *newest) {
                let separator = if body.is_empty() { "" } else { "\n" };
                body += &format!("{separator}{}", newest.summary);
            }
            (
                format!("{} services {what}: {}{more}", names.len(), first.join(", ")),
                body,
            )
        }
    };
    Notification {
        subject: Subject::Several,
        news: News::Several,
        summary,
        body,
        actions: vec![NotificationAction::OpenDashboard],
        draft: false,
        completes: false,
        external: false,
        muted: None,
    }
}
