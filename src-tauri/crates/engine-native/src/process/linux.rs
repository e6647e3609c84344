//! By `/proc` and process file descriptors.

use std::{fs, io, os::fd::OwnedFd};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::{Identity, MARKER, Seen};

/// The boot that process ids and start times are of.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

pub(crate) fn look(pid: i32) -> Option<Seen> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

pub(crate) fn all() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(look)
        .collect()
}

/// `pid (name) state ppid pgrp …` (proc_pid_stat(5)); the name may hold anything, also brackets.
fn parse(stat: &str) -> Option<Seen> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (pid, name) = head.split_once(" (")?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let state = *fields.first()?;
    Some(Seen {
        identity: Identity {
            pid: pid.parse().ok()?,
            start: number(19)?,
        },
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        zombie: matches!(state, "Z" | "X"),
        frozen: state == "T",
        cpu: number(11)? + number(12)?,
        name: name.to_owned(),
    })
}

/// Does it carry the marker of an instance in its environment?
pub(crate) fn carries(pid: i32, id: &str) -> bool {
    let wanted = format!("{MARKER}={id}");
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|bytes| {
        bytes
            .split(|&byte| byte == 0)
            .any(|variable| variable == wanted.as_bytes())
    })
}

/// A descriptor that becomes readable when this very process ends; `None` when it has.
pub(crate) fn watch(identity: Identity) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(identity.pid) else {
        return Ok(None);
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        // Only what is looked at after it was opened is surely the one that is held.
        Ok(held) => Ok(identity.seen().map(|_| held)),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sends this very process a signal; `false` when there is no such process any more.
pub(crate) fn send(identity: Identity, signal: u8) -> io::Result<bool> {
    let Some(signal) = Signal::from_named_raw(i32::from(signal)) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no such signal"));
    };
    let Some(held) = watch(identity)? else {
        return Ok(false);
    };
    match pidfd_send_signal(held, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_read() {
        let stat = "12 (a) b (c) S 3 12 5 0 -1 4 1 2 3 4 50 6 7 8 20 0 1 0 999 1 1";
        let seen = parse(stat).unwrap();
        assert_eq!(seen.name, "a) b (c");
        assert_eq!(
            (seen.identity, seen.parent, seen.group),
            (Identity { pid: 12, start: 999 }, 3, 12)
        );
        assert_eq!((seen.cpu, seen.zombie, seen.frozen), (56, false, false));
        assert!(parse("12 (a").is_none());
    }
}
