//! `cargo xtask run`: the app, with the example project.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{display::Display, engine::Engine, example, packages, sh, ui};

/// Builds and runs the app until it is quit; `once` ends it after the screenshot.
pub(crate) fn run(once: bool) -> Result<(), String> {
    packages::install(&[packages::BUILD])?;
    ui::build()?;
    sh::step("building the app");
    sh::run(&mut sh::cargo(&["build", "-p", "locald-desktop", "-p", "locald-cli"]))?;
    let display = Display::ensure()?;
    let engine = Engine::ensure()?;
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
        wait_for_host(&mut app)?;
        let example = sh::root().join("examples/shop");
        let locald = |args: &[&str]| {
            let mut command = with_env(&bin.join("locald"));
            sh::run(command.args(["--project"]).arg(&example).args(args))
        };
        if answers {
            locald(&["up", "--wait"])?;
        }
        locald(&["status"])?;
        if display.is_virtual() {
            let picture = sh::target().join("xtask/screenshot.png");
            std::fs::create_dir_all(picture.parent().unwrap_or(&picture)).map_err(|error| error.to_string())?;
            display.screenshot(&picture)?;
            sh::say(&format!("\nA screenshot of the app is in {}", picture.display()));
        }
        if once {
            if answers {
                locald(&["down"])?;
            }
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

/// Waits until the app is the user's host: a command that comes earlier would start one of its own, which the app then
/// takes over from.
fn wait_for_host(app: &mut std::process::Child) -> Result<(), String> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = folder("HOME").unwrap_or_default();
    // As locald-config has it; this crate has no dependencies.
    let runtime = match folder("XDG_RUNTIME_DIR") {
        Some(runtime) => runtime.join("locald"),
        None => folder("XDG_STATE_HOME")
            .unwrap_or_else(|| home.join(".local/state"))
            .join("locald/run"),
    };
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
