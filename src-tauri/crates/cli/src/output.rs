//! The only places that write: data to stdout, all else to stderr.

use std::io::{self, IsTerminal as _, Write as _};

use crate::exit::Failure;

/// Whether more can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipe {
    Open,
    /// The reader has seen enough (`locald logs db | head -1`): the command ends, and that is no failure.
    Closed,
}

/// Writes a line of data. Colours are dropped where there is no terminal or `NO_COLOR` is set.
pub(crate) fn line(text: &str) -> Result<Pipe, Failure> {
    let mut stdout = anstream::stdout().lock();
    pipe(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.write_all(b"\n"))
            .and_then(|()| stdout.flush()),
    )
}

/// Writes a line that somebody else wrote. A terminal gets it without escape sequences: a service's output must
/// not set titles or move the cursor in it. Anything else gets it as it is.
pub(crate) fn foreign(prefix: &str, text: &str) -> Result<Pipe, Failure> {
    let mut stdout = io::stdout().lock();
    let text = if stdout.is_terminal() {
        anstream::adapter::strip_str(text)
            .to_string()
            .replace(|c: char| c.is_control() && c != '\t', "")
    } else {
        text.to_owned()
    };
    pipe(
        stdout
            .write_all(format!("{prefix}{text}\n").as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

fn pipe(written: io::Result<()>) -> Result<Pipe, Failure> {
    match written {
        Ok(()) => Ok(Pipe::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Pipe::Closed),
        Err(error) => Err(Failure::failed(format!("the output can't be written: {error}"))),
    }
}

/// Writes a line that isn't data. Where even that fails there is nobody to tell.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Is stdout a terminal that a screen can be drawn on?
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
