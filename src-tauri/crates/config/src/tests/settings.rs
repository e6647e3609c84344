//! `settings.toml`: reading it, and the edits that keep what people wrote.

use std::fs;

use super::*;

fn read(text: &str) -> Result<Settings, ConfigErrors> {
    Settings::parse(Path::new("settings.toml"), text)
}

#[test]
fn settings_read_with_defaults() {
    let none = read("").unwrap();
    assert_eq!(none, Settings::default());
    assert!(none.notifications && none.notifications_external);
    let settings = read(
        "[engine]\ndefault = \"podman\"\ndocker_host = \"unix:///run/d.sock\"\n[notifications]\nenabled = false\nexternal = false",
    )
    .unwrap();
    assert_eq!(settings.docker_host.as_deref(), Some("unix:///run/d.sock"));
    assert_eq!(settings.default_engine.as_deref(), Some("podman"));
    assert!(!settings.notifications && !settings.notifications_external);
    let text = "[engine]\ndocker_host = \"/run/d.sock\"\ndefault = \"Docker\"\n[notifications]\nenabled = \"false\"\nexternal = 0\nsound = 1";
    assert_eq!(
        told(&read(text).unwrap_err()),
        [
            "2:15 `/run/d.sock` isn't the address of an engine; write \"unix:///run/d.sock\"",
            "3:11 `Docker` isn't the name of an engine; write \"docker\"",
            "5:11 `notifications.enabled`: expected true or false, found a string; write it without quotes",
            "6:12 `notifications.external`: expected true or false, found an integer; ",
            "7:1 unknown key `sound` in `notifications`; use one of: `enabled`, `external`",
        ]
    );
}

#[test]
fn servers_of_this_machine_are_looked_for_unless_said() {
    let none = read("").unwrap();
    assert!(none.native_find && none.native_fetch && none.native_postgres.is_none());
    let settings = read("[native]\nfind = false\nfetch = false\npostgres = \"/opt/pg/bin\"").unwrap();
    assert!(!settings.native_find && !settings.native_fetch);
    assert_eq!(settings.native_postgres.as_deref(), Some(Path::new("/opt/pg/bin")));
    let text = "[native]\nfind = 1\npostgres = \"pg/bin\"\nredis = true";
    assert_eq!(
        told(&read(text).unwrap_err()),
        [
            "2:8 `native.find`: expected true or false, found an integer; ",
            "3:12 `pg/bin` isn't a whole path; write the folder of its programs, such as \"/usr/lib/postgresql/17/bin\"",
            "4:1 unknown key `redis` in `native`; use one of: `find`, `fetch`, `postgres`",
        ]
    );
}

/// The file's text after the edit.
fn edited(before: &str, engine: Option<&str>) -> String {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(Settings::FILE);
    fs::write(&path, before).unwrap();
    Settings::set_default_engine(&path, engine).unwrap();
    assert_eq!(Settings::load(&path).unwrap().default_engine.as_deref(), engine);
    fs::read_to_string(&path).unwrap()
}

