//! What a test needs on this machine. Missing: a failure when `CI` is set, a loud skip when not.

use std::path::{Path, PathBuf};

/// Programs the private desktop is made of, and the Debian package of each.
const DESKTOP: &[(&str, &str)] = &[
    ("Xvfb", "xvfb"),
    ("dbus-daemon", "dbus"),
    ("openbox", "openbox"),
    ("wmctrl", "wmctrl"),
    ("xdotool", "xdotool"),
    ("xprop", "x11-utils"),
    ("import", "imagemagick"),
    ("setpriv", "util-linux"),
];

const WEB_VIEW: &[(&str, &str)] = &[("WebKitWebDriver", "webkit2gtk-driver")];

/// Whether a [`Desktop`](crate::Desktop) can be started here.
pub fn desktop() -> bool {
    programs(DESKTOP)
}

/// Whether a [`WebView`](crate::WebView) can be driven here, on a desktop.
pub fn web_view() -> bool {
    programs(DESKTOP) && programs(WEB_VIEW)
}

/// Whether this machine has a PostgreSQL server of Debian's.
///
/// # Panics
/// When it hasn't and `CI` is set.
pub fn postgres() -> bool {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = folders
        .into_iter()
        .any(|folder| folder.path().join("bin/postgres").is_file());
    found || unmet("no PostgreSQL server; on Debian: apt-get install postgresql-15")
}

/// Whether all of these (program, Debian package) are here.
///
/// # Panics
/// When one is missing and `CI` is set.
pub fn programs(wanted: &[(&str, &str)]) -> bool {
    let missing: Vec<_> = wanted.iter().filter(|(program, _)| find(program).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    unmet(&format!(
        "{} not found; on Debian: apt-get install {}",
        programs.join(", "),
        packages.join(" ")
    ))
}

/// Fails with `reason` when `CI` is set, else reports the skip and returns false.
///
/// # Panics
/// When `CI` is set.
pub fn unmet(reason: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "needed for this test: {reason}");
    eprintln!("\n!!! SKIPPED {}: {reason}\n", crate::failure::test_name());
    false
}

/// The full path of `program`, looked up as a shell would.
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned(), Path::new("/sbin").to_owned()])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
