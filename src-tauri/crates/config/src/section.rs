//! A service's section of a project's file as text: taken along when the service goes, put back when it returns.

use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, TableLike};

use crate::{errors::ConfigErrors, source, text_edit};

/// The section of a service, with its comments; `None` when the file has none or can't be read.
#[must_use]
pub fn section_text(path: &Path, service: &str) -> Option<String> {
    let text = source::read(path).ok()?;
    let document = source::parse(path, &text).ok()?.into_mut();
    let section = services(document.as_table())?.get(service)?.clone();
    let mut table = section.into_table().ok()?;
    table.set_position(None);
    table.decor_mut().set_prefix("");
    let mut services = Table::new();
    services.set_implicit(true);
    services.insert(service, Item::Table(table));
    let mut alone = DocumentMut::new();
    alone.insert("services", Item::Table(services));
    Some(alone.to_string())
}

/// Puts such a section at the end of a file, which is made when there is none.
///
/// # Errors
/// When the file isn't TOML, has a service of that name, or can't be written. It is as it was then.
pub fn insert_section(path: &Path, service: &str, section: &str, mode: u32) -> Result<(), ConfigErrors> {
    let before = text_edit::read(path)?;
    let document = source::parse(path, &before)?;
    if services(document.as_table()).is_some_and(|services| services.contains_key(service)) {
        let message = format!("the file has a service `{service}` already");
        return Err(ConfigErrors::unreadable(path, message, None));
    }
    let gap = match before.as_str() {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let after = format!("{before}{gap}{section}");
    source::parse(path, &after)?;
    text_edit::write(path, &before, &after, mode)
}

/// The names of a file's services; none when it can't be read.
#[must_use]
pub fn names(path: &Path) -> Vec<String> {
    let text = source::read(path).unwrap_or_default();
    let Ok(document) = source::parse(path, &text) else {
        return Vec::new();
    };
    let names = services(document.as_table()).map(|services| services.iter().map(|(name, _)| name.to_owned()));
    names.map(Iterator::collect).unwrap_or_default()
}

/// Does the section of a service have this key?
#[must_use]
pub fn has_key(path: &Path, service: &str, key: &str) -> bool {
    let Ok(text) = source::read(path) else { return false };
    let Ok(document) = source::parse(path, &text) else {
        return false;
    };
    services(document.as_table())
        .and_then(|services| services.get(service)?.as_table_like())
        .is_some_and(|section| section.contains_key(key))
}

fn services(table: &Table) -> Option<&dyn TableLike> {
    table.get("services")?.as_table_like()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_section_comes_back_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("locald.toml");
        let text = "[project]\nname = \"shop\"\n\n# The shop's own.\n[services.db]\ntype = \"postgres\" # big\nenv = { A = \"1\" }\n";
        std::fs::write(&path, text).unwrap();
        let section = section_text(&path, "db").unwrap();
        assert_eq!(
            section,
            "[services.db]\ntype = \"postgres\" # big\nenv = { A = \"1\" }\n"
        );
        assert!(has_key(&path, "db", "env"));
        assert!(!has_key(&path, "db", "port"));
        assert!(insert_section(&path, "db", &section, 0o644).is_err());
        std::fs::write(&path, "[project]\nname = \"shop\"\n").unwrap();
        insert_section(&path, "db", &section, 0o644).unwrap();
        assert_eq!(section_text(&path, "db").unwrap(), section);
    }
}
