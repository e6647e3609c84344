//! Tar archives on their way between an engine and a file: renamed entry by entry, never whole in memory.

use std::{
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;
use tar::{Archive, Builder, Entry, EntryType};
use tokio::sync::mpsc;

/// How many pieces may wait between the engine and the disk.
const PIECES: usize = 16;
/// A piece on its way to the engine.
const PIECE: usize = 64 * 1024;
/// Postgres' own file is among the first of its folder; whoever has not shown it after so many isn't Postgres.
const LOOKED_AT: usize = 100_000;

/// Bytes from a task to a thread.
pub(crate) fn inlet() -> (mpsc::Sender<Bytes>, Inlet) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let piece = Bytes::new();
    (sender, Inlet { receiver, piece })
}

/// What a thread reads while a task writes.
pub(crate) struct Inlet {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Inlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// Bytes from a thread to a task. What fails in the thread has to be sent too: an end without a word would pass for
/// the archive's.
pub(crate) fn outlet() -> (Outlet, mpsc::Receiver<io::Result<Bytes>>) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let piece = Vec::with_capacity(PIECE);
    (Outlet { sender, piece }, receiver)
}

/// What a thread writes while a task reads.
pub(crate) struct Outlet {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Outlet {
    fn send(&self, piece: io::Result<Bytes>) -> io::Result<()> {
        self.sender
            .blocking_send(piece)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.send(Ok(piece.into()))
    }
}

/// Owner and mode of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mode: u32,
}

/// The path below the archive's root, whichever way the engine writes it: `./a`, `/a` or `a`. `None` where it leads
/// out of it.
fn below(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a path in the archive leads out of it")
}

/// Puts an entry into another archive under another name, `rename` telling where what is below the root goes.
fn put<R: Read, W: Write>(
    to: &mut Builder<W>,
    entry: &mut Entry<'_, R>,
    name: &Path,
    rename: impl Fn(&Path) -> Option<PathBuf>,
) -> io::Result<()> {
    let mut header = entry.header().clone();
    match header.entry_type() {
        EntryType::Link => {
            let target = entry.link_name()?.ok_or_else(outside)?;
            let target = rename(&target).ok_or_else(outside)?;
            header.set_size(0);
            to.append_link(&mut header, name, target)
        }
        EntryType::Symlink => {
            let target = entry.link_name()?.ok_or_else(outside)?.into_owned();
            header.set_size(0);
            to.append_link(&mut header, name, target)
        }
        kind => {
            if matches!(kind, EntryType::GNUSparse | EntryType::Continuous) {
                header.set_entry_type(EntryType::Regular);
            }
            header.set_size(entry.size());
            to.append_data(&mut header, name, entry)
        }
    }
}

/// Adds what an engine hands out to an archive, below `folder`.
pub(crate) fn repack(from: impl Read, to: &mut Builder<impl Write>, folder: &str) -> io::Result<()> {
    let folder = Path::new(folder);
    let rename = |path: &Path| Some(folder.join(below(path)?));
    let mut archive = Archive::new(from);
    let mut rooted = false;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = rename(&entry.path()?).ok_or_else(outside)?;
        rooted |= name == folder.join("");
        put(to, &mut entry, &name, rename)?;
    }
    if rooted {
        return Ok(());
    }
    // Not every engine tells of the folder itself, and an empty one has to be there all the same.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::Directory);
    header.set_mode(0o700);
    header.set_size(0);
    to.append_data(&mut header, folder, io::empty())
}

/// Hands the part of an archive below `folder` to an engine, as `name`; gives what it says of the folder itself.
pub(crate) fn unpack(from: impl Read, folder: &str, name: &str, to: Outlet) -> io::Result<Option<Owner>> {
    let failed = to.sender.clone();
    let packed = part(from, folder, name, to);
    if let Err(error) = &packed {
        // Nobody listens any more where the engine gave up first.
        let _ = failed.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
    }
    packed
}

fn part(from: impl Read, folder: &str, name: &str, to: Outlet) -> io::Result<Option<Owner>> {
    let rename = |path: &Path| {
        let rest = below(path)?.strip_prefix(folder).ok()?.to_owned();
        // An engine ignores the folder itself where it is called nothing else than `.`.
        let renamed = Path::new(name).join(rest);
        Some(if renamed.as_os_str().is_empty() {
            PathBuf::from("./")
        } else {
            renamed
        })
    };
    let (mut owner, mut found) = (None, false);
    let mut builder = Builder::new(to);
    let mut archive = Archive::new(from);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(renamed) = rename(&entry.path()?) else {
            continue;
        };
        found = true;
        if below(&entry.path()?).is_some_and(|path| path == Path::new(folder)) {
            let header = entry.header();
            owner = Some(Owner {
                uid: header.uid()?,
                gid: header.gid()?,
                mode: header.mode()? & 0o7777,
            });
        }
        put(&mut builder, &mut entry, &renamed, rename)?;
    }
    if !found {
        let text = format!("the archive has no folder {folder}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    builder.into_inner()?.flush()?;
    Ok(owner)
}

/// What a folder holds, as far as one look at its first entries tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Contents {
    pub(crate) empty: bool,
    /// What `PG_VERSION` says.
    pub(crate) postgres: Option<String>,
}

/// Reads the beginning of a folder's archive. Engines go by the alphabet, in which `PG_VERSION` comes before what is big.
pub(crate) fn look(from: impl Read, postgres: bool) -> io::Result<Contents> {
    let mut contents = Contents {
        empty: true,
        postgres: None,
    };
    for entry in Archive::new(from).entries()?.take(LOOKED_AT) {
        let mut entry = entry?;
        let path = below(&entry.path()?).ok_or_else(outside)?;
        // A file system of its own has this one from the start.
        if path.as_os_str().is_empty() || path.starts_with("lost+found") {
            continue;
        }
        contents.empty = false;
        if !postgres {
            break;
        }
        if is_version_file(&path) {
            let mut text = String::new();
            entry.by_ref().take(64).read_to_string(&mut text)?;
            contents.postgres = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
            break;
        }
    }
    Ok(contents)
}

/// At the root up to Postgres 17, at `18/docker` and the like from then on; each database has such a file too.
fn is_version_file(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    match parts[..] {
        ["PG_VERSION"] | ["data", "PG_VERSION"] => true,
        [major, "docker" | "data", "PG_VERSION"] => major.parse::<u32>().is_ok(),
        _ => false,
    }
}

/// The one file of an archive.
pub(crate) fn single(from: impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut archive = Archive::new(from);
    let mut entry = archive.entries()?.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    if !entry.header().entry_type().is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    io::copy(&mut entry, to).map(drop)
}

/// A file as an archive of one entry.
pub(crate) fn pack(from: &mut std::fs::File, name: &str, owner: Owner, to: Outlet) -> io::Result<()> {
    let failed = to.sender.clone();
    let packed = (|| {
        let mut header = tar::Header::new_gnu();
        header.set_size(from.metadata()?.len());
        header.set_mode(owner.mode);
        header.set_uid(owner.uid);
        header.set_gid(owner.gid);
        let mut builder = Builder::new(to);
        builder.append_data(&mut header, name, from)?;
        builder.into_inner()?.flush()
    })();
    if let Err(error) = &packed {
        // Nobody listens any more where the engine gave up first.
        let _ = failed.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
    }
    packed
}
