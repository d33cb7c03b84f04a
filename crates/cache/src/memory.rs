//! `memory://`: the cache for all roles in one process.
//! It must not do anything that a shared cache could not: it is a product, not a mock.

use crate::{Cache, CacheError};
use async_trait::async_trait;
use market::{Newest, Pair, Tick, VenueId};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Bounded by the number of (venue, pair): each keeps three ticks at most.
#[derive(Default)]
pub(crate) struct MemoryCache {
    kept: Mutex<HashMap<VenueId, HashMap<Pair, Newest>>>,
}

#[async_trait]
impl Cache for MemoryCache {
    async fn put(&self, venue: &VenueId, ticks: &[Tick]) -> Result<(), CacheError> {
        let mut kept = self.kept.lock();
        let pairs = kept.entry(venue.clone()).or_default();
        for tick in ticks {
            match pairs.get_mut(&tick.pair) {
                Some(newest) => {
                    newest.apply(tick);
                }
                None => {
                    let mut newest = Newest::new();
                    if newest.apply(tick) {
                        pairs.insert(tick.pair.clone(), newest);
                    }
                }
            }
        }
        Ok(())
    }

    async fn all(&self) -> Result<Vec<(VenueId, Tick)>, CacheError> {
        let kept = self.kept.lock();
        let ticks = kept.iter().flat_map(|(venue, pairs)| {
            pairs.values().flat_map(Newest::ticks).map(|tick| (venue.clone(), tick.clone()))
        });
        Ok(ticks.collect())
    }

    fn is_up(&self) -> bool {
        true
    }
}
