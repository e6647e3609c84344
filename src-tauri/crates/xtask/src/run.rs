//! `cargo xtask run`: the app, with the example project.

use std::{path::Path, process::Command};

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
