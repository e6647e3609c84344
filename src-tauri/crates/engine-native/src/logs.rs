//! Reads an instance's output, across files that come and go while it is read.

use std::{collections::VecDeque, fs::File, io::Read as _, path::PathBuf, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use locald_engine::{EngineError, LogLine, LogOptions, LogStream};

use crate::{
    logfile::{self, numbers},
    process,
    record::Place,
};

/// How often is looked for more while somebody follows.
const AGAIN: Duration = Duration::from_millis(40);
/// What is read at a time.
const CHUNK: usize = 256 * 1024;

/// A line that goes on.
#[derive(Default)]
struct Begun {
    at: Option<Timestamp>,
    bytes: Vec<u8>,
    cut: u64,
}

/// Puts pieces together.
struct Reader {
    folder: PathBuf,
    file: Option<(u64, File)>,
    /// What was read and is no whole piece yet.
    rest: Vec<u8>,
    begun: [Option<Begun>; 2],
    since: Option<Timestamp>,
}

impl Reader {
    fn new(folder: PathBuf, since: Option<Timestamp>) -> Self {
        Self {
            folder,
            file: None,
            rest: Vec::new(),
            begun: [None, None],
            since,
        }
    }

    /// Goes to the file after the current one; `false` when there is none.
    fn next_file(&mut self) -> bool {
        let current = self.file.as_ref().map_or(0, |(number, _)| *number);
        for number in numbers(&self.folder).into_iter().filter(|&number| number > current) {
            if let Ok(file) = File::open(logfile::path(&self.folder, number)) {
                self.file = Some((number, file));
                return true;
            }
        }
        false
    }

    /// Lines that have come; `None` when there are no more by now.
    fn read(&mut self) -> Option<Vec<LogLine>> {
        let mut buffer = vec![0; CHUNK];
        loop {
            // Whether there is a next file is asked first: nothing is written to this one after that.
            let current = self.file.as_ref().map_or(0, |(number, _)| *number);
            let is_last = !numbers(&self.folder).iter().any(|&number| number > current);
            let count = self
                .file
                .as_mut()
                .and_then(|(_, file)| file.read(&mut buffer).ok())
                .unwrap_or(0);
            if count > 0 {
                self.rest.extend_from_slice(&buffer[..count]);
                return Some(self.pieces());
            }
            if is_last || !self.next_file() {
                return None;
            }
        }
    }

    fn pieces(&mut self) -> Vec<LogLine> {
        let rest = std::mem::take(&mut self.rest);
        let mut lines = Vec::new();
        let mut left = &rest[..];
        while let Some(end) = left.iter().position(|&byte| byte == b'\n') {
            if let Some(line) = self.piece(&left[..end]) {
                lines.push(line);
            }
            left = &left[end + 1..];
        }
        self.rest = left.to_vec();
        lines
    }

    fn piece(&mut self, piece: &[u8]) -> Option<LogLine> {
        let space = piece.iter().position(|&byte| byte == b' ')?;
        let at = std::str::from_utf8(&piece[..space]).ok()?.parse().ok()?;
        let at = Timestamp::from_nanosecond(at).ok();
        let (kind, bytes) = (piece.get(space + 1)?, piece.get(space + 3..)?);
        let stream = match kind.to_ascii_lowercase() {
            b'o' => LogStream::Stdout,
            b'e' => LogStream::Stderr,
            _ => {
                self.begun = [None, None];
                return None;
            }
        };
        let slot = &mut self.begun[usize::from(stream == LogStream::Stderr)];
        let begun = slot.get_or_insert_with(|| Begun { at, ..Begun::default() });
        let room = LogLine::LIMIT.saturating_sub(begun.bytes.len()).min(bytes.len());
        begun.bytes.extend_from_slice(&bytes[..room]);
        begun.cut += (bytes.len() - room) as u64;
        if kind.is_ascii_uppercase() {
            return None;
        }
        let begun = slot.take()?;
        (self.since.is_none() || begun.at >= self.since).then(|| LogLine {
            stream,
            at: begun.at,
            bytes: Bytes::from(begun.bytes),
            cut_bytes: begun.cut,
        })
    }
}

/// Is there nothing more to come from this instance?
fn is_over(place: &Place, id: &str) -> bool {
    let same = place
        .instance()
        .ok()
        .flatten()
        .is_some_and(|instance| instance.id == id);
    let run = place.run().ok().flatten();
    !same || run.is_none_or(|run| run.over || run.boot != process::boot())
}

struct Reading {
    reader: Reader,
    place: Place,
    id: String,
    ready: VecDeque<LogLine>,
    follow: bool,
    /// Over was seen: what is read after that is the last.
    over: bool,
    tail: Option<usize>,
}

impl Reading {
    /// The next lines, or `false` at the end.
    fn fill(&mut self) -> bool {
        loop {
            match self.reader.read() {
                Some(lines) => {
                    self.ready.extend(lines);
                    match self.tail {
                        Some(tail) => {
                            while self.ready.len() > tail {
                                self.ready.pop_front();
                            }
                        }
                        None if !self.ready.is_empty() => return true,
                        None => {}
                    }
                }
                None => {
                    // The last lines are known now; what comes later is all wanted.
                    self.tail = None;
                    return !self.ready.is_empty();
                }
            }
        }
    }

    async fn next(mut self) -> Option<(LogLine, Self)> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some((line, self));
            }
            let (reading, some) = tokio::task::spawn_blocking(move || {
                let some = self.fill();
                (self, some)
            })
            .await
            .ok()?;
            self = reading;
            if some {
                continue;
            }
            if !self.follow || self.over {
                return None;
            }
            self.over = is_over(&self.place, &self.id);
            if !self.over {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

pub(crate) fn read(
    folder: PathBuf,
    place: Place,
    id: &str,
    options: LogOptions,
) -> BoxStream<'static, Result<LogLine, EngineError>> {
    let reading = Reading {
        reader: Reader::new(folder, options.since),
        place,
        id: id.to_owned(),
        ready: VecDeque::new(),
        follow: options.follow,
        over: false,
        tail: options.tail.and_then(|tail| usize::try_from(tail).ok()),
    };
    futures_util::stream::unfold(reading, Reading::next).map(Ok).boxed()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::logfile::Writer;

    fn all(reader: &mut Reader) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(lines) = reader.read() {
            texts.extend(
                lines
                    .iter()
                    .map(|line| String::from_utf8_lossy(&line.bytes).into_owned()),
            );
        }
        texts
    }

    #[test]
    fn pieces_become_lines_and_runs_are_kept_apart() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(folder.path(), true).unwrap();
        writer.take(LogStream::Stdout, b"one\ntw");
        writer.take(LogStream::Stderr, b"oops\n");
        let mut reader = Reader::new(folder.path().to_owned(), None);
        assert_eq!(all(&mut reader), ["one", "oops"]);
        writer.take(LogStream::Stdout, b"o\nnever ended");
        assert_eq!(all(&mut reader), ["two"]);
        let mut writer = Writer::open(folder.path(), true).unwrap();
        writer.take(LogStream::Stdout, b"new\nlast");
        writer.finish();
        assert_eq!(all(&mut reader), ["new", "last"]);
    }
}
