//! Runs PostgreSQL's own programs as the user that the server runs as.

use std::{
    fs::Metadata,
    io::Write as _,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use locald_core::ProblemCode;

use super::fault::Fault;
use crate::Owner;

/// A program with arguments, that reads this and must succeed; gives what it printed to standard output.
pub(crate) fn run(
    program: &Path,
    args: &[&str],
    input: &str,
    owner: Option<Owner>,
    workdir: &Path,
) -> Result<String, Fault> {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(workdir)
        // A locale that this machine lacks must not stop it, and its messages have to be known ones.
        .env("LC_ALL", "C")
        .env_remove("LANG")
        .env_remove("PGDATA")
        .env_remove("PGOPTIONS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    let failed = |error: &std::io::Error| Fault::file("could not run", program, error);
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended without reading says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = [output.stderr, output.stdout].concat();
    Err(Fault::said(&name, &String::from_utf8_lossy(&text)))
}

/// Refuses what PostgreSQL would: to run as root.
pub(crate) fn not_as_root(owner: Option<Owner>) -> Result<(), Fault> {
    let runs_as = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |owner| owner.uid);
    if runs_as != 0 {
        return Ok(());
    }
    Err(Fault::new(
        ProblemCode::RootRefused,
        "PostgreSQL does not run as root. Start locald as an ordinary user, or give its data folder to one",
    ))
}

/// Can the user that the server runs as get to this path? Only asked where that is somebody else.
pub(crate) fn reachable(path: &Path, owner: Option<Owner>) -> Result<(), Fault> {
    let Some(owner) = owner else { return Ok(()) };
    let enters = |meta: &Metadata| {
        let bit = if meta.uid() == owner.uid {
            0o100
        } else if meta.gid() == owner.gid {
            0o010
        } else {
            0o001
        };
        meta.mode() & bit != 0
    };
    let real = path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    let blocking = real
        .ancestors()
        .filter(|folder| folder.metadata().is_ok_and(|meta| meta.is_dir() && !enters(&meta)))
        .last();
    match blocking {
        None => Ok(()),
        Some(folder) => Err(Fault::new(
            ProblemCode::RootRefused,
            format!(
                "PostgreSQL does not run as root, and user {} can't get to {}: it may not enter {}. Start locald as an ordinary user",
                owner.uid,
                path.display(),
                folder.display()
            ),
        )),
    }
}
