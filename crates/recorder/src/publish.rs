//! Rates for everyone else on the broker: one message per pair and second, from one of several recorders.
//! It must not know who reads them.

use crate::{Parts, Settings};
use broker::BrokerHealth;
use bytes::Bytes;
use market::Pair;
use std::{
    collections::HashSet,
    mem::replace,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A store that takes longer does not answer.
const ASK_MAX: Duration = Duration::from_secs(2);

/// Until when this recorder is the one that publishes.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    until: Mutex<Option<Instant>>,
}

impl Turn {
    /// `None` if another may be the one.
    fn until(&self) -> Option<Instant> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| Instant::now() < *until)
    }

    fn set(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Asks for the lease again and again, and gives it back at the end. A store that does not answer cannot say that
    /// another recorder publishes: then we do, since a rate said twice does less harm than one not said.
    pub async fn keep(&self, parts: &Parts, settings: &Settings, stop: &CancellationToken) {
        let (name, holder) = (settings.lease.as_str(), settings.holder.as_str());
        let mut was_ours = false;
        loop {
            let asked_at = Instant::now();
            let asked = parts.store.acquire_lease(name, holder, settings.lease_keep);
            let answer = tokio::time::timeout(ASK_MAX, asked).await;
            let (from, pace) = match answer {
                Ok(Ok(is_ours)) => (is_ours.then_some(asked_at), settings.lease_keep / 3),
                // A store that is still being opened, as at every start, answers soon. Who was frozen while it asked
                // knows nothing: another may have published meanwhile.
                Ok(Err(_)) | Err(_) => {
                    let was_awake = asked_at.elapsed() < settings.lease_keep;
                    (was_awake.then(Instant::now), settings.lease_keep / 30)
                }
            };
            let until = from.map(|from| from + settings.lease_keep);
            self.set(until);
            if was_ours != until.is_some() {
                was_ours = until.is_some();
                tracing::info!(publishes = was_ours, "rates for everyone else");
            }
            let wait = pace - pace * fastrand::u32(0..25) / 100;
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.set(None);
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
    was_up: bool,
}

impl<'a> Publisher<'a> {
    pub fn new(parts: &'a Parts, turn: &'a Turn) -> Publisher<'a> {
        Publisher { parts, turn, changed: HashSet::new(), was_ours: false, was_up: false }
    }

    pub fn changed(&mut self, pair: &Pair) {
        if !self.changed.contains(pair) {
            self.changed.insert(pair.clone());
        }
    }

    /// Publishes each changed pair's rate as it stands now. Whoever begins, every pair's: what changed last may have
    /// been left unsaid by the one before. So to a broker that was away: it keeps no rate to be said later.
    pub fn publish(&mut self) {
        let (now, until) = (self.parts.clock.now(), self.turn.until());
        let is_up = self.parts.broker.health() == BrokerHealth::Up;
        let (was_ours, was_up) =
            (replace(&mut self.was_ours, until.is_some()), replace(&mut self.was_up, is_up));
        let Some(until) = until else {
            self.changed.clear();
            return;
        };
        if !was_ours || (is_up && !was_up) {
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
            self.parts.broker.publish_rate(&pair, Bytes::from(body), until);
        }
    }
}
