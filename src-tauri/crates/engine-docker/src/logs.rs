//! An instance's output as lines.
//!
//! Without a terminal Docker sends frames: 8 bytes of header (stream and length), then a piece of a line that begins
//! with its time. With a terminal it sends the bytes raw. Which one it is, `Config.Tty` says; the bytes themselves can
//! look like either. A line that has no end yet is delivered when the stream ends, not before: what stands there
//! may be half a character.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use locald_core::InstanceId;
use locald_engine::{EngineError, LogLine, LogOptions, LogStream};

use crate::{
    DockerEngine,
    http::{Body, Client, Failure, encode},
};

/// The longest time stamp an engine writes, with room to spare.
const STAMP_LIMIT: usize = 40;
/// Docker cuts longer lines into pieces of this size, each with the time stamp of the first.
const PIECE: usize = 16 * 1024;

impl DockerEngine {
    pub(crate) async fn open_logs(
        &self,
        instance: &InstanceId,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        let wrap = |detail: String| EngineError::Logs {
            instance: instance.to_string(),
            detail,
        };
        let inspected = self
            .inspected(instance.as_str())
            .await
            .map_err(|failure| failure.into_error(wrap))?
            .ok_or_else(|| wrap("it does not exist any more".to_owned()))?;
        let tty = inspected.config.tty;
        let stamped = !tty || self.dialect.stamps_terminals();
        let body = self
            .http
            .open(&path(instance, options, stamped))
            .await
            .map_err(|failure| match failure {
                // Docker 501, Podman 500.
                Failure::Status { message, .. }
                    if message.contains("does not support reading") || message.contains("cannot read logs") =>
                {
                    let driver = inspected.host_config.log_config.driver;
                    EngineError::LogsNotKept {
                        driver: if driver.is_empty() {
                            "unknown".to_owned()
                        } else {
                            driver
                        },
                    }
                }
                failure => failure.into_error(wrap),
            })?;
        let reader = Reader {
            http: self.http.clone(),
            instance: instance.clone(),
            options,
            body: Some(body),
            splitter: Splitter::new(tty, stamped),
            ready: Ready::new(),
            delivered: 0,
            newest: None,
            skip: 0,
            seen: self.dialect.stamps_are_unique().then(VecDeque::new),
            end_is_held_back: self.dialect.holds_back_unfinished_lines(),
        };
        let lines = futures_util::stream::unfold(reader, |mut reader| async move {
            let line = reader.next().await?;
            Some((line, reader))
        });
        Ok(lines.boxed())
    }
}

fn path(instance: &InstanceId, options: LogOptions, stamped: bool) -> String {
    let tail = options.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let since = options
        .since
        .map(|time| format!("&since={}.{:09}", time.as_second(), time.subsec_nanosecond()))
        .unwrap_or_default();
    let follow = u8::from(options.follow);
    let id = encode(instance.as_str(), "");
    let stamped = u8::from(stamped);
    format!("/containers/{id}/logs?stdout=1&stderr=1&timestamps={stamped}&follow={follow}&tail={tail}{since}")
}

/// Reads lines until the engine has no more.
struct Reader {
    http: Client,
    instance: InstanceId,
    options: LogOptions,
    body: Option<Body>,
    splitter: Splitter,
    ready: Ready,
    delivered: u64,
    /// The newest time delivered, and how many lines had it.
    newest: Option<(Timestamp, usize)>,
    /// Lines of that time still to leave out, because they were delivered already.
    skip: usize,
    /// The last lines delivered, where an engine's times tell lines apart: Docker gives some twice to those who follow
    /// while it begins a new log file.
    seen: Option<VecDeque<u64>>,
    /// Has the end to be asked for once more?
    end_is_held_back: bool,
}

/// How many lines back a repetition is known as such. Docker was seen to repeat 24 at once.
const SEEN: usize = 256;

impl Reader {
    async fn next(&mut self) -> Option<Result<LogLine, EngineError>> {
        loop {
            while let Some(line) = self.ready.pop_front() {
                if !line.as_ref().is_ok_and(|line| self.is_known(line)) {
                    return Some(line);
                }
            }
            let fault = match self.body.as_mut()?.next().await {
                Some(Ok(chunk)) => self.splitter.feed(&chunk, &mut self.ready).err(),
                Some(Err(detail)) => Some(detail),
                None => {
                    self.body = self.end_again().await;
                    if self.body.is_none() {
                        self.splitter.finish(&mut self.ready);
                    }
                    None
                }
            };
            if let Some(detail) = fault {
                self.body = None;
                self.splitter.finish(&mut self.ready);
                let instance = self.instance.to_string();
                self.ready.push_back(Err(EngineError::Logs { instance, detail }));
            }
        }
    }

