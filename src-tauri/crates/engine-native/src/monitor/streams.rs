//! The two pipes that the process writes to. They have names, and both sides keep them open for reading and writing: so
//! the process neither dies of a monitor's death nor loses what it wrote meanwhile.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    process::Stdio,
};

use locald_engine::LogStream;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};

use crate::{
    logfile::Writer,
    record::{Instance, Run, gone_is_fine},
};

const NAMES: [(LogStream, &str, u8); 2] = [(LogStream::Stdout, "out", 1), (LogStream::Stderr, "err", 2)];

pub(super) struct Streams {
    pipes: Vec<(LogStream, File)>,
    log: Writer,
}

impl Streams {
    /// New ones.
    pub(super) fn make(instance: &Instance) -> io::Result<Self> {
        fs::create_dir_all(&instance.run)?;
        for (_, name, _) in NAMES {
            let path = instance.run.join(name);
            gone_is_fine(fs::remove_file(&path))?;
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
            if let Some(user) = instance.launch.user {
                // Programs open `/dev/stderr` anew.
                std::os::unix::fs::chown(&path, Some(user.uid), Some(user.gid))?;
            }
        }
        let pipes = NAMES.map(|(stream, name, _)| Ok((stream, open(&instance.run.join(name), false)?)));
        Ok(Self {
            pipes: pipes.into_iter().collect::<io::Result<_>>()?,
            log: Writer::open(&instance.logs, true)?,
        })
    }

    /// Those of a process that runs. Where their names are gone, the process itself has them.
    pub(super) fn find(instance: &Instance, run: &Run) -> io::Result<Self> {
        let mut pipes = Vec::new();
        for (stream, name, number) in NAMES {
            let named = instance.run.join(name);
            // Only of this very process: whoever has its number by now writes to nobody else.
            let held = run
                .main
                .seen()
                .map(|seen| PathBuf::from(format!("/proc/{}/fd/{number}", seen.identity.pid)));
            for path in [Some(named), held].into_iter().flatten() {
                let is_pipe = fs::metadata(&path).is_ok_and(|meta| meta.file_type().is_fifo());
                if is_pipe && let Ok(pipe) = open(&path, false) {
                    pipes.push((stream, pipe));
                    break;
                }
            }
        }
        fs::create_dir_all(&instance.run)?;
        Ok(Self {
            pipes,
            log: Writer::open(&instance.logs, false)?,
        })
    }

    /// The process's own ends.
    pub(super) fn writers(&self, instance: &Instance) -> io::Result<(Stdio, Stdio)> {
        let [out, err] = NAMES.map(|(_, name, _)| open(&instance.run.join(name), true));
        Ok((Stdio::from(out?), Stdio::from(err?)))
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|(_, pipe)| pipe.as_fd())
    }

    /// Writes down what has come; `true` when there may be more.
    pub(super) fn read(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        let mut more = false;
        for (stream, pipe) in &mut self.pipes {
            if let Ok(count @ 1..) = pipe.read(&mut buffer) {
                self.log.take(*stream, &buffer[..count]);
                more = true;
            }
        }
        more
    }

    /// To the last byte, when nobody writes any more.
    pub(super) fn finish(&mut self) {
        while self.read() {}
        self.log.finish();
    }
}

fn open(path: &Path, waits: bool) -> io::Result<File> {
    let flags = if waits { 0 } else { OFlags::NONBLOCK.bits() };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags.cast_signed())
        .open(path)?;
    // More room spares a chatty process waits, also while it has no monitor. What is there without is enough.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&file, 1024 * 1024);
    Ok(file)
}
