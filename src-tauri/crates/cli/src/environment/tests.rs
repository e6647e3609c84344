#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Stdio};

use super::*;

const ODD: [&str; 14] = [
    "",
    "plain",
    "postgres://postgres:a%2Fb@127.0.0.1:5432/shop?sslmode=disable",
    "two words",
    "it's",
    "\"double\"",
    "$HOME ${HOME} $(id) `id`",
    "back\\slash",
    "ends with \\",
    "both ' and \"",
    "line one\nline two",
    "# no comment",
    "a & b ; c | d > e",
    "’typographic‘ é ✓",
];

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn id(text: &str) -> ServiceId {
    text.parse().unwrap()
}

#[test]
fn the_first_service_has_a_name() {
    let (db, second, cache) = (id("shop/db"), id("shop/db2"), id("shop/cache"));
    let of_db = variables(&[("DATABASE_URL", "one"), ("PGHOST", "127.0.0.1"), ("PGPORT", "5432")]);
    let of_second = variables(&[("DATABASE_URL", "two"), ("PGHOST", "127.0.0.1"), ("PGPORT", "5433")]);
    let of_cache = variables(&[("REDIS_URL", "three"), ("not a name", "x"), ("1ST", "x"), ("", "x")]);
    let merged = merge([(&db, &of_db), (&second, &of_second), (&cache, &of_cache)]);
    assert_eq!(
        merged.env,
        variables(&[
            ("DATABASE_URL", "one"),
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", "5432"),
            ("REDIS_URL", "three"),
        ])
    );
    assert_eq!(
        merged.shadowed,
        [Shadowed {
            names: vec!["DATABASE_URL".to_owned(), "PGPORT".to_owned()],
            of: second,
            by: db,
        }]
    );
}

#[test]
fn forms_of_an_odd_value() {
    let env = variables(&[("A", "it's $5, \"ok\"\n\\"), ("B", "plain"), ("C", "")]);
    insta::assert_snapshot!(text(&env, EnvFormat::Dotenv), @r#"
    A="it's \$5, \"ok\"\n\\"
    B=plain
    C=
    "#);
    insta::assert_snapshot!(text(&env, EnvFormat::Shell), @r#"
    export A='it'\''s $5, "ok"
    \'
    export B=plain
    export C=''
    "#);
    insta::assert_snapshot!(text(&env, EnvFormat::Fish), @r#"
    set -gx A 'it\'s $5, "ok"
    \\'
    set -gx B 'plain'
    set -gx C ''
    "#);
    insta::assert_snapshot!(text(&env, EnvFormat::Powershell), @r#"
    $env:A = 'it''s $5, "ok"
    \'
    $env:B = 'plain'
    $env:C = ''
    "#);
    insta::assert_snapshot!(text(&env, EnvFormat::Json), @r#"{"A":"it's $5, \"ok\"\n\\","B":"plain","C":""}"#);
    assert_eq!(powershell("’a‘"), "'’’a‘‘'");
}

/// What a real shell makes of it.
fn read_by_sh(assignment: &str) -> String {
    let script = format!("{assignment}\nprintf %s \"$V\"");
    let output = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_shell_reads_back_what_was_written() {
    for value in ODD {
        let written = text(&variables(&[("V", value)]), EnvFormat::Shell);
        assert_eq!(read_by_sh(&written), value, "{written}");
    }
}

#[test]
fn a_dotenv_file_can_be_sourced() {
    for value in ODD {
        let written = text(&variables(&[("V", value)]), EnvFormat::Dotenv);
        assert_eq!(read_by_sh(&written), value, "{written}");
    }
}
