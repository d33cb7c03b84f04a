//! The seam that carries ticks and feed status between roles: one contract, backends beside each other.
//! It must not know what a tick is for.
//!
//! # How to add a backend
//! 1. Write `src/NAME.rs` beside `memory.rs`: a type that implements [`Broker`], and its [`Subscription`].
//!    Publishing only puts into a bounded buffer, a task of the backend sends; what cannot be sent is conflated
//!    with [`market::Newest`], so that memory is bounded by the number of pairs.
//! 2. Give every reader a bounded queue. `queue.rs` is one: in order while the reader keeps up, the newest per
//!    (venue, pair) and per (venue, collector) once it does not.
//! 3. Add the scheme to [`open_with`], the only place that knows the backends.
//! 4. Add variants to [`BrokerError`] where a caller would do something different, and say in
//!    [`BrokerError::is_transient`] whether trying again may help. No address is printed with its password.
//! 5. Add one line to the list at the end of `tests/contract.rs`: the backend's name and how a test opens it.
//!    Every test of the suite must pass unchanged.

mod amqp;
mod amqp_latest;
mod amqp_link;
mod amqp_message;
mod amqp_publish;
mod amqp_read;
mod memory;
mod queue;

use async_trait::async_trait;
use bytes::Bytes;
use market::{Pair, TickBatch, VenueStatus};
use std::sync::Arc;
use tokio::time::Instant;

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

/// What a broker is told beside its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Begins the name of everything on a shared server, so that installations can share one: letters, digits,
    /// `.`, `_` and `-`.
    pub prefix: String,
    /// Certificates in PEM form: whoever they vouch for is trusted beside those whom everybody trusts.
    pub trusted_roots: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { prefix: "rates".to_owned(), trusted_roots: None }
    }
}

/// Opens the broker that the address names, with the customary prefix.
pub async fn open(url: &str) -> Result<Arc<dyn Broker>, BrokerError> {
    open_with(url, &Options::default()).await
}

/// Opens the broker that the address names: `memory://`, for all roles in one process, or `amqp://` and
/// `amqps://`, RabbitMQ. A server that cannot be reached is no error: it is tried for ever, and
/// [`Broker::health`] is down until it answers.
pub async fn open_with(url: &str, options: &Options) -> Result<Arc<dyn Broker>, BrokerError> {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    // Only what stands before the first colon is shown: whatever follows may hold a password.
    let address =
        || BrokerError::Address { url: format!("{}:…", url.split(':').next().unwrap_or_default()) };
    match (scheme, rest) {
        ("memory", "") if url.ends_with("://") => Ok(Arc::new(memory::MemoryBroker::new())),
        ("amqp" | "amqps", _) => {
            let link = amqp_link::Link::new(url, options).ok_or_else(address)?;
            Ok(Arc::new(amqp::AmqpBroker::start(link)))
        }
        _ => Err(address()),
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

    /// Hands over our answer for a pair, for everyone else: the body of a message on `rates.rates`. The newest
    /// unsent one per pair is kept, and not sent any more after `until`: then another process may have said a newer
    /// one. How often that is done is the caller's business; so is saying it anew to a server that was away.
    fn publish_rate(&self, pair: &Pair, body: Bytes, until: Instant);

    /// A new reader with a bounded queue of its own. First comes the newest known status per (venue, collector),
    /// then everything from now on; a shared broker may say again what was said before. A reader that falls behind gets the newest tick per
    /// (venue, pair) rather than every tick; it never slows the publisher or another reader.
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, BrokerError>;

    /// Whether it can be used now.
    fn health(&self) -> BrokerHealth;

    /// Ends every subscription after what was published has been delivered. Does not wait for the readers;
    /// what is published from now on is dropped.
    async fn close(&self);
}

/// One reader's side.
#[async_trait]
pub trait Subscription: Send {
    /// The next delivery; `None` once the broker is closed and everything has been delivered.
    /// Taking the next one acknowledges the one before. Cancel-safe.
    async fn next(&mut self) -> Option<Delivery>;
}
