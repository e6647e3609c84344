//! What happened, by the engines' own words and by what the run itself did; and whether what locald showed of it is so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::fleet::{CRASH, KILLED};

/// How far the time that locald shows of an end may be from that of the engine's event, in seconds: an inspection tells
/// another time than the event does.
const SAME: f64 = 3.0;
/// Between a start and an end, in either order, of what may stay untold.
const BRIEF: f64 = 1.3;
/// How long what somebody asked for goes on after the command has returned.
const AFTER: f64 = 3.0;

/// The end of a container's process, as a bare listener heard of it.
#[derive(Clone, Debug)]
pub struct Die {
    /// The engine.
    pub site: usize,
    /// The container's name.
    pub container: String,
    /// The exit code.
    pub code: i64,
    /// When, in seconds of the clock.
    pub at: f64,
}

/// A crash that locald showed.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The container's name.
    pub container: String,
    /// The exit code.
    pub code: Option<i64>,
    /// When the process ended, as shown.
    pub at: f64,
    /// Was it a line of `locald events`, and not only in the picture?
    pub told: bool,
}

/// What was done to a container's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Through locald.
    Asked,
    /// By another client, in any way.
    Ended,
    /// It was made to end by 137 from within.
    SelfKilled,
}

/// Something that was done, and how long it took.
#[derive(Clone, Debug)]
pub struct Done {
    /// To which container.
    pub container: String,
    /// What.
    pub deed: Deed,
    /// From.
    pub from: f64,
    /// To.
    pub to: f64,
}

/// A time in which locald could not hear an engine.
#[derive(Clone, Debug)]
pub struct Blind {
    /// The engine.
    pub site: usize,
    /// From.
    pub from: f64,
    /// To.
    pub to: f64,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Ends.
    pub dies: Vec<Die>,
    /// Crashes shown, by container and time of the end: showing more of one is no other.
    shown: BTreeMap<(String, String), Shown>,
    /// Lines of `locald events` beyond the first for one end.
    repeated: Vec<String>,
    /// What was done.
    pub done: Vec<Done>,
    /// When locald could not hear.
    pub blind: Vec<Blind>,
    /// When each container was started.
    pub starts: Vec<(String, f64)>,
    /// The engine of each container.
    pub sites: BTreeMap<String, usize>,
    /// Which of the engines don't tell of what another client asks for.
    pub mute: BTreeSet<usize>,
}

/// What it comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Ends of any kind.
    pub ends: usize,
    /// Crashes that had to be shown.
    pub expected: usize,
    /// Of those, the ones that were.
    pub seen: usize,
    /// Crashes while locald could not hear, or while somebody asked for an end: they may be shown.
    pub open: usize,
    /// Of those, the ones that were.
    pub open_seen: usize,
    /// Shown of an end that nobody could tell from a crash.
    pub untellable: usize,
    /// Crashes that were not shown.
    pub missing: Vec<String>,
    /// Shown as crashes, and were none.
    pub wrong: Vec<String>,
    /// Shown more than once.
    pub twice: Vec<String>,
    /// In the picture and never in `locald events`.
    pub untold: Vec<String>,
}

impl Verdict {
    /// Is all as it should be?
    pub fn is_good(&self) -> bool {
        self.faults().next().is_none()
    }

    /// All that is not as it should be.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        let named = |name: &'static str, all: &[String]| {
            all.iter().map(move |one| format!("{name}: {one}")).collect::<Vec<_>>()
        };
        named("a crash that was not shown", &self.missing)
            .into_iter()
            .chain(named("no crash, and shown as one", &self.wrong))
            .chain(named("shown more than once", &self.twice))
            .chain(named("shown in the picture and not in `locald events`", &self.untold))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ends; crashes: {} of {} shown, {} missing, {} false, {} shown twice, {} not told; \
             {} of {} shown that happened unheard; {} that nobody can tell from a crash",
            self.ends,
            self.seen,
            self.expected,
            self.missing.len(),
            self.wrong.len(),
            self.twice.len(),
            self.untold.len(),
            self.open_seen,
            self.open,
            self.untellable
        )
    }
}

