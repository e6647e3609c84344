//! Walks a TOML document with typed getters that note every fault and go on.

use std::{cell::RefCell, ops::Range};

use toml_edit::{Array, ArrayOfTables, Item, TableLike, Value};

use crate::errors::Found;

/// The faults found so far in one text.
pub(crate) struct Faults<'t> {
    text: &'t str,
    found: RefCell<Vec<Found>>,
}

impl<'t> Faults<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: RefCell::default(),
        }
    }

    pub(crate) fn push(&self, fault: Found) {
        self.found.borrow_mut().push(fault);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// The same text, with nothing found in it.
    pub(crate) fn afresh(&self) -> Self {
        Self::new(self.text)
    }

    pub(crate) fn into_found(self) -> Vec<Found> {
        self.found.into_inner()
    }

    /// The text of a span as it stands in the file.
    pub(crate) fn raw(&self, span: &Range<usize>) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The first place of `part` within a span, else the whole span (a part behind escapes isn't found).
    pub(crate) fn narrow(&self, span: &Range<usize>, part: &str) -> Range<usize> {
        match self.raw(span).find(part) {
            Some(at) => span.start + at..span.start + at + part.len(),
            None => span.clone(),
        }
    }
}

/// A value with its place and its name for messages.
#[derive(Clone)]
pub(crate) struct Node<'d> {
    pub(crate) kind: Kind<'d>,
    pub(crate) span: Range<usize>,
    pub(crate) name: String,
}

