//! `cargo xtask run`: the app, with the example project.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{display::Display, engine::Engine, example, packages, sh, ui};

/// Builds and runs the app until it is quit; `once` ends it after the screenshot.
/// With `private_engine`, root gets a Docker engine of its own where none answers.
pub(crate) fn run(once: bool, private_engine: bool) -> Result<(), String> {
    packages::install(&[packages::BUILD, packages::POSTGRES])?;
    ui::build()?;
    sh::step("building the app");
    sh::run(&mut sh::cargo(&[
        "build",
        "-p",
        "locald-desktop",
        "-p",
        "locald-cli",
        "-p",
        "locald-engine-native",
    ]))?;
    let mut display = Display::ensure()?;
    let runtime = own_folders(&mut display)?;
    let engine = if private_engine {
        Engine::ensure()?
    } else {
        Engine::find()
    };
    let answers = engine.answers();
    if answers {
        example::images(&engine)?;
    }
    let bin = sh::target().join("debug");
    let with_env = |program: &Path| {
        let mut command = Command::new(program);
        command.envs(display.env.iter().cloned());
        if let Some(host) = &engine.host {
            command.env("DOCKER_HOST", host);
        }
        command
    };
    sh::step("starting the app");
    let mut app = with_env(&bin.join("locald-desktop"))
        .spawn()
        .map_err(|error| format!("locald-desktop: {error}"))?;
    let result = (|| {
        wait_for_host(&mut app, &runtime)?;
        let example = sh::root().join(if answers { "examples/shop" } else { "examples/database" });
        let locald = |args: &[&str]| {
            let mut command = with_env(&bin.join("locald"));
            sh::run(command.args(["--project"]).arg(&example).args(args))
        };
        locald(&["up", "--wait"])?;
        locald(&["status"])?;
        if !answers {
            sh::say("\nNo container engine answers, and none is needed. The database's URL:");
            locald(&["url", "db"])?;
        }
        if display.is_virtual() {
            let picture = sh::target().join("xtask/screenshot.png");
            std::fs::create_dir_all(picture.parent().unwrap_or(&picture)).map_err(|error| error.to_string())?;
            display.screenshot(&picture)?;
            sh::say(&format!("\nA screenshot of the app is in {}", picture.display()));
        }
        if once {
            locald(&["down"])?;
            return Ok(());
        }
        sh::say("\nThe app runs; end it with Ctrl-C. In another terminal, `locald` is:");
        let env: Vec<String> = engine
            .host
            .iter()
            .map(|host| format!("DOCKER_HOST={host} "))
            .chain(display.env.iter().map(|(name, value)| format!("{name}={value} ")))
            .collect();
        sh::say(&format!("  {}{}", env.concat(), bin.join("locald").display()));
        app.wait().map(|_| ()).map_err(|error| error.to_string())
    })();
    // Both paths: it must not outlive the display it is on.
    let _ = Command::new("kill")
        .arg(app.id().to_string())
        .stderr(std::process::Stdio::null())
        .status();
    let _ = app.wait();
    result
}

/// Gives the app folders of its own, so that a locald that the person uses, or another checkout's, is left alone. The
/// runtime folder stays the session's where there is one: a compositor's socket may be in it. Gives locald's in it.
fn own_folders(display: &mut Display) -> Result<PathBuf, String> {
    let home = home()?;
    for (name, folder) in [
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_CACHE_HOME", "cache"),
    ] {
        display
            .env
            .push((name.to_owned(), home.join(folder).display().to_string()));
    }
    // The remembered projects may be another checkout's, where target folders are shared.
    let _ = std::fs::remove_dir_all(home.join("state"));
    let session = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    match session.filter(|_| !display.is_virtual()) {
        Some(session) => Ok(session.join("locald")),
        None => {
            // Outside the target folder: a socket's path has at most 107 bytes.
            let runtime = std::env::temp_dir().join(format!("locald-run-{}", std::process::id()));
            let mut builder = std::fs::DirBuilder::new();
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder
                .create(&runtime)
                .map_err(|error| format!("{}: {error}", runtime.display()))?;
            display
                .env
                .push(("XDG_RUNTIME_DIR".to_owned(), runtime.display().to_string()));
            Ok(runtime.join("locald"))
        }
    }
}

/// Where all of it is. Servers refuse to run as root, so root's are lent to `nobody`: locald runs them as the owner of its
/// data folder. A folder of root's own is no way to it.
fn home() -> Result<PathBuf, String> {
    if !sh::is_root() {
        return Ok(sh::target().join("xtask/home"));
    }
    let home = PathBuf::from("/var/lib/locald-run");
    let data = home.join("data/locald");
    let failed = |error: std::io::Error| format!("{}: {error}", data.display());
    std::fs::create_dir_all(&data).map_err(failed)?;
    std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).map_err(failed)?;
    Ok(home)
}

/// The user of that name on Debian and Ubuntu.
const NOBODY: u32 = 65534;

/// Waits until the app is the user's host: a command that comes earlier would start one of its own, which the app then
/// takes over from.
fn wait_for_host(app: &mut std::process::Child, runtime: &Path) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let pid = std::fs::read_to_string(runtime.join("lock")).unwrap_or_default();
        if pid.trim() == app.id().to_string() && runtime.join("control.sock").exists() {
            return Ok(());
        }
        match app.try_wait() {
            Ok(Some(status)) if !status.success() => return Err(format!("the app ended: {status}")),
            // Another one runs already, and was shown.
            Ok(Some(_)) => return Ok(()),
            _ if Instant::now() > deadline => return Err("the app did not come up".to_owned()),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
