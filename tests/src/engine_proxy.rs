//! A socket in front of an engine's: it shows which requests arrive and when, and can cut, refuse, hold and delay them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::wait::eventually;

/// What happens to who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Bytes pass.
    Pass,
    /// Bytes pass, each way this much later.
    Delay(Duration),
    /// Accepted and never answered; connections that exist stay and fall silent too.
    Hold,
    /// Nobody listens: the socket file is there and `connect()` is refused.
    Refuse,
}

/// The first line of a request.
#[derive(Clone, Debug)]
pub struct Request {
    /// When its line had arrived.
    pub at: Instant,
    /// Which connection it came on, counted from 1.
    pub connection: usize,
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path and query.
    pub path: String,
}

impl Request {
    /// Whether it is this method on a path that ends so, whatever the API version and the query: `is("POST", "/start")`.
    pub fn is(&self, method: &str, end_of_path: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        self.method == method && path.ends_with(end_of_path)
    }
}

#[derive(Debug)]
struct Record {
    requests: Mutex<Vec<Request>>,
    /// Texts to look for in what the engine sends, and when each was seen.
    marks: Mutex<Vec<(String, Vec<Instant>)>>,
    mode: watch::Sender<Mode>,
    /// Counts the cuts: a connection ends when it sees another number than at its start.
    cuts: watch::Sender<usize>,
    open: watch::Sender<usize>,
    accepted: Mutex<usize>,
}

/// The proxy. Its socket goes with it.
#[derive(Debug)]
pub struct EngineProxy {
    socket: PathBuf,
    record: Arc<Record>,
    task: JoinHandle<()>,
}

