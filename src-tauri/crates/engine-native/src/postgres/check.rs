//! Looks at a data folder without changing anything in it.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use locald_core::ProblemCode;
use locald_engine::DataFacts;
use rustix::fs::StatVfsMountFlags;

use super::{Options, fault::Fault};

/// What every PostgreSQL's data has, from version 10 on.
const FILES: [&str; 2] = ["global/pg_control", "pg_wal"];

/// What is there; `None` when there is nothing yet.
pub(crate) fn check(options: &Options, data: &Path) -> Result<Option<DataFacts>, Fault> {
    let meta = match data.metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(data, &error)),
    };
    if !meta.is_dir() {
        return Err(foreign(format!(
            "{} is a file, and PostgreSQL's data is a folder",
            data.display()
        )));
    }
    let names: Vec<String> = match data.read_dir() {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()
            .map_err(|error| unreadable(data, &error))?,
        Err(error) => return Err(unreadable(data, &error)),
    };
    if names.is_empty() {
        return Ok(None);
    }
    let format = version(data, &names)?;
    permitted(options, data, &meta)?;
    for file in FILES {
        let path = data.join(file);
        match path.metadata() {
            Ok(meta) if meta.is_file() && meta.len() == 0 => {
                return Err(foreign(format!(
                    "the data in {} is damaged: {file} is empty",
                    data.display()
                )));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(foreign(format!(
                    "the data in {} is damaged: {file} is missing",
                    data.display()
                )));
            }
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(Some(DataFacts {
        place: data.display().to_string(),
        format: Some(format),
        size_bytes: None,
    }))
}

/// The major that the data is of.
fn version(data: &Path, names: &[String]) -> Result<String, Fault> {
    let path = data.join("PG_VERSION");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let some = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            return Err(foreign(format!(
                "what is in {} is not PostgreSQL's data (there is {some} and no PG_VERSION); nothing was changed there",
                data.display()
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    let version = text.trim();
    let sound = !version.is_empty() && version.len() < 8 && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    if sound {
        return Ok(version.to_owned());
    }
    Err(foreign(format!(
        "the data in {} is damaged: PG_VERSION holds no version",
        data.display()
    )))
}

/// PostgreSQL opens only a folder of its own user's that others can't get into.
fn permitted(options: &Options, data: &Path, meta: &Metadata) -> Result<(), Fault> {
    let needed = options
        .owner
        .map_or_else(|| rustix::process::geteuid().as_raw(), |owner| owner.uid);
    if meta.uid() != needed {
        return Err(not_permitted(format!(
            "{} belongs to user {}, and the server runs as user {needed}; PostgreSQL only opens a folder of its own user's. \
             If the data is yours: chown -R {needed} '{0}'",
            data.display(),
            meta.uid()
        )));
    }
    if meta.mode() & 0o027 != 0 {
        return Err(not_permitted(format!(
            "others can get into {} (mode {:04o}), and PostgreSQL refuses that: chmod 700 '{0}'",
            data.display(),
            meta.mode() & 0o7777
        )));
    }
    if meta.mode() & 0o700 != 0o700 {
        return Err(not_permitted(format!(
            "user {needed} may not write to {} (mode {:04o}): chmod 700 '{0}'",
            data.display(),
            meta.mode() & 0o7777
        )));
    }
    let mounted = rustix::fs::statvfs(data).map_err(|error| unreadable(data, &error.into()))?;
    if mounted.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(not_permitted(format!(
            "{} is on a file system that can't be written to",
            data.display()
        )));
    }
    Ok(())
}

fn foreign(detail: String) -> Fault {
    Fault::new(ProblemCode::DataForeign, detail)
}

fn not_permitted(detail: String) -> Fault {
    Fault::new(ProblemCode::DataNotPermitted, detail)
}

/// Names who may and who would have to.
fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let needed = rustix::process::geteuid().as_raw();
    let blocking: PathBuf = path
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok())
        .unwrap_or(path)
        .to_owned();
    match blocking.symlink_metadata() {
        Ok(meta) if error.kind() == io::ErrorKind::PermissionDenied => not_permitted(format!(
            "{} can't be read: {} belongs to user {} (mode {:04o}), and this is user {needed}",
            path.display(),
            blocking.display(),
            meta.uid(),
            meta.mode() & 0o7777
        )),
        _ => {
            let fault = Fault::file("could not read", path, error);
            // Whatever it is, nobody can be sure of what is there.
            Fault::new(ProblemCode::DataNotPermitted, fault.detail)
        }
    }
}
