//! Which version a program is.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::process::Command;

/// A program that takes longer to tell its version is left out.
const LIMIT: Duration = Duration::from_secs(3);

/// Products that come under another one's program name, and the entry that each belongs to. They tell it with their
/// version, and nothing else does.
const GUISES: [(&str, &str); 2] = [("mariadb", "mariadb"), ("valkey", "valkey")];

type Known = HashMap<(PathBuf, SystemTime), Option<String>>;

/// What programs said, as long as the file is the same.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The version in full, `15.18`.
pub(super) async fn of(program: &Path) -> Option<String> {
    read(&said(program).await?)
}

/// As [`of`], and `None` for another product under the same name.
pub(super) async fn of_entry(program: &Path, entry: &str) -> Option<String> {
    let text = said(program).await?;
    let lower = text.to_ascii_lowercase();
    let right = GUISES
        .iter()
        .all(|(product, of)| lower.contains(product) == (entry == *of));
    if right { read(&text) } else { None }
}

/// What `program --version` prints.
async fn said(program: &Path) -> Option<String> {
    let changed = program.metadata().and_then(|meta| meta.modified()).ok()?;
    let key = (program.to_owned(), changed);
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    if let Some(known) = known {
        return known;
    }
    let text = ask(program).await;
    KNOWN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(key, text.clone());
    text
}

async fn ask(program: &Path) -> Option<String> {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .current_dir("/")
        .kill_on_drop(true);
    match tokio::time::timeout(LIMIT, command.output()).await {
        // Mosquitto knows no `--version`, and tells it in the usage that it fails with.
        Ok(Ok(output)) => {
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(&output.stderr));
            Some(text)
        }
        Ok(Err(error)) => {
            tracing::info!(program = %program.display(), %error, "could not be asked for its version");
            None
        }
        Err(_) => {
            tracing::info!(program = %program.display(), "took too long to tell its version");
            None
        }
    }
}

/// The first version in a text: numbers with dots that don't belong to a word (`v7.0`, `v=7.0` and `18.0beta1` count).
fn read(text: &str) -> Option<String> {
    text.lines()
        .filter(|line| !line.contains("error while loading"))
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || matches!(c, '=' | ',' | '(' | ')')))
        .find_map(|word| {
            let word = word.strip_prefix(['v', 'V']).unwrap_or(word);
            let end = word
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(word.len());
            let version = word.get(..end)?.trim_end_matches('.');
            // A PostgreSQL before its release has no dot: `18beta1`.
            let bare = word
                .get(end..)
                .is_some_and(|rest| rest.starts_with("beta") || rest.starts_with("rc") || rest.starts_with("devel"));
            (version.starts_with(|c: char| c.is_ascii_digit()) && (version.contains('.') || bare))
                .then(|| version.to_owned())
        })
}

/// Its first so many numbers.
pub(super) fn cut(version: &str, parts: usize) -> String {
    version.split('.').take(parts.max(1)).collect::<Vec<_>>().join(".")
}

/// To sort by.
pub(super) fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_print() {
        for (text, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
            ("postgres (PostgreSQL) 18beta1", "18"),
            (
                "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64",
                "7.0.15",
            ),
            (
                "mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu",
                "10.11.6",
            ),
            ("memcached 1.6.18", "1.6.18"),
            ("nats-server: v2.9.10", "2.9.10"),
            ("etcd Version: 3.4.23\nGit SHA: 1", "3.4.23"),
            (
                "Error: Unknown option '--version'.\nmosquitto version 2.0.11\n",
                "2.0.11",
            ),
        ] {
            assert_eq!(read(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(
            read("postgres: error while loading shared libraries: libicui18n.so.60: no"),
            None
        );
        assert_eq!(read("nothing at all"), None);
    }

    #[test]
    fn versions_are_cut_as_the_catalog_counts() {
        assert_eq!(cut("15.18", 1), "15");
        assert_eq!(cut("7.0.15", 2), "7.0");
        assert!(numbers("10.2") > numbers("9.6"));
    }
}
