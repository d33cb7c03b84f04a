//! The seam that keeps the last ticks outside a reader, so that a reader starts warm.
//! It must not know what a tick is for.
//!
//! # How to add a backend
//! 1. Write `src/NAME.rs` beside `memory.rs`: a type that implements [`Cache`]. Writing is "if newer" by
//!    [`market::Tick::key`], for last, bid and ask each; [`market::Newest`] says what that means.
//! 2. Bound every call in time; a cache that does not answer is a transient error, never a wait.
//! 3. Add the scheme to [`open`], the only place that knows the backends, and take it out of `NOT_YET` there.
//! 4. Add variants to [`CacheError`] where a caller would do something different, and say in
//!    [`CacheError::is_transient`] whether trying again may help. No address is printed with its password.
//! 5. Add one line to the list at the end of `tests/contract.rs`: the backend's name and how a test opens it.
//!    Every test of the suite must pass unchanged.

mod memory;

use async_trait::async_trait;
use market::{Tick, VenueId};
use std::sync::Arc;

/// What went wrong at the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The address names no cache we know.
    #[error("{url}: not a cache address; write memory:// or redis://")]
    Address {
        /// The address without its password.
        url: String,
    },
    /// The address is right, but this version has no such cache yet.
    #[error("{scheme}:// is a cache that this version does not have yet; write memory://")]
    NotYet {
        /// The address's scheme.
        scheme: String,
    },
}

impl CacheError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        false
    }
}

/// Schemes that are known, and come in a later version.
const NOT_YET: [&str; 2] = ["redis", "rediss"];

/// Opens the cache that the address names: `memory://`, for all roles in one process.
pub async fn open(url: &str) -> Result<Arc<dyn Cache>, CacheError> {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    match (scheme, rest) {
        ("memory", "") if url.ends_with("://") => Ok(Arc::new(memory::MemoryCache::default())),
        _ if NOT_YET.contains(&scheme) => Err(CacheError::NotYet { scheme: scheme.to_owned() }),
        // Only what stands before the first colon is shown: whatever follows may hold a password.
        _ => Err(CacheError::Address { url: format!("{}:…", url.split(':').next().unwrap_or_default()) }),
    }
}

/// Keeps the last tick per (venue, pair).
#[async_trait]
pub trait Cache: Send + Sync {
    /// Writes each tick if it is newer (by its key) than the one kept; `last` and bid/ask are kept separately.
    async fn put(&self, venue: &VenueId, ticks: &[Tick]) -> Result<(), CacheError>;

    /// Everything kept: ticks which, applied in any order, give what was put. Where a venue says last price and
    /// bid/ask in different messages, a pair has more than one. Ticks come back as they were put, unflagged.
    async fn all(&self) -> Result<Vec<(VenueId, Tick)>, CacheError>;

    /// Whether it answers now.
    fn is_up(&self) -> bool;
}
