//! `amqp://` and `amqps://`: the broker for roles in many processes, on RabbitMQ.
//! It must not wait for the server: publishing keeps the newest, and a reader is served once there is one.

use crate::amqp_link::{Carries, LastSaid, Link};
use crate::amqp_message::Message;
use crate::amqp_publish::{self, FLUSH_WAIT};
use crate::amqp_read::Reader;
use crate::queue::{Queue, Reading, keep_newest};
use crate::{Broker, BrokerError, BrokerHealth, Delivery, Subscription};
use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use market::{Pair, TickBatch, VenueId, VenueStatus};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// How long a new reader waits to be served; after that it is served as soon as the server is there.
const SUBSCRIBE_WAIT: Duration = Duration::from_secs(5);
/// Most messages that could not be read and wait to be put aside.
const DEAD_MAX: usize = 64;
/// Most (venue, collector) whose status is kept before those that fell silent are forgotten.
const STATUS_MAX: usize = 1_024;
/// How long before the newest is silent.
const STATUS_SILENT_MS: i64 = 60_000;

/// One connection to publish on, and one per reader: a server that blocks publishers must not block acknowledging.
pub(crate) struct AmqpBroker {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    _stop: DropGuard,
}

/// What the tasks share.
pub(crate) struct Shared {
    pub(crate) link: Link,
    /// What was published and not taken by the publishing task: in order, or the newest of it.
    pub(crate) unsent: Queue,
    pub(crate) rest: Mutex<Rest>,
    /// Something was put into `rest`.
    pub(crate) wake: Notify,
    pub(crate) publisher_is_up: watch::Sender<bool>,
    /// The queues of this process's readers.
    pub(crate) readers: Mutex<HashSet<String>>,
    readers_up: AtomicUsize,
    pub(crate) readers_said: LastSaid,
    /// What a new reader is told first.
    status: Mutex<HashMap<(VenueId, CompactString), Arc<VenueStatus>>>,
    /// Everything that waits is sent, then all ends.
    pub(crate) closing: CancellationToken,
    /// All ends now.
    pub(crate) stop: CancellationToken,
}

/// What is published beside ticks and status: bounded by the number of pairs, and by [`DEAD_MAX`].
#[derive(Default)]
pub(crate) struct Rest {
    /// By pair.
    pub(crate) rates: HashMap<String, Message>,
    pub(crate) dead: VecDeque<Message>,
}

impl Rest {
    /// Puts back what the server did not take, the newest first; ticks and status are said again anyway.
    pub(crate) fn put_back(&mut self, message: Message) {
        match message.carries {
            Carries::Rates => drop(self.rates.entry(message.key.clone()).or_insert(message)),
            Carries::Dead if self.dead.len() < DEAD_MAX => self.dead.push_front(message),
            Carries::Dead | Carries::Ticks | Carries::Status => {}
        }
    }

    pub(crate) fn put_back_all(&mut self, older: Rest) {
        let rates = older.rates.into_values();
        older.dead.into_iter().rev().chain(rates).for_each(|message| self.put_back(message));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rates.is_empty() && self.dead.is_empty()
    }
}

impl Shared {
    pub(crate) fn keep_status(&self, status: &Arc<VenueStatus>) {
        let mut kept = self.status.lock();
        keep_newest(&mut kept, status);
        if kept.len() > STATUS_MAX {
            let newest = kept.values().map(|s| s.sent_at).max().unwrap_or_default();
            kept.retain(|_, status| newest.millis_since(status.sent_at) < STATUS_SILENT_MS);
        }
    }

    pub(crate) fn put_aside(&self, message: Message) {
        let mut rest = self.rest.lock();
        if rest.dead.len() >= DEAD_MAX {
            rest.dead.pop_front();
        }
        rest.dead.push_back(message);
        drop(rest);
        self.wake.notify_one();
    }