impl EngineProxy {
    /// Listens at `socket` and passes everything to the engine at `engine`.
    ///
    /// # Panics
    /// When it cannot listen there.
    pub fn start(socket: &Path, engine: &Path) -> Self {
        let record = Arc::new(Record {
            requests: Mutex::default(),
            marks: Mutex::default(),
            mode: watch::channel(Mode::Pass).0,
            cuts: watch::channel(0).0,
            open: watch::channel(0).0,
            accepted: Mutex::new(0),
        });
        let listener = listen(socket);
        let task = tokio::spawn(serve(listener, socket.to_owned(), engine.to_owned(), record.clone()));
        Self {
            socket: socket.to_owned(),
            record,
            task,
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Changes what happens from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.record.mode.send_replace(mode);
    }

    /// Ends every connection; new ones are treated as the mode says.
    pub fn cut(&self) {
        self.record.cuts.send_modify(|count| *count += 1);
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.record.requests.lock().unwrap().clone()
    }

    /// The requests that arrived at or after `moment`.
    pub fn requests_since(&self, moment: Instant) -> Vec<Request> {
        self.requests()
            .into_iter()
            .filter(|request| request.at >= moment)
            .collect()
    }

    /// Waits for a request at or after `since` that `accept` likes.
    ///
    /// # Panics
    /// When none has come at the deadline.
    pub async fn wait_for(
        &self,
        what: &str,
        since: Instant,
        deadline: Duration,
        mut accept: impl FnMut(&Request) -> bool,
    ) -> Request {
        eventually(&format!("a request to the engine: {what}"), deadline, async || {
            let requests = self.requests_since(since);
            let found = requests.iter().find(|request| accept(request)).cloned();
            found.ok_or_else(|| {
                let lines: Vec<_> = requests.iter().map(|it| format!("{} {}", it.method, it.path)).collect();
                format!("{lines:?}")
            })
        })
        .await
    }

    /// From now on notes when the engine sends a line with this text, as `"status":"die"` in its event stream.
    pub fn mark(&self, text: &str) {
        self.record.marks.lock().unwrap().push((text.to_owned(), Vec::new()));
    }

    /// When a marked text was seen.
    pub fn marked(&self, text: &str) -> Vec<Instant> {
        let marks = self.record.marks.lock().unwrap();
        marks
            .iter()
            .filter(|(marked, _)| marked == text)
            .flat_map(|(_, times)| times.clone())
            .collect()
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        *self.record.open.borrow()
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> usize {
        *self.record.accepted.lock().unwrap()
    }
}

impl Drop for EngineProxy {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn listen(socket: &Path) -> UnixListener {
    let _ = std::fs::remove_file(socket);
    UnixListener::bind(socket).unwrap_or_else(|error| panic!("cannot listen at {}: {error}", socket.display()))
}

async fn serve(listener: UnixListener, socket: PathBuf, engine: PathBuf, record: Arc<Record>) {
    let mut listener = Some(listener);
    let mut mode = record.mode.subscribe();
    // Connections end with the proxy.
    let mut connections = JoinSet::new();
    loop {
        let refused = *mode.borrow_and_update() == Mode::Refuse;
        match (&listener, refused) {
            // A closed listener leaves its file, as a killed engine does.
            (Some(_), true) => listener = None,
            (None, false) => listener = Some(listen(&socket)),
            _ => {}
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => {
                let Ok((client, _)) = accepted else { continue };
                let number = {
                    let mut accepted = record.accepted.lock().unwrap();
                    *accepted += 1;
                    *accepted
                };
                connections.spawn(connection(client, engine.clone(), record.clone(), number));
            }
            changed = mode.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
        }
    }
}

struct Counted<'a>(&'a watch::Sender<usize>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn connection(client: UnixStream, engine: PathBuf, record: Arc<Record>, number: usize) {
    record.open.send_modify(|count| *count += 1);
    let _counted = Counted(&record.open);
    let mut cuts = record.cuts.subscribe();
    let (from_client, to_client) = client.into_split();
    let passing = async {
        wait_while_held(&record).await;
        let Ok(engine) = UnixStream::connect(&engine).await else {
            return;
        };
        let (from_engine, to_engine) = engine.into_split();
        let mut requests = Lines::default();
        let up = pass(from_client, to_engine, &record, |bytes| {
            requests.feed(bytes, |line| {
                if let Some((method, path)) = request_line(line) {
                    let request = Request {
                        at: Instant::now(),
                        connection: number,
                        method,
                        path,
                    };
                    record.requests.lock().unwrap().push(request);
                }
            });
        });
        let mut answers = Lines::default();
        let down = pass(from_engine, to_client, &record, |bytes| {
            if record.marks.lock().unwrap().is_empty() {
                return;
            }
            answers.feed(bytes, |line| {
                for (text, times) in record.marks.lock().unwrap().iter_mut() {
                    if line.contains(text.as_str()) {
                        times.push(Instant::now());
                    }
                }
            });
        });
        // Half closed is a state that exec and attach rely on: each way ends by itself.
        tokio::join!(up, down);
    };
    tokio::select! {
        () = passing => {}
        _ = cuts.changed() => {}
    }
}

async fn wait_while_held(record: &Record) {
    let mut mode = record.mode.subscribe();
    let _ = mode.wait_for(|mode| *mode != Mode::Hold).await;
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    record: &Record,
    mut seen: impl FnMut(&[u8]),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        seen(&buffer[..count]);
        wait_while_held(record).await;
        let mode = *record.mode.borrow();
        if let Mode::Delay(time) = mode {
            tokio::time::sleep(time).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// Cuts a stream of bytes into lines, of which it keeps no more than a bounded tail.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        const KEPT: usize = 64 * 1024;
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.rest.extend_from_slice(part);
            if part.ends_with(b"\n") {
                line(String::from_utf8_lossy(&self.rest).trim_end());
                self.rest.clear();
            } else if self.rest.len() > KEPT {
                self.rest.drain(..self.rest.len() - KEPT / 2);
            }
        }
    }
}

/// Method and path when `line` ends as a request line does. A body need not end with a newline, so the request after it
/// may begin in the middle of a line.
fn request_line(line: &str) -> Option<(String, String)> {
    let head = line
        .strip_suffix(" HTTP/1.1")
        .or_else(|| line.strip_suffix(" HTTP/1.0"))?;
    let (before, path) = head.rsplit_once(' ')?;
    let method = ["GET", "POST", "PUT", "DELETE", "HEAD"]
        .into_iter()
        .find(|method| before.ends_with(method))?;
    Some((method.to_owned(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_wherever_the_bytes_are_split() {
        let bytes = b"POST /v1.41/containers/create?name=a HTTP/1.1\r\nContent-Length: 16\r\n\r\n{\"Image\":\"lt/bb\"}\
            GET /v1.41/events HTTP/1.1\r\nHost: x\r\n\r\n";
        for size in [1, 7, 30, bytes.len()] {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for chunk in bytes.chunks(size) {
                lines.feed(chunk, |line| found.extend(request_line(line)));
            }
            let paths: Vec<_> = found.iter().map(|(method, path)| format!("{method} {path}")).collect();
            assert_eq!(
                paths,
                ["POST /v1.41/containers/create?name=a", "GET /v1.41/events"],
                "in pieces of {size}"
            );
        }
    }
}
