//! Reading from the disk.

use std::fs;

use super::*;

fn message(path: &Path) -> String {
    read_file(path).unwrap_err().summary()
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(PROJECT_FILE);
    assert_eq!(message(&path), "locald.toml: the file doesn't exist");
    fs::create_dir(&path).unwrap();
    assert_eq!(
        message(&path),
        "locald.toml: this is a folder, not a file; move the folder away"
    );
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "#".repeat(1024 * 1024 + 1)).unwrap();
    assert_eq!(
        message(&path),
        "locald.toml: the file is larger than 1 MiB; check that it is the file you meant"
    );
    fs::write(&path, b"[project]\nname = \"caf\xe9\"\n").unwrap();
    assert_eq!(
        message(&path),
        "locald.toml:2:12: the file isn't UTF-8 text: byte 21 is 0xe9; save the file as UTF-8"
    );
    assert!(read_file(&path).unwrap_err().render(false, 80).contains("name = \"caf"));
    #[cfg(unix)]
    {
        fs::remove_file(&path).unwrap();
        std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(message(&path), "locald.toml: this isn't a regular file");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(PROJECT_FILE);
    fs::write(&path, "\u{feff}[project]\r\nname = \"shop\"\r\n").unwrap();
    let project = read_file(&path).unwrap();
    assert_eq!(project.name.as_str(), "shop");
    assert_eq!(project.folder, temp.path());
}

#[test]
fn the_nearest_file_upward_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let inner = temp.path().join("a/b/c");
    fs::create_dir_all(&inner).unwrap();
    fs::write(temp.path().join(PROJECT_FILE), "").unwrap();
    fs::write(temp.path().join("a").join(PROJECT_FILE), "").unwrap();
    assert_eq!(find_project(&inner), Some(temp.path().join("a").join(PROJECT_FILE)));
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_with_odd_characters_works() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let folder = temp
        .path()
        .join(std::ffi::OsStr::from_bytes(b"dir \xff \xc3\xbc \"q\""));
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join(PROJECT_FILE),
        "[services.a]\nimage = \"a\"\nvolumes = [\"v:/v\"]",
    )
    .unwrap();
    let path = find_project(&folder).unwrap();
    let project = read_file(&path).unwrap();
    assert_eq!(project.name.as_str(), "dir-q");
    assert_eq!(project.path, path);
    fs::write(&path, "x").unwrap();
    assert!(
        read_file(&path)
            .unwrap_err()
            .render(true, 80)
            .contains("locald.toml:1:")
    );
}

#[test]
fn without_settings_all_is_at_its_default() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(Settings::FILE);
    assert_eq!(Settings::load(&path).unwrap(), Settings::default());
    fs::create_dir(&path).unwrap();
    assert!(
        Settings::load(&path)
            .unwrap_err()
            .summary()
            .starts_with("settings.toml: this is a folder")
    );
}
