//! An engine that says what the test wants, on a real socket.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};

/// Answers by method and path without the query, else 404.
pub struct Server {
    folder: tempfile::TempDir,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves the answers: `("GET /version", 200, body)`. Each connection closes after its answer.
    pub fn start(answers: &[(&str, u16, &str)]) -> Self {
        let answers: HashMap<String, (u16, String)> = answers
            .iter()
            .map(|(request, code, body)| ((*request).to_owned(), (*code, (*body).to_owned())))
            .collect();
        Self::with(move |request| {
            let (code, body) = answers
                .get(request)
                .cloned()
                .unwrap_or((404, r#"{"message":"no such thing"}"#.into()));
            Some(format!(
                "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}"
            ))
        })
    }

    /// Sends what the function gives for a request; `None` keeps silent and the connection open.
    pub fn with(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&requests), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move { serve(stream, &log, &*answer).await });
            }
        });
        Self { folder, requests, task }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Method and path of each request so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: UnixStream, log: &Mutex<Vec<String>>, answer: &(impl Fn(&str) -> Option<String> + Sync)) {
    let mut stream = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
        if first.is_empty() {
            line.split(" HTTP/")
                .next()
                .unwrap_or_default()
                .split('?')
                .next()
                .unwrap_or_default()
                .clone_into(&mut first);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut body = vec![0; length];
    let _ = stream.read_exact(&mut body).await;
    log.lock().unwrap().push(first.clone());
    match answer(&first) {
        Some(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        None => std::future::pending().await,
    }
}
