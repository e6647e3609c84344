//! What people are told of each kind of fault, as they see it.

use super::*;

fn told(text: &str) -> String {
    parse(text).unwrap_err().render(false, 100)
}

#[test]
fn unknown_key() {
    insta::assert_snapshot!(told(r#"[services.db]
imag = "a"
image = "a""#), @"");
}

#[test]
fn unknown_table() {
    insta::assert_snapshot!(told(r#"[project]
name = "shop"
[service.db]
image = "a""#), @"");
}

#[test]
fn missing_image() {
    insta::assert_snapshot!(told(r#"[services.db]
ports = [80]"#), @"");
}

#[test]
fn later_key() {
    insta::assert_snapshot!(told(r#"[services.db]
type = "postgres"
version = "17""#), @"");
}

#[test]
fn command_without_image() {
    insta::assert_snapshot!(told(r#"[services.api]
command = "cargo run""#), @"");
}

#[test]
fn wrong_type_list() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
depends_on = 5"#), @"");
}

#[test]
fn wrong_type_string() {
    insta::assert_snapshot!(told(r#"[services.db]
image = 17"#), @"");
}

#[test]
fn list_of_tables() {
    insta::assert_snapshot!(told(r#"[[services.db]]
image = "a""#), @"");
}

#[test]
fn duplicate_key() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
ports = [80]
image = "b""#), @"");
}

#[test]
fn duplicate_service() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"

[services.api]
image = "a"

[services.db]
image = "b""#), @"");
}

#[test]
fn circle() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
depends_on = ["b"]
[services.b]
image = "a"
depends_on = ["c"]
[services.c]
image = "a"
env = { A = "http://${services.a.host}" }"#), @"");
}

#[test]
fn unknown_dependency() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
[services.api]
image = "a"
depends_on = ["bd"]"#), @"");
}

#[test]
fn itself() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
depends_on = ["db"]"#), @"");
}

#[test]
fn bad_service_name() {
    insta::assert_snapshot!(told(r#"[services."My DB"]
image = "a""#), @"");
}

#[test]
fn bad_project_name() {
    insta::assert_snapshot!(told(r#"[project]
name = "My Shop""#), @"");
}

#[test]
fn syntax_quotes() {
    insta::assert_snapshot!(told(r#"[services.db]
image = postgres"#), @"");
}

#[test]
fn syntax_unclosed_text() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "postgres
ports = [80]"#), @"");
}

#[test]
fn syntax_unclosed_list() {
    insta::assert_snapshot!(told(r#"[services.db]
ports = [80, 81
image = "a""#), @"");
}

#[test]
fn syntax_no_equals() {
    insta::assert_snapshot!(told(r#"[services.db]
image "a""#), @"");
}

#[test]
fn port_public() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
ports = ["0.0.0.0:80:80"]"#), @"");
}

#[test]
fn port_range() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
ports = ["8000-8010:8000-8010", "80:90000", "http"]"#), @"");
}

#[test]
fn port_twice() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
ports = ["80:80"]
[services.api]
image = "a"
ports = ["80:8080"]"#), @"");
}

#[test]
fn volume() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
volumes = ["data/x:/d", "/anon", "data:d", "d:/d:z"]"#), @"");
}

#[test]
fn duration() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
stop_grace = 30
health_check = { type = "command", command = "x", interval = "2 apples", timeout = "5" }"#), @"");
}

#[test]
fn restart() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
restart = false
[services.b]
image = "a"
restart = "on-failre""#), @"");
}

#[test]
fn signal_and_workdir() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
stop_signal = "SIGTREM"
workdir = "srv""#), @"");
}

#[test]
fn resources() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
resources = { memory = 512, cpus = "1.5", cpu = 1 }"#), @"");
}

#[test]
fn probe_port() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
ports = ["8080:80"]
health_check = { type = "http", port = 8080, path = "health" }"#), @"");
}

#[test]
fn probe_without_port() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
health_check = { type = "tcp" }"#), @"");
}

#[test]
fn probe_wrong_key() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
ports = [80]
health_check = { type = "tcp", path = "/", intervall = "2s" }"#), @"");
}

#[test]
fn reference() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
[services.api]
image = "a"
env = { A = "${services.db.url}", B = "${services.db.port}", C = "${services.bd.host}", D = "${services.db" }"#), @"");
}

#[test]
fn env() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
env = ["A=1", "B", "A=2"]"#), @"");
}

#[test]
fn image() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "https://example.org/Shop"
[services.b]
image = "Shop:1""#), @"");
}

#[test]
fn a_summary_is_one_line() {
    let errors = parse("[services.db]\nimag = \"a\"\nimage = 1\nrestart = 1").unwrap_err();
    insta::assert_snapshot!(errors.summary(), @"");
}

#[test]
fn on_a_terminal_it_is_drawn() {
    let errors = parse("[services.db]\nimag = \"ü\"\nimage = \"a\"").unwrap_err();
    insta::assert_snapshot!(errors.render(true, 80).replace('\u{1b}', "^"), @"");
}

#[test]
fn a_folder_whose_name_gives_no_name() {
    let context = ParseContext { folder: "/p/日本".into(), ..context() };
    let errors = parse_project(Path::new("/p/日本/locald.toml"), "", &context).unwrap_err();
    insta::assert_snapshot!(errors.render(false, 100), @"");
}

#[test]
fn a_name_that_is_taken() {
    let errors = parse("[project]\nname = \"personal\"").unwrap_err();
    insta::assert_snapshot!(errors.summary(), @"");
}
