//! Rates for everyone else on the broker: one message per pair and second, from one of several recorders.
//! It must not know who reads them.

use crate::{Parts, Settings};
use bytes::Bytes;
use market::Pair;
use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The lease that lets one recorder publish.
const LEASE: &str = "recorder";
/// How long it is kept; renewed at a third of that.
const LEASE_FOR: Duration = Duration::from_secs(9);

/// Publishes changed rates.
pub(crate) struct Publisher<'a> {
    parts: &'a Parts,
    changed: HashSet<Pair>,
    is_ours: &'a AtomicBool,
}

impl<'a> Publisher<'a> {
    pub fn new(parts: &'a Parts, is_ours: &'a AtomicBool) -> Publisher<'a> {
        Publisher { parts, changed: HashSet::new(), is_ours }
    }

    pub fn changed(&mut self, pair: &Pair) {
        if !self.changed.contains(pair) {
            self.changed.insert(pair.clone());
        }
    }

    /// Publishes each changed pair's rate as it stands now.
    pub fn publish(&mut self) {
        let (now, is_ours) = (self.parts.clock.now(), self.is_ours.load(Relaxed));
        for pair in self.changed.drain() {
            if !is_ours {
                continue;
            }
            let Some(answer) = self.parts.board.answer(&pair) else { continue };
            // What only the cache vouches for may be older than what a recorder before us has published.
            if answer.rate.degraded.iter().any(|word| word == "cache_only") {
                continue;
            }
            let mut body = answer.body.to_vec();
            let age = answer.age_ms(now).map_or_else(|| "null".to_owned(), |age| age.to_string());
            body.extend_from_slice(age.as_bytes());
            body.push(b'}');
            self.parts.broker.publish_rate(&pair, Bytes::from(body));
        }
    }
}

/// Asks for the lease whenever a third of its time is gone, beside the publishing, which waits for no store. A store
/// that does not answer cannot say that another recorder publishes: then we do, since a rate said twice does less
/// harm than one not said.
pub(crate) async fn hold_lease(
    parts: &Parts,
    settings: &Settings,
    is_ours: &AtomicBool,
    stop: &CancellationToken,
) {
    let for_ever = async {
        loop {
            let ours = parts.store.acquire_lease(LEASE, &settings.holder, LEASE_FOR).await.unwrap_or(true);
            if is_ours.swap(ours, Relaxed) != ours {
                tracing::info!(publishes = ours, "rates for everyone else");
            }
            tokio::time::sleep(LEASE_FOR / 3).await;
        }
    };
    stop.run_until_cancelled(for_ever).await;
}
