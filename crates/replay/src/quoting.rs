//! What a simulated venue says of a symbol now: the walk's price, with the venue's own small deviation.
//! It must not know sockets or subscriptions.

use crate::{
    spoken::Spoken,
    template::Wanted,
    walk::{Walk, hash},
};
use clock::Clock;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How far a venue is off the walk at most, in millionths: venues agree within twice this.
const OFF_MAX: u64 = 150;
/// For so many steps a venue keeps its deviation.
const OFF_STEPS: u64 = 8;

/// The prices of all simulated venues.
#[derive(Debug)]
pub(crate) struct Quoting {
    seed: u64,
    step: Duration,
    clock: Clock,
    started: Instant,
    walk: Mutex<Walk>,
    sequence: AtomicU64,
}

/// A frame to send.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) text: String,
    pub(crate) binary: bool,
}

impl Quoting {
    pub(crate) fn new(seed: u64, step: Duration, clock: Clock) -> Quoting {
        let step = step.max(Duration::from_millis(1));
        let walk = Mutex::new(Walk::new(seed));
        Quoting { seed, step, clock, started: Instant::now(), walk, sequence: AtomicU64::new(1) }
    }

    /// The walk's step.
    pub(crate) fn step(&self) -> Duration {
        self.step
    }

    /// The number of the step that is now.
    pub(crate) fn step_now(&self) -> u64 {
        let steps = self.started.elapsed().as_micros() / self.step.as_micros().max(1);
        u64::try_from(steps).unwrap_or(u64::MAX)
    }

    /// Whether this venue has something to say of this symbol in this step: four times out of five.
    pub(crate) fn is_due(&self, spoken: &Spoken, number: usize, step: u64) -> bool {
        let name = spoken.symbols().get(number).map_or("", |symbol| &*symbol.name);
        !hash(self.seed ^ step, &[spoken.venue().id().as_str(), name, "due"]).is_multiple_of(5)
    }

    /// The frames of a symbol now.
    pub(crate) fn frames(&self, spoken: &Spoken, number: usize) -> Vec<Filled> {
        let Some(symbol) = spoken.symbols().get(number) else { return Vec::new() };
        let step = self.step_now();
        let middle = {
            let mut walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
            walk.advance_to(step);
            walk.price(&symbol.pair)
        };
        let place = [spoken.venue().id().as_str(), &*symbol.name];
        let off = hash(self.seed ^ (step / OFF_STEPS), &place) % (2 * OFF_MAX + 1);
        let off = i64::try_from(off).unwrap_or(0) - i64::try_from(OFF_MAX).unwrap_or(0);
        let factor = rust_decimal::Decimal::new(1_000_000 + off, 6);
        let price = middle.checked_mul(factor).unwrap_or(middle);
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let wanted = Wanted { symbol, price, time: self.clock.now(), sequence };
        spoken.templates().iter().map(|t| Filled { text: t.fill(&wanted), binary: t.binary() }).collect()
    }
}
