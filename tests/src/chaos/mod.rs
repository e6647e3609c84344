//! Chaos on real engines: people, other clients, crashes, engines and the host itself that go down, and connections
//! that break, all at random; and the proof that what locald shows stays so.

mod acts;
mod fleet;
mod home;
mod ledger;
mod picture;
mod report;
mod site;
mod world;

use std::time::{Duration, Instant};

use fastrand::Rng;

pub use home::{Home, Host, Told};
pub use ledger::Verdict;
pub use report::Report;
pub use site::{Engine, Site};

use world::World;

/// How long locald's picture may take to be the engine's after all faults are gone. It asks an engine for a sign of life
/// every 10 s, gives it 10 s to answer, and compares its list with every third one.
const AGREEMENT: Duration = Duration::from_secs(60);

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Of the random choices.
    pub seed: u64,
    /// For how long.
    pub length: Duration,
    /// How many acts from one quiet point to the next.
    pub acts: usize,
    /// Go on after a fault was found.
    pub keep_going: bool,
}

/// Runs it on engines of its own; `None` with the reason where this machine has none.
///
/// # Errors
/// What this machine lacks.
///
/// # Panics
/// When an engine or the host does not come back.
pub async fn run(options: Options) -> Result<Report, String> {
    let world = World::new().await?;
    let mut rng = Rng::with_seed(options.seed);
    let mut report = Report::new(options.seed);
    world.note(&format!("seed {}", options.seed));
    world.set_up().await;
    let end = Instant::now() + options.length;
    quiet_point(&world, &mut report).await;
    while Instant::now() < end && (options.keep_going || report.is_good()) {
        world.play(&mut rng, options.acts).await;
        quiet_point(&world, &mut report).await;
    }
    report.acts = world.counts();
    if !report.is_good() {
        report.tail = world.tail();
        report.logs = world.keep_logs();
    }
    world.end().await;
    Ok(report)
}

/// All is let settle; then picture and lists have to be the same, and what was shown of crashes so.
async fn quiet_point(world: &World, report: &mut Report) {
    world.calm().await;
    let began = Instant::now();
    match world.agreement(AGREEMENT).await {
        Ok(()) => report.agreed(began.elapsed()),
        Err(differences) => {
            let mut lines = vec![format!(
                "quiet point {}: no agreement within {AGREEMENT:?}",
                report.quiet_points() + 1
            )];
            lines.extend(differences);
            world.note(&lines.join("\n    "));
            report.disagreed(lines);
        }
    }
    report.verdict = world.judge();
    world.note(&format!("quiet: {:.1?}; {}", began.elapsed(), report.verdict));
}
