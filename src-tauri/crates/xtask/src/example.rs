//! The image that the example's services run on.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{engine::Engine, packages, sh};

/// The image in `examples/shop/locald.toml`.
const IMAGE: &str = "busybox:1.36";

/// Makes sure the image is there: fetched, or made of this machine's busybox where no registry is reached.
pub(crate) fn images(engine: &Engine) -> Result<(), String> {
    let quiet = |command: &mut Command| {
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if quiet(&mut engine.docker(&["image", "inspect", IMAGE])) {
        return Ok(());
    }
    sh::step(&format!("the example's image, {IMAGE}"));
    if quiet(&mut engine.docker(&["pull", "--quiet", IMAGE])) {
        return Ok(());
    }
    sh::say("It can't be fetched here, so it is made of this machine's own busybox.");
    packages::install(&[&["busybox-static"]])?;
    let root = sh::target().join("xtask/busybox");
    let bin = root.join("bin");
    fs::create_dir_all(&bin)
        .and_then(|()| fs::create_dir_all(root.join("tmp")))
        .map_err(|error| error.to_string())?;
    fs::copy("/bin/busybox", bin.join("busybox")).map_err(|error| format!("/bin/busybox: {error}"))?;
    let applets = sh::output("/bin/busybox", &["--list"]).unwrap_or_default();
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        let link = bin.join(applet);
        if !link.exists() {
            std::os::unix::fs::symlink("busybox", &link).map_err(|error| format!("{}: {error}", link.display()))?;
        }
    }
    let mut tar = Command::new("tar")
        .arg("-C")
        .arg(&root)
        .args(["-c", "."])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("tar: {error}"))?;
    let Some(archive) = tar.stdout.take() else {
        return Err("tar gives no output".to_owned());
    };
    sh::run(
        engine
            .docker(&["import", "-", IMAGE])
            .stdin(archive)
            .stdout(Stdio::null()),
    )?;
    tar.wait().map(|_| ()).map_err(|error| error.to_string())
}
