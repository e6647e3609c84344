//! Texts of a catalog entry with places for what belongs to one service: `{user}`, `{password|url}`.

use std::ops::Range;

use crate::{
    errors::Found,
    walk::{Faults, suggest},
};

/// A text with places to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place, Form),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    User,
    Password,
    Database,
    Host,
    /// Of the entry's ports, by index.
    Port(usize),
    Service,
    Version,
    Url,
    /// Left to the engine.
    Data,
    Run,
    Bin,
    File,
}

/// How a value is written where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// Percent-encoded.
    Url,
    /// Within a SQL string of MySQL's kind, in single quotes.
    Sql,
    /// Within an identifier of MySQL's kind, in backticks.
    Identifier,
    /// Within double quotes of a configuration file that knows `\"` and `\\`.
    Quoted,
}

const FORMS: [(&str, Form); 4] = [
    ("url", Form::Url),
    ("sql", Form::Sql),
    ("identifier", Form::Identifier),
    ("quoted", Form::Quoted),
];

/// What a template may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Names of the entry's ports.
    pub(crate) ports: &'a [String],
    /// Does the entry have users?
    pub(crate) user: bool,
    /// Does it have a password, and may this text hold it?
    pub(crate) password: Secrecy,
    /// Does it have databases?
    pub(crate) database: bool,
    /// May the URL be asked for?
    pub(crate) url: bool,
    /// Are there folders that the native engine fills in?
    pub(crate) native: bool,
    /// Is there a dump, which whoever runs it fills in?
    pub(crate) file: bool,
    /// Is all percent-encoded, since this is a URL?
    pub(crate) encoded: bool,
}

/// Whether a text may hold the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// It may.
    Allowed,
    /// The entry has none.
    None,
    /// Other programs of this machine can read this text.
    Shown,
}

/// What is filled in.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    /// Where the service is, for the reader.
    pub(crate) host: &'a str,
    /// The entry's ports, for the reader.
    pub(crate) ports: &'a [u16],
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) database: &'a str,
    pub(crate) service: &'a str,
    pub(crate) version: &'a str,
    pub(crate) url: &'a str,
    /// Show `…` in the password's place.
    pub(crate) masked: bool,
}

impl Template {
    /// Reads a text, and notes what it may not ask for.
    pub(crate) fn parse(text: &str, span: &Range<usize>, faults: &Faults<'_>, scope: &Scope<'_>) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        let mut sound = true;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some((inner, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) {
                let span = faults.narrow(span, &format!("{{{inner}}}"));
                match place(inner, scope) {
                    Ok(place) => {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                        pieces.push(place);
                    }
                    Err((message, help)) => {
                        faults.push(Found::new(span, message).help(help));
                        sound = false;
                    }
                }
                rest = after;
            } else {
                let message = "a brace stands alone";
                faults.push(Found::new(span.clone(), message).help("write `{{` or `}}` for a plain brace"));
                return None;
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        sound.then_some(Self(pieces))
    }

    /// Fills it in.
    pub(crate) fn fill(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Place(Place::Password, _) if values.masked => out.push('…'),
                Piece::Place(place, form) => form.write(&mut out, &values.of(*place)),
            }
        }
        out
    }
}

impl Values<'_> {
    fn of(&self, place: Place) -> String {
        match place {
            Place::User => self.user.to_owned(),
            Place::Password => self.password.to_owned(),
            Place::Database => self.database.to_owned(),
            Place::Host => self.host.to_owned(),
            Place::Port(at) => self.ports.get(at).map(u16::to_string).unwrap_or_default(),
            Place::Service => self.service.to_owned(),
            Place::Version => self.version.to_owned(),
            Place::Url => self.url.to_owned(),
            Place::Data => "{data}".to_owned(),
            Place::Run => "{run}".to_owned(),
            Place::Bin => "{bin}".to_owned(),
            Place::File => "{file}".to_owned(),
        }
    }
}

impl Form {
    fn write(self, out: &mut String, value: &str) {
        let escaped = |out: &mut String, special: &[char]| {
            for c in value.chars() {
                if special.contains(&c) {
                    out.push('\\');
                }
                out.push(c);
            }
        };
        match self {
            Self::Plain => out.push_str(value),
            Self::Url => out.push_str(&percent_encoded(value)),
            Self::Sql => escaped(out, &['\\', '\'']),
            Self::Identifier => out.push_str(&value.replace('`', "``")),
            Self::Quoted => escaped(out, &['\\', '"']),
        }
    }
}

/// Encodes all but the characters that no part of a URL gives a meaning to (RFC 3986, 2.3).
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn place(inner: &str, scope: &Scope<'_>) -> Result<Piece, (String, String)> {
    let (name, form) = match inner.split_once('|') {
        None => (inner, None),
        Some((name, form)) => match FORMS.iter().find(|(word, _)| *word == form) {
            Some((_, form)) => (name, Some(*form)),
            None => {
                let help = suggest(form, FORMS.iter().map(|(word, _)| *word), "use one of");
                return Err((format!("`{form}` isn't a way to write a value"), help));
            }
        },
    };
    let port = name.strip_prefix("port.");
    let place = match name {
        "password" if scope.password == Secrecy::Shown => {
            return Err((
                "the password can't stand here, where other programs can read it".to_owned(),
                "put it into the environment or a file".to_owned(),
            ));
        }
        "user" if scope.user => Some(Place::User),
        "password" if scope.password == Secrecy::Allowed => Some(Place::Password),
        "database" if scope.database => Some(Place::Database),
        "host" => Some(Place::Host),
        "port" if !scope.ports.is_empty() => Some(Place::Port(0)),
        "service" => Some(Place::Service),
        "version" => Some(Place::Version),
        "url" if scope.url && scope.password != Secrecy::Shown => Some(Place::Url),
        "data" if scope.native => Some(Place::Data),
        "run" if scope.native => Some(Place::Run),
        "bin" if scope.native => Some(Place::Bin),
        "file" if scope.file => Some(Place::File),
        _ => port
            .and_then(|port| scope.ports.iter().position(|known| known == port))
            .map(Place::Port),
    };
    let Some(place) = place else {
        let known = scope.known();
        return Err((
            format!("there is nothing to put in for `{{{inner}}}`"),
            suggest(name, known.iter().map(String::as_str), "use one of"),
        ));
    };
    let usual = match place {
        Place::User | Place::Password | Place::Database if scope.encoded => Form::Url,
        _ => Form::Plain,
    };
    Ok(Piece::Place(place, form.unwrap_or(usual)))
}

impl Scope<'_> {
    fn known(&self) -> Vec<String> {
        let named = [
            ("user", self.user),
            ("password", self.password == Secrecy::Allowed),
            ("database", self.database),
            ("host", true),
            ("port", !self.ports.is_empty()),
            ("service", true),
            ("version", true),
            ("url", self.url && self.password != Secrecy::Shown),
            ("data", self.native),
            ("run", self.native),
            ("bin", self.native),
            ("file", self.file),
        ];
        let named = named
            .iter()
            .filter(|(_, here)| *here)
            .map(|(name, _)| (*name).to_owned());
        named
            .chain(self.ports.iter().map(|port| format!("port.{port}")))
            .collect()
    }
}
