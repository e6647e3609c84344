//! The ordinary user that rootless engines run as.

use std::{
    fs::{File, TryLockError},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What it is called.
const NAME: &str = "locald-test";
/// Two test processes may need it at once.
const LOCK: &str = "/run/lock/locald-test-user.lock";
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// An ordinary user of this machine with subordinate ids, made for tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestUser {
    /// Its name.
    pub name: String,
    /// Its id.
    pub uid: u32,
    /// Its group's id.
    pub gid: u32,
}

/// The user, made when it isn't there. It stays: its ids are what a second run would make again.
///
/// # Errors
/// When it can't be made.
pub fn test_user() -> Result<TestUser, String> {
    let _held = lock()?;
    let user = match read() {
        Some(user) => user,
        None => {
            run(
                "useradd",
                &["-M", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", NAME],
            )?;
            read().ok_or("the user that was just made isn't there")?
        }
    };
    for (file, option) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
        let known = std::fs::read_to_string(file).unwrap_or_default();
        if !known.lines().any(|line| line.starts_with(&format!("{NAME}:"))) {
            let first = free_range(&known);
            run("usermod", &[option, &format!("{first}-{}", first + 65_535), NAME])?;
        }
    }
    Ok(user)
}

/// Past all ranges that are given out.
fn free_range(given: &str) -> u32 {
    let ends = given.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(1);
        let first: u32 = fields.next()?.parse().ok()?;
        first.checked_add(fields.next()?.parse().ok()?)
    });
    ends.max().unwrap_or(0).max(100_000)
}

fn read() -> Option<TestUser> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with(&format!("{NAME}:")))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some(TestUser {
        name: NAME.to_owned(),
        uid: fields.get(2)?.parse().ok()?,
        gid: fields.get(3)?.parse().ok()?,
    })
}

fn lock() -> Result<File, String> {
    let file = File::create(LOCK).map_err(|error| format!("{LOCK}: {error}"))?;
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(format!("{LOCK}: {error}")),
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_past_those_given_out() {
        assert_eq!(free_range(""), 100_000);
        assert_eq!(free_range("a:100000:65536\nb:165536:65536\n"), 231_072);
    }
}
