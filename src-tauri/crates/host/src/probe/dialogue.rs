//! A connection on which locald speaks a protocol of few words by itself.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{connect, io_words};

/// How long a line or a packet may be.
const LIMIT: usize = 1024 * 1024;
/// How long a server may take to hang up after a goodbye.
const GOODBYE: Duration = Duration::from_millis(100);

pub(super) struct Dialogue {
    address: SocketAddr,
    /// What is spoken, for people.
    protocol: &'static str,
    stream: BufReader<TcpStream>,
    heard: bool,
}

impl Dialogue {
    pub(super) async fn open(address: SocketAddr, protocol: &'static str) -> Result<Self, String> {
        Ok(Self {
            address,
            protocol,
            stream: BufReader::new(connect(address).await?),
            heard: false,
        })
    }

    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream
            .get_mut()
            .write_all(bytes)
            .await
            .map_err(|error| io_words(self.address, &error))
    }

    /// A line without its end.
    pub(super) async fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(LIMIT as u64);
        match limited.read_until(b'\n', &mut line).await {
            Err(error) => Err(io_words(self.address, &error)),
            Ok(_) if line.ends_with(b"\n") => {
                self.heard = true;
                String::from_utf8(line)
                    .map(|line| line.trim_end().to_owned())
                    .map_err(|_| self.not_understood())
            }
            Ok(LIMIT) => Err(self.not_understood()),
            Ok(_) => Err(self.closed()),
        }
    }

    /// So many bytes.
    pub(super) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, String> {
        if count > LIMIT {
            return Err(self.not_understood());
        }
        let mut bytes = vec![0; count];
        match self.stream.read_exact(&mut bytes).await {
            Ok(_) => {
                self.heard = true;
                Ok(bytes)
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(self.closed()),
            Err(error) => Err(io_words(self.address, &error)),
        }
    }

    /// Says goodbye and lets the server be the one that hangs up: one whose last words nobody takes complains of it.
    pub(super) async fn end(mut self, goodbye: &[u8]) {
        let farewell = async {
            let _ = self.say(goodbye).await;
            let _ = self.stream.get_mut().shutdown().await;
            let _ = tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await;
        };
        let _ = tokio::time::timeout(GOODBYE, farewell).await;
    }

    pub(super) fn not_understood(&self) -> String {
        super::speaks_otherwise(self.address, self.protocol)
    }

    fn closed(&self) -> String {
        if self.heard {
            format!("port {} closed the connection without an answer", self.address.port())
        } else {
            super::closes_at_once(self.address)
        }
    }
}
