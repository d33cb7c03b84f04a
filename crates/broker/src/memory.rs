//! `memory://`: the broker for all roles in one process.
//! It must not do anything that a distributed broker could not: it is a product, not a mock.

use crate::queue::{Queue, Reading, keep_newest};
use crate::{Broker, BrokerError, BrokerHealth, Delivery, Subscription};
use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use market::{Pair, TickBatch, VenueId, VenueStatus};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Hands every delivery to every reader's queue, in the publisher's own call: a reader is woken at once.
pub(crate) struct MemoryBroker {
    shared: Arc<Shared>,
}

/// One lock over the readers keeps the order of publishing the same for all of them.
struct Shared {
    state: Mutex<State>,
}

struct State {
    is_closed: bool,
    readers: Vec<Arc<Queue>>,
    /// What a new reader is told first.
    status: HashMap<(VenueId, CompactString), Arc<VenueStatus>>,
}

impl MemoryBroker {
    pub(crate) fn new() -> MemoryBroker {
        let state = State { is_closed: false, readers: Vec::new(), status: HashMap::new() };
        MemoryBroker { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    fn end(&self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        for reader in state.readers.drain(..) {
            reader.close();
        }
    }
}

impl State {
    fn hand_out(&self, delivery: &Delivery) {
        for reader in &self.readers {
            reader.push(delivery.clone());
        }
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    fn publish_ticks(&self, batch: TickBatch) {
        let delivery = Delivery::Ticks(Arc::new(batch));
        self.shared.state.lock().hand_out(&delivery);
    }

    fn publish_status(&self, status: VenueStatus) {
        let status = Arc::new(status);
        let mut state = self.shared.state.lock();
        if !state.is_closed {
            keep_newest(&mut state.status, &status);
            state.hand_out(&Delivery::Status(status));
        }
    }

    /// Rates are for everyone else, and nobody outside can read this process's memory.
    fn publish_rate(&self, _: &Pair, _: Bytes, _: Instant) {}

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, BrokerError> {
        let queue = Arc::new(Queue::new());
        let mut state = self.shared.state.lock();
        if state.is_closed {
            return Err(BrokerError::Closed);
        }
        for status in state.status.values() {
            queue.push(Delivery::Status(status.clone()));
        }
        state.readers.push(queue.clone());
        Ok(Box::new(MemorySubscription { shared: self.shared.clone(), reading: Reading::new(queue) }))
    }

    fn health(&self) -> BrokerHealth {
        if self.shared.state.lock().is_closed { BrokerHealth::Down } else { BrokerHealth::Up }
    }

    async fn close(&self) {
        self.end();
    }
}

/// A broker that nobody holds any more can publish nothing: its readers end rather than wait for ever.
impl Drop for MemoryBroker {
    fn drop(&mut self) {
        self.end();
    }
}

struct MemorySubscription {
    shared: Arc<Shared>,
    reading: Reading,
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn next(&mut self) -> Option<Delivery> {
        self.reading.next().await
    }
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        self.shared.state.lock().readers.retain(|reader| !Arc::ptr_eq(reader, self.reading.queue()));
    }
}
