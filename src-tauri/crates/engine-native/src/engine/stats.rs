//! What an instance's processes use together.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::BoxStream};
use locald_engine::{EngineError, StatsSample};

use crate::{
    process::{self, Identity, Seen},
    record::{Place, Run},
};

/// Time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

struct Sampling {
    place: Place,
    id: String,
    before: Option<(Instant, HashMap<Identity, u64>)>,
}

pub(super) fn stats(place: Place, id: String) -> BoxStream<'static, Result<StatsSample, EngineError>> {
    let sampling = Sampling {
        place,
        id,
        before: None,
    };
    futures_util::stream::unfold(sampling, |mut sampling| async move {
        if sampling.before.is_some() {
            tokio::time::sleep(INTERVAL).await;
        }
        let sampled = tokio::task::spawn_blocking(move || {
            let sample = sampling.sample();
            (sample, sampling)
        });
        let (sample, sampling) = sampled.await.ok()?;
        Some((Ok(sample?), sampling))
    })
    .boxed()
}

impl Sampling {
    fn run(&self) -> Option<Run> {
        let same = self.place.instance().ok()??.id == self.id;
        self.place
            .run()
            .ok()?
            .filter(|run| same && !run.over && run.exit.is_none() && run.boot == process::boot())
    }

    fn sample(&mut self) -> Option<StatsSample> {
        let run = self.run()?;
        run.main.seen()?;
        let members = process::members(run.main, Some(run.monitor), &self.id, false);
        let now = Instant::now();
        let used: HashMap<Identity, u64> = members.iter().map(|seen| (seen.identity, seen.cpu)).collect();
        let cpu_percent = self.before.as_ref().map(|(then, before)| {
            // One that is gone since, or new, counts from or to nothing that is known.
            let hundredths: u64 = used
                .iter()
                .map(|(identity, cpu)| cpu.saturating_sub(before.get(identity).copied().unwrap_or(0)))
                .sum();
            let seconds = now.duration_since(*then).as_secs_f64().max(0.001);
            f64::from(u32::try_from(hundredths).unwrap_or(u32::MAX)) / seconds
        });
        self.before = Some((now, used));
        let memory: Vec<u64> = members.iter().filter_map(memory).collect();
        Some(StatsSample {
            cpu_percent,
            memory_bytes: (!memory.is_empty()).then(|| memory.iter().sum()),
            memory_limit_bytes: None,
        })
    }
}

/// A process's share of what it uses, so that memory that several share is counted once.
fn memory(seen: &Seen) -> Option<u64> {
    let folder = format!("/proc/{}", seen.identity.pid);
    let kilobytes = |text: &str, name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    let share = fs::read_to_string(format!("{folder}/smaps_rollup"))
        .ok()
        .and_then(|text| kilobytes(&text, "Pss:"));
    let own = || {
        let text = fs::read_to_string(format!("{folder}/status")).ok()?;
        kilobytes(&text, "RssAnon:")
    };
    share.or_else(own).map(|kilobytes| kilobytes * 1024)
}
