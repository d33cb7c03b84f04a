//! What a feed hears, handed to whoever looks on: frames as they came, and what was published, in one order.
//! It must not know what is looked for, and it never makes a feed wait.

use async_trait::async_trait;
use broker::{Broker, BrokerError, BrokerHealth, Subscription};
use bytes::Bytes;
use market::{Pair, TickBatch, VenueStatus};
use tokio::{sync::mpsc, time::Instant};

/// One thing heard.
#[derive(Debug)]
pub enum Heard {
    /// A frame or a body: its first bytes, and its whole length.
    Frame(Vec<u8>, usize),
    /// What the frame before it gave.
    Ticks(TickBatch),
    /// How the venue's feeds are doing.
    Status(VenueStatus),
}

/// The most bytes of a frame that are handed over.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Hands over what is heard. As a broker it takes what would have been published.
#[derive(Debug, Clone)]
pub struct Tap(mpsc::Sender<Heard>);

impl Tap {
    /// A tap, and where it flows; what nobody takes in time is lost.
    pub fn new(places: usize) -> (Tap, mpsc::Receiver<Heard>) {
        let (sender, receiver) = mpsc::channel(places);
        (Tap(sender), receiver)
    }

    /// A frame came.
    pub fn frame(&self, bytes: &[u8]) {
        let shown = bytes.get(..FRAME_BYTES_MAX).unwrap_or(bytes).to_vec();
        self.hand(Heard::Frame(shown, bytes.len()));
    }

    fn hand(&self, heard: Heard) {
        if self.0.try_send(heard).is_err() {
            tracing::trace!("nobody looks on any more, or too slowly");
        }
    }
}

#[async_trait]
impl Broker for Tap {
    fn publish_ticks(&self, batch: TickBatch) {
        self.hand(Heard::Ticks(batch));
    }

    fn publish_status(&self, status: VenueStatus) {
        self.hand(Heard::Status(status));
    }

    fn publish_rate(&self, _: &Pair, _: Bytes, _: Instant) {}

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, BrokerError> {
        Err(BrokerError::Closed)
    }

    fn health(&self) -> BrokerHealth {
        BrokerHealth::Up
    }

    async fn close(&self) {}
}
