//! Leases: who of several processes may do a thing now, by the clock of the database, which all of them share.
//! It must not know what a lease is for.

use crate::StoreError;
use async_trait::async_trait;
use market::Timestamp;
use std::time::Duration;

/// A lease as it stands, run out or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub name: String,
    /// Who has it, or had it last.
    pub holder: String,
    /// When it runs out, by the clock of the database.
    pub until: Timestamp,
    /// How much of it was left when it was read; zero once it has run out. This, not `until`, may be compared with
    /// a clock of ours.
    pub left: Duration,
}

/// Named leases. A holder counts its own time from **before** the call that gave it the lease, and stops in time: no
/// store can stop it. `holder` names one process and one start of it.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes a lease that nobody has, or that has run out, or prolongs one's own; whether `holder` has it now.
    async fn acquire_lease(&self, name: &str, holder: &str, keep: Duration) -> Result<bool, StoreError>;
    /// Prolongs every lease that `holder` has and that has not run out, in one statement; their names. What is
    /// missing is lost.
    async fn renew_leases(&self, holder: &str, keep: Duration) -> Result<Vec<String>, StoreError>;
    /// Gives a lease back; `false` if `holder` does not have it.
    async fn release_lease(&self, name: &str, holder: &str) -> Result<bool, StoreError>;
    /// Removes a lease that has run out, whoever had it; `false` if there is none, or somebody has it again.
    async fn forget_lease(&self, name: &str) -> Result<bool, StoreError>;
    /// Every lease, by name, those that ran out too.
    async fn leases(&self) -> Result<Vec<Lease>, StoreError>;
}

/// At least one millisecond, and no more than the database can add to a time.
pub(crate) fn keep_ms(keep: Duration) -> i64 {
    i64::try_from(keep.as_millis()).unwrap_or(i64::MAX).clamp(1, 1 << 50)
}
