//! How an entry counts versions.

use std::cmp::Ordering;

/// The versions of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versions {
    /// Those that are offered, newest first; at least one.
    pub(crate) listed: Vec<Listed>,
    /// The one that is meant when none is named.
    pub(crate) default: String,
    /// By how many numbers a version is told from another: 1 for `17`, 2 for `8.4`. 0 where only those that are listed
    /// can be had.
    pub(crate) parts: usize,
    /// Older ones can't be run.
    pub(crate) oldest: Option<String>,
    /// By how many numbers data is bound to a version: other servers don't read it. 0 where all do.
    pub(crate) data_parts: usize,
}

/// A version that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// `17`.
    pub(crate) name: String,
    /// What images call it, where that is something else.
    pub(crate) tag: Option<String>,
}

impl Versions {
    pub(crate) fn accepts(&self, version: &str) -> bool {
        let listed = self.listed.iter().any(|listed| listed.name == version);
        let beyond = || {
            self.parts > 0
                && is_numbers(version)
                && self
                    .oldest
                    .as_ref()
                    .is_none_or(|oldest| compare(version, oldest) != Ordering::Less)
        };
        listed || beyond()
    }

    /// What images call a version.
    pub(crate) fn tag<'a>(&'a self, version: &'a str) -> &'a str {
        self.listed
            .iter()
            .find(|listed| listed.name == version)
            .and_then(|listed| listed.tag.as_deref())
            .unwrap_or(version)
    }

    /// The version of a server that tells `15.14`, as this entry counts.
    pub(crate) fn of_server(&self, told: &str) -> Option<String> {
        let numbers: String = told.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let version = first_parts(numbers.trim_matches('.'), self.parts.max(1));
        (is_numbers(version) && self.accepts(version)).then(|| version.to_owned())
    }

    pub(crate) fn data_format(&self, version: &str) -> Option<String> {
        (self.data_parts > 0).then(|| first_parts(version, self.data_parts).to_owned())
    }
}

/// `8`, `8.4` or `25.8.1`.
pub(crate) fn is_numbers(version: &str) -> bool {
    let number = |part: &str| (1..=6).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit());
    version.split('.').count() <= 4 && version.split('.').all(number)
}

/// By their numbers; what one doesn't name counts as equal, so that `18.1` is not below `18`.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> { version.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    numbers(one)
        .into_iter()
        .zip(numbers(other))
        .map(|(one, other)| one.cmp(&other))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn first_parts(version: &str, parts: usize) -> &str {
    match version.match_indices('.').nth(parts - 1) {
        Some((at, _)) => version.get(..at).unwrap_or(version),
        None => version,
    }
}
