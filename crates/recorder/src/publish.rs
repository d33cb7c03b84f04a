//! Rates for everyone else on the broker: one message per pair and second, from one of several recorders.
//! It must not know who reads them.

use crate::{Parts, Settings};
use bytes::Bytes;
use market::{Pair, Timestamp};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// A store that takes longer does not answer.
const ASK_MAX: Duration = Duration::from_secs(2);

/// Until when this recorder is the one that publishes.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    until_us: AtomicI64,
}

impl Turn {
    fn is_ours(&self, now: Timestamp) -> bool {
        now.micros() < self.until_us.load(Relaxed)
    }

    /// Asks for the lease again and again, and gives it back at the end. A store that does not answer cannot say that
    /// another recorder publishes: then we do, since a rate said twice does less harm than one not said.
    pub async fn keep(&self, parts: &Parts, settings: &Settings, stop: &CancellationToken) {
        let (name, holder) = (settings.lease.as_str(), settings.holder.as_str());
        let mut was_ours = false;
        loop {
            let asked_at = parts.clock.now();
            let asked = parts.store.acquire_lease(name, holder, settings.lease_keep);
            let until = match tokio::time::timeout(ASK_MAX, asked).await {
                Ok(Ok(true)) => Some(asked_at),
                Ok(Ok(false)) => None,
                Ok(Err(_)) | Err(_) => Some(parts.clock.now()),
            };
            let keep_ms = i64::try_from(settings.lease_keep.as_millis()).unwrap_or(i64::MAX);
            let until = until.map(|from| from.plus_millis(keep_ms));
            self.until_us.store(until.map_or(i64::MIN, Timestamp::micros), Relaxed);
            if was_ours != until.is_some() {
                was_ours = until.is_some();
                tracing::info!(publishes = was_ours, "rates for everyone else");
            }
            let third = settings.lease_keep / 3;
            let wait = third - third * fastrand::u32(0..25) / 100;
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.until_us.store(i64::MIN, Relaxed);
        let given = tokio::time::timeout(ASK_MAX, parts.store.release_lease(name, holder)).await;
        if !matches!(given, Ok(Ok(_))) {
            tracing::debug!("the lease was not given back; it runs out by itself");
        }
    }
}

/// Publishes changed rates.
pub(crate) struct Publisher<'a> {
    parts: &'a Parts,
    turn: &'a Turn,
    changed: HashSet<Pair>,
    was_ours: bool,
}

impl<'a> Publisher<'a> {
    pub fn new(parts: &'a Parts, turn: &'a Turn) -> Publisher<'a> {
        Publisher { parts, turn, changed: HashSet::new(), was_ours: false }
    }

    pub fn changed(&mut self, pair: &Pair) {
        if !self.changed.contains(pair) {
            self.changed.insert(pair.clone());
        }
    }

    /// Publishes each changed pair's rate as it stands now; whoever begins, every pair's: what changed last may have
    /// been left unsaid by the one before.
    pub fn publish(&mut self) {
        let now = self.parts.clock.now();
        let is_ours = self.turn.is_ours(now);
        let begins = !std::mem::replace(&mut self.was_ours, is_ours) && is_ours;
        if !is_ours {
            self.changed.clear();
            return;
        }
        if begins {
            let valued = self.parts.board.answers().into_iter().filter(|answer| answer.rate.value.is_some());
            self.changed.extend(valued.map(|answer| answer.rate.pair.clone()));
        }
        for pair in self.changed.drain() {
            let Some(answer) = self.parts.board.answer(&pair) else { continue };
            // What only the cache vouches for may be older than what a recorder before us has published.
            if answer.rate.is_cached {
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
