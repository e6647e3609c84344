//! Broken edits of every kind: whatever the text, there is an answer, and it has a place.

use super::*;

fn answers(text: &str) {
    let Err(errors) = parse(text) else { return };
    assert!(!errors.faults().is_empty(), "{text}");
    for fault in errors.faults() {
        let (line, column) = fault.position().unwrap();
        assert!(line >= 1 && column >= 1);
        assert!(!fault.message().is_empty());
    }
    // Drawing is what touches spans, and slow: the first few faults tell as much as all.
    assert!(errors.render(false, 80).contains("locald.toml:"), "{text}");
    assert!(errors.summary().starts_with("locald.toml:"));
}

/// A service of the catalog and a process, with every key of theirs.
const OTHERS: &str = r#"[services.db]
type = "postgres"
version = "17"
port = 5433
user = "ada"
password = "p"
database = "d"
[services.api]
command = "run it"
port = "auto"
workdir = "../x"
health_check = { type = "tcp" }
env = { A = "${services.db.url}" }
"#;

#[test]
fn cut_off_anywhere() {
    for text in [FULL, OTHERS] {
        for (at, _) in text.char_indices() {
            answers(&text[..at]);
            answers(&text[at..]);
        }
    }
}

#[test]
fn one_character_wrong_anywhere() {
    for (text, (at, old)) in [FULL, OTHERS]
        .into_iter()
        .flat_map(|text| text.char_indices().map(move |place| (text, place)))
    {
        for new in [
            "",
            "\"",
            "[",
            "]",
            "}",
            "=",
            "\n",
            "ü",
            "\0",
            "\u{1b}",
            "0",
            "${services.",
            "\r",
        ] {
            answers(&format!("{}{new}{}", &text[..at], &text[at + old.len_utf8()..]));
        }
    }
}

#[test]
fn every_value_replaced_by_one_of_another_type() {
    for value in [
        "1",
        "-1",
        "1.5",
        "inf",
        "true",
        "\"\"",
        "\"x\"",
        "[]",
        "[[]]",
        "[1]",
        "{}",
        "{a={}}",
        "1979-05-27",
        "99999999999999999999",
        "\"\\u0000\"",
    ] {
        for text in [FULL, OTHERS] {
            let lines: Vec<_> = text.lines().collect();
            for (at, line) in lines.iter().enumerate() {
                if let Some((key, _)) = line.split_once(" = ") {
                    let mut changed: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
                    changed[at] = format!("{key} = {value}");
                    answers(&changed.join("\n"));
                }
            }
        }
    }
}

#[test]
fn deep_nesting_and_odd_shapes() {
    answers(&"[".repeat(100_000));
    answers(&format!("a={}", "[".repeat(100_000)));
    answers(&format!("a={}", "{a=".repeat(10_000)));
    answers(&format!("{}=1", "a.".repeat(10_000)));
    for text in [
        "[[services]]",
        "services = 1",
        "[services]\na = 1",
        "[[services.a]]",
        "[services.a.b.c]",
        "services.a.image = \"a\"",
        "[services.\"\"]",
        "project = []",
        "\u{feff}",
        "\n\n\n",
        "[services.\"\\u001b[31m\"]\nimage=\"a\"",
    ] {
        answers(text);
    }
}

#[test]
fn nothing_that_steers_a_terminal_gets_through() {
    let errors = parse("[services.\"\\u001b[31m\"]\n\u{1b}]0;title\u{7} = 1").unwrap_err();
    assert!(!errors.render(false, 80).contains('\u{1b}'));
    assert!(!errors.summary().contains('\u{1b}'));
    let errors = parse("[services.\"\\u001b[31m\"]\nimage = \"a\"").unwrap_err();
    assert!(!errors.render(false, 80).contains('\u{1b}'));
    assert!(!errors.summary().contains('\u{1b}'));
}
