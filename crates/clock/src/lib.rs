//! The one place that reads the time. Everything else is handed a [`Clock`], or a time.
//! It must not know what the time is used for.

use market::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Wall-clock time that advances with the monotonic clock from the moment the clock was made: a step of the
/// host's clock neither makes rates old nor young. In tests it follows tokio's paused time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Timestamp,
    started: Instant,
}

impl Clock {
    /// The host's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
    pub fn system() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Clock::at(Timestamp::from_micros(since.as_micros() as i64))
    }

    /// A clock that shows `base` now.
    pub fn at(base: Timestamp) -> Clock {
        Clock { base, started: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.base.micros() + self.started.elapsed().as_micros() as i64)
    }
}
