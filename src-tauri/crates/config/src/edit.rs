//! Edits of a project's file that keep what people wrote. Each edit reads the file, and writes it only when it is sound
//! before and after; else the file stays as it was, and the faults are told. Services of a person's own catalog aren't
//! looked up: whoever loads the file does that.

use std::{ops::Range, path::Path};

use toml_edit::{InlineTable, Item, Key, Table, TableLike, Value};

use crate::{
    catalog::Catalog,
    errors::ConfigErrors,
    project::{ParseContext, parse_project},
    provision::Fixed,
    source, text_edit,
};

/// Permissions of a file that didn't exist: a project's is for all who work on it, and no password is written to it.
const NEW_MODE: u32 = 0o644;

const SERVICES: &str = "services";

/// Adds a service of a catalog entry, and gives its name: the entry's, with a number behind it where there is one already,
/// when none is named. Makes the file when there is none.
///
/// # Errors
/// When the file has faults or would have, such as by a name that is there already; when it can't be written.
pub fn add_service(
    path: &Path,
    name: Option<&str>,
    entry: &str,
    version: Option<&str>,
) -> Result<String, ConfigErrors> {
    let mut chosen = name.unwrap_or_default().to_owned();
    apply(path, |text| {
        let document = source::parse(path, text)?;
        let services = document.get(SERVICES);
        if name.is_none() {
            let table = services.and_then(Item::as_table_like);
            let existing: Vec<_> = table
                .iter()
                .flat_map(|table| table.iter())
                .map(|(name, _)| name)
                .collect();
            chosen = free_name(existing.into_iter(), entry);
        }
        let keys = [("type", Some(entry)), ("version", version)];
        let keys = keys.into_iter().filter_map(|(key, value)| Some((key, value?)));
        if let Some(inline) = services.and_then(Item::as_inline_table)
            && !inline.contains_key(&chosen)
        {
            let mut table = InlineTable::new();
            table.extend(keys);
            let edited = text_edit::with_key(path, text, &[SERVICES], &chosen, table.into())?;
            return Ok(edited.unwrap_or_else(|| text.to_owned()));
        }
        let mut lines = heading(&chosen);
        for (key, value) in keys {
            lines.push_str(&format!("{key} = {}\n", Value::from(value)));
        }
        Ok(text_edit::appended(text, &lines))
    })?;
    Ok(chosen)
}

/// Takes a service out, with the comment right above it. Without one of that name the file stays as it is.
///
/// # Errors
/// When the file has faults or would have, such as when other services need this one; when it can't be written.
pub fn remove_service(path: &Path, name: &str) -> Result<(), ConfigErrors> {
    apply(path, |text| {
        let document = source::parse(path, text)?;
        if document.get(SERVICES).is_some_and(Item::is_inline_table) {
            let mut document = document.into_mut();
            if let Some(table) = document.get_mut(SERVICES).and_then(Item::as_table_like_mut) {
                table.remove(name);
            }
            return Ok(text_edit::with_line_ends_of(text, document.to_string()));
        }
        Ok(closed_up(text, &parts_of(text, document.as_item(), name)))
    })
}

/// A service's part of the file, as [`insert_section`] takes it; `None` when there is none or the file can't be read.
#[must_use]
pub fn section_text(path: &Path, name: &str) -> Option<String> {
    let text = text_edit::read(path).ok()?;
    let document = source::parse(path, &text).ok()?;
    let item = text_edit::at(document.as_item(), &[SERVICES, name])?;
    let parts = parts_of(&text, document.as_item(), name);
    let lines: String = parts.iter().filter_map(|part| text.get(part.clone())).collect();
    let alone = source::parse(path, &lines).is_ok_and(|alone| {
        let there = text_edit::at(alone.as_item(), &[SERVICES, name]).is_some();
        there && alone.as_table().len() == 1
    });
    if alone {
        return Some(lines);
    }
    let table = item.as_inline_table()?.clone().into_table();
    Some(format!("{}{table}", heading(name)))
}

