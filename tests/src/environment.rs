//! What a program of the private session sees: folders and settings of its own, and nothing of the caller's but `PATH`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::desktop::Appearance;
use crate::session::Bus;

/// The variables every program of the session gets, with the folders and settings they point at.
pub(crate) fn environment(
    home: &Path,
    runtime: &Path,
    display: u32,
    bus: Option<&Bus>,
    appearance: Appearance,
) -> BTreeMap<OsString, OsString> {
    let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
    for key in [
        "PATH",
        "USER",
        "LOGNAME",
        "CI",
        "LOCALD_LOG",
        "LLVM_PROFILE_FILE",
        "LD_LIBRARY_PATH",
    ] {
        if let Some(value) = std::env::var_os(key) {
            env.insert(key.into(), value);
        }
    }
    // The engines of the person running the tests, at their usual places, are none of the tests' business.
    let config = home.join(".config/locald");
    fs::create_dir_all(&config).expect("the test's folder is writable");
    fs::write(config.join("settings.toml"), "[engine]\nfind = false\n").expect("the test's folder is writable");
    let mut set = |key: &str, value: OsString| env.insert(key.into(), value);
    set("HOME", home.into());
    for (key, folder) in [
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_STATE_HOME", ".local/state"),
        ("XDG_CACHE_HOME", ".cache"),
    ] {
        fs::create_dir_all(home.join(folder)).expect("the test's folder is writable");
        set(key, home.join(folder).into());
    }
    set("XDG_RUNTIME_DIR", runtime.into());
    set("XDG_SESSION_TYPE", "x11".into());
    set("XDG_CURRENT_DESKTOP", "locald-tests".into());
    set("TMPDIR", "/tmp".into());
    set("LANG", "C.UTF-8".into());
    set("TZ", "UTC".into());
    set("RUST_BACKTRACE", "1".into());
    // Else the app would find, and change, the engine of the person running the tests.
    set(
        "DOCKER_HOST",
        format!("unix://{}", runtime.with_file_name("no-engine.sock").display()).into(),
    );
    set("DISPLAY", format!(":{display}").into());
    set("GDK_BACKEND", "x11".into());
    // Accessibility, settings and file-system daemons would be started per test and outlive it.
    set("NO_AT_BRIDGE", "1".into());
    set("GTK_A11Y", "none".into());
    set("GSETTINGS_BACKEND", "memory".into());
    set("GIO_USE_VFS", "local".into());
    // There is no GPU behind Xvfb; that WebKit must not count on one either is for the app to know.
    set("LIBGL_ALWAYS_SOFTWARE", "1".into());
    if let Some(bus) = bus {
        set("DBUS_SESSION_BUS_ADDRESS", bus.address.clone().into());
    }
    // The theme's name is what WebKit and tao both go by; `gtk-application-prefer-dark-theme` alone leaves WebKit light.
    let theme = if appearance == Appearance::Dark {
        "Adwaita-dark"
    } else {
        "Adwaita"
    };
    let gtk = home.join(".config/gtk-3.0");
    fs::create_dir_all(&gtk).expect("the test's folder is writable");
    let settings = format!("[Settings]\ngtk-theme-name={theme}\ngtk-enable-animations=0\n");
    fs::write(gtk.join("settings.ini"), settings).expect("the test's folder is writable");
    env
}
