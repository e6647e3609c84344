//! `cargo xtask bench`: how fast and how small, each figure beside another program's in the same run, since machines are
//! noisy.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking and prints its figures"
)]

mod click;
mod idle;
mod notice;
mod postgres;
mod row;
mod scale;

use std::time::Duration;

use locald_tests::{
    Desktop, EngineProxy, engines,
    engines::{BUSYBOX, Dockerd},
};

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if wanted("click") {
        runtime.block_on(click::run());
    }
    if wanted("notice") {
        runtime.block_on(notice::run());
    }
    if wanted("postgres") {
        runtime.block_on(postgres::run());
    }
    if wanted("row") {
        runtime.block_on(row::run());
    }
    if wanted("scale") {
        runtime.block_on(scale::run());
    }
    if wanted("idle") {
        runtime.block_on(idle::run());
    }
}

/// A desktop with an engine behind a proxy that sees every request.
struct Stage {
    desktop: Desktop,
    engine: EngineProxy,
    dockerd: Dockerd,
}

impl Stage {
    async fn new() -> Self {
        let dockerd = engines::dockerd().unwrap_or_else(|| panic!("a benchmark needs a real engine"));
        let desktop = Desktop::start().await;
        let engine = engines::proxied(&dockerd, desktop.root());
        desktop.use_docker(engine.socket());
        Self {
            desktop,
            engine,
            dockerd,
        }
    }

    /// A project whose services run this.
    fn project(&self, services: impl IntoIterator<Item = String>, body: &str) -> std::path::PathBuf {
        let mut text = "[project]\nname = \"bench\"\n".to_owned();
        for service in services {
            text += &format!("\n[services.{service}]\nimage = \"{BUSYBOX}\"\n{body}\n");
        }
        self.desktop.project("bench", &text)
    }
}

/// Median, and the smallest and largest, in milliseconds.
fn figures(name: &str, samples: &mut [Duration]) -> f64 {
    samples.sort();
    let ms = |at: usize| samples.get(at).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1000.0);
    let median = ms(samples.len() / 2);
    println!(
        "{name:<58} {median:>8.1} ms  (from {:.1} to {:.1}, {} runs)",
        ms(0),
        ms(samples.len().saturating_sub(1)),
        samples.len()
    );
    median
}

/// Median, 99th percentile and largest, in milliseconds.
fn spread(name: &str, samples: &mut [Duration]) {
    samples.sort();
    let ms = |at: usize| samples.get(at).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1000.0);
    let last = samples.len().saturating_sub(1);
    println!(
        "{name:<58} median {:>7.1}  p99 {:>7.1}  largest {:>7.1} ms  ({} runs)",
        ms(samples.len() / 2),
        ms((samples.len() * 99).div_ceil(100).saturating_sub(1)),
        ms(last),
        samples.len()
    );
}