impl Ledger {
    /// Notes a crash that locald shows. `stamp` is the time of the end in its own words.
    pub fn show(&mut self, stamp: &str, shown: Shown) {
        let told = shown.told;
        match self.shown.get_mut(&(shown.container.clone(), stamp.to_owned())) {
            None => {
                self.shown.insert((shown.container.clone(), stamp.to_owned()), shown);
            }
            Some(known) if told && known.told => {
                self.repeated.push(format!("{} at {stamp}", known.container));
            }
            Some(known) => known.told |= told,
        }
    }

    fn deeds(&self, container: &str, at: f64) -> impl Iterator<Item = Deed> {
        let near = move |done: &&Done| done.container == container && done.from - 0.5 <= at && at <= done.to + AFTER;
        self.done.iter().filter(near).map(|done| done.deed)
    }

    /// An engine that doesn't tell what others ask for is given a second for a word of it. What is started again within it,
    /// or ended so soon that no look saw it run, stays untold.
    fn too_brief(&self, die: &Die) -> bool {
        let near = |(container, at): &(String, f64)| *container == die.container && (at - die.at).abs() <= BRIEF;
        self.mute.contains(&die.site) && self.starts.iter().any(near)
    }

    fn unheard(&self, site: usize, at: f64) -> bool {
        let within = |blind: &Blind| blind.site == site && blind.from - 1.0 <= at && at <= blind.to;
        self.blind.iter().any(within)
    }

    /// Compares what was shown to what was. Ends after `until` are left for later.
    pub fn judge(&self, until: f64) -> Verdict {
        let mut verdict = Verdict {
            twice: self.repeated.clone(),
            ..Verdict::default()
        };
        let mut matched: BTreeMap<usize, usize> = BTreeMap::new();
        let all: Vec<(usize, &Die)> = self.dies.iter().enumerate().collect();
        // What was told comes first: a row shows the same end again when it is found in a list, by another clock.
        let (told, found): (Vec<&Shown>, Vec<&Shown>) = self.shown.values().partition(|shown| shown.told);
        for shown in told.into_iter().chain(found).filter(|shown| shown.at <= until) {
            let near = |die: &&(usize, &Die)| {
                die.1.container == shown.container
                    && shown.code.is_none_or(|code| code == die.1.code)
                    && (die.1.at - shown.at).abs() <= SAME
            };
            // The nearest that none is of yet, else the nearest.
            let nearest = all.iter().filter(near).min_by(|a, b| {
                let rank = |die: &(usize, &Die)| (matched.contains_key(&die.0), (die.1.at - shown.at).abs());
                rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
            });
            let words = format!("{} code {:?} at {:.3}", shown.container, shown.code, shown.at);
            if let Some((index, die)) = nearest {
                let count = matched.entry(*index).or_default();
                *count += 1;
                if *count > 1 && shown.told {
                    verdict.twice.push(words.clone());
                }
                let heard = !self.unheard(die.site, die.at);
                if *count == 1 && !shown.told && heard && self.deeds(&die.container, die.at).next().is_none() {
                    verdict.untold.push(words.clone());
                }
            }
            let site = self.sites.get(&shown.container).copied().unwrap_or_default();
            let deeds: BTreeSet<&str> = self.deeds(&shown.container, shown.at).map(Deed::word).collect();
            match shown.code {
                Some(CRASH) => {}
                Some(KILLED) if deeds.contains(Deed::SelfKilled.word()) => {}
                // Only the code tells, and a program may end with any.
                Some(code) if code != KILLED && self.unheard(site, shown.at) => verdict.untellable += 1,
                Some(1..) if self.mute.contains(&site) && deeds.contains(Deed::Ended.word()) => {
                    verdict.untellable += 1;
                }
                _ => verdict.wrong.push(format!(
                    "{words} ({}{})",
                    deeds.into_iter().collect::<Vec<_>>().join(", "),
                    if self.unheard(site, shown.at) { ", unheard" } else { "" }
                )),
            }
        }
        for (index, die) in self.dies.iter().enumerate().filter(|(_, die)| die.at <= until) {
            verdict.ends += 1;
            let deeds: BTreeSet<&str> = self.deeds(&die.container, die.at).map(Deed::word).collect();
            let by_itself = die.code == CRASH || (die.code == KILLED && deeds.contains(Deed::SelfKilled.word()));
            if !by_itself {
                continue;
            }
            let asked = deeds.contains(Deed::Asked.word()) || deeds.contains(Deed::Ended.word());
            let seen = matched.contains_key(&index);
            if asked || self.unheard(die.site, die.at) || self.too_brief(die) {
                verdict.open += 1;
                verdict.open_seen += usize::from(seen);
                continue;
            }
            verdict.expected += 1;
            if seen {
                verdict.seen += 1;
            } else {
                verdict
                    .missing
                    .push(format!("{} code {} at {:.3}", die.container, die.code, die.at));
            }
        }
        verdict
    }
}

