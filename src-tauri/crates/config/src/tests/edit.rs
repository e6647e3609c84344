//! Edits of `locald.toml` by locald.

use std::fs;

use super::*;
use crate::edit::{add_service, free_name, has, insert_section, remove_service, section_text, set, set_number, unset};

struct File {
    _temp: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(PROJECT_FILE);
        fs::write(&path, text).unwrap();
        Self { _temp: temp, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn add(&self, name: Option<&str>, entry: &str, version: Option<&str>) -> Result<String, ConfigErrors> {
        add_service(&self.path, name, entry, version)
    }
}

fn added(before: &str) -> String {
    let file = File::new(before);
    assert_eq!(file.add(Some("db"), "postgres", Some("17")).unwrap(), "db");
    file.text()
}

#[test]
fn a_service_is_added_and_all_else_stays() {
    let new = "[services.db]\ntype = \"postgres\"\nversion = \"17\"\n";
    assert_eq!(added(""), new);
    assert_eq!(added("# mine"), format!("# mine\n\n{new}"));
    assert_eq!(
        added("# a\n[services.web] # b\nimage = \"a\"\n# c\n"),
        format!("# a\n[services.web] # b\nimage = \"a\"\n# c\n\n{new}")
    );
    assert_eq!(
        added("[services.web]\r\nimage = \"a\"\r\n"),
        format!("[services.web]\r\nimage = \"a\"\r\n\r\n{}", new.replace('\n', "\r\n"))
    );
    assert_eq!(
        added("services.web.image = \"a\"\n"),
        format!("services.web.image = \"a\"\n\n{new}")
    );
    assert_eq!(
        added("services = { web = { image = \"a\" } } # x\n"),
        "services = { web = { image = \"a\" }, db = { type = \"postgres\", version = \"17\" } } # x\n"
    );
}

#[test]
fn a_file_is_made_where_there_is_none() {
    let file = File::new("");
    fs::remove_file(&file.path).unwrap();
    file.add(Some("a.b"), "redis", None).unwrap();
    assert_eq!(file.text(), "[services.\"a.b\"]\ntype = \"redis\"\n");
    assert_eq!(file.add(None, "redis", None).unwrap(), "redis");
    assert_eq!(file.add(None, "redis", None).unwrap(), "redis-2");
    let read = read_text(&file.path, &file.text(), &context()).unwrap();
    assert_eq!(read.services.len(), 3);
}

fn removed(before: &str) -> String {
    let file = File::new(before);
    remove_service(&file.path, "db").unwrap();
    file.text()
}

#[test]
fn a_service_is_taken_out_and_all_else_stays() {
    assert_eq!(
        removed(
            "# Our shop.\n\n# The database.\n# It is old.\n[services.db] # x\ntype = \"postgres\"\n# why\nversion = \"17\" # y\n\n# The front.\n[services.web]\nimage = \"a\"\n"
        ),
        "# Our shop.\n\n# The front.\n[services.web]\nimage = \"a\"\n"
    );
    assert_eq!(
        removed(
            "[services.web]\nimage = \"a\"\n\n[services.db]\ntype = \"postgres\"\n\n[services.db.health_check]\ntype = \"tcp\"\n\n[services.db.env]\nA = \"\"\"\n[services.web]\n\"\"\"\n"
        ),
        "[services.web]\nimage = \"a\"\n"
    );
    assert_eq!(
        removed(
            "[services.db]\ntype = \"postgres\"\n[services.web]\nimage = \"a\"\n[services.db.env]\nA = \"1\"\n# end\n"
        ),
        "[services.web]\nimage = \"a\"\n# end\n"
    );
    assert_eq!(
        removed("services.db.type = \"postgres\"\nservices.web.image = \"a\"\nservices.db.env.A = \"1\"\n"),
        "services.web.image = \"a\"\n"
    );
    assert_eq!(
        removed("[services]\n# a\ndb = { type = \"postgres\" }\nweb = { image = \"a\" }\n"),
        "[services]\n# a\nweb = { image = \"a\" }\n"
    );
    assert_eq!(
        removed("services = { db = { type = \"postgres\" }, web = { image = \"a\" } }\n"),
        "services = { web = { image = \"a\" } }\n"
    );
    assert_eq!(removed("[services.db]\r\ntype = \"postgres\"\r\n"), "");
    assert_eq!(
        removed("# x\n[services.web]\nimage = \"a\"\n"),
        "# x\n[services.web]\nimage = \"a\"\n"
    );
}

#[test]
fn what_others_need_stays() {
    let text = "[services.db]\ntype = \"postgres\"\n[services.web]\nimage = \"a\"\ndepends_on = [\"db\"]\n";
    let file = File::new(text);
    let errors = remove_service(&file.path, "db").unwrap_err();
    assert!(errors.summary().contains("depends on `db`"), "{errors}");
    assert_eq!(file.text(), text);
}

#[test]
fn keys_are_set_and_taken_out() {
    let file = File::new("[services.db]\ntype = \"postgres\" # x\n# y\n\n[services.web]\nimage = \"a\"\n");
    set_number(&file.path, "db", "port", 5433).unwrap();
    set(&file.path, "db", "version", "16").unwrap();
    set(&file.path, "db", "version", "17").unwrap();
    assert_eq!(
        file.text(),
        "[services.db]\ntype = \"postgres\" # x\nport = 5433\nversion = \"17\"\n# y\n\n[services.web]\nimage = \"a\"\n"
    );
    assert!(has(&file.path, "db", "port") && !has(&file.path, "web", "port") && !has(&file.path, "nope", "port"));
    unset(&file.path, "db", "port").unwrap();
    unset(&file.path, "db", "user").unwrap();
    assert_eq!(
        file.text(),
        "[services.db]\ntype = \"postgres\" # x\nversion = \"17\"\n# y\n\n[services.web]\nimage = \"a\"\n"
    );
    let before = file.text();
    for (service, key, value) in [("db", "version", "nope"), ("db", "prot", "1"), ("nope", "port", "1")] {
        assert!(set(&file.path, service, key, value).is_err(), "{service} {key}");
        assert_eq!(file.text(), before);
    }
}

#[test]
fn what_is_taken_out_can_be_put_back() {
    for text in [
        "# a\n\n# The database.\n[services.db] # x\ntype = \"postgres\"\n\n[services.db.env]\nA = \"1\"\n",
        "[services.web]\nimage = \"a\"\n\n[services.db]\ntype = \"postgres\"\n",
        "services.db.type = \"postgres\"\nservices.web.image = \"a\"\n",
    ] {
        let file = File::new(text);
        let section = section_text(&file.path, "db").unwrap();
        remove_service(&file.path, "db").unwrap();
        assert!(section_text(&file.path, "db").is_none());
        insert_section(&file.path, "db", &section).unwrap();
        assert_eq!(file.text(), text);
        assert!(
            insert_section(&file.path, "db", &section).is_err(),
            "it is there already"
        );
        assert_eq!(file.text(), text);
    }
    for text in [
        "[services]\ndb = { type = \"postgres\", env = { A = \"1\" } }\nweb = { image = \"a\" }\n",
        "services = { db = { type = \"postgres\", env = { A = \"1\" } }, web = { image = \"a\" } }\n",
    ] {
        let file = File::new(text);
        let services = || read_text(&file.path, &file.text(), &context()).unwrap().services;
        let before = services();
        let section = section_text(&file.path, "db").unwrap();
        remove_service(&file.path, "db").unwrap();
        insert_section(&file.path, "db", &section).unwrap();
        let mut after = services();
        after.reverse();
        assert_eq!(after, before);
    }
}

#[test]
fn a_file_at_fault_is_left_to_the_person() {
    for text in [
        "[services\n",
        "[services.db]\nimag = \"x\"\n",
        "[services.db]\ntype = \"postgres\"\n",
    ] {
        let file = File::new(text);
        assert!(file.add(Some("db"), "postgres", None).is_err(), "{text}");
        assert_eq!(file.text(), text);
    }
}

#[test]
fn services_of_an_own_catalog_are_no_obstacle() {
    let file = File::new("[services.mine]\ntype = \"my-own\"\n");
    file.add(None, "postgres", None).unwrap();
    set(&file.path, "mine", "version", "7").unwrap();
    assert!(file.text().contains("version = \"7\""));
}

#[test]
fn a_free_name_has_the_next_number() {
    assert_eq!(free_name(["db"].into_iter(), "postgres"), "postgres");
    assert_eq!(
        free_name(["postgres", "postgres-2"].into_iter(), "postgres"),
        "postgres-3"
    );
}
