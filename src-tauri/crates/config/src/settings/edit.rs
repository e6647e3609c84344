//! Edits of `settings.toml` that keep what people wrote: comments, order and line ends.

use std::path::Path;

use toml_edit::{InlineTable, Item, Value};

use super::Settings;
use crate::{atomic::write_atomically, errors::ConfigErrors, source};

/// Permissions of a file that didn't exist.
const NEW_MODE: u32 = 0o600;

impl Settings {
    /// Sets `[engine] default` in the file, or takes it out. Makes the file when there is none.
    ///
    /// # Errors
    /// When the file has faults, as one that locald can't read is left to the person; when `engine` can't be the name
    /// of an engine; when the file can't be written. The file is as it was then.
    pub fn set_default_engine(path: &Path, engine: Option<&str>) -> Result<(), ConfigErrors> {
        let missing = matches!(path.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound);
        let text = if missing { String::new() } else { source::read(path)? };
        Self::parse(path, &text)?;
        let edited = match engine {
            Some(engine) => with_default(path, &text, engine)?,
            None => without_default(path, &text)?,
        };
        Self::parse(path, &edited)?;
        if edited == text {
            return Ok(());
        }
        write_atomically(path, edited.as_bytes(), mode(path)).map_err(|error| {
            let help = "check that the folder and the file may be written by this user";
            ConfigErrors::unreadable(
                path,
                format!("the file can't be written: {error}"),
                Some(help.to_owned()),
            )
        })
    }
}

fn with_default(path: &Path, text: &str, engine: &str) -> Result<String, ConfigErrors> {
    let mut document = source::parse(path, text)?.into_mut();
    let Some(table) = document.get_mut("engine").and_then(Item::as_table_like_mut) else {
        // As text: within the document a comment at the file's end would come behind the new table.
        let gap = match text {
            "" => "",
            _ if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        let edited = format!("{text}{gap}[engine]\ndefault = {}\n", Value::from(engine));
        return Ok(with_line_ends_of(text, edited));
    };
    match table.get_mut("default").and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = Value::from(engine);
            *old.decor_mut() = decor;
        }
        None => {
            table.insert("default", Item::Value(engine.into()));
            if let Some(inline) = document.get_mut("engine").and_then(Item::as_inline_table_mut) {
                hand_on_the_end(inline);
            }
        }
    }
    Ok(with_line_ends_of(text, document.to_string()))
}

/// What stood between the last entry and the closing brace is to stand there still, not in front of the new comma.
fn hand_on_the_end(table: &mut InlineTable) {
    let mut values: Vec<_> = table.iter_mut().map(|(_, value)| value.decor_mut()).collect();
    if let [.., before, last] = &mut values[..] {
        last.set_suffix(before.suffix().cloned().unwrap_or_default());
        last.set_prefix(" ");
        before.set_suffix("");
    }
}

fn without_default(path: &Path, text: &str) -> Result<String, ConfigErrors> {
    let document = source::parse(path, text)?;
    let Some(engine) = document.get("engine") else {
        return Ok(text.to_owned());
    };
    let spans = engine.as_table_like().and_then(|table| {
        let value = table.get("default")?.span()?;
        Some((table.key("default")?.span()?, value))
    });
    let Some((key, value)) = spans else {
        return Ok(text.to_owned());
    };
    if engine.is_inline_table() {
        let mut document = document.into_mut();
        if let Some(table) = document.get_mut("engine").and_then(Item::as_table_like_mut) {
            table.remove("default");
        }
        return Ok(with_line_ends_of(text, document.to_string()));
    }
    // As text: a comment above the line belongs to the key within the document and would go with it.
    let begin = text.get(..key.start).and_then(|before| before.rfind('\n'));
    let end = text.get(value.end..).and_then(|after| after.find('\n'));
    let before = text.get(..begin.map_or(0, |at| at + 1)).unwrap_or_default();
    let after = end.and_then(|at| text.get(value.end + at + 1..)).unwrap_or_default();
    Ok(format!("{before}{after}"))
}

/// New lines come with plain line ends; a file made on Windows keeps its own.
fn with_line_ends_of(text: &str, edited: String) -> String {
    let windows = text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count();
    if windows {
        edited.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        edited
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).map_or(NEW_MODE, |metadata| metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> u32 {
    NEW_MODE
}
