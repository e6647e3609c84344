//! What `ssh` complains of, in words that say what to do. It gives one exit code for all of it, so its wording is all
//! there is.

use crate::ssh_target::Target;

/// Why `ssh` ended, by what it said.
pub(crate) fn login(target: &Target, said: &[String]) -> String {
    let all = said.join("\n");
    let text = all.to_ascii_lowercase();
    let has = |needle: &str| text.contains(needle);
    let (host, try_it) = (&target.host, target.command());
    if has("remote host identification has changed") {
        return format!(
            "the host key of {host} is not the one known so far, which may be an attack; if it was changed on purpose, \
             remove the old one with `ssh-keygen -R {host}` and confirm the new one with `{try_it}`"
        );
    }
    if has("host key verification failed") {
        return format!("the host key of {host} is not known yet; confirm it once in a terminal with `{try_it}`");
    }
    if has("unprotected private key file") {
        return "ssh refuses the key, since others may read its file; take that away with `chmod 600` on it".to_owned();
    }
    if has("permission denied") || has("too many authentication failures") {
        let missing_key = said.iter().find(|line| {
            let line = line.to_ascii_lowercase();
            line.contains("not accessible") || line.contains("load key") || line.contains("no such identity")
        });
        let key = missing_key.map_or_else(String::new, |line| format!(" ({})", line.trim()));
        return format!(
            "{} may not log in with the keys that ssh has{key}, and locald asks for no password; see that `{try_it}` \
             works without one (`ssh-add`, `ssh-copy-id`)",
            target.login()
        );
    }
    if has("could not resolve hostname") {
        return format!("there is no host named {host}; check the name and the network");
    }
    if has("connection refused") {
        return format!("no ssh server answers there; see whether sshd runs on {host}, and on which port");
    }
    if has("timed out") || has("timeout") || has("no route to host") || has("network is unreachable") {
        return format!("{host} does not answer; check the network, and whether it is up");
    }
    let last = said.iter().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(
        || format!("the ssh connection ended without a word; try `{try_it}`"),
        |line| format!("ssh said: {}", line.trim()),
    )
}

/// The login stands, and the socket over there takes no connection. Which of the reasons it is, sshd doesn't tell.
pub(crate) fn socket(target: &Target) -> String {
    format!(
        "logged in over ssh, and {path} can't be opened there; see whether the engine runs on {host}, whether this \
         user may open its socket (`{command} ls -l {path}`), and whether sshd there forwards sockets \
         (AllowStreamLocalForwarding). Another socket is named behind the host, as in \
         ssh://{host}/run/user/1000/docker.sock",
        host = target.host,
        path = target.socket.display(),
        command = target.command(),
    )
}

/// Is this line about a connection that the other side did not take?
pub(crate) fn is_refusal(line: &str) -> bool {
    line.starts_with("channel ") && line.contains("open failed")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_complaint_has_its_own_words_and_a_next_step() {
        let target = Target::parse("me@box:2222").unwrap();
        let mut all = Vec::new();
        for (said, word) in [
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "ssh-keygen -R box",
            ),
            (
                "No ED25519 host key is known for box and you have requested strict checking.\nHost key verification failed.",
                "ssh -p 2222 me@box",
            ),
            ("me@box: Permission denied (publickey,password).", "ssh-add"),
            (
                "ssh: Could not resolve hostname box: Name or service not known",
                "no host named box",
            ),
            ("ssh: connect to host box port 2222: Connection refused", "sshd"),
            ("ssh: connect to host box port 2222: Connection timed out", "network"),
            (
                "@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\nme@box: Permission denied (publickey).",
                "chmod 600",
            ),
            ("Bad configuration option: x", "ssh said: Bad configuration option: x"),
            ("", "without a word"),
        ] {
            let lines: Vec<String> = said.lines().map(str::to_owned).collect();
            let words = login(&target, &lines);
            assert!(words.contains(word), "{said}: {words}");
            all.push(words);
        }
        all.push(socket(&target));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(is_refusal("channel 3: open failed: connect failed: open failed"));
    }
}