impl Deed {
    fn word(self) -> &'static str {
        match self {
            Self::Asked => "by locald",
            Self::Ended => "by another client",
            Self::SelfKilled => "killed itself",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn die(code: i64, at: f64) -> Die {
        Die {
            site: 0,
            container: "a".into(),
            code,
            at,
        }
    }

    fn shown(code: i64, at: f64) -> Shown {
        Shown {
            container: "a".into(),
            code: Some(code),
            at,
            told: true,
        }
    }

    fn done(deed: Deed, from: f64, to: f64) -> Done {
        Done {
            container: "a".into(),
            deed,
            from,
            to,
        }
    }

    #[test]
    fn a_crash_is_to_be_shown_once() {
        let mut ledger = Ledger {
            dies: vec![die(CRASH, 10.0), die(CRASH, 20.0), die(0, 30.0)],
            ..Ledger::default()
        };
        assert_eq!(ledger.judge(100.0).missing.len(), 2);
        ledger.show("10", shown(CRASH, 10.2));
        assert_eq!(ledger.judge(100.0).missing.len(), 1);
        ledger.show("20", shown(CRASH, 19.9));
        assert!(ledger.judge(100.0).is_good(), "{:?}", ledger.judge(100.0));
        ledger.show("20", shown(CRASH, 19.9));
        assert_eq!(ledger.judge(100.0).twice.len(), 1);
    }

    #[test]
    fn what_was_asked_for_is_no_crash_and_what_happened_unheard_need_not_be_shown() {
        let mut ledger = Ledger {
            dies: vec![die(1, 10.0), die(KILLED, 20.0), die(CRASH, 30.0)],
            done: vec![done(Deed::Asked, 9.0, 11.0), done(Deed::Ended, 19.0, 20.0)],
            blind: vec![Blind {
                site: 0,
                from: 29.0,
                to: 31.0,
            }],
            ..Ledger::default()
        };
        assert!(ledger.judge(100.0).is_good());
        ledger.show("10", shown(1, 10.0));
        ledger.show("20", shown(KILLED, 20.0));
        assert_eq!(ledger.judge(100.0).wrong.len(), 2);
        ledger.mute.insert(0);
        let verdict = ledger.judge(100.0);
        assert_eq!((verdict.wrong.len(), verdict.untellable), (1, 1), "{verdict}");
    }

    #[test]
    fn a_process_that_kills_itself_has_crashed() {
        let ledger = Ledger {
            dies: vec![die(KILLED, 10.0)],
            done: vec![done(Deed::SelfKilled, 9.5, 10.0)],
            ..Ledger::default()
        };
        assert_eq!(ledger.judge(100.0).missing.len(), 1);
    }
}
