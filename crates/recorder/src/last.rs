//! Last ticks on their way to the cache: the newest per (venue, pair), written as fast as the cache takes them.
//! It must not know candles.

use crate::Parts;
use market::{Newest, Pair, Tick, VenueId};
use std::{
    collections::HashMap,
    mem::take,
    sync::{Mutex, PoisonError},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

type Waiting = HashMap<VenueId, HashMap<Pair, Newest>>;

/// What waits for the cache: bounded by the number of pairs, however long the cache is away.
#[derive(Debug, Default)]
pub(crate) struct Last {
    waiting: Mutex<Waiting>,
    more: Notify,
}

impl Last {
    pub fn add(&self, venue: &VenueId, ticks: &[Tick]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.contains_key(venue) {
            waiting.insert(venue.clone(), HashMap::new());
        }
        if let Some(pairs) = waiting.get_mut(venue) {
            for tick in ticks {
                pairs.entry(tick.pair.clone()).or_default().apply(tick);
            }
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// Writes what waits, until `stop`. A cache that fails is told so by its own breaker; what it did not take is
    /// dropped: the next tick of the pair is newer, and a reader judges by age.
    pub async fn write(&self, parts: &Parts, stop: &CancellationToken) {
        let mut is_failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.more.notified() => {}
            }
            let waiting = take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            for (venue, pairs) in waiting {
                let ticks: Vec<Tick> = pairs.into_values().flat_map(Newest::into_ticks).collect();
                match parts.cache.put(&venue, &ticks).await {
                    Ok(()) if is_failing => {
                        is_failing = false;
                        tracing::info!("the cache takes ticks again");
                    }
                    Ok(()) => {}
                    Err(error) => {
                        metrics::counter!("rates_cache_errors_total").increment(1);
                        if !is_failing {
                            is_failing = true;
                            tracing::warn!(%error, "the cache does not take ticks");
                        }
                    }
                }
            }
        }
    }
}
