//! A tray menu as a tray host gets it over D-Bus.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use zbus::zvariant::{Structure, Value};

/// One menu, read at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MenuModel {
    /// The layout's revision.
    pub revision: u32,
    /// The top level.
    pub items: Vec<MenuItem>,
}

/// One line of a menu.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MenuItem {
    /// Its id, valid until the next layout.
    pub id: i32,
    /// Its text as a person reads it, without mnemonic marks.
    pub label: String,
    /// `standard` or `separator`.
    pub kind: String,
    /// `checkmark`, `radio`, or empty.
    pub toggle_type: String,
    /// 1 on, 0 off, -1 neither.
    pub toggle_state: i32,
    /// Whether it can be clicked.
    pub enabled: bool,
    /// Whether it is shown.
    pub visible: bool,
    /// Size in bytes of the PNG beside the label, 0 for none.
    pub icon_bytes: usize,
    /// The submenu.
    pub children: Vec<MenuItem>,
}

impl MenuItem {
    /// Whether its check is on.
    pub fn checked(&self) -> bool {
        self.toggle_state == 1
    }

    /// Whether it has a check at all.
    pub fn is_check(&self) -> bool {
        self.toggle_type == "checkmark"
    }

    /// Whether it is a line between groups.
    pub fn is_separator(&self) -> bool {
        self.kind == "separator"
    }

    fn parse(value: &Value<'_>) -> Option<Self> {
        let fields = match value {
            Value::Value(inner) => return Self::parse(inner),
            Value::Structure(structure) => structure.fields(),
            _ => return None,
        };
        let [Value::I32(id), Value::Dict(properties), Value::Array(children)] = fields else {
            return None;
        };
        let properties: HashMap<&str, &Value<'_>> = properties
            .iter()
            .filter_map(|(key, value)| match key {
                Value::Str(key) => Some((key.as_str(), inner(value))),
                _ => None,
            })
            .collect();
        let text = |key: &str| match properties.get(key) {
            Some(Value::Str(text)) => Some(text.to_string()),
            _ => None,
        };
        let flag = |key: &str| !matches!(properties.get(key), Some(Value::Bool(false)));
        Some(Self {
            id: *id,
            label: without_mnemonic(&text("label").unwrap_or_default()),
            kind: text("type").unwrap_or_else(|| "standard".to_owned()),
            toggle_type: text("toggle-type").unwrap_or_default(),
            toggle_state: match properties.get("toggle-state") {
                Some(Value::I32(state)) => *state,
                _ => -1,
            },
            enabled: flag("enabled"),
            visible: flag("visible"),
            icon_bytes: match properties.get("icon-data") {
                Some(Value::Array(bytes)) => bytes.len(),
                _ => 0,
            },
            children: children.inner().iter().filter_map(Self::parse).collect(),
        })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        if !self.visible {
            return Ok(());
        }
        write!(f, "{:indent$}", "", indent = depth * 4)?;
        if self.is_separator() {
            return writeln!(f, "---");
        }
        match (self.toggle_type.as_str(), self.checked()) {
            ("checkmark", true) => write!(f, "[x] ")?,
            ("checkmark", false) => write!(f, "[ ] ")?,
            ("radio", true) => write!(f, "(o) ")?,
            ("radio", false) => write!(f, "( ) ")?,
            _ => {}
        }
        let disabled = if self.enabled { "" } else { "  (disabled)" };
        writeln!(f, "{}{disabled}", self.label)?;
        self.children.iter().try_for_each(|child| child.write(f, depth + 1))
    }
}

impl MenuModel {
    /// Reads the answer to `GetLayout`.
    pub fn parse(answer: &Structure<'_>) -> Option<Self> {
        let [Value::U32(revision), root] = answer.fields() else {
            return None;
        };
        Some(Self {
            revision: *revision,
            items: MenuItem::parse(root)?.children,
        })
    }

    /// Every item, submenus included, from top to bottom.
    pub fn all(&self) -> Vec<&MenuItem> {
        fn collect<'a>(items: &'a [MenuItem], found: &mut Vec<&'a MenuItem>) {
            for item in items {
                found.push(item);
                collect(&item.children, found);
            }
        }
        let mut found = Vec::new();
        collect(&self.items, &mut found);
        found
    }

    /// The item whose label is `label`, else the first whose label starts with it and goes on with no letter or digit
    /// (`db` finds `db: starting` and not `db-2` or `dbms`).
    pub fn item(&self, label: &str) -> Option<&MenuItem> {
        let all = self.all();
        let begins = |item: &&&MenuItem| {
            let rest = item.label.strip_prefix(label);
            rest.and_then(|rest| rest.chars().next())
                .is_some_and(|c| !c.is_alphanumeric() && !"-_.".contains(c))
        };
        all.iter()
            .find(|item| item.label == label)
            .or_else(|| all.iter().find(begins))
            .copied()
    }
}

/// The menu as text, one line an item, `[x]` for a check that is on.
impl fmt::Display for MenuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.iter().try_for_each(|item| item.write(f, 0))
    }
}

fn inner<'a, 'v>(value: &'a Value<'v>) -> &'a Value<'v> {
    match value {
        Value::Value(inner) => inner,
        other => other,
    }
}

/// In a dbusmenu label one `_` marks the next letter as mnemonic, and two stand for one.
fn without_mnemonic(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    let mut chars = label.chars();
    while let Some(c) = chars.next() {
        match c {
            '_' => text.extend(chars.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mnemonics_are_resolved() {
        assert_eq!(without_mnemonic("_Quit"), "Quit");
        assert_eq!(without_mnemonic("my__service"), "my_service");
        assert_eq!(without_mnemonic("a___b"), "a_b");
        assert_eq!(without_mnemonic("end_"), "end");
    }

    #[test]
    fn an_item_is_found_by_its_name_and_not_by_a_longer_one() {
        let labels = ["db-2", "db: starting", "dbms", "Quit"];
        let items = labels.iter().map(|label| MenuItem {
            label: (*label).to_owned(),
            ..MenuItem::default()
        });
        let menu = MenuModel {
            revision: 1,
            items: items.collect(),
        };
        assert_eq!(menu.item("db").map(|item| item.label.as_str()), Some("db: starting"));
        assert_eq!(menu.item("d"), None);
    }
}
