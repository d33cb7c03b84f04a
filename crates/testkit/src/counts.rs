//! How often a test repeats what it proves: a few times in `make test`, as often as promised in `make soak`.
//! It must not know what is counted.

use std::time::Duration;

/// Whether this is `make soak`: `RATES_SOAK=1`.
pub fn is_soak() -> bool {
    std::env::var_os("RATES_SOAK").is_some_and(|value| value == "1")
}

/// So many times in the suite, so many in a soak.
pub fn count(in_suite: usize, in_soak: usize) -> usize {
    if is_soak() { in_soak } else { in_suite }
}

/// So long in the suite, so long in a soak.
pub fn lasting(in_suite: Duration, in_soak: Duration) -> Duration {
    if is_soak() { in_soak } else { in_suite }
}
