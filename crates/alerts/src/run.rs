//! The role's part that watches: alerts from the store, rates from the board, what fires into the outbox.
//! It must not know who is told, nor how.

use board::Board;
use clock::Clock;
use std::sync::Arc;
use store::Store;
use tokio_util::sync::CancellationToken;

/// What the watch works with.
#[derive(Clone)]
pub struct Parts {
    /// Where alerts are, and where what fires is written.
    pub store: Arc<dyn Store>,
    /// The rates.
    pub board: Arc<Board>,
    /// The time.
    pub clock: Clock,
}

/// How it works.
#[derive(Debug, Clone, Default)]
pub struct Settings {}

/// Watches until `stop`; never fails: what cannot be written now is written later. One process at a time should, by a
/// lease; two do no harm but work twice, since the store lets each firing happen once.
pub async fn run(parts: Parts, settings: Settings, stop: CancellationToken) {
    let _ = (parts, settings);
    stop.cancelled().await;
}
