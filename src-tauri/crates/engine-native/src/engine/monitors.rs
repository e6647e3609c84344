//! Monitors: their program, and how they are begun and talked to.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{UnixStream, unix::OwnedReadHalf, unix::OwnedWriteHalf},
    process::Command,
};

use super::Shared;
use crate::{
    process::MARKER,
    record::{self, Place},
    wire::{Begun, Request, Told, line},
};

const PROGRAM: &str = "locald-monitor";

impl Shared {
    fn monitor_program(&self) -> io::Result<PathBuf> {
        if let Some(program) = &self.options.monitor {
            return Ok(program.clone());
        }
        let beside = std::env::current_exe()
            .ok()
            .and_then(|own| Some(own.parent()?.join(PROGRAM)));
        let on_path = std::env::var_os("PATH");
        let on_path = on_path
            .iter()
            .flat_map(std::env::split_paths)
            .map(|folder| folder.join(PROGRAM));
        beside
            .into_iter()
            .chain(on_path)
            .find(|program| program.is_file())
            .ok_or_else(|| {
                let text = format!(
                    "`{PROGRAM}`, which belongs to locald, is neither beside it nor on PATH; install locald anew"
                );
                io::Error::new(io::ErrorKind::NotFound, text)
            })
    }

    /// Begins a monitor and hears its first word.
    pub(super) async fn monitor(&self, verb: &str, place: &Place) -> io::Result<Begun> {
        let mut child = Command::new(self.monitor_program()?)
            .arg(verb)
            .arg(&place.0)
            .current_dir("/")
            .env_remove(MARKER)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take();
        // It outlives this program as a rule; whoever is still there buries it.
        tokio::spawn(async move { child.wait().await });
        let Some(stdout) = stdout else {
            return Err(io::Error::other("it says nothing"));
        };
        let said = BufReader::new(stdout).lines().next_line().await?;
        let said = said.ok_or_else(|| io::Error::other(format!("`{PROGRAM}` ended without a word")))?;
        serde_json::from_str(&said).map_err(io::Error::other)
    }
}

/// A conversation with a monitor.
pub(super) struct Talk {
    answers: Lines<BufReader<OwnedReadHalf>>,
    /// Kept: a monitor forgets those who hang up.
    _asking: OwnedWriteHalf,
}

impl Talk {
    pub(super) async fn begin(run: &Path, request: Request) -> io::Result<Self> {
        let (reading, mut asking) = UnixStream::connect(record::socket(run)).await?.into_split();
        asking.write_all(&line(&request)).await?;
        Ok(Self {
            answers: BufReader::new(reading).lines(),
            _asking: asking,
        })
    }

    /// `None` when the monitor is gone.
    pub(super) async fn next(&mut self) -> Option<Told> {
        let answer = self.answers.next_line().await.ok()??;
        serde_json::from_str(&answer).ok()
    }
}
