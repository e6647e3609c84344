//! Edits of project files.

use std::path::{Path, PathBuf};

use locald_config::{ConfigErrors, PROJECT_FILE, edit};

use crate::RequestError;

/// The file of the project in a folder.
pub(super) fn file_in(folder: &Path) -> PathBuf {
    folder.join(PROJECT_FILE)
}

pub(super) fn refused(errors: ConfigErrors) -> RequestError {
    RequestError::Config(Box::new(errors))
}

/// Sets a key of a service's section; unless `always`, only where the file has it.
pub(super) fn set(folder: &Path, service: &str, key: &str, value: &str, always: bool) -> Result<(), RequestError> {
    let path = file_in(folder);
    if always || edit::has(&path, service, key) {
        edit::set(&path, service, key, value).map_err(refused)?;
    }
    Ok(())
}

/// Sets the port of a service where its file names one.
pub(super) fn set_port(folder: &Path, service: &str, port: u16) -> Result<(), RequestError> {
    let path = file_in(folder);
    if edit::has(&path, service, "port") {
        edit::set_number(&path, service, "port", i64::from(port)).map_err(refused)?;
    }
    Ok(())
}
