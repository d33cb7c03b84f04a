//! What was published last, per (venue, pair) and (venue, collector); all of it is said again after a reconnect, so
//! that nothing which got lost on the way stays lost. It must not know connections, nor rates: those have no order
//! that a reader could go by, and an old one said again would go over what another process has said since.

use crate::Delivery;
use crate::amqp_message::Message;
use crate::queue::keep_newest;
use compact_str::CompactString;
use market::{Newest, Pair, Tick, TickBatch, Timestamp, VenueId, VenueStatus};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Most ticks in one message: one broker carries some ten thousand messages a second, however small.
pub(crate) const BATCH: usize = 64;
/// A pair that nobody published for so long is not said again.
const FORGET: Duration = Duration::from_secs(24 * 3_600);

/// Bounded by the number of pairs.
#[derive(Default)]
pub(crate) struct Latest {
    ticks: HashMap<VenueId, HashMap<Pair, Kept>>,
    status: HashMap<(VenueId, CompactString), Arc<VenueStatus>>,
}

struct Kept {
    newest: Newest,
    sent_at: Timestamp,
    published: Instant,
}

impl Latest {
    pub(crate) fn add(&mut self, delivery: &Delivery) {
        let batch = match delivery {
            Delivery::Status(status) => return keep_newest(&mut self.status, status),
            Delivery::Ticks(batch) => batch,
        };
        if !self.ticks.contains_key(&batch.venue) {
            self.ticks.insert(batch.venue.clone(), HashMap::new());
        }
        let Some(pairs) = self.ticks.get_mut(&batch.venue) else { return };
        let now = Instant::now();
        for tick in &batch.ticks {
            match pairs.get_mut(&tick.pair) {
                Some(kept) => {
                    kept.newest.apply(tick);
                    (kept.sent_at, kept.published) = (batch.sent_at, now);
                }
                None => {
                    let mut newest = Newest::new();
                    newest.apply(tick);
                    pairs.insert(tick.pair.clone(), Kept { newest, sent_at: batch.sent_at, published: now });
                }
            }
        }
    }

    /// The venues that have anything to be said again; what is long past is forgotten.
    pub(crate) fn venues(&mut self) -> Vec<VenueId> {
        self.ticks.retain(|_, pairs| {
            pairs.retain(|_, kept| kept.published.elapsed() < FORGET);
            !pairs.is_empty()
        });
        self.ticks.keys().cloned().collect()
    }

    /// The newest of one venue.
    pub(crate) fn of(&self, venue: &VenueId) -> Vec<Message> {
        let Some(pairs) = self.ticks.get(venue) else { return Vec::new() };
        let sent_at = pairs.values().map(|kept| kept.sent_at).max().unwrap_or_default();
        let ticks: Vec<Tick> = pairs.values().flat_map(|kept| kept.newest.ticks()).cloned().collect();
        batches(venue, sent_at, ticks).collect()
    }

    /// The newest of everything.
    pub(crate) fn all(&mut self) -> Vec<Message> {
        let ticks: Vec<Message> = self.venues().iter().flat_map(|venue| self.of(venue)).collect();
        let status = self.status.values().filter_map(|status| Message::status(status));
        ticks.into_iter().chain(status).collect()
    }
}

/// Ticks of one venue as messages, in their order.
pub(crate) fn batches(
    venue: &VenueId,
    sent_at: Timestamp,
    ticks: Vec<Tick>,
) -> impl Iterator<Item = Message> {
    let mut rest = ticks;
    let next = move || {
        if rest.is_empty() {
            return None;
        }
        let after = rest.split_off(rest.len().min(BATCH));
        Some(std::mem::replace(&mut rest, after))
    };
    let venue = venue.clone();
    std::iter::from_fn(next).filter_map(move |ticks| {
        Message::ticks(&TickBatch { v: TickBatch::VERSION, venue: venue.clone(), sent_at, ticks })
    })
}
