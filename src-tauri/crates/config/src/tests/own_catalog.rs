//! A person's own catalog entries, and what is told of slips in them.

use std::fs;

use super::*;
use crate::catalog::{CATALOG_FOLDER, Catalog};

const MINE: &str = r#"name = "echo"
title = "Echo"
description = "says it again"
category = "other"
aliases = ["parrot"]

[versions]
list = ["2", "1"]

[[ports]]
name = "http"
port = 80
well_known = 8080

[container]
image = "me/echo:{version}"

[connect]
url = "http://{host}:{port}"
"#;

fn folders(files: &[(&str, &str)]) -> (tempfile::TempDir, Folders) {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let folders = Folders {
        config: at("config"),
        data: at("data"),
        state: at("state"),
        cache: at("cache"),
        runtime: at("run"),
    };
    let folder = folders.config.join(CATALOG_FOLDER);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    (temp, folders)
}

#[test]
fn own_entries_stand_beside_and_in_place() {
    let redis = MINE.replace("\"echo\"", "\"redis\"").replace("parrot", "other");
    let files = [("a.toml", MINE), ("b.toml", &*redis), ("c.txt", "x"), ("d.toml", MINE)];
    let (_temp, folders) = folders(&files);
    let (catalog, complaints) = Catalog::load(&folders);
    let told: Vec<_> = complaints.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["d.toml: another file of this folder describes `echo` already; remove one of them, or rename it"]
    );
    assert_eq!(catalog.entries().count(), Catalog::built_in().entries().count() + 1);
    assert!(catalog.entry("redis").unwrap().is_own());
    let echo = catalog.entry("parrot").unwrap();
    assert_eq!(echo.default_version(), "2");
    assert!(echo.item(&[]).own && echo.item(&[]).icon.is_none());
    assert!(echo.accepts("1") && !echo.accepts("3"));
    assert_eq!(echo.image("1"), "me/echo:1");
}

#[test]
fn without_a_folder_there_is_nothing_to_complain_of() {
    let (temp, folders) = folders(&[]);
    drop(temp);
    let (catalog, complaints) = Catalog::load(&folders);
    assert!(complaints.is_empty() && catalog.entry("postgres").is_some());
}

#[test]
fn a_broken_entry_is_told_and_harms_no_other() {
    let slips = [
        ("category = \"other\"", "category = \"mine\"\ncolour = 1"),
        (
            "aliases = [\"parrot\"]",
            "aliases = [\"No Name\"]\nicon = \"<svg onload='x'></svg>\"",
        ),
        ("list = [\"2\", \"1\"]", "list = [\"2\"]\ndefault = \"3\"\nparts = 9"),
        ("port = 80\n", "port = 0\n"),
        ("me/echo:{version}", "Me/Echo:{version}"),
    ];
    let broken = slips
        .iter()
        .fold(MINE.to_owned(), |text, (right, wrong)| text.replace(right, wrong));
    let (_temp, folders) = folders(&[("a.toml", &broken), ("b.toml", MINE)]);
    let (catalog, complaints) = Catalog::load(&folders);
    assert!(catalog.entry("echo").is_some());
    assert_eq!(complaints.len(), 1);
    insta::assert_debug_snapshot!(told(&complaints[0]), @r#"
    [
        "4:12 `category` can't be \"mine\"; use one of: `database`, `cache`, `queue`, `search`, `storage`, `mail`, `other`",
        "5:1 unknown key `colour`; use one of: `name`, `title`, `description`, `category`, `aliases`, `icon`, `versions`, `ports`, `credentials`, `container`, `health_check`, `connect`, `stop`, `transfer`, `native`",
        "6:12 `No Name` has the character `N`; use a-z, 0-9, `-`, `_` and `.`, and begin and end with a letter or digit; write a name such as \"postgres\"",
        "7:8 an icon can't have `on`; draw it with paths, circles and rectangles alone",
        "11:11 `3` isn't in the list of versions; versions of the list: `2`",
        "12:9 `versions.parts` can't be 9; write a number from 0 to 4",
        "16:8 `ports.port` can't be 0; write a number from 1 to 65535",
    ]
    "#);
}

#[test]
fn templates_are_checked() {
    let text = MINE
        .replace(
            "[container]",
            "[credentials]\nuser = \"u\"\npassword = true\n\n[health_check]\nprotocol = \"gopher\"\n\n[native]\nprograms = [\"echo\"]\nargs = [\"{password}\", \"{dtaa}\"]\n\n[container]\ncommand = [\"-p\", \"{password}\"]\nenv = { A = \"{database}\", B = \"{port.web}\", C = \"{user|shout}\", D = \"{\", E = \"{data}\" }",
        );
    let (_temp, folders) = folders(&[("a.toml", &text)]);
    let (_, complaints) = Catalog::load(&folders);
    insta::assert_debug_snapshot!(told(&complaints[0]), @r#"
    [
        "20:12 `health_check.protocol` can't be \"gopher\"; use one of: `postgres`, `mysql`, `redis`, `mongodb`, `amqp`, `nats`, `memcached`, `mqtt`, `kafka`, `etcd`, `clickhouse`, `smtp`, `http`, `tcp`",
        "24:10 the password can't stand here, where other programs can read it; put it into the environment or a file",
        "24:24 there is nothing to put in for `{dtaa}`; did you mean `data`?",
        "27:19 the password can't stand here, where other programs can read it; put it into the environment or a file",
        "28:14 there is nothing to put in for `{database}`; use one of: `user`, `password`, `host`, `port`, `service`, `version`, `port.http`",
        "28:32 there is nothing to put in for `{port.web}`; use one of: `user`, `password`, `host`, `port`, `service`, `version`, `port.http`",
        "28:50 `shout` isn't a way to write a value; use one of: `url`, `sql`, `identifier`, `quoted`",
        "28:69 a brace stands alone; write `{{` or `}}` for a plain brace",
        "28:79 there is nothing to put in for `{data}`; use one of: `user`, `password`, `host`, `port`, `service`, `version`, `port.http`",
    ]
    "#);
}

#[test]
fn the_description_of_the_format_holds() {
    let readme = include_str!("../../catalog/README.md");
    let (_, after) = readme.split_once("```toml\n").unwrap();
    let (example, _) = after.split_once("```").unwrap();
    let (_temp, folders) = folders(&[("echo.toml", example)]);
    let (catalog, complaints) = Catalog::load(&folders);
    let told: Vec<_> = complaints.iter().flat_map(told).collect();
    assert!(told.is_empty(), "{told:#?}");
    let services = crate::parse_project(
        Path::new("/p/shop/locald.toml"),
        "[services.a]\ntype = \"parrot\"\nuser = \"ada\"",
        &context(),
        &catalog,
        &mut crate::provision::Fixed::default(),
    );
    let services = services.unwrap().services;
    let managed = services[0].managed().unwrap();
    assert_eq!(managed.container.image, "me/echo:v2.0.1");
    assert_eq!(managed.container.env["ECHO_USER"], "ada");
    assert_eq!(
        managed.native.as_ref().unwrap().files["echo.conf"],
        "password \"password\""
    );
}
