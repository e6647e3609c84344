//! From a file to a TOML document: reading, and faults of the syntax in plain words.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::Path,
};

use toml_edit::{Document, Item, TableLike, TomlError, Value};

use crate::errors::{ConfigErrors, Found};

/// A file that people write is a few kilobytes; a larger one is another file.
const LIMIT: u64 = 1024 * 1024;

/// Reads a file as text.
pub(crate) fn read(path: &Path) -> Result<String, ConfigErrors> {
    let unreadable =
        |message: String, help: Option<&str>| ConfigErrors::unreadable(path, message, help.map(str::to_owned));
    let bytes = read_bytes(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unreadable("the file doesn't exist".to_owned(), None),
        io::ErrorKind::IsADirectory => {
            unreadable("this is a folder, not a file".to_owned(), Some("move the folder away"))
        }
        io::ErrorKind::PermissionDenied => unreadable(
            "the file may not be read by this user".to_owned(),
            Some("give yourself the permission to read it"),
        ),
        io::ErrorKind::FileTooLarge => unreadable(
            "the file is larger than 1 MiB".to_owned(),
            Some("check that it is the file you meant"),
        ),
        io::ErrorKind::InvalidInput => unreadable("this isn't a regular file".to_owned(), None),
        _ => unreadable(format!("the file can't be read: {error}"), None),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let message = format!(
            "the file isn't UTF-8 text: byte {at} is {:#04x}",
            error.as_bytes().get(at).unwrap_or(&0)
        );
        let fault = Found::new(at..at + '\u{fffd}'.len_utf8(), message).help("save the file as UTF-8");
        ConfigErrors::in_text(path, &text, vec![fault])
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Looked at before opening: opening a pipe would wait for its other end.
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Parses the syntax.
pub(crate) fn parse<'t>(path: &Path, text: &'t str) -> Result<Document<&'t str>, ConfigErrors> {
    Document::parse(text).map_err(|error| ConfigErrors::in_text(path, text, vec![plain(&error, text)]))
}

/// The parser's message in the words of somebody who edits a file.
fn plain(error: &TomlError, text: &str) -> Found {
    let span = error.span().unwrap_or(0..0);
    let (what, expected) = error
        .message()
        .split_once(", expected ")
        .unwrap_or((error.message(), ""));
    let (message, help) = match what {
        "duplicate key" => return duplicate(span, text),
        "string values must be quoted" => {
            let raw = text.get(span.clone()).unwrap_or("…");
            return Found::new(span, "text has to be in quotes").help(format!("write \"{raw}\""));
        }
        // What YAML takes for a number of minutes, TOML takes for a time.
        "invalid time" if is_mapping(text.get(span.clone()).unwrap_or_default()) => {
            let raw = text.get(span.clone()).unwrap_or_default();
            return Found::new(span, "a port mapping has to be in quotes").help(format!("write \"{raw}\""));
        }
        "missing value" | "missing value for key" | "invalid value" => {
            ("there is no value behind `=`", "write a value, text in quotes: \"…\"")
        }
        "key with no value" => (
            "there is no `=` behind this key",
            "write key = value; text goes in quotes",
        ),
        "missing assignment between key-value pairs" => ("there is no `=` between key and value", "write key = value"),
        "extra assignment between key-value pairs" | "extra `=`" => ("there is one `=` too many", "remove it"),
        "missing comma between array elements" => (
            "a comma or the list's closing `]` is missing here",
            "put a comma between elements, and `]` at the end",
        ),
        "missing comma between key-value pairs" => (
            "a comma or the table's closing `}` is missing here",
            "put a comma between entries, and `}` at the end",
        ),
        "extra comma in array" | "extra comma in inline table" => ("there is one comma too many", "remove it"),
        "unclosed array" => ("this list isn't closed", "add `]`"),
        "unclosed inline table" => ("this table isn't closed", "add `}`"),
        "unclosed table" | "unclosed array table" => ("this heading isn't closed", "add `]`"),
        "missing key for inline table element" => ("a key is missing here", "write key = value"),
        "unexpected `=` in array" => ("a list can't have keys", "use { key = value } for a table"),
        "invalid unquoted key" => ("this key has characters that need quotes", "write the key in quotes"),
        "unquoted keys cannot be empty" => ("a key is missing here", "write a key, such as name"),
        "carriage return must be followed by newline" => (
            "this line ends in a lone carriage return",
            "save the file with usual line ends",
        ),
        "unexpected leading zero" => (
            "a number can't begin with 0",
            "write it without the zero, or in quotes to keep it",
        ),
        "recursion limit" | "cannot recurse further; max recursion depth met" => {
            ("this is nested too deep", "use fewer brackets and dots")
        }
        "invalid comment character" => ("this comment has a control character", "remove it"),
        "missing escaped value" | "too few unicode value digits" => (
            "this isn't an escape sequence",
            "write `\\\\` for a backslash, or put the text in single quotes",
        ),
        "integer number overflowed" | "floating-point number overflowed" => {
            ("this number is too large", "write it in quotes to keep it as text")
        }
        _ if what.contains("opening quote") || expected.contains('"') || expected.contains('\'') => {
            ("this text isn't closed", "add the closing quote")
        }
        _ => {
            let expected = if expected.is_empty() {
                String::new()
            } else {
                format!(": expected {expected}")
            };
            return Found::new(span, format!("this isn't TOML: {what}{expected}"));
        }
    };
    Found::new(span, message).help(help)
}

/// `2122:22`.
fn is_mapping(raw: &str) -> bool {
    raw.contains(':') && raw.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.'))
}

/// Something that is there twice, with the place of the first. The document up to the second is parsed again with
/// the second renamed; the first then is its neighbour in the table.
fn duplicate(span: Range<usize>, text: &str) -> Found {
    const STAND_IN: &str = "locald-second";
    let key = text.get(span.clone()).unwrap_or_default();
    let name = toml_edit::Key::parse(key)
        .ok()
        .and_then(|keys| Some(keys.last()?.get().to_owned()));
    let name = name.unwrap_or_else(|| key.to_owned());
    let found = Found::new(span.clone(), format!("`{name}` is there twice"))
        .label("the second")
        .help("remove one, or rename it");
    let line_end = text
        .get(span.end..)
        .and_then(|rest| rest.find('\n'))
        .map_or(text.len(), |at| span.end + at);
    let mut renamed = text.to_owned();
    renamed.replace_range(span.clone(), STAND_IN);
    // A value that goes on over further lines makes the cut text unreadable; the whole may still do.
    let cut = renamed
        .get(..line_end - span.len() + STAND_IN.len())
        .unwrap_or(&renamed)
        .to_owned();
    let first = [cut, renamed]
        .into_iter()
        .filter_map(|text| Document::parse(text).ok())
        .find_map(|document| first_of(document.as_table(), STAND_IN, &name));
    match first {
        Some(first) if first.end <= span.start => found.also(first, "the first"),
        _ => found,
    }
}

fn first_of(table: &dyn TableLike, stand_in: &str, name: &str) -> Option<Range<usize>> {
    if table.contains_key(stand_in) {
        return table.key(name)?.span();
    }
    table.iter().find_map(|(_, item)| match item {
        Item::ArrayOfTables(tables) => tables.iter().find_map(|table| first_of(table, stand_in, name)),
        Item::Value(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_inline_table)
            .find_map(|table| first_of(table, stand_in, name)),
        item => first_of(item.as_table_like()?, stand_in, name),
    })
}
