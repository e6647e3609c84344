//! The template that new data is a copy of: what `initdb` makes, once per server.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;
use sha2::{Digest as _, Sha256};

use super::{
    Options, copy,
    fault::Fault,
    program::{not_as_root, reachable, run},
};
use crate::{
    Owner, fetch,
    servers::{Installation, linked_copy},
};

/// The superuser that a template has. No password is set for it, so nobody can log in as it.
pub(crate) const SUPERUSER: &str = "postgres";
/// An empty database in the template: giving it the wanted name takes a tenth of the time of making one.
pub(crate) const BLANK_DATABASE: &str = "locald_blank";

/// Who may connect: whoever has the password, from this machine.
const PG_HBA: &str = "\
# locald: nobody connects without a password.
local   all             all                                     scram-sha-256
host    all             all             127.0.0.1/32            scram-sha-256
host    all             all             ::1/128                 scram-sha-256
local   replication     all                                     scram-sha-256
host    replication     all             127.0.0.1/32            scram-sha-256
host    replication     all             ::1/128                 scram-sha-256
";

/// What keeps a single-user server small and quick.
pub(crate) const SMALL: [&str; 8] = [
    "-c",
    "shared_buffers=2MB",
    "-c",
    "max_connections=5",
    "-c",
    "log_checkpoints=off",
    "-c",
    "exit_on_error=on",
];

/// An installation that runs: a copy with its links made where npm made none.
pub(crate) fn linked(options: &Options, installation: Installation) -> Result<Installation, Fault> {
    if !installation.unlinked {
        return Ok(installation);
    }
    let servers = fetch::folder(&options.cache);
    linked_copy(&installation, &servers).map_err(|error| Fault::file("could not copy the server to", &servers, &error))
}

/// What tells this server from every other, also from a later build of the same version.
pub(crate) fn fingerprint(installation: &Installation, owner: Option<Owner>) -> String {
    let meta = installation.program.metadata().ok();
    let facts = meta.map(|meta| (meta.size(), meta.mtime(), meta.mtime_nsec()));
    let digest = Sha256::digest(format!("1 {:?} {facts:?} {owner:?}", installation.program));
    let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hex}", installation.full_version)
}

/// The template's folder, made if it isn't there.
pub(crate) fn make(options: &Options, installation: &Installation) -> Result<PathBuf, Fault> {
    let parent = options.cache.join("templates/postgres");
    let folder = parent.join(fingerprint(installation, options.owner));
    if folder.join("PG_VERSION").exists() {
        return Ok(folder);
    }
    not_as_root(options.owner)?;
    let failed = |error: std::io::Error| Fault::file("could not make", &folder, &error);
    std::fs::create_dir_all(&parent).map_err(failed)?;
    reachable(&parent, options.owner)?;
    reachable(&installation.bin, options.owner)?;
    let _alone = lock(&parent).map_err(failed)?;
    if folder.join("PG_VERSION").exists() {
        return Ok(folder);
    }
    let fresh = private_temp(&parent, ".template-", options.owner).map_err(failed)?;
    let made = fresh.path().join("data");
    initdb(installation, &made, options.owner, fresh.path())?;
    std::fs::write(made.join("pg_hba.conf"), PG_HBA).map_err(failed)?;
    let statement = format!("CREATE DATABASE {BLANK_DATABASE};\n\n");
    single(installation, &made, &statement, options.owner)?;
    copy::sync(&made).map_err(failed)?;
    copy::settle(&made, &folder).map_err(failed)?;
    let names: Vec<_> = folder.file_name().into_iter().collect();
    forget_older(&parent, &installation.version, &names);
    Ok(folder)
}

/// Removes what was made of earlier servers of this major, which nothing is copied from any more. No data of anybody's is
/// in it.
pub(crate) fn forget_older(parent: &Path, major: &str, keep: &[&OsStr]) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let of_major = name.to_string_lossy().starts_with(&format!("{major}."));
        if of_major && !keep.contains(&name.as_os_str()) {
            // What stays takes up room and nothing else.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn initdb(installation: &Installation, made: &Path, owner: Option<Owner>, workdir: &Path) -> Result<(), Fault> {
    let program = installation.bin.join("initdb");
    let folder = made.to_string_lossy();
    // The locale that sorts alike everywhere and knows Unicode; where it is missing, the one that never is.
    let attempt = |locale: &str| {
        let locale = format!("--locale={locale}");
        let args = [
            "-D",
            &folder,
            "-U",
            SUPERUSER,
            "-E",
            "UTF8",
            &locale,
            "--data-checksums",
            "--no-sync",
            "--auth=trust",
        ];
        run(&program, &args, "", owner, workdir)
    };
    match attempt("C.UTF-8") {
        Err(fault) if fault.detail.contains("locale") => attempt("C").map(drop),
        other => other.map(drop),
    }
}

/// Has a server that nothing can connect to run these statements (each ends with a semicolon and an empty line).
pub(crate) fn single(
    installation: &Installation,
    data: &Path,
    statements: &str,
    owner: Option<Owner>,
) -> Result<(), Fault> {
    let folder = data.to_string_lossy();
    let mut args = vec!["--single", "-j", "-D", &folder];
    args.extend(SMALL);
    args.push("postgres");
    run(&installation.program, &args, statements, owner, data).map(drop)
}

/// Held as long as the value is: others that come to lock this folder wait, in this process and in others.
pub(crate) fn lock(folder: &Path) -> std::io::Result<File> {
    let held = File::open(folder)?;
    rustix::fs::flock(&held, FlockOperation::LockExclusive)?;
    Ok(held)
}

/// A folder for this user alone that vanishes unless what is in it is moved out; those of before, which a kill left, are
/// cleared away. Only under [`lock`].
pub(crate) fn private_temp(parent: &Path, prefix: &str, owner: Option<Owner>) -> std::io::Result<tempfile::TempDir> {
    for entry in std::fs::read_dir(parent)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    let fresh = tempfile::Builder::new()
        .prefix(prefix)
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    copy::give(fresh.path(), owner)?;
    Ok(fresh)
}
