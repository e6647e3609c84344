//! The suite every engine passes.
//!
//! A test calls [`run`] with a [`Bench`] and prints the report; each case is a behaviour in words. Cases wait for
//! conditions and never for time, so they also run in virtual time on the fake.

mod bench;
mod data;
mod facts;
mod lifecycle;
mod output;
mod outside;
mod refusals;
mod report;

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::{
    InstanceId,
    instance::{ComposeOrigin, EngineRestarts},
    spec::{HealthCheck, Signal},
};

pub use bench::Bench;
pub use report::{Report, Verdict};

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
    /// `docker restart`.
    fn restart<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>>;
    /// `docker pause`, or `docker unpause`.
    fn pause<'a>(&'a self, id: &'a InstanceId, paused: bool) -> BoxFuture<'a, Result<(), String>>;
}

/// An instance that locald did not make.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// Its name.
    pub name: String,
    /// Its image; the bench's when empty.
    pub image: String,
    /// What `sh -c` runs in it.
    pub script: String,
    /// With a terminal.
    pub tty: bool,
    /// `false` for log driver `none`.
    pub keeps_logs: bool,
    /// With compose's labels.
    pub compose: Option<ComposeOrigin>,
    /// With a health check of its own; a command.
    pub health_check: Option<HealthCheck>,
    /// Started again by the engine itself.
    pub engine_restarts: Option<EngineRestarts>,
    /// With so many bytes of memory and no swap.
    pub memory_bytes: Option<u64>,
    /// Published ports as on the command line: `8080:80`. Without any it has no network.
    pub ports: Vec<String>,
}

impl Foreign {
    /// One that runs a script and has nothing special.
    #[must_use]
    pub fn new(name: &str, script: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: String::new(),
            script: script.to_owned(),
            tty: false,
            keeps_logs: true,
            compose: None,
            health_check: None,
            engine_restarts: None,
            memory_bytes: None,
            ports: Vec::new(),
        }
    }
}

/// What an engine or machine may lack without the engine's part of locald being wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Programs in it really run.
    RealPrograms,
    /// It keeps data in volumes.
    Volumes,
    /// It publishes ports.
    RealPorts,
    /// It can freeze instances.
    Pause,
    /// It limits memory, and says of an end that it came of that.
    MemoryFacts,
    /// Its events tell of a process that ran out of memory while its instance lives on.
    MemoryEvents,
    /// Its events tell that somebody asked for an end.
    StopIntent,
    /// It runs health checks by itself.
    HealthRuns,
    /// It has numbers on CPU and memory.
    Numbers,
    /// Its numbers on memory tell the page cache apart.
    CacheNumbers,
    /// It runs images.
    Images,
    /// It mounts folders and volumes.
    Mounts,
    /// Services have a network with names of their own.
    Network,
    /// Others make instances in it.
    Neighbours,
    /// Others remove and restart what locald made.
    Meddlers,
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
            inspects_gone = "inspect of a gone one gives none",
            port_automatic = "an automatic port is told as it is now, also after a restart",
            out_of_memory = "an end for lack of memory is told from a kill",
            resolves = "a service answers to its name in the project's network",
            volume_stays = "a named volume survives stop and remove";
        outside:
            stop = "a stop from outside ends it, with the code",
            stop_intent = "that somebody asked for an end shows in the events",
            remove = "a removal from outside shows as an exit and a removal",
            restart = "a restart from outside shows as asked for, and the instance stays the same",
            pause = "a pause from outside shows, and its end",
            kill_hup = "a signal that doesn't end it leaves it running";
        facts:
            foreign = "an instance that locald did not make is listed without a service",
            foreign_events = "its events come without a service, its end with the code",
            odd_neighbours = "odd neighbours spoil neither list nor each other",
            image = "the image is told as people write it",
            compose = "compose's project and service are told",
            health_check = "an instance's own health check is told, defaults filled in",
            health_result = "the engine's own result of it is told, while it runs",
            engine_restarts = "the engine's own restart policy is told",
            crash_loop = "an instance that the engine starts again and again shows as such",
            oom_alive = "a process out of memory is told while its instance lives on",
            ports_once = "a port open to all addresses is one, two mappings are two";
        output:
            log_tail = "logs: the last lines, in order, with times and streams",
            log_since = "logs: only since a time",
            log_follow = "logs: following goes on and ends with the instance",
            log_long = "logs: a line of 40000 characters is one line",
            log_binary = "logs: bytes that look like a frame header stay",
            log_tty = "logs: a terminal's lines are whole and without carriage return",
            log_none = "logs: a driver that keeps none says so, others go on",
            log_gone = "logs: of a gone one are an error",
            stats_running = "stats: numbers while it runs, and the end when it stops",
            stats_stopped = "stats: of a stopped one end at once",
            stats_no_network = "stats: of one without a network are whole",
            stats_removed = "stats: end quietly when it is removed meanwhile",
            stats_memory = "stats: memory is without the page cache",
            exec_code = "exec: code and output",
            exec_stopped = "exec: in a stopped one is an error";
        refusals:
            image_local = "a local image needs no network and no second instance",
            image_missing = "a missing image fails in plain words, in time",
            port_in_use_by_program = "a port held by a program is named",
            port_in_use_by_instance = "a port held by an instance names it",
            port_of_stopped = "a port of a stopped instance is free",
            port_free_again = "a port that was refused can be had once it is free",
            command_missing = "a program that isn't in the image is named",
            mount_missing = "a path to mount that doesn't exist is named and not made",
            name_taken = "a foreign instance with our name is left alone",
            leaves_nothing = "a failed start leaves nothing behind";
        data:
            none_then_there = "data: none before the first start, then where it is, each generation apart",
            format_without_start = "data: its version is told without starting anything, or showing what it took",
            foreign = "data: files that aren't the service's are told",
            carried = "data: carried into another generation it has the same content, owners and modes",
            import_refuses = "data: nothing is written over, and what fails leaves nothing",
            erased = "data: erased with the instance that used it, never while it runs",
            files = "files: into a running instance and out again",
            uncovered = "data at a path of the image's that no mount covers survives recreation";
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
            Ok(()) | Err(_) => verdict,
        };
        rows.push((case.name, verdict, took));
    }
    Report::new(rows)
}
