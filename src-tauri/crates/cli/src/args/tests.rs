#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use clap::{CommandFactory as _, error::ErrorKind};

use super::*;

fn parsed(line: &[&str]) -> Command {
    Args::try_parse_from(std::iter::once("locald").chain(line.iter().copied()))
        .unwrap_or_else(|error| panic!("{line:?}: {error}"))
        .command
}

fn refused(line: &[&str]) -> ErrorKind {
    Args::try_parse_from(std::iter::once("locald").chain(line.iter().copied()))
        .err()
        .unwrap_or_else(|| panic!("{line:?} was taken"))
        .kind()
}

#[test]
fn the_arguments_fit_together() {
    Args::command().debug_assert();
}

#[test]
fn every_command_is_in_the_help() {
    insta::assert_snapshot!(Args::command().term_width(100).render_help());
}

#[test]
fn what_follows_the_program_is_its_own() {
    for line in [
        ["run", "--", "npm", "test", "--json", "-x"].as_slice(),
        &["run", "npm", "test", "--json", "-x"],
    ] {
        let Command::Run { command, up, .. } = parsed(line) else {
            panic!("{line:?} runs nothing")
        };
        assert_eq!(command, ["npm", "test", "--json", "-x"], "{line:?}");
        assert!(!up);
    }
    let Command::Run { command, up, .. } = parsed(&["run", "--up", "--", "--odd"]) else {
        panic!("it runs nothing")
    };
    assert_eq!((command, up), (vec![OsString::from("--odd")], true));
    let Command::Connect { service, args } = parsed(&["connect", "db", "--", "-c", "SELECT 1"]) else {
        panic!("it connects to nothing")
    };
    assert_eq!((service.as_str(), args), ("db", vec!["-c".into(), "SELECT 1".into()]));
}

#[test]
fn the_trash_is_listed_unless_told_otherwise() {
    assert!(matches!(parsed(&["trash"]), Command::Trash { command: None }));
    assert!(matches!(
        parsed(&["trash", "empty", "-y"]),
        Command::Trash {
            command: Some(Trash::Empty {
                id: None,
                confirm: Confirm { yes: true }
            })
        }
    ));
}

#[test]
fn wrong_usage_is_refused() {
    for (line, kind) in [
        (["run"].as_slice(), ErrorKind::MissingRequiredArgument),
        (&["run", "--"], ErrorKind::MissingRequiredArgument),
        (&["rm"], ErrorKind::MissingRequiredArgument),
        (&["add"], ErrorKind::MissingRequiredArgument),
        (&["add", "postgres@"], ErrorKind::ValueValidation),
        (
            &["add", "postgres", "--no-start", "--no-wait"],
            ErrorKind::ArgumentConflict,
        ),
        (&["choose", "db", "keep-data"], ErrorKind::InvalidValue),
        (&["env", "--format", "csh"], ErrorKind::InvalidValue),
        (&["snapshot"], ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        (&["snapshot", "restore", "db"], ErrorKind::MissingRequiredArgument),
    ] {
        assert_eq!(refused(line), kind, "{line:?}");
    }
}

#[test]
fn every_shell_completes_commands_and_choices() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Args::command(), "locald", &mut script);
        let script = String::from_utf8(script).unwrap();
        for word in ["snapshot", "restore", "doctor", "catalog", "connect"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        if matches!(shell, Shell::Bash | Shell::Zsh) {
            assert!(
                script.contains("keep-version") && script.contains("powershell"),
                "{shell}"
            );
        }
    }
}
