//! The state fuzzer: whatever people, engines and the host's own death do in whatever order, some things hold after
//! every event, and once all is quiet the picture is the engines' own.
//!
//! A million events a run, in virtual time. It prints its seed; `LOCALD_FUZZ_SEED=<seed>` tells the same stories again,
//! and `LOCALD_FUZZ_EVENTS=<count>` more or fewer of them. A story that breaks a rule is shrunk to a short one.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and this one says its seed"
)]

mod invariants;
mod sim;
mod story;

use std::{
    cell::Cell,
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    panic::{AssertUnwindSafe, catch_unwind},
};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use sim::Sim;

const EVENTS: u64 = 1_000_000;

fn seed() -> u64 {
    match std::env::var("LOCALD_FUZZ_SEED") {
        Ok(text) => u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("LOCALD_FUZZ_SEED is a hex number"),
        Err(_) => RandomState::new().build_hasher().finish(),
    }
}

/// A runner tells a fixed number of stories, so there are as many of them as it takes.
fn runner(seed: u64, part: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&part.to_le_bytes());
    let config = Config {
        cases: 200,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Tells one story to its end; gives how many events it had, or which rule was broken.
fn tell(story: &[(u8, u8, u8)]) -> Result<u64, String> {
    let told = catch_unwind(AssertUnwindSafe(|| {
        let mut sim = Sim::new();
        for &(kind, a, b) in story {
            story::happen(&mut sim, kind, a, b);
        }
        sim.come_to_rest();
        invariants::at_rest(&sim);
        sim.events
    }));
    told.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned())
    })
}

#[test]
fn a_million_events_break_no_rule() {
    let seed = seed();
    let wanted = std::env::var("LOCALD_FUZZ_EVENTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(EVENTS);
    println!("state fuzzer: seed {seed:#018x}");
    let (events, stories) = (Cell::new(0), Cell::new(0));
    // What is asserted inside is caught and told once, shrunk, at the end.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut failed = None;
    for part in 0u64.. {
        if events.get() >= wanted || failed.is_some() {
            break;
        }
        failed = runner(seed, part)
            .run(&vec((any::<u8>(), any::<u8>(), any::<u8>()), 20..300), |story| {
                let count = tell(&story).map_err(TestCaseError::fail)?;
                events.set(events.get() + count);
                stories.set(stories.get() + 1);
                Ok(())
            })
            .err();
    }
    std::panic::set_hook(hook);
    println!("state fuzzer: {} events in {} stories", events.get(), stories.get());
    if let Some(TestError::Fail(why, story)) = failed {
        let words: Vec<String> = sim::trace(&story);
        panic!(
            "{why}\nseed {seed:#018x}; the shortest story that breaks the rule:\n{story:?}\n{}",
            words.join("\n")
        );
    }
    assert!(failed.is_none(), "{failed:?}");
}
