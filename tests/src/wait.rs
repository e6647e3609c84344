//! Waiting for a condition with a deadline, and saying what was last seen when it passes.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// For what happens within one program: a menu that follows a click.
pub const SOON: Duration = Duration::from_secs(5);
/// For what needs a program to start, or an engine to act.
pub const LATER: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(15);

/// Asks `condition` until it answers `Ok`. `Err` carries what was seen instead, and the last one is in the failure text.
///
/// # Panics
/// When `deadline` passes first, also while one question is still unanswered.
pub async fn eventually<T, E: Display>(
    what: &str,
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let end = Instant::now() + deadline;
    let mut last = None;
    loop {
        match tokio::time::timeout_at(end.into(), condition()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) => last = Some(seen.to_string()),
            Err(_) => {}
        }
        if Instant::now() >= end {
            let seen = last.as_deref().unwrap_or("nothing: the first look did not come back");
            panic!("waited {deadline:?} for: {what}\n  last seen: {seen}");
        }
        tokio::time::sleep(POLL).await;
    }
}
