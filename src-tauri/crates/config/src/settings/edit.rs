//! Edits of `settings.toml`.

use std::path::Path;

use toml_edit::Value;

use super::Settings;
use crate::{errors::ConfigErrors, text_edit};

/// Permissions of a file that didn't exist.
const NEW_MODE: u32 = 0o600;

impl Settings {
    /// Sets `[engine] default` in the file, or takes it out. Makes the file when there is none.
    ///
    /// # Errors
    /// When the file has faults, as one that locald can't read is left to the person; when `engine` can't be the name
    /// of an engine; when the file can't be written. The file is as it was then.
    pub fn set_default_engine(path: &Path, engine: Option<&str>) -> Result<(), ConfigErrors> {
        let text = text_edit::read(path)?;
        Self::parse(path, &text)?;
        let edited = match engine {
            Some(engine) => {
                text_edit::with_key(path, &text, &["engine"], "default", engine.into())?.unwrap_or_else(|| {
                    text_edit::appended(&text, &format!("[engine]\ndefault = {}\n", Value::from(engine)))
                })
            }
            None => text_edit::without_key(path, &text, &["engine"], "default")?,
        };
        Self::parse(path, &edited)?;
        text_edit::write(path, &text, &edited, NEW_MODE)
    }
}
