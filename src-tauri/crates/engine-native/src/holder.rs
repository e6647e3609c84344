//! Who holds a port of this machine.

use std::{collections::HashSet, fmt, fs, os::unix::fs::MetadataExt as _, path::Path};

use locald_core::spec::Protocol;

use crate::process;

/// A program that holds a port, as far as this user may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id; programs of other users don't show theirs.
    pub pid: Option<i32>,
    /// Its name: `postgres`.
    pub name: Option<String>,
    /// The name of the program that started it: `systemd`.
    pub started_by: Option<String>,
    /// The user it runs as.
    pub uid: u32,
}

/// "`postgres`, pid 812, started by systemd".
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(pid), Some(name)) = (self.pid, &self.name) else {
            return write!(f, "a program of {}", user(self.uid));
        };
        write!(f, "`{name}`, pid {pid}")?;
        match &self.started_by {
            Some(parent) => write!(f, ", started by {parent}"),
            None => Ok(()),
        }
    }
}

fn user(uid: u32) -> String {
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.map_or_else(|| format!("user {uid}"), |name| format!("the user {name}"))
}

/// Who listens on a TCP port of 127.0.0.1; `None` when nobody does or it can't be told.
#[must_use]
pub fn holder_of(port: u16) -> Option<Holder> {
    holder(port, Protocol::Tcp)
}

pub(crate) fn holder(port: u16, protocol: Protocol) -> Option<Holder> {
    let sockets = sockets(port, protocol);
    let uid = sockets.first()?.uid;
    let links: HashSet<String> = sockets
        .iter()
        .map(|socket| format!("socket:[{}]", socket.inode))
        .collect();
    let mut holders: Vec<i32> = process::all()
        .iter()
        .map(|seen| seen.identity.pid)
        .filter(|pid| holds(*pid, &links))
        .collect();
    // Of a server and its children the one that was first.
    holders.sort_by_key(|pid| process::look(*pid).map(|seen| seen.identity.start));
    let seen = holders.first().and_then(|&pid| process::look(pid));
    let started_by = seen
        .as_ref()
        .and_then(|seen| process::look(seen.parent))
        .map(|parent| parent.name);
    Some(Holder {
        pid: seen.as_ref().map(|seen| seen.identity.pid),
        uid: seen
            .as_ref()
            .and_then(|seen| fs::metadata(format!("/proc/{}", seen.identity.pid)).ok())
            .map_or(uid, |meta| meta.uid()),
        name: seen.map(|seen| seen.name),
        started_by,
    })
}

fn holds(pid: i32, links: &HashSet<String>) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    entries
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|link| links.contains(link.to_string_lossy().as_ref()))
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    uid: u32,
    inode: u64,
}

fn sockets(port: u16, protocol: Protocol) -> Vec<Socket> {
    let (files, state) = match protocol {
        Protocol::Tcp => (["/proc/net/tcp", "/proc/net/tcp6"], Some("0A")),
        Protocol::Udp => (["/proc/net/udp", "/proc/net/udp6"], None),
    };
    files
        .iter()
        .filter_map(|file| fs::read_to_string(Path::new(file)).ok())
        .flat_map(|text| {
            text.lines()
                .skip(1)
                .filter_map(|line| parse(line, port, state))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …` (proc_pid_net(5)).
fn parse(line: &str, port: u16, state: Option<&str>) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, local) = fields.get(1)?.rsplit_once(':')?;
    // What listens on another address than 127.0.0.1 or all of them is in nobody's way.
    let loopback = [
        "0100007F",
        "00000000",
        "00000000000000000000000000000000",
        "0000000000000000FFFF00000100007F",
    ];
    let matches = u16::from_str_radix(local, 16) == Ok(port)
        && loopback.contains(&address)
        && state.is_none_or(|state| fields.get(3) == Some(&state));
    let socket = Socket {
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    };
    matches.then_some(socket)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let holder = holder_of(port).unwrap();
        assert_eq!(holder.pid, Some(i32::try_from(std::process::id()).unwrap()));
        assert_eq!(holder.uid, rustix::process::geteuid().as_raw());
        let text = holder.to_string();
        let begin = format!("`{}`, pid {}, started by ", holder.name.unwrap(), std::process::id());
        assert!(text.starts_with(&begin), "{text}");
        drop(held);
        assert_eq!(holder_of(port), None);
    }

    #[test]
    fn one_of_another_user_is_told_as_far_as_it_is_known() {
        let holder = Holder {
            pid: None,
            name: None,
            started_by: None,
            uid: 0,
        };
        assert_eq!(holder.to_string(), "a program of the user root");
    }

    #[test]
    fn only_who_listens_counts() {
        let line =
            " 0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 4242 1 0 100 0 0 10 0";
        let socket = Socket { uid: 1000, inode: 4242 };
        assert_eq!(parse(line, 5432, Some("0A")), Some(socket));
        assert_eq!(parse(line, 5433, Some("0A")), None);
        assert_eq!(parse(&line.replace(" 0A ", " 01 "), 5432, Some("0A")), None);
        assert_eq!(parse(&line.replace("0100007F", "0200007F"), 5432, Some("0A")), None);
    }
}