#[test]
fn the_default_engine_is_set_and_all_else_stays() {
    let podman = |before: &str| edited(before, Some("podman"));
    let new = "[engine]\ndefault = \"podman\"\n";
    assert_eq!(podman(""), new);
    assert_eq!(podman("# mine"), format!("# mine\n\n{new}"));
    assert_eq!(
        podman("# mine\n[notifications] # loud\nenabled  =  true\n# the end\n"),
        format!("# mine\n[notifications] # loud\nenabled  =  true\n# the end\n\n{new}")
    );
    assert_eq!(
        podman(
            "# a\n[engine] # b\n# c\ndocker_host = \"unix:///x\" # d\n# e\n\n[notifications]\nenabled = true\n# f\n"
        ),
        "# a\n[engine] # b\n# c\ndocker_host = \"unix:///x\" # d\ndefault = \"podman\"\n# e\n\n[notifications]\nenabled = true\n# f\n"
    );
    assert_eq!(
        podman("[engine]\n# why\n  default   =   'docker'   # because\n"),
        "[engine]\n# why\n  default   =   \"podman\"   # because\n"
    );
    assert_eq!(
        podman("engine = { docker_host = \"unix:///x\" } # a\n"),
        "engine = { docker_host = \"unix:///x\", default = \"podman\" } # a\n"
    );
    assert_eq!(podman("engine = {}\n"), "engine = { default = \"podman\" }\n");
    assert_eq!(
        podman("engine.docker_host = \"unix:///x\"\nnotifications.enabled = true\n"),
        "engine.docker_host = \"unix:///x\"\nengine.default = \"podman\"\nnotifications.enabled = true\n"
    );
    assert_eq!(
        podman("[engine]\r\n# a\r\ndocker_host = \"unix:///x\"\r\n"),
        "[engine]\r\n# a\r\ndocker_host = \"unix:///x\"\r\ndefault = \"podman\"\r\n"
    );
    assert_eq!(podman(new), new);
}

#[test]
fn the_default_engine_is_taken_out_and_all_else_stays() {
    let without = |before: &str| edited(before, None);
    for same in ["", "# a\n", "[engine]\n# a\n", "engine = {}"] {
        assert_eq!(without(same), same);
    }
    assert_eq!(
        without("[engine]\n# a\ndefault = \"x\" # b\n# c\ndocker_host = \"unix:///x\"\n"),
        "[engine]\n# a\n# c\ndocker_host = \"unix:///x\"\n"
    );
    assert_eq!(
        without("# a\r\n[engine]\r\ndefault = \"x\"\r\n\r\n# b\r\n"),
        "# a\r\n[engine]\r\n\r\n# b\r\n"
    );
    assert_eq!(without("[engine]\ndefault = \"x\""), "[engine]\n");
    assert_eq!(
        without("engine.default = \"x\"\nnotifications.enabled = true\n"),
        "notifications.enabled = true\n"
    );
    assert_eq!(
        without("engine = { default = \"x\", docker_host = \"unix:///x\" } # a\n"),
        "engine = { docker_host = \"unix:///x\" } # a\n"
    );
}

#[test]
fn a_file_is_made_where_there_is_none() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("new/settings.toml");
    Settings::set_default_engine(&path, None).unwrap();
    assert!(!path.exists());
    Settings::set_default_engine(&path, Some("podman")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "[engine]\ndefault = \"podman\"\n");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_file_at_fault_is_left_to_the_person() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(Settings::FILE);
    for text in [
        "[engine\n",
        "[engine]\ndefalt = \"x\"\n",
        "engine = 1\n",
        "[[engine]]\n",
    ] {
        fs::write(&path, text).unwrap();
        let errors = Settings::set_default_engine(&path, Some("podman")).unwrap_err();
        assert_eq!(errors.faults().len(), 1, "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(&path, "# mine\n").unwrap();
    let errors = Settings::set_default_engine(&path, Some("Not One")).unwrap_err();
    assert!(errors.summary().contains("`Not One` isn't the name of an engine"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\n");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(Settings::set_default_engine(&path, Some("podman")).is_err());
    let below = temp.path().join("settings.toml.d");
    fs::write(&below, "").unwrap();
    let errors = Settings::set_default_engine(&below.join("x.toml"), Some("podman")).unwrap_err();
    assert!(
        errors.summary().contains("can't be written") || errors.summary().contains("can't be read"),
        "{errors}"
    );
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
}

#[test]
#[cfg(unix)]
fn permissions_and_links_stay() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::tempdir().unwrap();
    let (real, link) = (temp.path().join("dotfiles.toml"), temp.path().join(Settings::FILE));
    fs::write(&real, "# mine\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    Settings::set_default_engine(&link, Some("podman")).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().starts_with("# mine\n"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
}
