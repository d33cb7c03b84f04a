//! How long to wait before trying again: at once the first time, then from one second up to a minute, jittered.
//! It must not know what is tried, nor what time it is.

use std::time::Duration;

/// The bounds of the waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffLimits {
    /// The first retry comes within this time.
    pub first_max: Duration,
    /// The second waits about this long; each further one twice as long.
    pub base: Duration,
    /// No wait is longer.
    pub max: Duration,
    /// Data must have flowed for this long before the waits begin anew: a venue that accepts and then drops
    /// everybody is not hammered.
    pub reset_after: Duration,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        BackoffLimits {
            first_max: Duration::from_millis(250),
            base: Duration::from_secs(1),
            max: Duration::from_secs(60),
            reset_after: Duration::from_secs(30),
        }
    }
}

/// The waits of one connection.
#[derive(Debug, Clone)]
pub struct Backoff {
    limits: BackoffLimits,
    failures: u32,
}

impl Backoff {
    /// Nothing has failed yet.
    pub fn new(limits: BackoffLimits) -> Backoff {
        Backoff { limits, failures: 0 }
    }

    /// How often it failed since data last flowed for long enough.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait before the next try. Jitter is 50 to 100 % of the step, so that connections that failed
    /// together do not come back together.
    pub fn next_wait(&mut self, random: &mut fastrand::Rng) -> Duration {
        let failures = self.failures;
        self.failures = self.failures.saturating_add(1);
        if failures == 0 {
            return Duration::from_micros(random.u64(0..=micros(self.limits.first_max)));
        }
        let step =
            micros(self.limits.base).saturating_mul(1u64.checked_shl(failures - 1).unwrap_or(u64::MAX));
        let step = step.min(micros(self.limits.max));
        Duration::from_micros(random.u64(step / 2..=step))
    }

    /// Tells it for how long data flowed on the connection that just ended.
    pub fn flowed_for(&mut self, flowed: Duration) {
        if flowed >= self.limits.reset_after {
            self.failures = 0;
        }
    }

    /// Begins anew: for requests, where one good answer proves all there is to prove.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_refusals_costs_at_most_130_attempts() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::new(BackoffLimits::default());
            let (mut at, mut attempts) = (Duration::ZERO, 1);
            loop {
                at += backoff.next_wait(&mut random);
                if at > Duration::from_secs(3_600) {
                    break;
                }
                attempts += 1;
            }
            assert!((60..=130).contains(&attempts), "{attempts} attempts with seed {seed}");
        }
    }

    #[test]
    fn the_first_is_at_once_then_each_step_doubles_up_to_a_minute() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(BackoffLimits::default());
        assert!(backoff.next_wait(&mut random) <= Duration::from_millis(250));
        for step in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.next_wait(&mut random);
            let (least, most) = (Duration::from_millis(step * 500), Duration::from_secs(step));
            assert!((least..=most).contains(&wait), "{wait:?} is not 50 to 100 % of {step} s");
        }
    }

    #[test]
    fn only_data_that_flowed_for_a_while_begins_anew() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(BackoffLimits::default());
        for _ in 0..4 {
            backoff.next_wait(&mut random);
        }
        backoff.flowed_for(Duration::from_secs(29));
        assert_eq!(backoff.failures(), 4);
        backoff.flowed_for(Duration::from_secs(30));
        assert_eq!(backoff.failures(), 0);
        assert!(backoff.next_wait(&mut random) <= Duration::from_millis(250));
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(BackoffLimits::default());
        for _ in 0..1_000 {
            assert!(backoff.next_wait(&mut random) <= Duration::from_secs(60));
        }
    }
}
