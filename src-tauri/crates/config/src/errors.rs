//! Faults of a file: where, what, and what to write instead.

use std::{fmt, ops::Range, path::Path, path::PathBuf, sync::Arc};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

/// So many faults are shown in full; a file with more is a wrong file rather than one with slips.
const SHOWN: usize = 20;

/// All faults of one file. Holds at least one.
#[derive(Debug, Clone)]
pub struct ConfigErrors {
    path: PathBuf,
    faults: Vec<Fault>,
}

/// One fault of a file.
#[derive(Debug, Clone)]
pub struct Fault {
    message: String,
    label: Option<String>,
    help: Option<String>,
    place: Option<Place>,
    of_catalog: bool,
}

/// Where in the text a fault is.
#[derive(Debug, Clone)]
struct Place {
    source: Arc<NamedSource<String>>,
    span: Range<usize>,
    also: Vec<(Range<usize>, String)>,
    line: usize,
    column: usize,
    line_text: String,
}

impl ConfigErrors {
    /// A file that can't be read at all, so that no line is at fault.
    pub(crate) fn unreadable(path: &Path, message: String, help: Option<String>) -> Self {
        let fault = Fault {
            message,
            label: None,
            help,
            place: None,
            of_catalog: false,
        };
        Self {
            path: path.to_owned(),
            faults: vec![fault],
        }
    }

    pub(crate) fn in_text(path: &Path, text: &str, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|fault| fault.span.start);
        let shown = printable(text);
        let source = Arc::new(NamedSource::new(printable(&path.display().to_string()), shown.clone()));
        let faults = found
            .into_iter()
            .map(|fault| fault.locate(text, &shown, &source))
            .collect();
        Self {
            path: path.to_owned(),
            faults,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The faults in the order of the file.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// All faults for people, each with its line: with line drawing and colours for a terminal, else in plain
    /// ASCII.
    #[must_use]
    pub fn render(&self, color: bool, width: usize) -> String {
        let theme = if color {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::none()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width.clamp(40, 200))
            .with_context_lines(1)
            .with_links(false);
        let mut out = String::new();
        for fault in self.faults.iter().take(SHOWN) {
            let mut one = String::new();
            match handler.render_report(&mut one, fault) {
                Ok(()) => out.push_str(one.trim_start_matches('\n')),
                Err(fmt::Error) => out.push_str(&self.line(fault)),
            }
            if fault.place.is_none() {
                out.push_str(&format!("  in {}\n", printable(&self.path.display().to_string())));
            }
            out.push('\n');
        }
        if self.faults.len() > SHOWN {
            out.push_str(&format!("and {} more\n\n", self.faults.len() - SHOWN));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    /// The first fault in one line, and how many more there are.
    #[must_use]
    pub fn summary(&self) -> String {
        let first = self.faults.first().map(|fault| self.line(fault)).unwrap_or_default();
        match self.faults.len() {
            0 | 1 => first,
            count => format!("{first} (and {} more)", count - 1),
        }
    }

    fn line(&self, fault: &Fault) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy();
        let place = fault
            .place
            .as_ref()
            .map(|place| format!("{}:{}:", place.line, place.column))
            .unwrap_or_default();
        let help = fault
            .help
            .as_ref()
            .and_then(|help| help.lines().next())
            .map(|help| format!("; {}", help.trim_end_matches(':')));
        format!(
            "{}:{place} {}{}",
            printable(&name),
            fault.message,
            help.unwrap_or_default()
        )
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

impl std::error::Error for ConfigErrors {}

impl Diagnostic for ConfigErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.faults.iter().map(|fault| fault as &dyn Diagnostic)))
    }
}

impl Fault {
    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Is it none with another catalog?
    pub(crate) fn is_of_catalog(&self) -> bool {
        self.of_catalog
    }

    /// What to write instead, where that can be said.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Line and column, both from 1, the column in characters; `None` when the file can't be read as text.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }

    /// The line as it stands in the file.
    #[must_use]
    pub fn line_text(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.line_text.as_str())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Diagnostic for Fault {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &*place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let primary = LabeledSpan::new_primary_with_span(self.label.clone(), place.span.clone());
        let also = place
            .also
            .iter()
            .map(|(span, text)| LabeledSpan::new_with_span(Some(text.clone()), span.clone()));
        Some(Box::new(std::iter::once(primary).chain(also)))
    }
}

/// A fault while the file is being walked: a span and words, without the text around it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    span: Range<usize>,
    message: String,
    label: Option<String>,
    help: Option<String>,
    also: Vec<(Range<usize>, String)>,
    of_catalog: bool,
}

impl Found {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            label: None,
            help: None,
            also: Vec::new(),
            of_catalog: false,
        }
    }

    /// Words right under the marked place.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What to write instead. The first line is part of the one-line summary.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With another catalog it would be none.
    pub(crate) fn of_catalog(mut self) -> Self {
        self.of_catalog = true;
        self
    }

    /// Another place that belongs to the fault.
    pub(crate) fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.also.push((span, label.into()));
        self
    }

    fn locate(self, text: &str, shown: &str, source: &Arc<NamedSource<String>>) -> Fault {
        let span = within_line(text, self.span);
        let before = text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_text = shown
            .get(line_start..)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let place = Place {
            source: Arc::clone(source),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            line_text: line_text.to_owned(),
            also: self
                .also
                .into_iter()
                .map(|(span, label)| (within_line(text, span), printable(&label)))
                .collect(),
            span,
        };
        Fault {
            message: printable(&self.message),
            label: self.label.as_deref().map(printable),
            help: self.help.as_deref().map(printable),
            place: Some(place),
            of_catalog: self.of_catalog,
        }
    }
}

/// Cuts a span to its first line and to whole characters: that is what gets marked, and miette panics or
/// refuses on spans outside the text.
fn within_line(text: &str, span: Range<usize>) -> Range<usize> {
    let start = floor_char(text, span.start);
    let line = text
        .get(start..)
        .unwrap_or_default()
        .split(['\n', '\r'])
        .next()
        .unwrap_or_default();
    let end = floor_char(text, span.end.clamp(start, start + line.len()));
    start..end
}

fn floor_char(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Replaces what would steer a terminal (escape sequences, right-to-left overrides) by marks of the same
/// length in bytes, so that spans stay right.
fn printable(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mark = |c: char| match c.len_utf8() {
        1 => '?',
        2 => '¿',
        _ => '\u{fffd}',
    };
    text.chars().map(|c| if steers(c) { mark(c) } else { c }).collect()
}
