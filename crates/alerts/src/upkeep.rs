//! What must not grow for ever is forgotten in time, and how much waits is shown.
//! It must not know what a message says.

use clock::Clock;
use market::Timestamp;
use std::{collections::HashSet, sync::Arc, time::Duration};
use store::{MESSAGES_MAX, Store, StoreError};
use tokio_util::sync::CancellationToken;

const DAY_MS: i64 = 86_400_000;
/// Messages that arrived or were given up, and alerts that have fired for the last time, are shown for so long.
const KEPT_MS: i64 = 30 * DAY_MS;
/// A webhook without an alert is kept for so long.
const UNUSED_MS: i64 = DAY_MS;

const SHOW_EVERY: Duration = Duration::from_secs(5);
/// Every so many times, old things are forgotten.
const FORGET_EVERY: u32 = 360;

/// Shows how deep the outbox is, and forgets what is old, until `stop`.
pub async fn upkeep(store: Arc<dyn Store>, clock: Clock, stop: CancellationToken) {
    let mut shown = HashSet::new();
    let mut count = 0u32;
    loop {
        let now = clock.now();
        // The loops that need the store say when it is away.
        let _ = show(&*store, now, &mut shown).await;
        if count.is_multiple_of(FORGET_EVERY)
            && let Err(error) = forget(&*store, now, &stop).await
        {
            tracing::debug!(%error, "what is old is forgotten later");
        }
        count = count.wrapping_add(1);
        if stop.run_until_cancelled(tokio::time::sleep(SHOW_EVERY)).await.is_none() {
            return;
        }
    }
}

async fn show(
    store: &dyn Store,
    now: Timestamp,
    shown: &mut HashSet<(String, &'static str)>,
) -> Result<(), StoreError> {
    let depth = store.outbox_depth().await?;
    let mut gone = std::mem::take(shown);
    for one in depth {
        let key = (one.channel, one.state.as_str());
        set(&key, one.count as f64, now.millis_since(one.oldest_at) as f64);
        gone.remove(&key);
        shown.insert(key);
    }
    // What was shown and is no more is nothing, not the last that was seen.
    for key in gone {
        set(&key, 0.0, 0.0);
    }
    Ok(())
}

fn set((channel, state): &(String, &'static str), count: f64, oldest_ms: f64) {
    let labels = [("channel", channel.clone()), ("state", (*state).to_owned())];
    metrics::gauge!("rates_outbox_messages", &labels).set(count);
    metrics::gauge!("rates_outbox_oldest_ms", &labels).set(oldest_ms);
}

async fn forget(store: &dyn Store, now: Timestamp, stop: &CancellationToken) -> Result<(), StoreError> {
    let before = now.plus_millis(-KEPT_MS);
    while store.prune_messages(before).await? >= MESSAGES_MAX as u64 && !stop.is_cancelled() {}
    while store.prune_alerts(before).await? > 0 && !stop.is_cancelled() {}
    store.prune_webhooks(now.plus_millis(-UNUSED_MS)).await?;
    Ok(())
}