    /// Was the line delivered before? Counts it when not.
    fn is_known(&mut self, line: &LogLine) -> bool {
        if self.skip > 0 && line.at == self.newest.map(|(newest, _)| newest) {
            self.skip -= 1;
            return true;
        }
        if let Some(seen) = &mut self.seen
            && line.at.is_some()
            && self.options.follow
        {
            let print = fingerprint(line);
            if self.newest.is_some_and(|(newest, _)| line.at <= Some(newest)) && seen.contains(&print) {
                return true;
            }
            seen.truncate(SEEN - 1);
            seen.push_front(print);
        }
        self.delivered += 1;
        match (line.at, &mut self.newest) {
            (Some(at), Some((newest, count))) if *newest == at => *count += 1,
            (Some(at), Some((newest, _))) if *newest > at => {}
            (Some(at), _) => self.newest = Some((at, 1)),
            (None, _) => {}
        }
        false
    }

    /// Docker 20.10 ends a followed stream without the last line when that has no line end, and gives it without
    /// `follow`. So the end is read once more that way, from the newest line on.
    async fn end_again(&mut self) -> Option<Body> {
        if !std::mem::take(&mut self.options.follow) || !self.end_is_held_back {
            return None;
        }
        match self.newest {
            Some((newest, count)) => {
                self.options.tail = None;
                self.options.since = Some(newest);
                self.skip = count;
            }
            // Without times nothing tells the known lines from the new.
            None if self.delivered > 0 => return None,
            None => {}
        }
        // A failure is that of an instance which is gone by now: an end like any other.
        let (tty, stamped) = (self.splitter.tty, self.splitter.stamped);
        let body = self
            .http
            .open(&path(&self.instance, self.options, stamped))
            .await
            .ok()?;
        self.splitter = Splitter::new(tty, stamped);
        Some(body)
    }
}

/// A line's time and text in one number.
fn fingerprint(line: &LogLine) -> u64 {
    let mut hasher = DefaultHasher::new();
    (line.at, &line.bytes, line.stream == LogStream::Stderr).hash(&mut hasher);
    hasher.finish()
}

type Ready = VecDeque<Result<LogLine, EngineError>>;

/// Cuts the engine's bytes into lines.
struct Splitter {
    tty: bool,
    /// Were time stamps asked for?
    stamped: bool,
    input: BytesMut,
    /// Bytes left of the frame at hand, `None` between frames.
    frame: Option<usize>,
    /// Does a time stamp come next?
    stamp_due: bool,
    /// On a terminal: bytes since the last stamp, and the stamp itself, to know it again after a full piece.
    piece: usize,
    stamp: Bytes,
    current: LogStream,
    /// The frame carries an error of the engine's own and not output.
    system: bool,
    out: Line,
    err: Line,
}

/// A line being put together.
struct Line {
    stream: LogStream,
    bytes: BytesMut,
    cut: u64,
    at: Option<Timestamp>,
}

