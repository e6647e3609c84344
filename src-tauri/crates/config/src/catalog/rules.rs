//! What user, password and database of an entry may be.

use locald_core::spec::ChangeCredentials;

/// Places that the native engine fills in: within a value they would be taken for such.
const PLACES: [&str; 3] = ["{data}", "{run}", "{bin}"];

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CredentialRules {
    pub(crate) user: Option<String>,
    pub(crate) user_limit: Option<usize>,
    pub(crate) password: bool,
    pub(crate) password_shortest: usize,
    pub(crate) password_without: String,
    pub(crate) database: bool,
    pub(crate) names: Letters,
    pub(crate) name_limit: Option<usize>,
    pub(crate) in_data: bool,
    pub(crate) change: Option<ChangeCredentials>,
}

/// What names of users and databases may consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Letters {
    /// Whatever can be printed.
    #[default]
    Any,
    /// Letters, digits, `_`, `-` and `.`.
    Name,
    /// Letters, digits and `_`.
    Plain,
}

/// Why a value is refused, and what to write instead. Says nothing of a password itself.
pub(crate) struct Refusal {
    pub(crate) why: String,
    pub(crate) help: String,
}

impl CredentialRules {
    pub(crate) fn check_user(&self, user: &str) -> Result<(), Refusal> {
        self.check_name("user", user, self.user_limit.or(self.name_limit))
    }

    pub(crate) fn check_database(&self, database: &str) -> Result<(), Refusal> {
        self.check_name("database", database, self.name_limit)
    }

    fn check_name(&self, what: &str, name: &str, limit: Option<usize>) -> Result<(), Refusal> {
        if name.is_empty() {
            return refuse(format!("`{what}` is empty"), "write a name, or leave the key out");
        }
        if let Some(bad) = name.chars().find(|&c| !self.names.allow(c)) {
            let bad = bad.escape_debug();
            return refuse(format!("`{what}` has the character `{bad}`"), self.names.words());
        }
        if let Some(limit) = limit.filter(|&limit| name.len() > limit) {
            let why = format!("`{what}` has {} bytes, and the server takes {limit}", name.len());
            return refuse(why, "write a shorter name");
        }
        no_places(what, name)
    }

    pub(crate) fn check_password(&self, password: &str) -> Result<(), Refusal> {
        let what = "password";
        if password.is_empty() {
            return refuse(
                "`password` is empty".to_owned(),
                "leave the key out, and locald makes one",
            );
        }
        if password.chars().any(char::is_control) {
            let why = "`password` has a control character, such as a line end".to_owned();
            return refuse(why, "use characters that can be printed");
        }
        if let Some(bad) = password.chars().find(|&c| self.password_without.contains(c)) {
            let why = format!("`password` has the character `{bad}`, which this service's image can't take");
            return refuse(why, "use another character");
        }
        let shortest = self.password_shortest;
        if password.chars().count() < shortest {
            let why = format!("`password` is too short: the server insists on {shortest} characters");
            return refuse(why, "write a longer one, or leave the key out and locald makes one");
        }
        no_places(what, password)
    }
}

fn no_places(what: &str, value: &str) -> Result<(), Refusal> {
    match PLACES.iter().find(|place| value.contains(**place)) {
        Some(place) => refuse(format!("`{what}` can't have `{place}` in it"), "write it another way"),
        None => Ok(()),
    }
}

fn refuse(why: String, help: &str) -> Result<(), Refusal> {
    let help = help.to_owned();
    Err(Refusal { why, help })
}

impl Letters {
    pub(crate) fn allow(self, c: char) -> bool {
        let plain = c.is_ascii_alphanumeric() || c == '_';
        match self {
            Self::Any => !c.is_control(),
            Self::Name => plain || matches!(c, '-' | '.'),
            Self::Plain => plain,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Any => "use characters that can be printed",
            Self::Name => "use letters, digits, `_`, `-` and `.`",
            Self::Plain => "use letters, digits and `_`",
        }
    }
}