/// Puts back what [`section_text`] told.
///
/// # Errors
/// When the file has faults or would have, such as by a service of this name; when it can't be written.
pub fn insert_section(path: &Path, name: &str, section: &str) -> Result<(), ConfigErrors> {
    apply(path, |text| {
        let document = source::parse(path, text)?;
        if !document.get(SERVICES).is_some_and(Item::is_inline_table) {
            let dotted = !section.trim_start().starts_with(['[', '#']);
            return Ok(if dotted {
                // Without a heading of their own, such lines belong before the first one.
                text_edit::with_line_ends_of(text, format!("{}\n{text}", section.trim_end()))
            } else {
                text_edit::appended(text, section)
            });
        }
        let section = source::parse(path, section)?.into_mut();
        let table = text_edit::at(section.as_item(), &[SERVICES, name]).cloned();
        let Some(Ok(table)) = table.map(Item::into_value) else {
            return Ok(text.to_owned());
        };
        let edited = text_edit::with_key(path, text, &[SERVICES], name, table)?;
        Ok(edited.unwrap_or_else(|| text.to_owned()))
    })
}

/// Does a service have this key in the file?
#[must_use]
pub fn has(path: &Path, service: &str, key: &str) -> bool {
    let Ok(text) = text_edit::read(path) else { return false };
    source::parse(path, &text)
        .is_ok_and(|document| text_edit::at(document.as_item(), &[SERVICES, service, key]).is_some())
}

/// Sets a key of a service to a text.
///
/// # Errors
/// When the file has faults or would have; when it has no such service; when it can't be written.
pub fn set(path: &Path, service: &str, key: &str, value: &str) -> Result<(), ConfigErrors> {
    set_value(path, service, key, value.into())
}

/// Sets a key of a service to a number.
///
/// # Errors
/// As [`set`].
pub fn set_number(path: &Path, service: &str, key: &str, value: i64) -> Result<(), ConfigErrors> {
    set_value(path, service, key, value.into())
}

/// Takes a key of a service out.
///
/// # Errors
/// When the file has faults or would have; when it can't be written.
pub fn unset(path: &Path, service: &str, key: &str) -> Result<(), ConfigErrors> {
    apply(path, |text| {
        text_edit::without_key(path, text, &[SERVICES, service], key)
    })
}

fn set_value(path: &Path, service: &str, key: &str, value: Value) -> Result<(), ConfigErrors> {
    apply(path, |text| {
        text_edit::with_key(path, text, &[SERVICES, service], key, value)?.ok_or_else(|| {
            let message = format!("there is no service `{service}` in it");
            ConfigErrors::unreadable(path, message, None)
        })
    })
}

fn apply(path: &Path, change: impl FnOnce(&str) -> Result<String, ConfigErrors>) -> Result<(), ConfigErrors> {
    let before = text_edit::read(path)?;
    check(path, &before)?;
    let after = change(&before)?;
    check(path, &after)?;
    text_edit::write(path, &before, &after, NEW_MODE)
}

fn check(path: &Path, text: &str) -> Result<(), ConfigErrors> {
    // As the personal one: which file has that name is told where it is loaded.
    let context = ParseContext::of(path, true);
    match parse_project(path, text, &context, &Catalog::built_in(), &mut Fixed::default()) {
        Err(errors) if errors.faults().iter().any(|fault| !fault.is_of_catalog()) => Err(errors),
        _ => Ok(()),
    }
}

fn heading(name: &str) -> String {
    format!("[{SERVICES}.{}]\n", Key::new(name).display_repr())
}

