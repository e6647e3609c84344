//! By `ps`, where there is no `/proc`.

use std::{io, os::fd::OwnedFd, process::Command};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};

use super::{Identity, MARKER, Seen};

pub(crate) fn boot() -> String {
    let asked = Command::new("sysctl").args(["-n", "kern.boottime"]).output();
    asked.map_or_else(
        |_| String::new(),
        |told| String::from_utf8_lossy(&told.stdout).trim().to_owned(),
    )
}

pub(crate) fn look(pid: i32) -> Option<Seen> {
    ps(&["-p", &pid.to_string()]).pop()
}

pub(crate) fn all() -> Vec<Seen> {
    ps(&["-ax"])
}

fn ps(which: &[&str]) -> Vec<Seen> {
    let asked = Command::new("ps")
        .env("LC_ALL", "C")
        .args(which)
        .args(["-o", "pid=,ppid=,pgid=,stat=,time=,lstart=,comm="])
        .output();
    let Ok(told) = asked else { return Vec::new() };
    String::from_utf8_lossy(&told.stdout)
        .lines()
        .filter_map(parse)
        .collect()
}

/// `12 1 12 S 0:01.50 Mon Jan  2 03:04:05 2023 /bin/sleep`.
fn parse(line: &str) -> Option<Seen> {
    let mut words = line.split_whitespace();
    let pid = words.next()?.parse().ok()?;
    let parent = words.next()?.parse().ok()?;
    let group = words.next()?.parse().ok()?;
    let state = words.next()?;
    let cpu = hundredths(words.next()?);
    let start: Vec<&str> = words.by_ref().take(5).collect();
    // Equal times have equal numbers, which is all that is asked of them.
    let start = start.join(" ").bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let name = words.next().unwrap_or_default();
    Some(Seen {
        identity: Identity { pid, start },
        parent,
        group,
        zombie: state.starts_with('Z'),
        frozen: state.starts_with('T'),
        cpu,
        name: name.rsplit('/').next().unwrap_or(name).to_owned(),
    })
}

fn hundredths(time: &str) -> u64 {
    let (whole, part) = time.split_once('.').unwrap_or((time, "0"));
    let seconds = whole
        .split(':')
        .fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap_or(0));
    seconds * 100 + part.parse::<u64>().unwrap_or(0)
}

/// Other users' environments can't be read here; their own say nothing either.
pub(crate) fn carries(pid: i32, id: &str) -> bool {
    let asked = Command::new("ps")
        .args(["-E", "-o", "command=", "-p", &pid.to_string()])
        .output();
    asked.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains(&format!("{MARKER}={id}")))
}

/// There is no such descriptor here.
pub(crate) fn watch(_identity: Identity) -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

pub(crate) fn send(identity: Identity, signal: u8) -> io::Result<bool> {
    let Some(signal) = Signal::from_named_raw(i32::from(signal)) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no such signal"));
    };
    let (Some(_), Some(pid)) = (identity.seen(), Pid::from_raw(identity.pid)) else {
        return Ok(false);
    };
    match kill_process(pid, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
