//! Engines, host and containers of a run, and what is known of them.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::sync::{RwLock, mpsc};

use super::acts::{self, Act};
use super::fleet::{Fleet, Origin};
use super::home::{Home, Host, Told};
use super::ledger::{Blind, Die, Ledger, Shown, Verdict};
use super::picture::{differences, listed};
use super::site::Site;
use crate::engine_proxy::Mode;

/// Acts at one time.
const AT_ONCE: usize = 3;
/// Lines of what happened that are printed with a fault.
const TAIL: usize = 120;
/// After its list was asked for, locald may take so long to know it.
const MARGIN: f64 = 2.0;
/// How long after an end everything about it is told.
const TOLD: f64 = 5.0;

/// A time in which locald can't hear an engine, and what ends it.
#[derive(Debug)]
pub(super) struct Deafness {
    pub(super) site: usize,
    pub(super) from: f64,
    pub(super) ends: Ends,
}

/// What ends it.
#[derive(Debug)]
pub(super) enum Ends {
    /// The first subscription from then on.
    Subscription(f64),
    /// The next quiet point.
    Quiet,
    /// The next quiet point, if there was a subscription in between: else it was none.
    QuietIfSubscribed,
}

/// The whole.
#[derive(Debug)]
pub(super) struct World {
    pub(super) host: RwLock<Option<Host>>,
    pub(super) home: Home,
    pub(super) sites: Vec<Site>,
    pub(super) fleets: Vec<Fleet>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    deafness: Mutex<Vec<Deafness>>,
    told: mpsc::UnboundedSender<Told>,
    counts: Mutex<BTreeMap<&'static str, (usize, usize)>>,
    happened: Mutex<VecDeque<String>>,
    began: Instant,
}

/// Seconds of the clock.
pub(super) fn now() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

fn clock(at: Instant) -> f64 {
    now() - at.elapsed().as_secs_f64()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that was heard and done, in the order of its coming: kept with the logs of a run that failed.
#[derive(Clone, Debug)]
struct Timeline(PathBuf);

impl Timeline {
    fn write(&self, what: &str) {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.0);
        if let Ok(mut file) = file {
            // Without it a fault is harder to understand, and the run as good.
            let _ = writeln!(file, "{:.3} {what}", now());
        }
    }
}

impl World {
    pub(super) async fn new() -> Result<Self, String> {
        let mut home = Home::new();
        let sites = vec![Site::docker(home.root())?, Site::podman(home.root())?];
        let endpoint = |site: &Site| format!("unix://{}", site.proxy.socket().display());
        home.set_env("DOCKER_HOST", endpoint(&sites[0]));
        home.set_env("CONTAINER_HOST", endpoint(&sites[1]));
        let fleets: Vec<Fleet> = sites.iter().map(|site| Fleet::on(site.name)).collect();
        let (told, lines) = mpsc::unbounded_channel();
        let mut ledger = Ledger::default();
        // Podman tells of no kill, and not of every stop (ENGINES.md; containers/podman#16857).
        ledger.mute.insert(1);
        for (number, fleet) in fleets.iter().enumerate() {
            let containers = fleet.members.iter().map(|member| member.container.clone());
            ledger.sites.extend(containers.map(|container| (container, number)));
        }
        let ledger = Arc::new(Mutex::new(ledger));
        let containers = fleets.iter().flat_map(|fleet| &fleet.members);
        let containers = containers.map(|member| (member.service.clone(), member.container.clone()));
        let timeline = Timeline(home.log("timeline.log"));
        tokio::spawn(write_told(
            lines,
            containers.collect(),
            Arc::clone(&ledger),
            timeline.clone(),
        ));
        for (number, site) in sites.iter().enumerate() {
            let (heard, events) = mpsc::unbounded_channel();
            site.listen(heard);
            tokio::spawn(write_dies(events, number, Arc::clone(&ledger), timeline.clone()));
        }
        Ok(Self {
            host: RwLock::new(None),
            home,
            sites,
            fleets,
            ledger,
            deafness: Mutex::default(),
            told,
            counts: Mutex::default(),
            happened: Mutex::default(),
            began: Instant::now(),
        })
    }

