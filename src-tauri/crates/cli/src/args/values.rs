//! Values of arguments.

use std::time::Duration;

use clap::{ValueEnum, builder::PossibleValuesParser, builder::TypedValueParser};
use locald_core::Choice;

/// What each way out does, in a sentence.
pub(crate) const CHOICES: [(&str, &str); 7] = [
    (
        "keep-version",
        "Stay with the version that the data is of; locald.toml then says so.",
    ),
    (
        "upgrade",
        "Dump the data with the old version and restore it into the new one; the old data is kept in the trash.",
    ),
    (
        "start-empty",
        "Begin with new, empty data; the old data is kept in the trash.",
    ),
    (
        "keep-credentials",
        "Go on with the user, password and database that the data was made with.",
    ),
    (
        "apply-credentials",
        "Change user, password and database in the data to those of locald.toml.",
    ),
    ("other-port", "Use another port, for good."),
    ("stop-holder", "Stop the service of locald's that holds the port."),
];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines(pub Option<u32>);

pub(super) fn lines(text: &str) -> Result<Lines, String> {
    if text == "all" {
        return Ok(Lines(None));
    }
    text.parse()
        .map(|count| Lines(Some(count)))
        .map_err(|_| "give a number of lines, or `all`".to_owned())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "give a time with its unit, as in 90s or 5m".to_owned())?;
    Duration::try_from(span).map_err(|_| "a time can't be negative".to_owned())
}

/// A catalog entry that is wanted, in a version or in any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub entry: String,
    pub version: Option<String>,
}

pub(super) fn wish(text: &str) -> Result<Wish, String> {
    let (entry, version) = match text.split_once('@') {
        Some((entry, version)) => (entry, Some(version)),
        None => (text, None),
    };
    if entry.is_empty() {
        return Err("give a type, as in postgres or postgres@16; `locald catalog` lists them".to_owned());
    }
    if version.is_some_and(|version| version.is_empty() || version.contains('@')) {
        return Err("give one version after the @, as in postgres@16".to_owned());
    }
    Ok(Wish {
        entry: entry.to_owned(),
        version: version.map(str::to_owned),
    })
}

pub(super) fn choice() -> impl TypedValueParser<Value = Choice> {
    PossibleValuesParser::new(CHOICES.map(|(word, _)| word)).try_map(|word| choice_of(&word))
}

/// The word of a choice.
pub(crate) fn choice_word(choice: Choice) -> String {
    let word = serde_json::to_value(choice).ok();
    word.and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn choice_of(word: &str) -> Result<Choice, serde_json::Error> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
}

/// What reads the environment variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum EnvFormat {
    /// A `.env` file.
    #[default]
    Dotenv,
    /// sh, bash, zsh: eval "$(locald env -f shell)".
    Shell,
    /// fish: locald env -f fish | source.
    Fish,
    /// A JSON object.
    Json,
    /// PowerShell: locald env -f powershell | Out-String | Invoke-Expression.
    Powershell,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_type_may_have_a_version() {
        let wanted = |entry: &str, version: Option<&str>| {
            Ok(Wish {
                entry: entry.to_owned(),
                version: version.map(str::to_owned),
            })
        };
        assert_eq!(wish("postgres"), wanted("postgres", None));
        assert_eq!(wish("postgres@16"), wanted("postgres", Some("16")));
        assert_eq!(wish("redis@7.2"), wanted("redis", Some("7.2")));
        for wrong in ["", "@16", "postgres@", "postgres@1@2"] {
            assert!(wish(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_choice_has_a_word_and_a_sentence() {
        for (word, sentence) in CHOICES {
            let choice = choice_of(word).unwrap();
            assert_eq!(choice_word(choice), word);
            assert!(sentence.ends_with('.'), "{sentence}");
        }
        // The compiler asks for this test when core gets another one.
        let known = match Choice::Upgrade {
            Choice::KeepVersion
            | Choice::Upgrade
            | Choice::StartEmpty
            | Choice::KeepCredentials
            | Choice::ApplyCredentials
            | Choice::OtherPort
            | Choice::StopHolder => 7,
        };
        assert_eq!(CHOICES.len(), known);
    }
}
