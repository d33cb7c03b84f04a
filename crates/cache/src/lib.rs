//! The seam that keeps the last ticks outside a reader, so that a reader starts warm.
//! It must not know what a tick is for.
//!
//! # How to add a backend
//! 1. Write `src/NAME.rs` beside `memory.rs`: a type that implements [`Cache`]. Writing is "if newer" by
//!    [`market::Tick::key`], for last, bid and ask each; [`market::Newest`] says what that means.
//! 2. Bound every call in time; a cache that does not answer is a transient error, never a wait.
//! 3. Add the scheme to [`open_with`], the only place that knows the backends.
//! 4. Add variants to [`CacheError`] where a caller would do something different, and say in
//!    [`CacheError::is_transient`] whether trying again may help. No address is printed with its password.
//! 5. Add one line to the list at the end of `tests/contract.rs`: the backend's name and how a test opens it.
//!    Every test of the suite must pass unchanged.

mod memory;
mod redis;
mod redis_line;

use async_trait::async_trait;
use market::{Tick, VenueId};
use std::sync::Arc;
use std::time::Duration;

/// What went wrong at the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The address names no cache we know.
    #[error("{url}: not a cache address; write memory:// or redis://")]
    Address {
        /// The address without its password.
        url: String,
    },
    /// It does not answer, or has not answered just now: nothing was asked of it, or in vain.
    #[error("the cache does not answer")]
    Unavailable,
    /// It answers, and says no: a read-only replica, no memory left.
    #[error("the cache refused: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
}

impl CacheError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            CacheError::Address { .. } => false,
            CacheError::Unavailable | CacheError::Refused { .. } => true,
        }
    }
}

/// What a cache is told beside its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Begins the name of everything on a shared server, so that installations can share one.
    pub prefix: String,
    /// How long one call may take. A reader is better off without a cache than waiting for it.
    pub timeout: Duration,
    /// Certificates in PEM form: whoever they vouch for is trusted beside those whom everybody trusts.
    pub trusted_roots: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { prefix: "rates".to_owned(), timeout: Duration::from_millis(50), trusted_roots: None }
    }
}

/// Opens the cache that the address names, with the customary prefix.
pub async fn open(url: &str) -> Result<Arc<dyn Cache>, CacheError> {
    open_with(url, &Options::default()).await
}

/// Opens the cache that the address names: `memory://`, for all roles in one process, or `redis://` and
/// `rediss://`. A server that cannot be reached is no error: it is tried for ever, and [`Cache::is_up`] is false
/// until it answers.
pub async fn open_with(url: &str, options: &Options) -> Result<Arc<dyn Cache>, CacheError> {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    // Only what stands before the first colon is shown: whatever follows may hold a password.
    let address =
        || CacheError::Address { url: format!("{}:…", url.split(':').next().unwrap_or_default()) };
    match (scheme, rest) {
        ("memory", "") if url.ends_with("://") => Ok(Arc::new(memory::MemoryCache::default())),
        ("redis" | "rediss", _) => {
            let line = redis_line::Line::open(url, options).ok_or_else(address)?;
            Ok(Arc::new(redis::RedisCache::new(line, options).await))
        }
        _ => Err(address()),
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
