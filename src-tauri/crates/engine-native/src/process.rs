//! Processes of this machine, by an identity that is never reused.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
pub(crate) use linux::{all, boot, carries, look, send, watch};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{all, boot, carries, look, send, watch};

/// A process: its id is used again by others one day, together with its start it is not (within one boot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub pid: i32,
    /// When it started, in the system's own count.
    pub start: u64,
}

/// A process as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub identity: Identity,
    pub parent: i32,
    pub group: i32,
    /// It ended and nobody has asked for its code yet.
    pub zombie: bool,
    /// Frozen by a signal.
    pub frozen: bool,
    /// Its use of CPU so far, in hundredths of a second.
    pub cpu: u64,
    pub name: String,
}

impl Identity {
    /// This very process, if it still runs.
    pub(crate) fn seen(self) -> Option<Seen> {
        look(self.pid).filter(|seen| seen.identity == self && !seen.zombie)
    }

    pub(crate) fn own() -> Option<Self> {
        let pid = i32::try_from(std::process::id()).ok()?;
        look(pid).map(|seen| seen.identity)
    }
}

/// The variable by which a process is known to belong to an instance, whatever it did to get away.
pub(crate) const MARKER: &str = "LOCALD_INSTANCE";

/// The living processes of an instance: its main process, its group, and their descendants, also those that made
/// themselves independent. `monitor` is the process that orphans of it fall to.
pub(crate) fn members(main: Identity, monitor: Option<Identity>, id: &str, thorough: bool) -> Vec<Seen> {
    let mut rest: Vec<Seen> = all();
    let leader = rest
        .iter()
        .find(|seen| seen.identity.pid == main.pid)
        .map(|seen| seen.identity);
    // The number of the group is the main process's own as long as nobody else has it.
    let group_is_ours = leader.is_none_or(|leader| leader == main);
    let monitor = monitor.and_then(Identity::seen).map(|seen| seen.identity);
    rest.retain(|seen| Some(seen.identity) != monitor);
    let mut members: Vec<Seen> = Vec::new();
    let take = |rest: &mut Vec<Seen>, members: &mut Vec<Seen>, ours: &dyn Fn(&Seen) -> bool| {
        let (mine, others): (Vec<_>, Vec<_>) = rest.drain(..).partition(|seen| ours(seen));
        *rest = others;
        members.extend(mine);
    };
    take(&mut rest, &mut members, &|seen| {
        seen.identity == main
            || (group_is_ours && seen.group == main.pid)
            || monitor.is_some_and(|monitor| seen.parent == monitor.pid)
    });
    if thorough {
        take(&mut rest, &mut members, &|seen| {
            seen.identity.start >= main.start && carries(seen.identity.pid, id)
        });
    }
    loop {
        let parents: Vec<i32> = members.iter().map(|seen| seen.identity.pid).collect();
        let before = members.len();
        take(&mut rest, &mut members, &|seen| parents.contains(&seen.parent));
        if members.len() == before {
            break;
        }
    }
    members.retain(|seen| !seen.zombie);
    members
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_known_by_pid_and_start() {
        let own = Identity::own().unwrap();
        assert!(own.seen().is_some());
        let stranger = Identity {
            start: own.start + 1,
            ..own
        };
        assert!(stranger.seen().is_none());
        assert!(!send(stranger, 0x7f).unwrap_or(false));
        assert_eq!(boot(), boot());
    }

    #[test]
    fn a_signal_reaches_the_one_that_is_meant_and_no_other() {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let seen = look(i32::try_from(child.id()).unwrap()).unwrap();
        let stranger = Identity {
            start: seen.identity.start + 1,
            ..seen.identity
        };
        assert!(!send(stranger, 9).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        assert!(
            members(seen.identity, None, "nobody", true)
                .iter()
                .any(|member| member.identity == seen.identity)
        );
        assert!(send(seen.identity, 9).unwrap());
        child.wait().unwrap();
        assert!(!send(seen.identity, 9).unwrap());
    }
}
