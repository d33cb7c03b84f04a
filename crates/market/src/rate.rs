//! A rate: our answer for a pair, made from the ticks of all venues.
//! It must not know how the answer is carried; making one is `make.rs`, crossing is `cross.rs`.

use crate::{Pair, Price, Timestamp, VenueId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Whether a rate is still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateState {
    /// Within `stale_after`.
    Fresh,
    /// Past it: served, flagged.
    Stale,
    /// Past `expire_after`: refused.
    Expired,
    /// A jump that only one venue shows and that is not yet confirmed.
    Suspect,
    /// The venues disagree by more than 10 %.
    Disputed,
}

/// What a value was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Last prices.
    Last,
    /// The middle of bid and ask, where no last price is known.
    Mid,
    /// Rates of other pairs.
    Cross,
}

/// One step of a cross rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The pair that was used, as its venues quote it.
    pub pair: Pair,
    /// Its value.
    pub value: Price,
    /// Whether one divided by it was used.
    pub inverse: bool,
    /// Who said it.
    pub sources: Vec<VenueId>,
    /// When it happened.
    pub at: Timestamp,
}

/// One venue's part in a rate: what `explain` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TickView {
    /// Who said it.
    pub venue: VenueId,
    /// The last price.
    pub last: Option<Price>,
    /// The best bid.
    pub bid: Option<Price>,
    /// The best ask.
    pub ask: Option<Price>,
    /// When the venue says it happened.
    pub venue_time: Option<Timestamp>,
    /// When we received it.
    pub received_at: Timestamp,
    /// How old it is.
    pub age_ms: i64,
    /// How far off the rate, in per cent.
    pub deviation_pct: Option<Decimal>,
    /// Whether the rate was made with it.
    pub used: bool,
    /// Why not, if not: `stale`, `expired`, `outlier`, `suspect`, `excluded`.
    pub reason: Option<&'static str>,
}

/// Our answer for a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// The pair.
    pub pair: Pair,
    /// The value; `None` where nothing usable is known, or the venues disagree.
    pub value: Option<Price>,
    /// What the value was taken from.
    pub basis: Basis,
    /// Whether it is still good.
    pub state: RateState,
    /// What is not as it should be: `venue_down:NAME`, `cache_only`, `few_sources`, `clock_skew`; of a cross
    /// also `assumed:ONE=OTHER`.
    pub degraded: Vec<String>,
    /// The bid: the median over the sources used (of one source: its bid), so that it stays below the ask.
    pub bid: Option<Price>,
    /// The ask, likewise.
    pub ask: Option<Price>,
    /// How far the used sources are apart: (highest - lowest) / median, in per cent.
    pub spread_pct: Option<Decimal>,
    /// How many venues made it.
    pub sources_used: u32,
    /// How many venues quote the pair at all.
    pub sources_total: u32,
    /// The venues that made it, by name.
    pub sources: Vec<VenueId>,
    /// The steps of a cross rate.
    pub legs: Vec<Leg>,
    /// The venue's time of the observation that the value rests on (of several, the oldest).
    pub venue_time: Option<Timestamp>,
    /// When that observation was received.
    pub received_at: Option<Timestamp>,
    /// When it counts as having happened: what the age is counted from.
    pub event_time: Option<Timestamp>,
    /// Disputed: the lowest.
    pub low: Option<Price>,
    /// Disputed: the highest.
    pub high: Option<Price>,
    /// When the state changes by time alone, if nothing else happens.
    pub changes_at: Option<Timestamp>,
    /// Whether it, or a leg of it, rests on the cache alone: no venue has said it since the start.
    pub is_cached: bool,
}

/// The word in `degraded` for a rate that rests on what was kept: on the cache alone, or on ticks of venues of whose
/// feeds nobody tells any more.
pub(crate) const CACHE_ONLY: &str = "cache_only";
