//! Candles in the making: every tick goes into a minute, an hour and a day, and what changed is written to the store.
//! It must not know where ticks come from.

use crate::{Parts, Settings};
use market::{Pair, Price, Timestamp, VenueId};
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use store::{Candle, CandleKey, Interval};
use tokio_util::sync::CancellationToken;

/// What this process has seen of the candles that are not over yet, or not written yet: a bounded number.
#[derive(Debug)]
pub struct Accounts {
    open: HashMap<CandleKey, Candle>,
    changed: HashSet<CandleKey>,
    most: usize,
    /// How many were dropped, unwritten, since that was last asked.
    dropped: usize,
}

/// Most candles that wait for a store that is away: some 100 MB.
const MOST: usize = 200_000;

/// How a price was heard.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// It is a repetition or a late arrival, heard then: it counts in no `n`, and begins no candle that is over. (A
    /// broker says the newest tick of every pair again and again, however long ago that was.) `None`: it is new.
    pub again_at: Option<Timestamp>,
}

/// A candle is kept this long after its end, for ticks that come late.
const LATE_MS: i64 = 60_000;
/// Candles written in one go.
const WRITTEN_AT_ONCE: usize = 2_000;
/// How long the end waits for a store that does not answer.
const LAST_FLUSH_MAX: Duration = Duration::from_secs(3);
/// Between two looks for candles that are too old.
const FORGET_EVERY: Duration = Duration::from_secs(600);

impl Default for Accounts {
    fn default() -> Accounts {
        Accounts::with_most(MOST)
    }
}

impl Accounts {
    /// None yet, and never more than so many.
    pub fn with_most(most: usize) -> Accounts {
        Accounts { open: HashMap::new(), changed: HashSet::new(), most, dropped: 0 }
    }

    /// Takes in a price. Highest, lowest, first and last take it in whether it is new or not, so that duplicates and
    /// order change nothing; only what changes is written.
    pub fn add(&mut self, venue: Option<&VenueId>, pair: &Pair, price: Price, at: Timestamp, heard: Heard) {
        for interval in Interval::ALL {
            let start = interval.start_of(at);
            if heard.again_at.is_some_and(|now| is_over(interval, start, now)) {
                continue;
            }
            let key = CandleKey { venue: venue.cloned(), pair: pair.clone(), interval, start };
            let told = Candle::of(key.clone(), price, at);
            match self.open.get_mut(&key) {
                None => drop(self.open.insert(key.clone(), told)),
                Some(candle) => {
                    let (before, ticks) = (account(candle), candle.ticks);
                    candle.merge(&told);
                    candle.ticks = ticks + i64::from(heard.again_at.is_none());
                    if account(candle) == before {
                        continue;
                    }
                }
            }
            self.changed.insert(key);
        }
        if self.open.len() > self.most {
            self.drop_some();
        }
    }

    /// Drops the oldest minutes; hours only when no minute is left, and days when no hour is. A tenth more than it
    /// must, so that looking through all of them is seldom.
    fn drop_some(&mut self) {
        let mut order: Vec<(Interval, Timestamp)> =
            self.open.keys().map(|key| (key.interval, key.start)).collect();
        let mut left = self.open.len() - self.most + self.most / 10;
        let (_, last, _) = order.select_nth_unstable(left - 1);
        let (last, changed, dropped) = (*last, &mut self.changed, &mut self.dropped);
        self.open.retain(|key, _| {
            let stays = left == 0 || (key.interval, key.start) > last;
            if !stays {
                left -= 1;
                *dropped += usize::from(changed.remove(key));
            }
            stays
        });
    }

    /// How many candles were dropped, unwritten, since the last time.
    pub fn take_dropped(&mut self) -> usize {
        std::mem::take(&mut self.dropped)
    }

