//! The seam that keeps the last ticks outside a reader, so that a reader starts warm.
//! It must not know what a tick is for.

use async_trait::async_trait;
use market::{Tick, VenueId};

/// What went wrong at the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The address names no cache we know.
    #[error("{url}: not a cache address; write memory:// or redis://")]
    Address {
        /// The address without its password.
        url: String,
    },
}

impl CacheError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        false
    }
}

/// Keeps the last tick per (venue, pair).
#[async_trait]
pub trait Cache: Send + Sync {
    /// Writes each tick if it is newer (by its key) than the one kept; `last` and bid/ask are kept separately.
    async fn put(&self, venue: &VenueId, ticks: &[Tick]) -> Result<(), CacheError>;

    /// Everything kept.
    async fn all(&self) -> Result<Vec<(VenueId, Tick)>, CacheError>;

    /// Whether it answers now.
    fn is_up(&self) -> bool;
}
