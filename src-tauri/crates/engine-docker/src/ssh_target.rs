//! What an `ssh://` address says.

use std::{fmt, path::PathBuf};

/// Where Docker listens on the other machine when the address doesn't say.
const USUAL: &str = "/var/run/docker.sock";

/// `ssh://user@host:port/path/to.sock`. Each part is free of anything that `ssh` would read as an option, a variable,
/// or a separator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) user: Option<String>,
    /// A name, an address (IPv6 without its brackets), or an alias of the person's ssh configuration.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) socket: PathBuf,
}

impl Target {
    /// Reads what follows `ssh://`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (place, path) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, place),
        };
        if let Some((_, _password)) = user.and_then(|user| user.split_once(':')) {
            return Err("a password can't stand in the address; use a key".to_owned());
        }
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None => ("", None),
            },
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            Some(port) => Some(port.parse().map_err(|_| format!("`{port}` is not a port"))?),
            None => None,
        };
        if !plain(host, "._-:%") {
            return Err("it names no host that could be asked; the address is ssh://user@host/path".to_owned());
        }
        if user.is_some_and(|user| !plain(user, "._-+@")) {
            return Err("its user's name isn't one; the address is ssh://user@host/path".to_owned());
        }
        let path = path.trim_end_matches('/');
        let socket = if path.is_empty() { USUAL } else { path };
        if !socket
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-+@,=".contains(c))
        {
            return Err(format!(
                "the socket's path {socket} may have letters, digits, and any of /._-+@,= only"
            ));
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            socket: PathBuf::from(socket),
        })
    }

    /// How a person would try it: `ssh -p 22 user@host`.
    pub(crate) fn command(&self) -> String {
        let port = self.port.map_or_else(String::new, |port| format!("-p {port} "));
        format!("ssh {port}{}", self.login())
    }

    /// `user@host`.
    pub(crate) fn login(&self) -> String {
        let user = self.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        format!("{user}{}", self.host)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        write!(f, "ssh://{user}{host}{port}{}", self.socket.display())
    }
}

/// Not empty, no option, and of letters, digits and these characters only.
fn plain(text: &str, others: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_again() {
        for (text, written) in [
            ("box", "ssh://box/var/run/docker.sock"),
            ("me@box:2222/", "ssh://me@box:2222/var/run/docker.sock"),
            (
                "core@127.0.0.1:1/run/user/1000/podman/podman.sock",
                "ssh://core@127.0.0.1:1/run/user/1000/podman/podman.sock",
            ),
            ("me@[fe80::1]:22/run/d.sock", "ssh://me@[fe80::1]:22/run/d.sock"),
        ] {
            assert_eq!(
                Target::parse(text).map(|target| target.to_string()),
                Ok(written.to_owned())
            );
        }
    }

    #[test]
    fn nothing_that_ssh_would_read_as_more_than_a_name_gets_through() {
        for bad in [
            "",
            "me@",
            "-oProxyCommand=touch /tmp/x",
            "-F@box",
            "me@-box",
            "box:x",
            "box:70000",
            "a b",
            "box;reboot",
            "$(reboot)",
            "me:secret@box",
            "box/run/${HOME}.sock",
            "box/run/a:b.sock",
            "box/run/%h.sock",
            "[::1]2",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
