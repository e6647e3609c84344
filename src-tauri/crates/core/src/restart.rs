//! When a service that ended by itself is started again.

use std::time::Duration;

use crate::{instance::EngineRestarts, spec::RestartPolicy};

/// A run that lasted this long counts as stable: the next failure is the first in a row again.
pub const STABLE_RUN: Duration = Duration::from_secs(10);

/// From so many restarts in a row on, a service that ends again is said to be crash-looping.
pub const LOOP: u32 = 2;

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// How long to wait before the next start, `None` to leave the service as it is.
///
/// The delay doubles from half a second up to 30 seconds. `attempts` counts restarts in a row so far.
#[must_use]
pub fn delay(policy: RestartPolicy, crashed: bool, attempts: u32) -> Option<Duration> {
    let again = match policy {
        RestartPolicy::No => false,
        RestartPolicy::OnFailure { max } => crashed && max.is_none_or(|max| attempts < max),
        RestartPolicy::Always => true,
    };
    // 500 ms << 6 is over 30 s already.
    again.then(|| FIRST_DELAY.saturating_mul(1 << attempts.min(6)).min(LONGEST_DELAY))
}

/// Does the engine start it again by itself? How often `on-failure` does is the engine's to know; it shows.
#[must_use]
pub fn engine_starts_it(policy: EngineRestarts, crashed: bool) -> bool {
    match policy {
        EngineRestarts::Always => true,
        EngineRestarts::OnFailure { .. } => crashed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_half_a_minute() {
        let delays: Vec<u128> = (0..9)
            .filter_map(|n| delay(RestartPolicy::Always, true, n))
            .map(|d| d.as_millis())
            .collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    }

    #[test]
    fn policies_decide() {
        let max = RestartPolicy::OnFailure { max: Some(2) };
        assert!(delay(RestartPolicy::No, true, 0).is_none());
        assert!(delay(RestartPolicy::Always, false, 0).is_some());
        assert!(delay(RestartPolicy::OnFailure { max: None }, false, 0).is_none());
        assert!(delay(max, true, 1).is_some());
        assert!(delay(max, true, 2).is_none());
    }
}
