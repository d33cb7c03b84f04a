//! How long to wait before something is tried again: longer with every failure, and never just as long as everybody else.
//! It must not know what is tried, nor what time it is.

use std::time::Duration;

/// Half of it, and up to the other half by chance: what failed together does not come back together.
pub fn jittered(wait: Duration) -> Duration {
    let half = wait / 2;
    half + half.mul_f64(fastrand::f64())
}

/// The wait after so many failures in a row: at first this, twice as long each time, never longer than that; jittered.
pub fn growing(first: Duration, longest: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    jittered(first.saturating_mul(1 << doublings).min(longest))
}

/// The waits of one thing that is tried until it succeeds.
#[derive(Debug, Clone)]
pub struct Waits {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Waits {
    /// As [`growing`] counts them.
    pub const fn new(first: Duration, longest: Duration) -> Waits {
        Waits { first, longest, failures: 0 }
    }

    /// The wait after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        growing(self.first, self.longest, self.failures)
    }

    /// It has succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_are_shortened_by_half_at_most() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(10));
        for (failures, full_s) in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (u32::MAX, 10)] {
            let waits: Vec<_> = (0..100).map(|_| growing(first, longest, failures)).collect();
            let full = Duration::from_secs(full_s);
            assert!(waits.iter().all(|wait| (full / 2..=full).contains(wait)), "{failures}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "by chance");
        }
    }
}