impl Line {
    fn new(stream: LogStream) -> Self {
        Self {
            stream,
            bytes: BytesMut::new(),
            cut: 0,
            at: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.cut == 0
    }

    fn stamp(&mut self, at: Option<Timestamp>) {
        if self.is_empty() {
            self.at = at;
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(LogLine::LIMIT - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.cut += (bytes.len() - kept) as u64;
    }

    fn take(&mut self) -> LogLine {
        let bytes = self.bytes.split().freeze();
        LogLine {
            stream: self.stream,
            at: self.at,
            bytes,
            cut_bytes: std::mem::take(&mut self.cut),
        }
    }
}

impl Splitter {
    fn new(tty: bool, stamped: bool) -> Self {
        Self {
            tty,
            stamped,
            input: BytesMut::new(),
            frame: None,
            stamp_due: stamped,
            piece: 0,
            stamp: Bytes::new(),
            current: LogStream::Stdout,
            system: false,
            out: Line::new(LogStream::Stdout),
            err: Line::new(LogStream::Stderr),
        }
    }

    /// Takes what came in, gives the lines that are whole.
    fn feed(&mut self, chunk: &[u8], ready: &mut Ready) -> Result<(), String> {
        self.input.extend_from_slice(chunk);
        if self.tty {
            self.feed_raw(ready, false);
            Ok(())
        } else {
            self.feed_frames(ready)
        }
    }

    /// No more comes: what is left is the last line.
    fn finish(&mut self, ready: &mut Ready) {
        if self.tty {
            self.feed_raw(ready, true);
        }
        for line in [&mut self.out, &mut self.err] {
            if !line.is_empty() {
                ready.push_back(Ok(line.take()));
            }
        }
    }

    fn line(&mut self) -> &mut Line {
        match self.current {
            LogStream::Stdout => &mut self.out,
            LogStream::Stderr => &mut self.err,
        }
    }

    fn feed_frames(&mut self, ready: &mut Ready) -> Result<(), String> {
        loop {
            let Some(left) = self.frame else {
                if self.input.len() < 8 {
                    return Ok(());
                }
                let header = self.input.split_to(8);
                if header[0] > 3 || header[1..4] != [0, 0, 0] {
                    return Err("the engine sent a frame that is none".to_owned());
                }
                self.current = if header[0] == 2 {
                    LogStream::Stderr
                } else {
                    LogStream::Stdout
                };
                self.system = header[0] == 3;
                self.stamp_due = self.stamped && !self.system;
                self.frame = Some((&header[4..]).get_u32() as usize);
                continue;
            };
            if self.stamp_due {
                let window = left.min(STAMP_LIMIT);
                if self.input.len() < window {
                    return Ok(());
                }
                let (at, length) = stamp_in(&self.input[..window]);
                self.input.advance(length);
                self.line().stamp(at);
                self.stamp_due = false;
                self.frame = Some(left - length);
                continue;
            }
            let taken = left.min(self.input.len());
            if taken == 0 && left > 0 {
                return Ok(());
            }
            let bytes = self.input.split_to(taken);
            if self.system {
                return Err(String::from_utf8_lossy(&bytes).trim().to_owned());
            }
            let mut rest = &bytes[..];
            while let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
                let line = self.line();
                line.add(&rest[..at]);
                ready.push_back(Ok(line.take()));
                rest = &rest[at + 1..];
            }
            self.line().add(rest);
            self.frame = (left > taken).then_some(left - taken);
        }
    }

    fn feed_raw(&mut self, ready: &mut Ready, ended: bool) {
        while !self.input.is_empty() {
            if self.stamp_due {
                let window = self.input.len().min(STAMP_LIMIT);
                let whole = window == STAMP_LIMIT || self.input.contains(&b' ') || self.input.contains(&b'\n');
                if !whole && !ended {
                    return;
                }
                let (at, length) = stamp_in(&self.input[..window]);
                self.stamp = self.input.split_to(length).freeze();
                self.out.stamp(at);
                self.stamp_due = false;
                self.piece = 0;
                continue;
            }
            if self.piece == PIECE && self.input[0] != b'\n' && !self.stamp.is_empty() {
                let seen = self.input.len().min(self.stamp.len());
                if self.input[..seen] == self.stamp[..seen] {
                    if seen < self.stamp.len() && !ended {
                        return;
                    }
                    self.input.advance(seen);
                    self.piece = 0;
                    continue;
                }
                // No stamp where one would be: this engine doesn't cut, and no later place is one either.
                self.stamp = Bytes::new();
            }
            let room = if self.stamp.is_empty() || self.piece >= PIECE {
                usize::MAX
            } else {
                PIECE - self.piece
            };
            let window = self.input.len().min(room.max(1));
            if let Some(at) = self.input[..window].iter().position(|&byte| byte == b'\n') {
                let bytes = self.input.split_to(at + 1);
                self.out.add(&bytes[..at]);
                let mut line = self.out.take();
                // The terminal's line discipline put it there, not the program.
                if line.bytes.last() == Some(&b'\r') {
                    line.bytes.truncate(line.bytes.len() - 1);
                }
                ready.push_back(Ok(line));
                self.stamp_due = self.stamped;
            } else {
                let bytes = self.input.split_to(window);
                self.out.add(&bytes);
                self.piece += window;
            }
        }
    }
}

/// The time stamp at the beginning and how many bytes it takes up with its space; none and 0 where there is none.
fn stamp_in(bytes: &[u8]) -> (Option<Timestamp>, usize) {
    let Some(space) = bytes.iter().position(|&byte| byte == b' ') else {
        return (None, 0);
    };
    let looks_like_one = space >= 20 && bytes[4] == b'-' && bytes[10] == b'T';
    let stamp = std::str::from_utf8(&bytes[..space]).ok().filter(|_| looks_like_one);
    match stamp.and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(at) => (Some(at), space + 1),
        None => (None, 0),
    }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
