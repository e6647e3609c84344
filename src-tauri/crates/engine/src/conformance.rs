//! The suite every engine passes.
//!
//! A test calls [`run`] with a [`Bench`] and prints the report; each case is a behaviour in words. Cases wait for
//! conditions and never for time, so they also run in virtual time on the fake.

mod bench;
mod lifecycle;
mod output;
mod refusals;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::{InstanceId, spec::Signal};

pub use bench::Bench;

/// What others do with the engine, behind locald's back.
pub trait Outside: Send + Sync {
    /// Runs something that locald did not make.
    fn run(&self, foreign: Foreign) -> BoxFuture<'_, Result<InstanceId, String>>;
    /// `docker stop`.
    fn stop<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>>;
    /// `docker kill --signal`.
    fn kill<'a>(&'a self, id: &'a InstanceId, signal: Signal) -> BoxFuture<'a, Result<(), String>>;
    /// `docker rm -f`.
    fn remove<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>>;
}

/// An instance that locald did not make.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// Its name.
    pub name: String,
    /// What `sh -c` runs in it.
    pub script: String,
    /// With a terminal.
    pub tty: bool,
    /// `false` for log driver `none`.
    pub keeps_logs: bool,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Passed,
    /// Doesn't apply to this engine, and why.
    NotApplicable(&'static str),
    /// Not as it should, and how.
    Failed(String),
}

/// What a case gives: `Ok` or how it failed.
pub(crate) type Outcome = Result<Verdict, String>;
type CaseFn = for<'a> fn(&'a Bench) -> BoxFuture<'a, Outcome>;

/// A behaviour.
pub struct Case {
    /// In words.
    pub name: &'static str,
    run: CaseFn,
}

/// The outcome of all cases.
#[derive(Debug)]
pub struct Report {
    rows: Vec<(&'static str, Verdict, Duration)>,
}

impl Report {
    /// Names and reasons of what failed.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.rows
            .iter()
            .filter_map(|(name, verdict, _)| match verdict {
                Verdict::Failed(how) => Some(format!("{name}: {how}")),
                Verdict::Passed | Verdict::NotApplicable(_) => None,
            })
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict, time) in &self.rows {
            let (mark, more) = match verdict {
                Verdict::Passed => ("ok  ", String::new()),
                Verdict::NotApplicable(why) => ("n/a ", format!(" ({why})")),
                Verdict::Failed(how) => ("FAIL", format!(": {how}")),
            };
            writeln!(f, "{mark} {:6} ms  {name}{more}", time.as_millis())?;
        }
        Ok(())
    }
}

macro_rules! cases {
    ($($module:ident: $($case:ident = $name:literal),+;)+) => {
        vec![$($(Case { name: $name, run: |bench| $module::$case(bench).boxed() }),+),+]
    };
}

/// Every case, in the order they are run.
#[must_use]
pub fn cases() -> Vec<Case> {
    cases! {
        lifecycle:
            connects = "connect gives version and API",
            prepares_present = "preparing an image that is here succeeds",
            creates = "start makes an instance with labels, name and a port on 127.0.0.1",
            reuses = "start with an existing one starts the same again",
            reuses_unasked = "start finds one of the same spec by itself",
            recreates = "start replaces one of another spec, running or not",
            starts_running = "start of a running one is success and changes nothing",
            survives_gone = "start with an existing one that is gone makes a new one",
            exit_code = "an exit has its code, in the events in order and in the list",
            stops = "stop asks with TERM",
            kills = "stop kills after the grace period what ignores TERM",
            stops_again = "stop of a stopped or gone one is success",
            removes = "remove of a stopped or gone one is success, of a running one an error",
            lists_exactly = "names that contain each other are kept apart",
            lists_foreign = "an instance that locald did not make is listed without a service",
            inspects_gone = "inspect of a gone one gives none",
            outside_stop = "a stop from outside shows as a signal and an exit",
            outside_remove = "a removal from outside shows as such",
            out_of_memory = "an end for lack of memory is told from a kill",
            resolves = "a service answers to its name in the project's network",
            volume_stays = "a named volume survives stop and remove";
        output:
            log_tail = "logs: the last lines, in order, with times and streams",
            log_since = "logs: only since a time",
            log_follow = "logs: following goes on and ends with the instance",
            log_long = "logs: a line of 40000 characters is one line",
            log_binary = "logs: bytes that look like a frame header stay",
            log_tty = "logs: a terminal's lines are whole and without carriage return",
            log_none = "logs: a driver that keeps none says so",
            log_gone = "logs: of a gone one are an error",
            stats_running = "stats: numbers while it runs, and the end when it stops",
            stats_stopped = "stats: of a stopped one end at once",
            exec_code = "exec: code and output",
            exec_stopped = "exec: in a stopped one is an error";
        refusals:
            image_missing = "a missing image fails in plain words, in time",
            port_in_use_by_program = "a port held by a program is named",
            port_in_use_by_instance = "a port held by an instance names it",
            command_missing = "a program that isn't in the image is named",
            mount_missing = "a path to mount that doesn't exist is named and not made",
            name_taken = "a foreign instance with our name is left alone",
            leaves_nothing = "a failed start leaves nothing behind";
    }
}

/// The longest a case may take; on the fake this is virtual.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// Runs every case in turn and clears away what each made.
pub async fn run(bench: Arc<Bench>) -> Report {
    let mut rows = Vec::new();
    for case in cases() {
        let begun = tokio::time::Instant::now();
        let verdict = match tokio::time::timeout(CASE_LIMIT, (case.run)(&bench)).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(how)) => Verdict::Failed(how),
            Err(_) => Verdict::Failed(format!("not done after {} s", CASE_LIMIT.as_secs())),
        };
        let took = begun.elapsed();
        let verdict = match bench.clear().await {
            Err(how) if verdict == Verdict::Passed => Verdict::Failed(format!("clearing away: {how}")),
            _ => verdict,
        };
        rows.push((case.name, verdict, took));
    }
    Report { rows }
}
