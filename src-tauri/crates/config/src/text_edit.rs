//! Edits of files that keep what people wrote: comments, order and line ends.

use std::{ops::Range, path::Path};

use toml_edit::{InlineTable, Item, TableLike, Value};

use crate::{atomic::write_atomically, errors::ConfigErrors, source};

/// The file's text, which is empty when there is none.
pub(crate) fn read(path: &Path) -> Result<String, ConfigErrors> {
    let missing = matches!(path.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound);
    if missing { Ok(String::new()) } else { source::read(path) }
}

/// Writes the file when its text changed. `new_mode` is for one that didn't exist.
pub(crate) fn write(path: &Path, before: &str, after: &str, new_mode: u32) -> Result<(), ConfigErrors> {
    if before == after {
        return Ok(());
    }
    write_atomically(path, after.as_bytes(), mode(path, new_mode)).map_err(|error| {
        let help = "check that the folder and the file may be written by this user";
        ConfigErrors::unreadable(
            path,
            format!("the file can't be written: {error}"),
            Some(help.to_owned()),
        )
    })
}

/// Sets a key of a table; `None` when there is no such table.
pub(crate) fn with_key(
    path: &Path,
    text: &str,
    table: &[&str],
    key: &str,
    value: Value,
) -> Result<Option<String>, ConfigErrors> {
    let mut document = source::parse(path, text)?.into_mut();
    let Some(item) = at_mut(document.as_item_mut(), table) else {
        return Ok(None);
    };
    let Some(found) = item.as_table_like_mut() else {
        return Ok(None);
    };
    match found.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => {
            found.insert(key, Item::Value(value));
            if let Some(inline) = item.as_inline_table_mut() {
                hand_on_the_end(inline);
            }
        }
    }
    Ok(Some(with_line_ends_of(text, document.to_string())))
}

/// Takes a key of a table out.
pub(crate) fn without_key(path: &Path, text: &str, table: &[&str], key: &str) -> Result<String, ConfigErrors> {
    let document = source::parse(path, text)?;
    let Some(item) = at(document.as_item(), table) else {
        return Ok(text.to_owned());
    };
    let spans = item.as_table_like().and_then(|table| {
        let value = table.get(key)?.as_value()?.span()?;
        Some(table.key(key)?.span()?.start..value.end)
    });
    let Some(span) = spans else {
        return Ok(text.to_owned());
    };
    if item.is_inline_table() {
        let mut document = document.into_mut();
        if let Some(table) = at_mut(document.as_item_mut(), table).and_then(Item::as_table_like_mut) {
            table.remove(key);
        }
        return Ok(with_line_ends_of(text, document.to_string()));
    }
    // As text: a comment above the line belongs to the key within the document and would go with it.
    let lines = whole_lines(text, &span);
    Ok(without(text, &[lines]))
}

/// Adds lines at the end of the file, behind an empty one.
pub(crate) fn appended(text: &str, lines: &str) -> String {
    // As text: within the document a comment at the file's end would come behind a new table.
    let gap = match text {
        "" => "",
        _ if text.ends_with("\n\n") || text.ends_with("\n\r\n") => "",
        _ if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    with_line_ends_of(text, format!("{text}{gap}{lines}"))
}

/// What stood between the last entry and the closing brace is to stand there still, not in front of the new comma.
pub(crate) fn hand_on_the_end(table: &mut InlineTable) {
    let mut values: Vec<_> = table.iter_mut().map(|(_, value)| value.decor_mut()).collect();
    if let [.., before, last] = &mut values[..] {
        last.set_suffix(before.suffix().cloned().unwrap_or_default());
        last.set_prefix(" ");
        before.set_suffix("");
    }
}

/// From the beginning of the first line of a span to behind the end of its last.
pub(crate) fn whole_lines(text: &str, span: &Range<usize>) -> Range<usize> {
    let begin = text.get(..span.start).and_then(|before| before.rfind('\n'));
    let end = text.get(span.end..).and_then(|after| after.find('\n'));
    begin.map_or(0, |at| at + 1)..end.map_or(text.len(), |at| span.end + at + 1)
}

/// The text without some parts of it, which are in order.
pub(crate) fn without(text: &str, parts: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for part in parts {
        out.push_str(text.get(from..part.start).unwrap_or_default());
        from = from.max(part.end);
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// New lines come with plain line ends; a file made on Windows keeps its own.
pub(crate) fn with_line_ends_of(text: &str, edited: String) -> String {
    let windows = text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count();
    if windows {
        edited.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        edited
    }
}

pub(crate) fn at<'d>(item: &'d Item, path: &[&str]) -> Option<&'d Item> {
    path.iter()
        .try_fold(item, |item, key| item.as_table_like().and_then(|table| table.get(key)))
}

fn at_mut<'d>(item: &'d mut Item, path: &[&str]) -> Option<&'d mut Item> {
    path.iter().try_fold(item, |item, key| {
        item.as_table_like_mut()
            .and_then(|table: &mut dyn TableLike| table.get_mut(key))
    })
}

#[cfg(unix)]
fn mode(path: &Path, new: u32) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).map_or(new, |metadata| metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path, new: u32) -> u32 {
    new
}
