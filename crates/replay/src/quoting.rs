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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{test_venues, walk};
    use market::{Pair, Timestamp};
    use rust_decimal::Decimal;
    use std::sync::Arc;
    use venue::{Frame, Said};

    const STEP: Duration = Duration::from_millis(250);

    /// Everything said in some steps, under paused time.
    async fn said(seed: u64, steps: u32) -> Vec<String> {
        let venues = test_venues::all();
        let pairs: Vec<Pair> = walk::pairs().into_iter().take(12).collect();
        let spoken: Vec<Spoken> = venues.iter().map(|venue| Spoken::of(venue, &pairs).unwrap()).collect();
        let clock = Clock::at(Timestamp::from_millis(1_790_000_000_000));
        let (quoting, mut said) = (Quoting::new(seed, STEP, clock), Vec::new());
        for _ in 0..steps {
            for spoken in &spoken {
                for number in
                    (0..spoken.symbols().len()).filter(|n| quoting.is_due(spoken, *n, quoting.step_now()))
                {
                    said.extend(quoting.frames(spoken, number).into_iter().map(|frame| frame.text));
                }
            }
            tokio::time::advance(STEP).await;
        }
        said
    }

    #[tokio::test(start_paused = true)]
    async fn the_seed_alone_decides_what_is_said() {
        let one = said(5, 12).await;
        assert_eq!(one, said(5, 12).await);
        assert_ne!(one, said(6, 12).await);
    }

    #[tokio::test(start_paused = true)]
    async fn venues_agree() {
        let pair = Pair::parse("BTC-USD").unwrap();
        let quoting = Quoting::new(1, STEP, Clock::at(Timestamp::from_millis(1_790_000_000_000)));
        let venues: Vec<_> = test_venues::all();
        let spoken: Vec<Spoken> =
            venues.iter().map(|v| Spoken::of(v, std::slice::from_ref(&pair)).unwrap()).collect();
        for _ in 0..200 {
            let mut lasts = Vec::new();
            for spoken in &spoken {
                let mut reader: venue::Reader = Arc::clone(spoken.venue()).reader();
                reader.follow(spoken.symbols());
                let mut heard = Vec::new();
                for frame in quoting.frames(spoken, 0) {
                    reader.read(Frame::Text(frame.text.as_bytes()), &mut heard).unwrap();
                }
                lasts.extend(heard.iter().filter_map(|said| match said {
                    Said::Tick(seen) => seen.last.map(market::Price::decimal),
                    _ => None,
                }));
            }
            assert_eq!(lasts.len(), spoken.len());
            let (low, high) = (*lasts.iter().min().unwrap(), *lasts.iter().max().unwrap());
            assert!((high - low) / low <= Decimal::new(5, 4), "{lasts:?}");
            tokio::time::advance(STEP).await;
        }
    }
}
