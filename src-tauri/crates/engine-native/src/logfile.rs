//! An instance's output on disk: pieces of lines, each with its time and stream, in files that are numbered upwards.
//!
//! A piece is `<nanoseconds> <kind> <bytes>\n`. The kind is `o` or `e` for the stream, as a capital when the line goes on in
//! the stream's next piece, and `-` where a new run begins, so that nothing is joined across it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use locald_engine::LogStream;

use crate::record;

/// How big a file grows before the next one is begun.
const FILE_LIMIT: u64 = 10 * 1024 * 1024;
/// How many files are kept.
const FILES: usize = 3;

/// The numbers of the files there are, in order.
pub(crate) fn numbers(folder: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut numbers: Vec<u64> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".log")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

pub(crate) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:06}.log"))
}

/// Writes output as it comes.
pub(crate) struct Writer {
    folder: PathBuf,
    number: u64,
    file: File,
    size: u64,
    limit: u64,
    /// Is a line of standard output, of standard error, still open?
    open: [bool; 2],
}

impl Writer {
    /// Goes on where the last one ended. `new_run` when what was begun there has nothing to do with what comes.
    pub(crate) fn open(folder: &Path, new_run: bool) -> io::Result<Self> {
        Self::with_limit(folder, new_run, FILE_LIMIT)
    }

    fn with_limit(folder: &Path, new_run: bool, limit: u64) -> io::Result<Self> {
        let number = numbers(folder).last().copied().unwrap_or(1);
        let file = append(&path(folder, number))?;
        let size = file.metadata()?.len();
        let mut writer = Self {
            folder: folder.to_owned(),
            number,
            file,
            size,
            limit,
            open: [false; 2],
        };
        if new_run {
            writer.put(format!("{} - \n", record::now()).as_bytes());
        }
        Ok(writer)
    }

    /// Takes what was read from a stream. It is in the file when this returns; what can't be written is lost, since a
    /// service must not stand still for a full disk.
    pub(crate) fn take(&mut self, stream: LogStream, bytes: &[u8]) {
        let (kind, open) = match stream {
            LogStream::Stdout => ('o', 0),
            LogStream::Stderr => ('e', 1),
        };
        let now = record::now();
        let mut text = Vec::with_capacity(bytes.len() + 64);
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let whole = piece.ends_with(b"\n");
            self.open[open] = !whole;
            let kind = if whole { kind } else { kind.to_ascii_uppercase() };
            text.extend_from_slice(format!("{now} {kind} ").as_bytes());
            text.extend_from_slice(piece);
            if !whole {
                text.push(b'\n');
            }
        }
        self.put(&text);
    }

    /// Ends lines that have no end.
    pub(crate) fn finish(&mut self) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            if self.open[usize::from(stream == LogStream::Stderr)] {
                self.take(stream, b"\n");
            }
        }
    }

    fn put(&mut self, text: &[u8]) {
        if self.size > self.limit && self.next_file().is_err() {
            return;
        }
        if self.file.write_all(text).is_ok() {
            self.size += text.len() as u64;
        }
    }

    fn next_file(&mut self) -> io::Result<()> {
        self.file = append(&path(&self.folder, self.number + 1))?;
        self.number += 1;
        self.size = 0;
        let numbers = numbers(&self.folder);
        for &old in numbers.iter().rev().skip(FILES) {
            record::gone_is_fine(fs::remove_file(path(&self.folder, old)))?;
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn three_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::with_limit(folder.path(), true, 1000).unwrap();
        for _ in 0..100 {
            writer.take(LogStream::Stdout, &[b"x".repeat(199), b"\n".to_vec()].concat());
        }
        let numbers = numbers(folder.path());
        assert_eq!(numbers.len(), 3);
        let sizes: Vec<u64> = numbers
            .iter()
            .map(|&number| path(folder.path(), number).metadata().unwrap().len())
            .collect();
        assert!(sizes.iter().all(|&size| size < 1500), "{sizes:?}");
    }
}
