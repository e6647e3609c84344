//! Watches over one process, from its start to the end of all that it started.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid},
};

use super::{clients::Clients, ending::Ending, failed, streams::Streams};
use crate::{
    process,
    record::{self, Asked, Exit, Instance, Place, Run},
    wire::{Begun, Request, Told},
};

/// How often an adopted process is looked at where no descriptor tells of its end.
#[cfg(not(target_os = "linux"))]
const NOW_AND_THEN: Duration = Duration::from_millis(500);

/// How long an adopted process that ended may take to be buried.
const BURIAL: Duration = Duration::from_millis(300);

pub(super) struct Keeper {
    pub(super) place: Place,
    pub(super) instance: Instance,
    pub(super) run: Run,
    streams: Streams,
    listener: UnixListener,
    clients: Clients,
    ending: Option<Ending>,
    /// Tells of the main process's end when it isn't a child of this process.
    held: Option<OwnedFd>,
    reaper: Option<Reaper>,
    /// Held as long as this process lives.
    _lock: File,
}

/// A thread that waits for the end of any child, and then for the word to go on.
struct Reaper {
    woken: UnixStream,
    go_on: mpsc::Sender<()>,
}

impl Reaper {
    fn new() -> io::Result<Self> {
        let (woken, mut waker) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let (go_on, may) = mpsc::channel();
        std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
            while waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_ok() {
                if waker.write_all(b".").is_err() || may.recv().is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { woken, go_on })
    }
}

impl Keeper {
    pub(super) fn new(
        place: Place,
        instance: Instance,
        run: Run,
        streams: Streams,
        listener: UnixListener,
        lock: File,
        is_child: bool,
    ) -> Result<Self, Begun> {
        let mut keeper = Self {
            place,
            instance,
            streams,
            listener,
            clients: Clients::default(),
            ending: None,
            held: None,
            reaper: None,
            _lock: lock,
            run,
        };
        if is_child {
            keeper.reaper = Some(Reaper::new().map_err(failed("its end"))?);
        } else {
            keeper.held = process::watch(keeper.run.main).map_err(failed("its end"))?;
        }
        Ok(keeper)
    }

    /// Until all is gone and on disk.
    pub(super) fn keep(&mut self) {
        loop {
            self.look();
            if let Some(exit) = self.run.exit
                && let Some(ending) = &mut self.ending
                && ending.is_over(&self.run, &self.instance.id)
            {
                self.finish(exit);
                return;
            }
            self.wait();
            self.streams.read();
            self.clients.accept(&self.listener);
            let told = Told::Alive { exit: self.run.exit };
            for request in self.clients.requests(&told) {
                self.serve(request);
            }
            self.press();
        }
    }

    fn wait(&self) {
        let mut polled: Vec<PollFd<'_>> = self
            .streams
            .descriptors()
            .chain(self.clients.descriptors())
            .chain([self.listener.as_fd()])
            .chain(self.reaper.iter().map(|reaper| reaper.woken.as_fd()))
            // It stays readable once it has ended.
            .chain(
                self.held
                    .iter()
                    .filter(|_| self.run.exit.is_none())
                    .map(|held| held.as_fd()),
            )
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
            .collect();
        let timeout = self.ending.as_ref().map(Ending::due);
        #[cfg(not(target_os = "linux"))]
        let timeout = timeout.or(self.reaper.is_none().then_some(NOW_AND_THEN));
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        // An interruption is one more reason to look around.
        let _ = poll(&mut polled, timeout.as_ref());
    }

    /// Has the main process ended? Orphans that fell to this process are buried.
    fn look(&mut self) {
        if self.run.exit.is_none() {
            let ended = if self.reaper.is_some() {
                self.code_of_child()
            } else {
                self.run.main.seen().is_none().then(Exit::default)
            };
            if let Some(exit) = ended {
                self.run.exit = Some(exit);
                // The facts come before all else.
                let _ = self.place.write_run(&self.run);
                let left = self.ending.take();
                self.ending = Some(Ending::of_the_rest(left));
            }
        } else if self.ending.is_none() {
            self.ending = Some(Ending::of_the_rest(None));
        }
        let Some(reaper) = &mut self.reaper else { return };
        let woken = reaper.woken.read(&mut [0; 16]).is_ok();
        if woken || self.run.exit.is_some() {
            let own = self.run.monitor.pid;
            for seen in process::all() {
                if seen.zombie
                    && seen.parent == own
                    && seen.identity != self.run.main
                    && let Some(pid) = Pid::from_raw(seen.identity.pid)
                {
                    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
                }
            }
        }
        // The main process is kept as it ended, so that its number stays its own: no use to wait for more meanwhile.
        if woken && self.run.exit.is_none() {
            let _ = reaper.go_on.send(());
        }
    }

    fn code_of_child(&self) -> Option<Exit> {
        let pid = Pid::from_raw(self.run.main.pid)?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            Ok(Some(status)) => Some(Exit {
                code: status.exit_status(),
                signal: status.terminating_signal(),
                at: Some(record::now()),
            }),
            Ok(None) => None,
            // Not a child any more: nobody will ever know.
            Err(_) => Some(Exit::default()),
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Status | Request::Watch => {}
            Request::Signal { signal } => self.signal(signal),
            Request::Stop { signal, grace_ms } => {
                let grace = Duration::from_millis(grace_ms);
                if let Some(ending) = &mut self.ending {
                    ending.hasten(grace);
                    return;
                }
                self.run.asked = Some(Asked {
                    signal,
                    at: record::now(),
                });
                // Before the signal, so that its effect is never taken for a crash.
                let _ = self.place.write_run(&self.run);
                self.ending = Some(Ending::asked(grace));
                self.signal(signal);
            }
        }
    }

    fn signal(&mut self, signal: u8) {
        self.clients.tell(&Told::Signaled {
            signal,
            at: record::now(),
        });
        let _ = process::send(self.run.main, signal);
    }

    /// Sends what is due.
    fn press(&mut self) {
        let Some(ending) = &mut self.ending else { return };
        let was_killed = ending.is_killed();
        let Some(signal) = ending.press() else { return };
        if self.run.exit.is_none() && !was_killed {
            let at = record::now();
            self.clients.tell(&Told::Signaled { signal, at });
        }
        let monitor = Some(self.run.monitor);
        for member in process::members(self.run.main, monitor, &self.instance.id, true) {
            let _ = process::send(member.identity, signal);
        }
    }

    /// An adopted process is somebody else's to bury. Servers that look for the number in a lock file take it for alive
    /// until then, but there are systems where nobody ever does.
    fn wait_until_buried(&self) {
        let deadline = Instant::now() + BURIAL;
        while process::look(self.run.main.pid).is_some_and(|seen| seen.identity == self.run.main)
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn finish(&mut self, exit: Exit) {
        self.streams.finish();
        if let Some(pid) = self.reaper.as_ref().and_then(|_| Pid::from_raw(self.run.main.pid)) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        self.wait_until_buried();
        // What was only there for this run; configuration in it may hold passwords.
        let _ = std::fs::remove_dir_all(&self.instance.run);
        self.run.over = true;
        let _ = self.place.write_run(&self.run);
        self.clients.tell(&Told::Over { exit });
    }
}
