//! Hosts that asked to be left alone, and until when: kept, so that a restart does not forget it.
//! It must not know who talks to a host, nor why it was held.

use crate::StoreError;
use async_trait::async_trait;
use market::Timestamp;

pub(crate) const HOLDS: &str = "SELECT CAST(host AS TEXT), CAST(until AS TEXT) FROM hold ORDER BY host";

// Of two collectors the one that was told the later time wins.
pub(crate) const PUT_HOLD: &str = "
    INSERT INTO hold (host, until) VALUES ($1, $2)
    ON CONFLICT (host) DO UPDATE
    SET until = CASE WHEN excluded.until > hold.until THEN excluded.until ELSE hold.until END";

pub(crate) const FORGET_HOLDS: &str = "DELETE FROM hold WHERE until <= $1";

/// A host that is not to be asked before a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// As the collector names it: `https://api.example.org:443`.
    pub host: String,
    /// Not before this.
    pub until: Timestamp,
}

/// The hosts that are held.
#[async_trait]
pub trait Holds: Send + Sync {
    /// Every hold, those that are over too; what cannot be read is left out.
    async fn holds(&self) -> Result<Vec<Hold>, StoreError>;
    /// Keeps these; an earlier time does not replace a later one. Forgets what was over at `now`.
    async fn put_holds(&self, holds: &[Hold], now: Timestamp) -> Result<(), StoreError>;
}
