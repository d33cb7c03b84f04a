//! What stands in `pair_policy`: which venues may make a pair's rate, and how many it should have.
//! It must not judge what a row says: a foreign client may have written anything.

use crate::StoreError;
use async_trait::async_trait;

// Every column is read as text: a foreign client may have written any type into any of them.
pub(crate) const PAIR_POLICIES: &str = "
    SELECT CAST(pair AS TEXT), CAST(venues_allowed AS TEXT), CAST(venues_excluded AS TEXT),
           CAST(sources_min AS TEXT)
    FROM pair_policy ORDER BY pair";

/// One row of `pair_policy`, just as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PairPolicyRow {
    /// The pair, unchecked.
    pub pair: Option<String>,
    /// Names of venues, separated by commas; nothing = every venue.
    pub venues_allowed: Option<String>,
    /// Names of venues, separated by commas.
    pub venues_excluded: Option<String>,
    /// How many venues the rate should have, as text.
    pub sources_min: Option<String>,
}

/// The policies of pairs. Operators write them by SQL; we only read.
#[async_trait]
pub trait PairPolicies: Send + Sync {
    /// Every row, by pair.
    async fn pair_policies(&self) -> Result<Vec<PairPolicyRow>, StoreError>;
}
