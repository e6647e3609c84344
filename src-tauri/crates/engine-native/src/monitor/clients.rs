//! Those who talk to a monitor through its socket.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::PermissionsExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
};

use crate::{
    record::{self, gone_is_fine},
    wire::{Request, Told, line},
};

/// More than any request is long.
const LINE_LIMIT: usize = 4096;

/// Listens where only this user can get to.
pub(super) fn listen(run: &Path) -> io::Result<UnixListener> {
    let path = record::socket(run);
    gone_is_fine(fs::remove_file(&path))?;
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

struct Client {
    line_to_it: UnixStream,
    heard: Vec<u8>,
    /// Wants to hear of what happens.
    watches: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Clients(Vec<Client>);

impl Clients {
    pub(super) fn accept(&mut self, listener: &UnixListener) {
        while let Ok((line_to_it, _)) = listener.accept() {
            if line_to_it.set_nonblocking(true).is_ok() {
                self.0.push(Client {
                    line_to_it,
                    heard: Vec::new(),
                    watches: false,
                });
            }
        }
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|client| client.line_to_it.as_fd())
    }

    /// What they ask. Each is told `answer` at once.
    pub(super) fn requests(&mut self, answer: &Told) -> Vec<Request> {
        let mut asked = Vec::new();
        self.0.retain_mut(|client| {
            let open = client.hear();
            while let Some(end) = client.heard.iter().position(|&byte| byte == b'\n') {
                let text: Vec<u8> = client.heard.drain(..=end).collect();
                let Ok(request) = serde_json::from_slice::<Request>(&text) else {
                    return false;
                };
                client.watches |= matches!(request, Request::Watch | Request::Stop { .. });
                asked.push(request);
                if !client.tell(answer) {
                    return false;
                }
            }
            open && client.heard.len() < LINE_LIMIT
        });
        asked
    }

    pub(super) fn tell(&mut self, told: &Told) {
        self.0.retain_mut(|client| !client.watches || client.tell(told));
    }
}

impl Client {
    /// `false` when it hung up.
    fn hear(&mut self) -> bool {
        let mut buffer = [0; 1024];
        loop {
            match self.line_to_it.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            if self.heard.len() > LINE_LIMIT {
                return false;
            }
        }
    }

    /// `false` when it doesn't listen: a few hundred bytes always fit for one that does.
    fn tell(&mut self, told: &Told) -> bool {
        self.line_to_it.write_all(&line(told)).is_ok()
    }
}
