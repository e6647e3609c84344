//! The program `locald-monitor`: one for each running instance. It holds the process, its output and its end, and
//! lives on when locald dies.
//!
//! `run` starts the instance of a folder, `adopt` takes over one whose monitor died, and `become` is how the process
//! itself begins: its identity is on disk before its program runs, so that nothing can ever run unknown.

mod clients;
mod ending;
mod keeper;
mod streams;

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::{
        fd::AsFd as _,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::{getpid, setsid},
};

use crate::{
    process::{self, Identity, MARKER},
    record::{self, Exit, Instance, Place, Run},
    wire::{Begun, line},
};
use keeper::Keeper;
use streams::Streams;

/// How long an earlier monitor has to let go of an instance that is over.
const LET_GO: Duration = Duration::from_secs(2);

/// Runs the program with these arguments.
#[must_use]
pub fn main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let (Some(verb), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return ExitCode::from(2);
    };
    let place = Place(PathBuf::from(folder));
    match verb.as_str() {
        "become" => turn_into_it(&place),
        "run" | "adopt" => {
            let kept = if verb == "run" { run(&place) } else { adopt(&place) };
            match kept {
                Ok(mut keeper) => {
                    say(&Begun::Running);
                    keeper.keep();
                    ExitCode::SUCCESS
                }
                Err(begun) => {
                    say(&begun);
                    ExitCode::FAILURE
                }
            }
        }
        _ => ExitCode::from(2),
    }
}

/// Whoever started this may be gone already, which is no fault.
fn say(begun: &Begun) {
    let mut out = io::stdout();
    let _ = out.write_all(&line(begun)).and_then(|()| out.flush());
}

fn failed(what: &str) -> impl Fn(io::Error) -> Begun {
    move |error| Begun::Failed {
        detail: format!("{what}: {error}"),
    }
}

/// The lock is held as long as the file is open. Children don't inherit it.
fn lock(place: &Place) -> Result<File, Begun> {
    let file = place.lock().map_err(failed("its folder"))?;
    let deadline = Instant::now() + LET_GO;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(failed("its lock")(error.into())),
        }
        let over = place.run().ok().flatten().is_some_and(|run| run.over);
        if !over || Instant::now() > deadline {
            return Err(Begun::Held);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn instance(place: &Place) -> Result<Instance, Begun> {
    let read = place.instance().map_err(failed("what is known of it"))?;
    read.ok_or_else(|| failed("what is known of it")(io::Error::from(io::ErrorKind::NotFound)))
}

fn own() -> Result<Identity, Begun> {
    Identity::own().ok_or_else(|| Begun::Failed {
        detail: "processes of this machine can't be seen".to_owned(),
    })
}

/// Leaves the session of whoever started this: no terminal, and no end with it.
fn be_independent() {
    // Fails only where it is so already.
    let _ = setsid();
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
    #[cfg(not(target_os = "linux"))]
    let _ = getpid();
}

fn run(place: &Place) -> Result<Keeper, Begun> {
    be_independent();
    let lock = lock(place)?;
    let instance = instance(place)?;
    let streams = Streams::make(&instance).map_err(failed("its output"))?;
    let listener = clients::listen(&instance.run).map_err(failed("its socket"))?;
    let (ours, theirs) = UnixStream::pair().map_err(failed("its start"))?;
    let program = std::env::current_exe().map_err(failed("its start"))?;
    let (stdout, stderr) = streams.writers(&instance).map_err(failed("its output"))?;
    let child = Command::new(program)
        .arg("become")
        .arg(&place.0)
        .env(MARKER, &instance.id)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(stdout)
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .map_err(failed("its start"))?;
    let seen = i32::try_from(child.id()).ok().and_then(process::look);
    let Some(main) = seen.map(|seen| seen.identity) else {
        return Err(failed("its start")(io::Error::other("it is gone")));
    };
    let run = Run {
        boot: process::boot(),
        main,
        monitor: own()?,
        started_at: record::now(),
        asked: None,
        exit: None,
        over: false,
    };
    // Not begun yet: without a word it ends when this does.
    place.write_run(&run).map_err(failed("its state"))?;
    if let Some(refusal) = let_go(ours).map_err(failed("its start"))? {
        let _ = place.forget_run();
        return Err(refusal);
    }
    Keeper::new(place.clone(), instance, run, streams, listener, lock, true)
}

/// Tells the process to become its program; gives why it could not.
fn let_go(mut line_to_it: UnixStream) -> io::Result<Option<Begun>> {
    line_to_it.write_all(b"!")?;
    line_to_it.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    line_to_it.read_to_string(&mut answer)?;
    if answer.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&answer).map_err(io::Error::other)?))
}

fn turn_into_it(place: &Place) -> ExitCode {
    // The copy is closed as soon as the program runs, and the original replaced.
    let Ok(copy) = io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    let mut monitor = UnixStream::from(copy);
    let mut word = [0];
    if monitor.read_exact(&mut word).is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(Some(instance)) = place.instance() else {
        return ExitCode::FAILURE;
    };
    let launch = &instance.launch;
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.args)
        .env_clear()
        .envs(launch.environment(std::env::vars()))
        .env(MARKER, &instance.id)
        .current_dir(&launch.workdir)
        .stdin(Stdio::null());
    if let Some(user) = launch.user {
        command.uid(user.uid).gid(user.gid);
    }
    let error = command.exec();
    let workdir = launch.workdir.display();
    let begun = if launch.workdir.is_dir() {
        Begun::NotRun {
            missing: error.kind() == io::ErrorKind::NotFound,
            detail: format!("the program `{}` can't be run: {error}", launch.program.display()),
        }
    } else {
        Begun::NotRun {
            missing: false,
            detail: format!("its folder {workdir} can't be entered: {error}"),
        }
    };
    let _ = monitor.write_all(&line(&begun));
    ExitCode::from(127)
}

fn adopt(place: &Place) -> Result<Keeper, Begun> {
    be_independent();
    let lock = lock(place)?;
    let instance = instance(place)?;
    let Some(mut run) = place.run().map_err(failed("its state"))? else {
        return Err(Begun::Over);
    };
    if run.over {
        return Err(Begun::Over);
    }
    if run.boot != process::boot() {
        run.exit = Some(run.exit.unwrap_or_default());
        run.over = true;
        place.write_run(&run).map_err(failed("its state"))?;
        return Err(Begun::Over);
    }
    if run.main.seen().is_none() && run.exit.is_none() {
        // Nobody saw it end.
        run.exit = Some(Exit::default());
    }
    run.monitor = own()?;
    place.write_run(&run).map_err(failed("its state"))?;
    let streams = Streams::find(&instance, &run).map_err(failed("its output"))?;
    let listener = clients::listen(&instance.run).map_err(failed("its socket"))?;
    Keeper::new(place.clone(), instance, run, streams, listener, lock, false)
}