    /// Starts the host and everything it is to look after.
    pub(super) async fn set_up(&self) {
        for fleet in &self.fleets {
            self.home
                .write(&format!("home/{}/locald.toml", fleet.name), &fleet.project_file);
        }
        self.deaf_all_from(now());
        self.start_host().await;
        for (site, fleet) in self.sites.iter().zip(&self.fleets) {
            for member in fleet.members.iter().filter(|member| member.origin != Origin::Declared) {
                let arguments = member.run_arguments();
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let made = site.command(&arguments).await;
                assert!(made.is_ok(), "{}: {made:?}", member.container);
            }
            let folder = self.home.root().join("home").join(&fleet.name);
            let up = self.home.cli(&["--project", &folder.to_string_lossy(), "up"]).await;
            // One of them may have crashed before all were up.
            if let Err(error) = up {
                self.note(&error);
            }
        }
    }

    /// So many random acts, a few at a time.
    pub(super) async fn play(&self, rng: &mut Rng, acts: usize) {
        let mut running = FuturesUnordered::new();
        for _ in 0..acts {
            let act = Act::random(rng, &self.fleets);
            if running.len() >= AT_ONCE {
                running.next().await;
            }
            running.push(self.act(act));
            // The pace of a busy machine, not a wait for anything.
            let pause = tokio::time::sleep(Duration::from_millis(rng.u64(0..400)));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    Some(()) = running.next() => {}
                }
            }
        }
        while running.next().await.is_some() {}
    }

    async fn act(&self, act: Act) {
        let kind = act.kind();
        let what = act.to_string();
        self.note(&what);
        let done = acts::perform(self, act).await;
        if let Err(error) = &done {
            self.note(&format!("{what}: {error}"));
        }
        let mut counts = lock(&self.counts);
        let (all, failed) = counts.entry(kind).or_default();
        *all += 1;
        *failed += usize::from(done.is_err());
    }

    /// Takes every fault away.
    pub(super) async fn calm(&self) {
        for site in &self.sites {
            site.proxy.set_mode(Mode::Pass);
        }
        if self.host.read().await.is_none() {
            self.start_host().await;
        }
    }

    /// Waits until the picture is that of the engines' lists; what differs when it isn't in time.
    pub(super) async fn agreement(&self, deadline: Duration) -> Result<(), Vec<String>> {
        let end = Instant::now() + deadline;
        loop {
            let found = self.compare().await;
            if found.is_empty() {
                self.hear();
                return Ok(());
            }
            if Instant::now() > end {
                self.hear();
                return Err(found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn compare(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut before = Vec::new();
        for site in &self.sites {
            match site.list().await {
                Ok(list) => before.push(listed(&list)),
                Err(error) => return vec![error],
            }
        }
        let status = match self.home.status().await {
            Ok(status) => status,
            Err(error) => return vec![error],
        };
        for ((site, fleet), before) in self.sites.iter().zip(&self.fleets).zip(before) {
            let differences = differences(site.name, fleet, &before, &status);
            if differences.is_empty() {
                continue;
            }
            match site.list().await {
                Ok(after) if listed(&after) != before => found.push(format!("{} is still changing", site.name)),
                _ => found.extend(differences),
            }
        }
        found
    }

    /// Picture and lists agree, so locald hears again; notes since when.
    fn hear(&self) {
        let ended = lock(&self.deafness).drain(..).collect::<Vec<_>>();
        let mut ledger = lock(&self.ledger);
        for Deafness { site, from, ends } in ended {
            let requests = self.sites[site].proxy.requests();
            let subscriptions = requests.iter().filter(|request| request.path.contains("/events"));
            let mut times = subscriptions.map(|request| clock(request.at));
            let to = match ends {
                Ends::Subscription(lifted) => times.find(|&at| at >= lifted).map_or_else(now, |at| at + MARGIN),
                Ends::Quiet => now(),
                Ends::QuietIfSubscribed if times.any(|at| at >= from) => now(),
                Ends::QuietIfSubscribed => continue,
            };
            ledger.blind.push(Blind { site, from, to });
        }
    }

    /// What was shown of all that has happened, and is told by now.
    pub(super) fn judge(&self) -> Verdict {
        lock(&self.ledger).judge(now() - TOLD)
    }

    pub(super) fn deaf(&self, deafness: Deafness) {
        lock(&self.deafness).push(deafness);
    }

    /// The host is not there, until it subscribes anew.
    pub(super) fn deaf_all_from(&self, from: f64) {
        for site in 0..self.sites.len() {
            self.deaf(Deafness {
                site,
                from,
                ends: Ends::Subscription(from),
            });
        }
    }

    pub(super) async fn start_host(&self) {
        let mut host = self.host.write().await;
        if host.is_none() {
            *host = Some(Host::start(&self.home, &self.told).await);
        }
    }

    /// Notes what happens, for who looks for the cause of a fault.
    pub(super) fn note(&self, what: &str) {
        let line = format!("{:8.3} {what}", self.began.elapsed().as_secs_f64());
        Timeline(self.home.log("timeline.log")).write(what);
        if std::env::var_os("LOCALD_CHAOS_VERBOSE").is_some() {
            eprintln!("{line}");
        }
        let mut happened = lock(&self.happened);
        happened.push_back(line);
        while happened.len() > TAIL {
            happened.pop_front();
        }
    }

    pub(super) fn tail(&self) -> Vec<String> {
        lock(&self.happened).iter().cloned().collect()
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, (usize, usize)> {
        lock(&self.counts).clone()
    }

    /// Keeps what the programs wrote.
    pub(super) fn keep_logs(&self) -> Option<PathBuf> {
        let folder = crate::failure::folder();
        std::fs::create_dir_all(&folder).ok()?;
        crate::failure::copy_logs(&self.home.root().join("logs"), &folder);
        Some(folder)
    }

    pub(super) async fn end(&self) {
        if let Some(host) = self.host.write().await.take() {
            host.kill().await;
        }
    }
}

async fn write_dies(
    mut events: mpsc::UnboundedReceiver<Value>,
    site: usize,
    ledger: Arc<Mutex<Ledger>>,
    timeline: Timeline,
) {
    while let Some(event) = events.recv().await {
        let attributes = &event["Actor"]["Attributes"];
        timeline.write(&format!(
            "engine {site}: {} {} signal {} code {} at {}",
            attributes["name"], event["Action"], attributes["signal"], attributes["exitCode"], event["timeNano"]
        ));
        let (start, die) = (event["Action"] == "start", event["Action"] == "die");
        if event["Type"] != "container" || !(start || die) {
            continue;
        }
        let code = attributes["exitCode"]
            .as_str()
            .or(attributes["containerExitCode"].as_str());
        let (Some(name), Some(nanoseconds)) = (attributes["name"].as_str(), event["timeNano"].as_f64()) else {
            continue;
        };
        if start {
            lock(&ledger).starts.push((name.to_owned(), nanoseconds / 1e9));
            continue;
        }
        lock(&ledger).dies.push(Die {
            site,
            container: name.to_owned(),
            code: code.and_then(|code| code.parse().ok()).unwrap_or(-1),
            at: nanoseconds / 1e9,
        });
    }
}

async fn write_told(
    mut lines: mpsc::UnboundedReceiver<Told>,
    containers: BTreeMap<String, String>,
    ledger: Arc<Mutex<Ledger>>,
    timeline: Timeline,
) {
    let show = |service: &Value, exit: &Value, told: bool| {
        let container = service.as_str().and_then(|service| containers.get(service))?;
        let stamp = exit["at"].as_str()?;
        let at: jiff::Timestamp = stamp.parse().ok()?;
        if exit["crashed"] == true {
            let shown = Shown {
                container: container.clone(),
                code: exit["code"].as_i64(),
                at: at.as_nanosecond() as f64 / 1e9,
                told,
            };
            lock(&ledger).show(stamp, shown);
        }
        Some(())
    };
    // Ends that are found in a list, after a gap, are shown and nobody is told.
    while let Some(line) = lines.recv().await {
        match line {
            Told::Record(record) => {
                timeline.write(&format!("locald: {record}"));
                let told = record["from"].is_string() && record["from"] != "unknown";
                show(&record["service"], &record["exit"], told);
            }
            Told::Picture(picture) => {
                for row in picture["services"].as_array().into_iter().flatten() {
                    show(&row["id"], &row["exit"], false);
                }
            }
        }
    }
}
