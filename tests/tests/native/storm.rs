//! `kill -9` of everything there is, at random moments, under a client that writes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use locald_engine_testbed::free_port;
use locald_tests::{chaos::Host, proc::Process, servers, wait::eventually};
use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{Stage, UP, connect};

const KILLS: usize = 50;

/// What gets killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Host,
    Monitor,
    Postmaster,
    Everything,
}

/// A client that writes numbers one after the other, each in a transaction of its own, and knows which were committed.
struct Writer {
    committed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Writer {
    fn start(url: String) -> Self {
        let committed = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(write(url, Arc::clone(&committed), Arc::clone(&stop)));
        Self { committed, stop, task }
    }

    fn committed(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }
}

async fn write(url: String, committed: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let mut next = 1_u64;
    while !stop.load(Ordering::SeqCst) {
        let Ok(client) = connect(&url).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        while !stop.load(Ordering::SeqCst) {
            let number = i64::try_from(next).unwrap();
            // One that was sent and not answered may be there or not: it is sent again, and once is enough.
            let sent = client
                .execute("INSERT INTO numbers VALUES ($1) ON CONFLICT DO NOTHING", &[&number])
                .await;
            if sent.is_err() {
                break;
            }
            committed.store(next, Ordering::SeqCst);
            next += 1;
        }
    }
}

fn kill(process: &Process) {
    let pid = Pid::from_raw(i32::try_from(process.pid).unwrap()).unwrap();
    // One that went by itself meanwhile is as dead.
    let _ = kill_process(pid, Signal::KILL);
}

fn pids(all: &[Process]) -> Vec<u32> {
    all.iter().map(|process| process.pid).collect()
}

/// Its children have titles in the place of arguments, but for the first moment.
fn is_postmaster(process: &Process, all: &[Process]) -> bool {
    let serves = |process: &Process| process.name.starts_with("postgres") && process.command_line().contains(" -D ");
    let is_child = all
        .iter()
        .any(|other| other.pid == process.parent && other.name.starts_with("postgres"));
    serves(process) && !is_child
}

impl Stage {
    fn processes(&self) -> Vec<Process> {
        servers::of(self.home.root())
    }

    fn postmasters(&self) -> Vec<Process> {
        let all = self.processes();
        all.iter()
            .filter(|process| is_postmaster(process, &all))
            .cloned()
            .collect()
    }

    fn monitors(&self) -> Vec<Process> {
        let mut all = self.processes();
        all.retain(|process| process.name.starts_with("locald-monitor"));
        all
    }

    async fn strike(&mut self, victim: Victim) {
        let host = matches!(victim, Victim::Host | Victim::Everything);
        if host && let Some(host) = self.host.take() {
            host.kill().await;
        }
        if matches!(victim, Victim::Monitor | Victim::Everything) {
            self.monitors().iter().for_each(kill);
        }
        if matches!(victim, Victim::Postmaster | Victim::Everything) {
            self.postmasters().iter().for_each(kill);
        }
        if victim == Victim::Everything {
            self.processes().iter().for_each(kill);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_no_committed_row_and_make_no_second_server() {
    let Some(mut stage) = Stage::new().await else { return };
    let seed = std::env::var("LOCALD_STORM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("storm: LOCALD_STORM_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    // One that no other test takes while the server is down.
    let db = format!("type = \"postgres\"\nrestart = \"always\"\nport = {}", free_port());
    let folder = stage.project("shop", &[("db", &db)]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let url = stage.url(&folder, "db").await;
    connect(&url)
        .await
        .unwrap()
        .batch_execute("CREATE TABLE numbers (n bigint PRIMARY KEY)")
        .await
        .unwrap();
    let identity = system_identifier(&url).await.unwrap();
    let writer = Writer::start(url.clone());
    let mut struck: Vec<(Victim, u64)> = Vec::new();
    for round in 0..KILLS {
        // At random moments: that is what this is about.
        tokio::time::sleep(Duration::from_millis(rng.u64(0..400))).await;
        let victim = [Victim::Host, Victim::Monitor, Victim::Postmaster, Victim::Everything][rng.usize(0..4)];
        stage.strike(victim).await;
        if stage.host.is_none() {
            stage.host = Some(Host::alone(&stage.home).await);
        }
        // A person who doesn't want to wait for the back-off.
        stage.locald(&folder, &["start", "db", "--no-wait"]).await.unwrap();
        // The right state: it runs again and answers, whatever it was that went, and there is one of it.
        let seen = eventually(
            &format!("all to be well after {victim:?}, round {round}"),
            UP,
            async || {
                let servers = stage.postmasters();
                let row = stage.row("shop/db").await?;
                if servers.len() != 1 || stage.monitors().len() != 1 || row["health"] != "healthy" {
                    return Err(format!("{servers:?} {:?} {row}", stage.monitors()));
                }
                Ok(servers)
            },
        )
        .await;
        let before = writer.committed();
        eventually("rows to be written again", UP, async || {
            if writer.committed() > before {
                Ok(())
            } else {
                Err("none yet")
            }
        })
        .await;
        assert_eq!(
            pids(&stage.postmasters()),
            pids(&seen),
            "round {round}, after {victim:?}"
        );
        assert_eq!(system_identifier(&url).await.unwrap(), identity, "a new data folder");
        struck.push((victim, before));
    }
    writer.stop.store(true, Ordering::SeqCst);
    let _ = writer.task.await;
    let client = connect(&url).await.unwrap();
    let rows = client.query("SELECT n FROM numbers", &[]).await.unwrap();
    let found: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let committed = i64::try_from(writer.committed.load(Ordering::SeqCst)).unwrap();
    let lost: Vec<i64> = (1..=committed).filter(|number| !found.contains(number)).collect();
    assert!(lost.is_empty(), "lost of {committed}: {lost:?}; struck {struck:?}");
    let count = |victim| struck.iter().filter(|(one, _)| *one == victim).count();
    println!(
        "storm: {committed} rows committed, none lost; killed: host {}, monitor {}, postmaster {}, everything {}",
        count(Victim::Host),
        count(Victim::Monitor),
        count(Victim::Postmaster),
        count(Victim::Everything)
    );
    stage.locald(&folder, &["stop", "db"]).await.unwrap();
    let left = stage.postmasters();
    assert!(left.is_empty(), "{left:?}");
}

/// What `initdb` gives a data folder, once.
async fn system_identifier(url: &str) -> Result<i64, String> {
    let client = connect(url).await?;
    let row = client
        .query_one("SELECT system_identifier FROM pg_control_system()", &[])
        .await
        .map_err(|error| error.to_string())?;
    Ok(row.get(0))
}
