//! The image that most tests run: busybox and nothing else, built on the spot since no registry can be relied on.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::TestEngine;

/// What the tests call it.
pub const BUSYBOX: &str = "lt/bb:dev";

/// Builds busybox with all of its programs as an image named `tag`. Takes a fraction of a second.
///
/// # Errors
/// Which step failed and how.
pub fn busybox_image(engine: &impl TestEngine, tag: &str) -> Result<(), String> {
    let folder = engine
        .scratch("image")
        .map_err(|error| format!("no folder for the image: {error}"))?;
    let busybox = ["/usr/bin/busybox", "/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or("no busybox; install the Debian package busybox-static")?;
    let fill = || -> std::io::Result<()> {
        for name in ["bin", "tmp", "etc", "www"] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        std::fs::copy(busybox, folder.join("bin/busybox"))?;
        let programs = Command::new(busybox).arg("--list").output()?;
        for program in String::from_utf8_lossy(&programs.stdout)
            .lines()
            .filter(|&name| name != "busybox")
        {
            let link = folder.join("bin").join(program);
            if link.symlink_metadata().is_err() {
                std::os::unix::fs::symlink("busybox", link)?;
            }
        }
        Ok(())
    };
    fill().map_err(|error| format!("the image's folder: {error}"))?;
    let archive = folder.with_extension("tar");
    let packed = Command::new("tar")
        .arg("-C")
        .arg(&folder)
        .arg("-cf")
        .arg(&archive)
        .arg(".")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("tar: {error}"))?;
    if !packed.status.success() {
        return Err(format!("tar: {}", String::from_utf8_lossy(&packed.stderr)));
    }
    engine
        .command_ok(&["import", &archive.to_string_lossy(), tag])
        .map(drop)
}