/// The lines that make up a service, in order.
fn parts_of(text: &str, root: &Item, name: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    if let Some(services) = root.get(SERVICES).and_then(Item::as_table_like) {
        collect(text, services, name, &mut parts);
    }
    parts.sort_by_key(|part| part.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if text.get(last.end..part.start).is_some_and(|gap| gap.trim().is_empty()) => {
                last.end = last.end.max(part.end);
            }
            _ => joined.push(part),
        }
    }
    joined
}

/// A name that isn't there yet: the wished one, else with a number behind it, from 2.
#[must_use]
pub fn free_name<'n>(existing: impl Iterator<Item = &'n str> + Clone, wished: &str) -> String {
    let taken = |name: &str| existing.clone().any(|known| known == name);
    if !taken(wished) {
        return wished.to_owned();
    }
    let mut number = 2_u64;
    loop {
        let name = format!("{wished}-{number}");
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// The lines that make up what a key stands for, wherever in the file they are.
fn collect(text: &str, table: &dyn TableLike, key: &str, parts: &mut Vec<Range<usize>>) {
    let key_span = table.key(key).and_then(Key::span);
    match table.get(key) {
        Some(Item::Value(Value::InlineTable(inline))) if inline.is_dotted() => {
            for (key, _) in inline.iter() {
                collect(text, inline, key, parts);
            }
        }
        Some(Item::Value(value)) => {
            if let (Some(key), Some(value)) = (key_span, value.span()) {
                parts.push(text_edit::whole_lines(text, &(key.start..value.end)));
            }
        }
        Some(Item::Table(table)) => collect_table(text, table, parts),
        Some(Item::ArrayOfTables(tables)) => tables.iter().for_each(|table| collect_table(text, table, parts)),
        Some(Item::None) | None => {}
    }
}

fn collect_table(text: &str, table: &Table, parts: &mut Vec<Range<usize>>) {
    let first = parts.len();
    for (key, _) in table.iter().filter(|(_, item)| !has_heading(item)) {
        collect(text, table, key, parts);
    }
    if !table.is_dotted()
        && !table.is_implicit()
        && let Some(heading) = table.span()
    {
        let heading = text_edit::whole_lines(text, &(heading.start..heading.start));
        let end = parts.iter().skip(first).map(|part| part.end).max();
        parts.truncate(first);
        parts.push(with_comment(text, heading.start)..end.unwrap_or(heading.end));
    }
    for (key, _) in table.iter().filter(|(_, item)| has_heading(item)) {
        collect(text, table, key, parts);
    }
}

fn has_heading(item: &Item) -> bool {
    match item {
        Item::Table(table) => !table.is_dotted(),
        Item::ArrayOfTables(_) => true,
        Item::Value(_) | Item::None => false,
    }
}

/// Where the comment begins that stands right above a line.
fn with_comment(text: &str, line: usize) -> usize {
    let mut begin = line;
    while let Some(before) = text.get(..begin).and_then(|before| before.strip_suffix('\n')) {
        let above = before.rfind('\n').map_or(0, |at| at + 1);
        if !before.get(above..).unwrap_or_default().trim_start().starts_with('#') {
            break;
        }
        begin = above;
    }
    begin
}

/// The text without some parts, and with one empty line where there would be two.
fn closed_up(text: &str, parts: &[Range<usize>]) -> String {
    let breaks = ['\r', '\n'];
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for part in parts {
        out.push_str(text.get(from..part.start).unwrap_or_default());
        from = from.max(part.end);
        let open = out.is_empty() || out.ends_with("\n\n") || out.ends_with("\n\r\n");
        let rest = text.get(from..).unwrap_or_default();
        if open {
            from += rest.len() - rest.trim_start_matches(breaks).len();
        }
    }
    let rest = text.get(from..).unwrap_or_default();
    out.push_str(rest);
    if rest.is_empty() {
        let kept = out.trim_end_matches(breaks).len();
        let line_end = out.get(kept..).and_then(|rest| rest.find('\n'));
        out.truncate(kept + line_end.map_or(0, |at| at + 1));
    }
    out
}
