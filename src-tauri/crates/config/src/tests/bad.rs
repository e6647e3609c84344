//! What people are told of each kind of fault, as they see it.

use super::*;

fn told(text: &str) -> String {
    parse(text).unwrap_err().render(false, 100)
}

#[test]
fn unknown_key() {
    insta::assert_snapshot!(told(r#"[services.db]
imag = "a"
image = "a""#), @r#"
     x unknown key `imag` in `services.db`
      ,-[/p/shop/locald.toml:2:1]
    1 | [services.db]
    2 | imag = "a"
      : ^^|^
      :   `-- not a key that locald knows
    3 | image = "a"
      `----
     help: did you mean `image`?
           use one of: `image`, `command`, `ports`, `env`, `volumes`, `depends_on`, `health_check`,
           `restart`, `stop_signal`, `stop_grace`, `workdir`, `resources`, `engine`
    "#);
}

#[test]
fn unknown_table() {
    insta::assert_snapshot!(told(r#"[project]
name = "shop"
[service.db]
image = "a""#), @r#"
     x unknown key `service`
      ,-[/p/shop/locald.toml:3:2]
    2 | name = "shop"
    3 | [service.db]
      :  ^^^|^^^
      :     `-- not a key that locald knows
    4 | image = "a"
      `----
     help: did you mean `services`?
           use one of: `project`, `services`
    "#);
}

#[test]
fn nothing_to_run() {
    insta::assert_snapshot!(told(r#"[services.db]
ports = [80]"#), @r#"
     x `db` doesn't say what runs
      ,-[/p/shop/locald.toml:1:11]
    1 | [services.db]
      :           ^|
      :            `-- needs a `type`, an `image` or a `command`
    2 | ports = [80]
      `----
     help: add one, such as type = "postgres", image = "nginx:1.29" or command = "npm run dev"
    "#);
}

#[test]
fn later_key() {
    insta::assert_snapshot!(told(r#"[services.db]
type = "postgres"
extensions = ["postgis"]"#), @r#"
     x `extensions` isn't supported by locald 0.1.0 yet
      ,-[/p/shop/locald.toml:3:1]
    2 | type = "postgres"
    3 | extensions = ["postgis"]
      : ^^^^^|^^^^
      :      `-- needs a later version
      `----
     help: leave it out
    "#);
}

#[test]
fn wrong_type_list() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
depends_on = 5"#), @r#"
     x `services.db.depends_on`: expected a list of strings, found an integer
      ,-[/p/shop/locald.toml:3:14]
    2 | image = "a"
    3 | depends_on = 5
      :              |
      :              `-- expected a list of strings
      `----
     help: put it in brackets: [5]
    "#);
}

#[test]
fn wrong_type_string() {
    insta::assert_snapshot!(told(r#"[services.db]
image = 17"#), @r#"
     x `services.db.image`: expected a string, found an integer
      ,-[/p/shop/locald.toml:2:9]
    1 | [services.db]
    2 | image = 17
      :         ^|
      :          `-- expected a string
      `----
     help: write it in quotes: "17"
    "#);
}

#[test]
fn list_of_tables() {
    insta::assert_snapshot!(told(r#"[[services.db]]
image = "a""#), @r#"
     x `services.db`: expected a table, found a list of tables
      ,-[/p/shop/locald.toml:1:1]
    1 | [[services.db]]
      : ^^^^^^^|^^^^^^^
      :        `-- expected a table
    2 | image = "a"
      `----
     help: write [services.db] in place of [[services.db]]
    "#);
}

#[test]
fn duplicate_key() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
ports = [80]
image = "b""#), @r#"
     x `image` is there twice
      ,-[/p/shop/locald.toml:4:1]
    1 | [services.db]
    2 | image = "a"
      : ^^|^^
      :   `-- the first
    3 | ports = [80]
    4 | image = "b"
      : ^^|^^
      :   `-- the second
      `----
     help: remove one, or rename it
    "#);
}

#[test]
fn duplicate_service() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"

[services.api]
image = "a"

[services.db]
image = "b""#), @r#"
     x `db` is there twice
      ,-[/p/shop/locald.toml:1:11]
    1 | [services.db]
      :           ^|
      :            `-- the first
    2 | image = "a"
      `----
      ,-[/p/shop/locald.toml:7:11]
    6 | 
    7 | [services.db]
      :           ^|
      :            `-- the second
    8 | image = "b"
      `----
     help: remove one, or rename it
    "#);
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
env = { A = "http://${services.a.host}" }"#), @r#"
     x services depend on each other in a circle: a → b → c → a
      ,-[/p/shop/locald.toml:3:15]
    2 | image = "a"
    3 | depends_on = ["b"]
      :               ^|^
      :                `-- `a` needs `b`
    4 | [services.b]
    5 | image = "a"
    6 | depends_on = ["c"]
      :               ^|^
      :                `-- `b` needs `c`
    7 | [services.c]
    8 | image = "a"
    9 | env = { A = "http://${services.a.host}" }
      :                     ^^^^^^^^^|^^^^^^^^
      :                              `-- `c` needs `a`
      `----
     help: remove one of these dependencies
    "#);
}

#[test]
fn unknown_dependency() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
[services.api]
image = "a"
depends_on = ["bd"]"#), @r#"
     x `api` depends on `bd`, which doesn't exist
      ,-[/p/shop/locald.toml:5:15]
    4 | image = "a"
    5 | depends_on = ["bd"]
      :               ^^|^
      :                 `-- no such service
      `----
     help: did you mean `db`?
           services of this file: `db`
    "#);
}

#[test]
fn itself() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
depends_on = ["db"]"#), @r#"
     x `db` depends on itself
      ,-[/p/shop/locald.toml:3:15]
    2 | image = "a"
    3 | depends_on = ["db"]
      :               ^^^^
      `----
     help: remove it
    "#);
}

#[test]
fn bad_service_name() {
    insta::assert_snapshot!(told(r#"[services."My DB"]
image = "a""#), @r#"
     x `My DB` has the character `M`; use a-z, 0-9, `-`, `_` and `.`, and begin and end with a letter
     | or digit
      ,-[/p/shop/locald.toml:1:11]
    1 | [services."My DB"]
      :           ^^^|^^^
      :              `-- this name
    2 | image = "a"
      `----
     help: write [services.my-db]
    "#);
}

#[test]
fn bad_project_name() {
    insta::assert_snapshot!(told(r#"[project]
name = "My Shop""#), @r#"
     x `My Shop` has the character `M`; use a-z, 0-9, `-`, `_` and `.`, and begin and end with a
     | letter or digit
      ,-[/p/shop/locald.toml:2:8]
    1 | [project]
    2 | name = "My Shop"
      :        ^^^^|^^^^
      :            `-- this name
      `----
     help: write name = "my-shop"
    "#);
}

#[test]
fn syntax_quotes() {
    insta::assert_snapshot!(told(r#"[services.db]
image = postgres"#), @r#"
     x text has to be in quotes
      ,-[/p/shop/locald.toml:2:9]
    1 | [services.db]
    2 | image = postgres
      :         ^^^^^^^^
      `----
     help: write "postgres"
    "#);
}

#[test]
fn syntax_unclosed_text() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "postgres
ports = [80]"#), @r#"
     x this text isn't closed
      ,-[/p/shop/locald.toml:2:18]
    1 | [services.db]
    2 | image = "postgres
      :                  ^
    3 | ports = [80]
      `----
     help: add the closing quote
    "#);
}

#[test]
fn syntax_unclosed_list() {
    insta::assert_snapshot!(told(r#"[services.db]
ports = [80, 81
image = "a""#), @r#"
     x a comma or the list's closing `]` is missing here
      ,-[/p/shop/locald.toml:3:1]
    2 | ports = [80, 81
    3 | image = "a"
      : ^
      `----
     help: put a comma between elements, and `]` at the end
    "#);
}

#[test]
fn syntax_no_equals() {
    insta::assert_snapshot!(told(r#"[services.db]
image "a""#), @r#"
     x there is no `=` behind this key
      ,-[/p/shop/locald.toml:2:7]
    1 | [services.db]
    2 | image "a"
      :       ^
      `----
     help: write key = value; text goes in quotes
    "#);
}

#[test]
fn port_public() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
ports = ["0.0.0.0:80:80"]"#), @r#"
     x a port can't be published on 0.0.0.0
      ,-[/p/shop/locald.toml:3:10]
    2 | image = "a"
    3 | ports = ["0.0.0.0:80:80"]
      :          ^^^^^^^^^^^^^^^
      `----
     help: locald publishes on 127.0.0.1 only, so that no other machine reaches it: write "80:80"
    "#);
}

#[test]
fn port_range() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
ports = ["8000-8010:8000-8010", "80:90000", "http"]"#), @r#"
     x `8000-8010:8000-8010` is a range of ports
      ,-[/p/shop/locald.toml:3:10]
    2 | image = "a"
    3 | ports = ["8000-8010:8000-8010", "80:90000", "http"]
      :          ^^^^^^^^^^^^^^^^^^^^^
      `----
     help: name each port by itself: ["8000:8000", "8001:8001"]

     x `90000` isn't a port
      ,-[/p/shop/locald.toml:3:33]
    2 | image = "a"
    3 | ports = ["8000-8010:8000-8010", "80:90000", "http"]
      :                                 ^^^^^^^^^^
      `----
     help: write a number from 1 to 65535

     x `http` isn't a port mapping
      ,-[/p/shop/locald.toml:3:45]
    2 | image = "a"
    3 | ports = ["8000-8010:8000-8010", "80:90000", "http"]
      :                                             ^^^^^^
      `----
     help: write "8080:80" (port here : port inside), or "80" to take any free port here
    "#);
}

#[test]
fn port_twice() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
ports = ["80:80"]
[services.api]
image = "a"
ports = ["80:8080"]"#), @r#"
     x `db` and `api` both publish port 80
      ,-[/p/shop/locald.toml:6:10]
    2 | image = "a"
    3 | ports = ["80:80"]
      :          ^^^|^^^
      :             `-- `db` publishes it here
    4 | [services.api]
    5 | image = "a"
    6 | ports = ["80:8080"]
      :          ^^^^|^^^^
      :              `-- published here too
      `----
     help: give one of them another port, or write "8080" to take any free port
    "#);
}

#[test]
fn volume() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
volumes = ["data/x:/d", "/anon", "data:d", "d:/d:z"]"#), @r#"
     x `data/x` is neither a volume's name nor a path
      ,-[/p/shop/locald.toml:3:12]
    2 | image = "a"
    3 | volumes = ["data/x:/d", "/anon", "data:d", "d:/d:z"]
      :            ^^^^^^^^^^^
      `----
     help: write "./data/x" for a folder beside the file

     x `/anon` has no name before the path
      ,-[/p/shop/locald.toml:3:25]
    2 | image = "a"
    3 | volumes = ["data/x:/d", "/anon", "data:d", "d:/d:z"]
      :                         ^^^^^^^
      `----
     help: write "name:/anon", so that its content is kept

     x the path inside the container, `d`, doesn't begin with `/`
      ,-[/p/shop/locald.toml:3:34]
    2 | image = "a"
    3 | volumes = ["data/x:/d", "/anon", "data:d", "d:/d:z"]
      :                                  ^^^^^^^^
      `----
     help: write "name:/path" for a volume or "./folder:/path" for a folder, with ":ro" behind it to
           forbid writing

     x `z` isn't an option of a mount
      ,-[/p/shop/locald.toml:3:44]
    2 | image = "a"
    3 | volumes = ["data/x:/d", "/anon", "data:d", "d:/d:z"]
      :                                            ^^^^^^^^
      `----
     help: write `ro` or `rw`
    "#);
}

#[test]
fn duration() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
stop_grace = 30
health_check = { type = "command", command = "x", interval = "2 apples", timeout = "5" }"#), @r#"
     x `services.db.stop_grace`: expected a duration, found an integer
      ,-[/p/shop/locald.toml:3:14]
    2 | image = "a"
    3 | stop_grace = 30
      :              ^|
      :               `-- expected a duration
    4 | health_check = { type = "command", command = "x", interval = "2 apples", timeout = "5" }
      `----
     help: write the unit: "30s" for seconds, "30ms" for milliseconds

     x `services.db.health_check.interval`: "2 apples" isn't a duration
      ,-[/p/shop/locald.toml:4:62]
    3 | stop_grace = 30
    4 | health_check = { type = "command", command = "x", interval = "2 apples", timeout = "5" }
      :                                                              ^^^^^^^^^^
      `----
     help: write a number with a unit, such as "500ms", "2s" or "1m30s"

     x `services.db.health_check.timeout`: "5" isn't a duration
      ,-[/p/shop/locald.toml:4:84]
    3 | stop_grace = 30
    4 | health_check = { type = "command", command = "x", interval = "2 apples", timeout = "5" }
      :                                                                                    ^^^
      `----
     help: write the unit: "5s" for seconds, "5ms" for milliseconds
    "#);
}

#[test]
fn restart() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
restart = false
[services.b]
image = "a"
restart = "on-failre""#), @r#"
     x `services.a.restart`: expected a string, found true or false
      ,-[/p/shop/locald.toml:3:11]
    2 | image = "a"
    3 | restart = false
      :           ^^|^^
      :             `-- expected a string
    4 | [services.b]
      `----
     help: write restart = "no"

     x `on-failre` isn't a restart policy
      ,-[/p/shop/locald.toml:6:11]
    5 | image = "a"
    6 | restart = "on-failre"
      :           ^^^^^^^^^^^
      `----
     help: did you mean `on-failure`?
           use one of: `no`, `on-failure`, `on-failure:5`, `always`
    "#);
}

#[test]
fn signal_and_workdir() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
stop_signal = "SIGTREM"
workdir = "srv""#), @r#"
     x `SIGTREM` isn't a signal
      ,-[/p/shop/locald.toml:3:15]
    2 | image = "a"
    3 | stop_signal = "SIGTREM"
      :               ^^^^^^^^^
    4 | workdir = "srv"
      `----
     help: use a signal, such as: `SIGTERM`, `SIGINT`, `SIGQUIT`, `SIGHUP`, `SIGUSR1`, `SIGUSR2`,
           `SIGKILL`

     x `srv` isn't a whole path
      ,-[/p/shop/locald.toml:4:11]
    3 | stop_signal = "SIGTREM"
    4 | workdir = "srv"
      :           ^^^^^
      `----
     help: write where in the container it is, such as "/srv"
    "#);
}

#[test]
fn resources() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
resources = { memory = 512, cpus = "1.5", cpu = 1 }"#), @r#"
     x `services.a.resources.memory`: expected a size, found an integer
      ,-[/p/shop/locald.toml:3:24]
    2 | image = "a"
    3 | resources = { memory = 512, cpus = "1.5", cpu = 1 }
      :                        ^|^
      :                         `-- expected a size
      `----
     help: write the unit: "512m" for MiB, "512b" for bytes

     x `services.a.resources.cpus`: expected a number, found a string
      ,-[/p/shop/locald.toml:3:36]
    2 | image = "a"
    3 | resources = { memory = 512, cpus = "1.5", cpu = 1 }
      :                                    ^^|^^
      :                                      `-- expected a number
      `----
     help: write it without quotes: 1.5

     x unknown key `cpu` in `services.a.resources`
      ,-[/p/shop/locald.toml:3:43]
    2 | image = "a"
    3 | resources = { memory = 512, cpus = "1.5", cpu = 1 }
      :                                           ^|^
      :                                            `-- not a key that locald knows
      `----
     help: did you mean `cpus`?
           use one of: `memory`, `cpus`
    "#);
}

#[test]
fn probe_port() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
ports = ["8080:80"]
health_check = { type = "http", port = 8080, path = "health" }"#), @r#"
     x port 8080 isn't published
      ,-[/p/shop/locald.toml:4:40]
    3 | ports = ["8080:80"]
    4 | health_check = { type = "http", port = 8080, path = "health" }
      :                                        ^^^^
      `----
     help: 8080 is the port on this machine; write the container's: 80

     x the path `health` doesn't begin with `/`
      ,-[/p/shop/locald.toml:4:53]
    3 | ports = ["8080:80"]
    4 | health_check = { type = "http", port = 8080, path = "health" }
      :                                                     ^^^^^^^^
      `----
     help: write "/health"
    "#);
}

#[test]
fn probe_without_port() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
health_check = { type = "tcp" }"#), @r#"
     x the health check has no port to ask
      ,-[/p/shop/locald.toml:3:16]
    2 | image = "a"
    3 | health_check = { type = "tcp" }
      :                ^^^^^^^^^^^^^^^^
      `----
     help: add the container's port to `ports`, or use a check of type "command"
    "#);
}

#[test]
fn probe_wrong_key() {
    insta::assert_snapshot!(told(r#"[services.a]
image = "a"
ports = [80]
health_check = { type = "tcp", path = "/", intervall = "2s" }"#), @r#"
     x a health check of type `tcp` has no `path`
      ,-[/p/shop/locald.toml:4:32]
    3 | ports = [80]
    4 | health_check = { type = "tcp", path = "/", intervall = "2s" }
      :                                ^^^^
      `----
     help: a check of this type has `port`, and `type`, `interval`, `timeout`, `retries`,
           `start_period`

     x unknown key `intervall` in `services.a.health_check`
      ,-[/p/shop/locald.toml:4:44]
    3 | ports = [80]
    4 | health_check = { type = "tcp", path = "/", intervall = "2s" }
      :                                            ^^^^|^^^^
      :                                                `-- not a key that locald knows
      `----
     help: did you mean `interval`?
           use one of: `type`, `interval`, `timeout`, `retries`, `start_period`, `port`
    "#);
}

#[test]
fn reference() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
[services.api]
image = "a"
env = { A = "${services.db.url}", B = "${services.db.port}", C = "${services.bd.host}", D = "${services.db" }"#), @r#"
     x `url` of a container can't be referenced
      ,-[/p/shop/locald.toml:5:14]
    4 | image = "a"
    5 | env = { A = "${services.db.url}", B = "${services.db.port}", C = "${services.bd.host}", D = "${services.db" }
      :              ^^^^^^^^^^^^^^^^^^
      `----
     help: use one of: `host`, `port`

     x `db` declares no port
      ,-[/p/shop/locald.toml:5:40]
    4 | image = "a"
    5 | env = { A = "${services.db.url}", B = "${services.db.port}", C = "${services.bd.host}", D = "${services.db" }
      :                                        ^^^^^^^^^^^^^^^^^^^
      `----
     help: add `ports` to `services.db`, or write the number

     x there is no service `bd`
      ,-[/p/shop/locald.toml:5:67]
    4 | image = "a"
    5 | env = { A = "${services.db.url}", B = "${services.db.port}", C = "${services.bd.host}", D = "${services.db" }
      :                                                                   ^^^^^^^^^^^^^^^^^^^
      `----
     help: did you mean `db`?
           services of this file: `api`, `db`

     x a reference isn't closed
      ,-[/p/shop/locald.toml:5:94]
    4 | image = "a"
    5 | env = { A = "${services.db.url}", B = "${services.db.port}", C = "${services.bd.host}", D = "${services.db" }
      :                                                                                              ^^^^^^^^^^^
      `----
     help: add `}`, or write `$$` for a plain `$`
    "#);
}

#[test]
fn env() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "a"
env = ["A=1", "B", "A=2"]"#), @r#"
     x `B` has no value
      ,-[/p/shop/locald.toml:3:15]
    2 | image = "a"
    3 | env = ["A=1", "B", "A=2"]
      :               ^^^
      `----
     help: write "B=value"; locald doesn't hand on variables of your shell

     x `A` is set twice
      ,-[/p/shop/locald.toml:3:20]
    2 | image = "a"
    3 | env = ["A=1", "B", "A=2"]
      :        ^^|^^       ^^^^^
      :          `-- the first
      `----
     help: remove one
    "#);
}

#[test]
fn image() {
    insta::assert_snapshot!(told(r#"[services.db]
image = "https://example.org/Shop"
[services.b]
image = "Shop:1""#), @r#"
     x an image isn't a URL
      ,-[/p/shop/locald.toml:2:9]
    1 | [services.db]
    2 | image = "https://example.org/Shop"
      :         ^^^^^^^^^^^^^^^^^^^^^^^^^^
    3 | [services.b]
      `----
     help: write it without the scheme: "example.org/Shop"

     x an image's name is in lower case
      ,-[/p/shop/locald.toml:4:9]
    3 | [services.b]
    4 | image = "Shop:1"
      :         ^^^^^^^^
      `----
     help: write "shop:1"
    "#);
}

#[test]
fn a_summary_is_one_line() {
    let errors = parse("[services.db]\nimag = \"a\"\nimage = 1\nrestart = 1").unwrap_err();
    insta::assert_snapshot!(errors.summary(), @"locald.toml:2:1: unknown key `imag` in `services.db`; did you mean `image`? (and 2 more)");
}

#[test]
fn on_a_terminal_it_is_drawn() {
    let errors = parse("[services.db]\nimag = \"ü\"\nimage = \"a\"").unwrap_err();
    insta::assert_snapshot!(errors.render(true, 80).replace('\u{1b}', "^"), @r#"
      ^[31m×^[0m unknown key `imag` in `services.db`
       ╭─[^[36;1;4m/p/shop/locald.toml:2:1^[0m]
     ^[2m1^[0m │ [services.db]
     ^[2m2^[0m │ imag = "ü"
       · ^[35;1m──┬─^[0m
       ·   ^[35;1m╰── ^[35;1mnot a key that locald knows^[0m^[0m
     ^[2m3^[0m │ image = "a"
       ╰────
    ^[36m  help: ^[0mdid you mean `image`?
            use one of: `image`, `command`, `ports`, `env`, `volumes`,
            `depends_on`, `health_check`, `restart`, `stop_signal`, `stop_grace`,
            `workdir`, `resources`, `engine`
    "#);
}

#[test]
fn a_folder_whose_name_gives_no_name() {
    let context = ParseContext {
        folder: "/p/日本".into(),
        ..context()
    };
    let errors = read_text(Path::new("/p/日本/locald.toml"), "", &context).unwrap_err();
    insta::assert_snapshot!(errors.render(false, 100), @r#"
    x no project name can be made from the folder's name, `日本`
     ,-[/p/日本/locald.toml:1:1]
     `----
    help: give the project a name:
          [project]
          name = "my-project"
    "#);
}

#[test]
fn a_name_that_is_taken() {
    let errors = parse("[project]\nname = \"personal\"").unwrap_err();
    insta::assert_snapshot!(errors.summary(), @"locald.toml:2:8: `personal` is the name of the project in your config folder; give this project another name");
}
