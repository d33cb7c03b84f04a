//! The seam that carries ticks and feed status between roles: one contract, backends beside each other.
//! It must not know what a tick is for.

use async_trait::async_trait;
use market::{TickBatch, VenueStatus};
use std::sync::Arc;

/// What a reader is handed.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// What one venue said in one go.
    Ticks(Arc<TickBatch>),
    /// How one venue's feeds are doing.
    Status(Arc<VenueStatus>),
}

/// Whether the broker can be used now, for `/readyz` and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerHealth {
    /// Connected.
    Up,
    /// Not connected; what is published is kept, newest per (venue, pair).
    Down,
}

/// What went wrong at the broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address names no broker we know.
    #[error("{url}: not a broker address; write memory:// or amqp://")]
    Address {
        /// The address without its password.
        url: String,
    },
    /// The broker has been closed.
    #[error("the broker is closed")]
    Closed,
}

impl BrokerError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        false
    }
}

/// Carries ticks and status. Publishing never waits: what cannot be sent yet is kept, and only the newest
/// unsent tick per (venue, pair), so that memory is bounded by the number of pairs.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Hands over what a venue said.
    fn publish_ticks(&self, batch: TickBatch);

    /// Hands over how a venue's feeds are doing; the newest per (venue, collector) wins.
    fn publish_status(&self, status: VenueStatus);

    /// A new reader with a bounded queue of its own. A reader that falls behind gets the newest tick per
    /// (venue, pair) rather than every tick; it never slows the publisher or another reader.
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, BrokerError>;

    /// Whether it can be used now.
    fn health(&self) -> BrokerHealth;

    /// Ends every subscription after what was published has been delivered.
    async fn close(&self);
}

/// One reader's side.
#[async_trait]
pub trait Subscription: Send {
    /// The next delivery; `None` once the broker is closed and everything has been delivered.
    /// Taking the next one acknowledges the one before. Cancel-safe.
    async fn next(&mut self) -> Option<Delivery>;
}
