//! What a process is started with.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

/// What a process is started with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it gets beside the environment it inherits.
    pub env: BTreeMap<String, String>,
    /// The folder it starts in.
    pub workdir: PathBuf,
    /// Who it runs as, where that is somebody else.
    pub user: Option<Owner>,
}

/// Without the environment, where passwords may be.
impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("workdir", &self.workdir)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A user and group of this machine, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Names of the variables that a process inherits; all else of locald's own environment is locald's own.
const INHERITED: [&str; 8] = ["PATH", "HOME", "LANG", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR"];
/// What the names of further ones begin with.
const INHERITED_FAMILIES: [&str; 2] = ["LC_", "XDG_"];

impl Launch {
    /// The whole environment it gets, from that of the program that starts it.
    pub(crate) fn environment(&self, own: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
        let personal =
            |name: &str| name.starts_with("XDG_") || ["HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"].contains(&name);
        let mut env: BTreeMap<_, _> = own
            .filter(|(name, _)| {
                INHERITED.contains(&name.as_str()) || INHERITED_FAMILIES.iter().any(|family| name.starts_with(family))
            })
            // Somebody else has another home.
            .filter(|(name, _)| self.user.is_none() || !personal(name))
            .collect();
        env.extend(self.env.clone());
        env
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn launch() -> Launch {
        Launch {
            program: "/bin/true".into(),
            args: Vec::new(),
            env: BTreeMap::from([("PGPASSWORD".to_owned(), "s3cret".to_owned())]),
            workdir: "/".into(),
            user: None,
        }
    }

    #[test]
    fn a_process_inherits_little_and_its_own_wins() {
        let own = [
            ("PATH", "/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C"),
            ("AWS_SECRET", "x"),
            ("PGPASSWORD", "other"),
        ];
        let own = || {
            own.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        };
        let env = launch().environment(own());
        let names: Vec<_> = env.keys().map(String::as_str).collect();
        assert_eq!(names, ["HOME", "LC_ALL", "PATH", "PGPASSWORD"]);
        assert_eq!(env["PGPASSWORD"], "s3cret");
        let user = Some(Owner { uid: 1, gid: 1 });
        let env = Launch { user, ..launch() }.environment(own());
        assert!(!env.contains_key("HOME"));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert!(!format!("{:?}", launch()).contains("s3cret"));
        let text = serde_json::to_string(&launch()).unwrap();
        assert_eq!(serde_json::from_str::<Launch>(&text).unwrap(), launch());
    }
}
