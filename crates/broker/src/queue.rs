//! One reader's bounded queue: in order while the reader keeps up, the newest of everything once it does not.
//! It must not know who publishes.

use crate::Delivery;
use compact_str::CompactString;
use market::{Newest, Pair, TickBatch, Timestamp, VenueId, VenueStatus};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// The most deliveries that wait in order.
const DELIVERIES_MAX: usize = 1_024;
/// The most ticks in them: some seconds of a busy day, and about 2 MB.
const TICKS_MAX: usize = 8_192;

/// Filled by publishers, emptied by one reader.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

struct Waiting {
    in_order: VecDeque<Delivery>,
    /// How many ticks `in_order` holds.
    ticks: usize,
    /// What came after `in_order` was full: only the newest of it.
    overflow: Option<Conflated>,
    is_closed: bool,
}

/// What a look into the queue gives.
pub(crate) enum Taken {
    /// The next one in order.
    Next(Delivery),
    /// The reader fell behind: what it missed, the newest of everything.
    Newest(VecDeque<Delivery>),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    Closed,
}

impl Queue {
    pub(crate) fn new() -> Queue {
        // The room is made at once, so that publishing allocates nothing while the reader keeps up.
        let in_order = VecDeque::with_capacity(DELIVERIES_MAX);
        let waiting = Waiting { in_order, ticks: 0, overflow: None, is_closed: false };
        Queue { waiting: Mutex::new(waiting), wake: Notify::new() }
    }

    /// Adds one; never waits.
    pub(crate) fn push(&self, delivery: Delivery) {
        let mut waiting = self.waiting.lock();
        if let Some(overflow) = &mut waiting.overflow {
            overflow.add(&delivery);
        } else if waiting.has_room_for(ticks_in(&delivery)) {
            waiting.ticks += ticks_in(&delivery);
            waiting.in_order.push_back(delivery);
        } else {
            waiting.overflow.insert(Conflated::default()).add(&delivery);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Takes the next one. The work of conflating falls to the reader that fell behind, outside the lock.
    pub(crate) fn take(&self) -> Taken {
        let mut waiting = self.waiting.lock();
        if let Some(overflow) = waiting.overflow.take() {
            let missed: Vec<Delivery> = waiting.in_order.drain(..).collect();
            waiting.ticks = 0;
            drop(waiting);
            return Taken::Newest(newest_of(&missed, overflow));
        }
        match waiting.in_order.pop_front() {
            Some(delivery) => {
                waiting.ticks -= ticks_in(&delivery);
                Taken::Next(delivery)
            }
            None if waiting.is_closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.in_order.is_empty() && waiting.overflow.is_none()
    }

    /// Returns once something was pushed or the queue was closed since the last look.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Nothing more will come; what waits is still given.
    pub(crate) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.wake.notify_one();
    }
}

/// The reading end of a queue.
pub(crate) struct Reading {
    queue: Arc<Queue>,
    /// What a reader that fell behind is given before it goes on in order.
    newest: VecDeque<Delivery>,
}

impl Reading {
    pub(crate) fn new(queue: Arc<Queue>) -> Reading {
        Reading { queue, newest: VecDeque::new() }
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// The next delivery; `None` once the queue is closed and empty. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        // A reader that always finds something must still let other tasks run.
        tokio::task::coop::consume_budget().await;
        loop {
            if let Some(delivery) = self.newest.pop_front() {
                return Some(delivery);
            }
            match self.queue.take() {
                Taken::Next(delivery) => return Some(delivery),
                Taken::Newest(deliveries) => {
                    tracing::debug!(
                        deliveries = deliveries.len(),
                        "reader fell behind, goes on with the newest"
                    );
                    self.newest = deliveries;
                }
                Taken::Closed => return None,
                Taken::Nothing => self.queue.changed().await,
            }
        }
    }
}

impl Waiting {
    /// A delivery larger than the whole bound still finds room in an empty queue: it exists anyway.
    fn has_room_for(&self, ticks: usize) -> bool {
        self.in_order.is_empty() || (self.in_order.len() < DELIVERIES_MAX && self.ticks + ticks <= TICKS_MAX)
    }
}

fn ticks_in(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Ticks(batch) => batch.ticks.len(),
        Delivery::Status(_) => 0,
    }
}

/// The newest per (venue, pair) and per (venue, collector): bounded by the number of pairs.
#[derive(Default)]
struct Conflated {
    ticks: HashMap<VenueId, ConflatedVenue>,
    status: HashMap<(VenueId, CompactString), Arc<VenueStatus>>,
}

#[derive(Default)]
struct ConflatedVenue {
    sent_at: Timestamp,
    pairs: HashMap<Pair, Newest>,
}

impl Conflated {
    fn add(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Ticks(batch) => {
                if !self.ticks.contains_key(&batch.venue) {
                    self.ticks.insert(batch.venue.clone(), ConflatedVenue::default());
                }
                if let Some(venue) = self.ticks.get_mut(&batch.venue) {
                    venue.add(batch);
                }
            }
            Delivery::Status(status) => keep_newest(&mut self.status, status),
        }
    }

    fn into_deliveries(self) -> VecDeque<Delivery> {
        let ticks = self.ticks.into_iter().map(|(venue, ConflatedVenue { sent_at, pairs })| {
            let ticks = pairs.into_values().flat_map(Newest::into_ticks).collect();
            Delivery::Ticks(Arc::new(TickBatch { v: TickBatch::VERSION, venue, sent_at, ticks }))
        });
        ticks.chain(self.status.into_values().map(Delivery::Status)).collect()
    }
}

impl ConflatedVenue {
    fn add(&mut self, batch: &TickBatch) {
        self.sent_at = self.sent_at.max(batch.sent_at);
        for tick in &batch.ticks {
            match self.pairs.get_mut(&tick.pair) {
                Some(newest) => {
                    newest.apply(tick);
                }
                None => {
                    let mut newest = Newest::new();
                    newest.apply(tick);
                    self.pairs.insert(tick.pair.clone(), newest);
                }
            }
        }
    }
}

/// Keeps a status unless a newer one of the same (venue, collector) is kept.
pub(crate) fn keep_newest(
    kept: &mut HashMap<(VenueId, CompactString), Arc<VenueStatus>>,
    status: &Arc<VenueStatus>,
) {
    let slot = kept.entry((status.venue.clone(), status.collector.clone())).or_insert_with(|| status.clone());
    if status.sent_at >= slot.sent_at {
        *slot = status.clone();
    }
}

/// In the order of publishing, since of equal ticks the first one counts.
fn newest_of(missed: &[Delivery], overflow: Conflated) -> VecDeque<Delivery> {
    let mut all = Conflated::default();
    for delivery in missed.iter().chain(&overflow.into_deliveries()) {
        all.add(delivery);
    }
    all.into_deliveries()
}