/// What a value is.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'d> {
    Text(&'d str),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Date,
    List(&'d Array),
    Table(&'d dyn TableLike),
    Tables(&'d ArrayOfTables),
}

impl Kind<'_> {
    fn words(self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a decimal number",
            Self::Bool(_) => "true or false",
            Self::Date => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Tables(_) => "a list of tables",
        }
    }
}

impl<'d> Node<'d> {
    fn of_item(item: &'d Item, key_span: Range<usize>, name: String) -> Self {
        let span = item.span().unwrap_or(key_span);
        let kind = match item {
            Item::Value(value) => return Self::of_value(value, span, name),
            Item::Table(table) => Kind::Table(table),
            Item::ArrayOfTables(tables) => Kind::Tables(tables),
            // Taken out by edits alone, and those are never walked.
            Item::None => Kind::Bool(false),
        };
        Self { kind, span, name }
    }

    fn of_value(value: &'d Value, span: Range<usize>, name: String) -> Self {
        let kind = match value {
            Value::String(text) => Kind::Text(text.value()),
            Value::Integer(number) => Kind::Integer(*number.value()),
            Value::Float(number) => Kind::Float(*number.value()),
            Value::Boolean(yes) => Kind::Bool(*yes.value()),
            Value::Datetime(_) => Kind::Date,
            Value::Array(list) => Kind::List(list),
            Value::InlineTable(table) => Kind::Table(table),
        };
        Self {
            kind,
            span: value.span().unwrap_or(span),
            name,
        }
    }

    /// Notes that another kind of value was expected.
    pub(crate) fn expected(&self, faults: &Faults<'_>, what: &str, help: Option<String>) {
        let message = format!("`{}`: expected {what}, found {}", self.name, self.kind.words());
        let fault = Found::new(self.span.clone(), message).label(format!("expected {what}"));
        faults.push(match help {
            Some(help) => fault.help(help),
            None => fault,
        });
    }

    /// Notes a fault at this value.
    pub(crate) fn fault(&self, faults: &Faults<'_>, message: impl Into<String>, help: impl Into<String>) {
        faults.push(Found::new(self.span.clone(), message).help(help));
    }

    /// A string. None of ours may hold a NUL: neither paths nor arguments nor variables can carry one.
    pub(crate) fn text(&self, faults: &Faults<'_>) -> Option<&'d str> {
        match self.kind {
            Kind::Text(text) if text.contains('\0') => {
                self.fault(
                    faults,
                    format!("`{}` has a NUL character", self.name),
                    "remove `\\u0000`",
                );
                None
            }
            Kind::Text(text) => Some(text),
            Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) => {
                let raw = faults.raw(&self.span);
                self.expected(faults, "a string", Some(format!("write it in quotes: \"{raw}\"")));
                None
            }
            _ => {
                self.expected(faults, "a string", None);
                None
            }
        }
    }

    pub(crate) fn boolean(&self, faults: &Faults<'_>) -> Option<bool> {
        let Kind::Bool(yes) = self.kind else {
            let help = match self.kind {
                Kind::Text("true" | "false") => Some("write it without quotes".to_owned()),
                _ => None,
            };
            self.expected(faults, "true or false", help);
            return None;
        };
        Some(yes)
    }

    /// An integer between the bounds, both included.
    pub(crate) fn integer(&self, faults: &Faults<'_>, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let Kind::Integer(number) = self.kind else {
            let help = match self.kind {
                Kind::Text(text) if text.parse::<i64>().is_ok() => Some(format!("write it without quotes: {text}")),
                _ => None,
            };
            self.expected(faults, "an integer", help);
            return None;
        };
        if !bounds.contains(&number) {
            let help = match (bounds.start(), bounds.end()) {
                (low, &i64::MAX) => format!("write a number from {low}"),
                (low, high) => format!("write a number from {low} to {high}"),
            };
            self.fault(faults, format!("`{}` can't be {number}", self.name), help);
            return None;
        }
        Some(number)
    }

    /// The elements of a list; `what` completes "a list of".
    pub(crate) fn list(&self, faults: &Faults<'_>, what: &str, help: Option<String>) -> Option<Vec<Node<'d>>> {
        let Kind::List(list) = self.kind else {
            let help = help.or_else(|| match self.kind {
                Kind::Text(_) | Kind::Integer(_) => Some(format!("put it in brackets: [{}]", faults.raw(&self.span))),
                _ => None,
            });
            self.expected(faults, &format!("a list of {what}"), help);
            return None;
        };
        Some(
            list.iter()
                .map(|value| Node::of_value(value, self.span.clone(), self.name.clone()))
                .collect(),
        )
    }

    /// The strings of a list, each with its place.
    pub(crate) fn texts(&self, faults: &Faults<'_>) -> Option<Vec<(&'d str, Range<usize>)>> {
        let nodes = self.list(faults, "strings", None)?;
        let read: Vec<_> = nodes
            .iter()
            .map(|node| Some((node.text(faults)?, node.span.clone())))
            .collect();
        read.into_iter().collect()
    }

    /// A program with its arguments: a string that is split as a shell would, or a list.
    pub(crate) fn command(&self, faults: &Faults<'_>) -> Option<Vec<String>> {
        let words = match self.kind {
            Kind::Text(_) => match shell_words::split(self.text(faults)?) {
                Ok(words) => words,
                Err(_) => {
                    self.fault(
                        faults,
                        format!("`{}` has a quote that isn't closed", self.name),
                        "close the quote, or write the command as a list of strings",
                    );
                    return None;
                }
            },
            Kind::List(_) => self
                .texts(faults)?
                .into_iter()
                .map(|(word, _)| word.to_owned())
                .collect(),
            _ => {
                self.expected(faults, "a string or a list of strings", None);
                return None;
            }
        };
        if words.first().is_none_or(String::is_empty) {
            self.fault(
                faults,
                format!("`{}` names no program", self.name),
                "write the program's name, or leave the key out",
            );
            return None;
        }
        Some(words)
    }

    /// A table.
    pub(crate) fn table(&self, faults: &Faults<'_>) -> Option<Section<'d>> {
        let Kind::Table(table) = self.kind else {
            let help = match self.kind {
                Kind::Tables(_) => Some(format!("write [{0}] in place of [[{0}]]", self.name)),
                _ => None,
            };
            self.expected(faults, "a table", help);
            return None;
        };
        Some(Section {
            table,
            span: self.span.clone(),
            name: self.name.clone(),
        })
    }
}

/// A table with its place and its dotted name for messages.
#[derive(Clone)]
pub(crate) struct Section<'d> {
    table: &'d dyn TableLike,
    pub(crate) span: Range<usize>,
    pub(crate) name: String,
}

impl<'d> Section<'d> {
    pub(crate) fn root(table: &'d dyn TableLike) -> Self {
        Self {
            table,
            span: 0..0,
            name: String::new(),
        }
    }

    /// The tables of `[[name]]`.
    pub(crate) fn each(tables: &'d ArrayOfTables, name: &str) -> Vec<Self> {
        tables
            .iter()
            .map(|table| Self {
                table,
                span: table.span().unwrap_or(0..0),
                name: name.to_owned(),
            })
            .collect()
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'d>> {
        self.entries().find(|(name, ..)| *name == key).map(|(_, _, node)| node)
    }

    /// The place of a key.
    pub(crate) fn key_span(&self, key: &str) -> Range<usize> {
        self.table
            .key(key)
            .and_then(toml_edit::Key::span)
            .unwrap_or_else(|| self.span.clone())
    }

    /// Keys with the place of each and its value, in the order of the file.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'d str, Range<usize>, Node<'d>)> + use<'d, '_> {
        self.table
            .iter()
            .filter(|(_, item)| !item.is_none())
            .map(|(key, item)| {
                let span = self.key_span(key);
                let name = if self.name.is_empty() {
                    key.to_owned()
                } else {
                    format!("{}.{key}", self.name)
                };
                (key, span.clone(), Node::of_item(item, span, name))
            })
    }

    /// Notes each key that isn't allowed. `later` are keys of the format that this version doesn't have yet.
    pub(crate) fn check_keys(&self, faults: &Faults<'_>, allowed: &[&str], later: &[&str]) {
        for (key, span, _) in self.entries() {
            if allowed.contains(&key) {
                continue;
            }
            faults.push(if later.contains(&key) {
                let version = env!("CARGO_PKG_VERSION");
                Found::new(span, format!("`{key}` isn't supported by locald {version} yet"))
                    .label("needs a later version")
                    .help("describe the service as a container, with `image`")
            } else {
                self.unknown(key, span, allowed)
            });
        }
    }

    /// The fault of a key that isn't known.
    pub(crate) fn unknown(&self, key: &str, span: Range<usize>, allowed: &[&str]) -> Found {
        let place = if self.name.is_empty() {
            String::new()
        } else {
            format!(" in `{}`", self.name)
        };
        Found::new(span, format!("unknown key `{key}`{place}"))
            .label("not a key that locald knows")
            .help(suggest(key, allowed.iter().copied(), "use one of"))
    }
}

/// "did you mean" when a known word is near, and always what is known.
pub(crate) fn suggest<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone, lead: &str) -> String {
    let lower = word.to_lowercase();
    let near = known
        .clone()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance);
    let all = listed(known, lead);
    match near {
        Some((_, near)) => format!("did you mean `{near}`?\n{all}"),
        None => all,
    }
}

/// What is known.
pub(crate) fn listed<'a>(known: impl Iterator<Item = &'a str>, lead: &str) -> String {
    let mut all: Vec<_> = known.map(|known| format!("`{known}`")).collect();
    const LISTED: usize = 20;
    if all.len() > LISTED {
        all.truncate(LISTED);
        all.push("…".to_owned());
    }
    format!("{lead}: {}", all.join(", "))
}