    pub(crate) fn count_reader(&self, is_up: bool) {
        if is_up {
            self.readers_up.fetch_add(1, Ordering::Relaxed);
        } else {
            self.readers_up.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl AmqpBroker {
    pub(crate) fn start(link: Link) -> AmqpBroker {
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            link,
            unsent: Queue::new(),
            rest: Mutex::default(),
            wake: Notify::new(),
            publisher_is_up: watch::Sender::new(false),
            readers: Mutex::default(),
            readers_up: AtomicUsize::new(0),
            readers_said: LastSaid::default(),
            status: Mutex::default(),
            closing: CancellationToken::new(),
            stop: stop.clone(),
        });
        let tasks = TaskTracker::new();
        let publisher = shared.clone();
        tasks.spawn(async move {
            again::after_panic("the publisher", || amqp_publish::run(publisher.clone())).await;
        });
        AmqpBroker { shared, tasks, _stop: stop.drop_guard() }
    }

    fn is_closed(&self) -> bool {
        self.shared.closing.is_cancelled()
    }
}

#[async_trait]
impl Broker for AmqpBroker {
    fn publish_ticks(&self, batch: TickBatch) {
        if !self.is_closed() {
            self.shared.unsent.push(Delivery::Ticks(Arc::new(batch)));
        }
    }

    fn publish_status(&self, status: VenueStatus) {
        if !self.is_closed() {
            let status = Arc::new(status);
            self.shared.keep_status(&status);
            self.shared.unsent.push(Delivery::Status(status));
        }
    }

    fn publish_rate(&self, pair: &Pair, body: Bytes, until: Instant) {
        if !self.is_closed() {
            let message = Message::rate(pair.to_string(), body, until);
            self.shared.rest.lock().rates.insert(message.key.clone(), message);
            self.shared.wake.notify_one();
        }
    }

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, BrokerError> {
        if self.is_closed() {
            return Err(BrokerError::Closed);
        }
        let (queue, left) = (Arc::new(Queue::new()), CancellationToken::new());
        for status in self.shared.status.lock().values() {
            queue.push(Delivery::Status(status.clone()));
        }
        let (name, is_up) = (self.shared.link.queue(), watch::Sender::new(false));
        self.shared.readers.lock().insert(name.clone());
        let mut served = is_up.subscribe();
        let reader = Reader {
            shared: self.shared.clone(),
            name,
            queue: queue.clone(),
            left: left.clone(),
            is_up,
            poison: Mutex::default(),
        };
        // Left again, should whoever subscribes give up waiting.
        let subscription = AmqpSubscription { reading: Reading::new(queue), _left: left.drop_guard() };
        self.tasks.spawn(async move { again::after_panic("a reader", || reader.run()).await });
        let mut publisher = self.shared.publisher_is_up.subscribe();
        let served_and_publishing = async {
            let served = async { drop(served.wait_for(|up| *up).await) };
            let publishing = async { drop(publisher.wait_for(|up| *up).await) };
            tokio::join!(served, publishing);
        };
        let _ = tokio::time::timeout(SUBSCRIBE_WAIT, served_and_publishing).await;
        Ok(Box::new(subscription))
    }

    fn health(&self) -> BrokerHealth {
        let readers = self.shared.readers.lock().len();
        let all_up = *self.shared.publisher_is_up.borrow()
            && self.shared.readers_up.load(Ordering::Relaxed) >= readers;
        if all_up && !self.is_closed() { BrokerHealth::Up } else { BrokerHealth::Down }
    }

    async fn close(&self) {
        self.shared.closing.cancel();
        self.tasks.close();
        // Every task has a deadline of its own; this one is for a defect in that.
        let _ = tokio::time::timeout(3 * FLUSH_WAIT, self.tasks.wait()).await;
        self.shared.stop.cancel();
    }
}

struct AmqpSubscription {
    reading: Reading,
    /// Tells the reader's task to go.
    _left: DropGuard,
}

#[async_trait]
impl Subscription for AmqpSubscription {
    async fn next(&mut self) -> Option<Delivery> {
        self.reading.next().await
    }
}