    /// What changed since it was last taken, at most that many.
    pub fn take_changed(&mut self, most: usize) -> Vec<Candle> {
        let keys: Vec<_> = self.changed.iter().take(most).cloned().collect();
        for key in &keys {
            self.changed.remove(key);
        }
        keys.iter().filter_map(|key| self.open.get(key).cloned()).collect()
    }

    /// What could not be written is written again, as it stands then.
    pub fn give_back(&mut self, candles: &[Candle]) {
        for candle in candles.iter().filter(|c| self.open.contains_key(&c.key)) {
            self.changed.insert(candle.key.clone());
        }
    }

    /// Lets go of what is over and written.
    pub fn close(&mut self, now: Timestamp) {
        let changed = &self.changed;
        self.open.retain(|key, _| changed.contains(key) || !is_over(key.interval, key.start, now));
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

/// Whether a candle is over, also for what comes late.
fn is_over(interval: Interval, start: Timestamp, now: Timestamp) -> bool {
    now.millis_since(start) >= interval.millis() + LATE_MS
}

/// All that a candle says.
fn account(candle: &Candle) -> ([Price; 4], [Timestamp; 2], i64) {
    let Candle { open, high, low, close, first_at, last_at, ticks, .. } = *candle;
    ([open, high, low, close], [first_at, last_at], ticks)
}

/// The accounts, shared by those who add and the one who writes.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Accounts>);

impl Shared {
    pub fn with<T>(&self, what: impl FnOnce(&mut Accounts) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what changed, every so often, and once more at the end.
pub(crate) async fn write(accounts: &Shared, parts: &Parts, settings: &Settings, stop: &CancellationToken) {
    metrics::describe_counter!("rates_candles_dropped_total", "Candles that waited too long for the store");
    let dropped = metrics::counter!("rates_candles_dropped_total");
    dropped.increment(0);
    let (mut failures, mut said) = (0u32, false);
    loop {
        let jitter = Duration::from_millis(fastrand::u64(0..100));
        let wait = settings.flush_every * failures.saturating_add(1).min(30) + jitter;
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(wait) => false,
        };
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_FLUSH_MAX).await;
        };
        let flushed = tokio::select! {
            flushed = flush(accounts, parts) => flushed,
            () = too_late => {
                tracing::warn!("the store did not take the last candles before the end");
                return;
            }
        };
        failures = match flushed {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!("candles are written again");
                }
                0
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(%error, "candles wait: the store does not take them");
                }
                failures.saturating_add(1)
            }
        };
        let lost = accounts.with(Accounts::take_dropped);
        dropped.increment(lost as u64);
        if lost > 0 && !std::mem::replace(&mut said, true) {
            tracing::warn!("the store is away for too long: the oldest candles of a minute are dropped");
        }
        said &= failures > 0;
        if is_last {
            return;
        }
    }
}

async fn flush(accounts: &Shared, parts: &Parts) -> Result<(), store::StoreError> {
    loop {
        let candles = accounts.with(|a| a.take_changed(WRITTEN_AT_ONCE));
        if candles.is_empty() {
            break;
        }
        if let Err(error) = parts.store.put_candles(&candles).await {
            accounts.with(|a| a.give_back(&candles));
            return Err(error);
        }
    }
    let now = parts.clock.now();
    accounts.with(|a| a.close(now));
    Ok(())
}

/// Removes candles that are older than they are kept.
pub(crate) async fn forget(parts: &Parts, settings: &Settings, stop: &CancellationToken) {
    loop {
        for (interval, kept) in Interval::ALL.into_iter().zip(settings.retention) {
            let Some(kept) = kept else { continue };
            let ms = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
            let before = parts.clock.now().plus_millis(ms.saturating_neg());
            // In portions, so that a long-forgotten store is not blocked by one long call.
            loop {
                match parts.store.remove_candles_before(interval, before).await {
                    Ok(removed) if removed >= store::CANDLES_REMOVED_MAX as u64 && !stop.is_cancelled() => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::debug!(%error, "old candles stay for now");
                        break;
                    }
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FORGET_EVERY) => {}
        }
    }
}
