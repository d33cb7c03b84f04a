//! Candles: what a price did within a minute, an hour or a day, and how two accounts of the same candle become one.
//! It must not know how they are kept, nor who makes them.

use crate::StoreError;
use async_trait::async_trait;
use market::{Pair, Price, Sign, Timestamp, VenueId};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;

/// The most candles that one answer holds.
pub const CANDLES_MAX: usize = 10_000;
/// The most candles that one call removes.
pub const CANDLES_REMOVED_MAX: usize = 5_000;

/// How long a candle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// `1m`
    Minute,
    /// `1h`
    Hour,
    /// `1d`, in UTC.
    Day,
}

impl Interval {
    /// All of them, the shortest first.
    pub const ALL: [Interval; 3] = [Interval::Minute, Interval::Hour, Interval::Day];

    /// `1m`, `1h`, `1d`.
    pub fn as_str(self) -> &'static str {
        match self {
            Interval::Minute => "1m",
            Interval::Hour => "1h",
            Interval::Day => "1d",
        }
    }

    /// Its length in milliseconds.
    pub fn millis(self) -> i64 {
        match self {
            Interval::Minute => 60_000,
            Interval::Hour => 3_600_000,
            Interval::Day => 86_400_000,
        }
    }

    /// Where the candle begins that the moment falls into.
    pub fn start_of(self, moment: Timestamp) -> Timestamp {
        let ms = moment.millis();
        Timestamp::from_millis(ms - ms.rem_euclid(self.millis()))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an interval is 1m, 1h or 1d")]
pub struct IntervalError;

impl FromStr for Interval {
    type Err = IntervalError;
    fn from_str(text: &str) -> Result<Interval, IntervalError> {
        Interval::ALL.into_iter().find(|i| i.as_str() == text).ok_or(IntervalError)
    }
}

/// Which candle: sorted so that the candles of one series lie beside each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CandleKey {
    /// Whose prices; `None` for our own rate.
    pub venue: Option<VenueId>,
    /// The pair.
    pub pair: Pair,
    /// How long it is.
    pub interval: Interval,
    /// Where it begins: [`Interval::start_of`].
    pub start: Timestamp,
}

/// What one pair did at one venue within one interval, as far as whoever wrote it has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candle {
    /// Which candle.
    pub key: CandleKey,
    /// The price of the earliest tick.
    pub open: Price,
    /// The highest price.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
    /// The price of the latest tick.
    pub close: Price,
    /// How many ticks; of several accounts, the most that any of them saw.
    pub ticks: i64,
    /// The time of the earliest tick, which decides whose `open` stands.
    pub first_at: Timestamp,
    /// The time of the latest tick, which decides whose `close` stands.
    pub last_at: Timestamp,
}

impl Candle {
    /// A candle of one tick.
    pub fn of(key: CandleKey, price: Price, at: Timestamp) -> Candle {
        Candle {
            key,
            open: price,
            high: price,
            low: price,
            close: price,
            ticks: 1,
            first_at: at,
            last_at: at,
        }
    }

    /// Takes in another account of the same candle. In any order, any number of times, the same comes out: `open` of
    /// the earliest tick and `close` of the latest (of two prices at the same moment the lower opens and the higher
    /// closes), the highest, the lowest, and the larger count. Prices are compared as exact decimals.
    pub fn merge(&mut self, other: &Candle) {
        (self.first_at, self.open) = (self.first_at, self.open).min((other.first_at, other.open));
        (self.last_at, self.close) = (self.last_at, self.close).max((other.last_at, other.close));
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
        self.ticks = self.ticks.max(other.ticks);
    }
}

/// One account of every candle, in the order of their keys.
pub(crate) fn merged(candles: &[Candle]) -> Vec<Candle> {
    let mut all: BTreeMap<&CandleKey, Candle> = BTreeMap::new();
    for candle in candles {
        match all.entry(&candle.key) {
            Entry::Vacant(place) => drop(place.insert(candle.clone())),
            Entry::Occupied(mut known) => known.get_mut().merge(candle),
        }
    }
    all.into_values().collect()
}

/// The columns of the table as text; `None` if a foreign client wrote what is no candle.
pub(crate) fn from_columns(mut column: impl FnMut(usize) -> Option<String>) -> Option<Candle> {
    let venue = column(0).filter(|name| !name.is_empty());
    let pair = column(1)?.parse().ok()?;
    let interval = column(2)?.parse().ok()?;
    let mut time = |at| column(at)?.parse().ok().map(Timestamp::from_millis);
    let (start, first_at, last_at) = (time(3)?, time(9)?, time(10)?);
    let mut price = |at| Price::parse_signed(&column(at)?, Sign::Any).ok();
    let (open, high, low, close) = (price(4)?, price(5)?, price(6)?, price(7)?);
    let ticks = column(8)?.parse().ok()?;
    let venue = venue.map(|name| VenueId::parse(&name)).transpose().ok()?;
    let key = CandleKey { venue, pair, interval, start };
    Some(Candle { key, open, high, low, close, ticks, first_at, last_at })
}

/// Which candles are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandleRange {
    /// Whose prices; `None` for our own rate.
    pub venue: Option<VenueId>,
    /// The pair.
    pub pair: Pair,
    /// How long they are.
    pub interval: Interval,
    /// The first that may begin.
    pub from: Timestamp,
    /// Those that begin here or later are left out.
    pub to: Timestamp,
    /// Of more than this, the newest; never more than [`CANDLES_MAX`].
    pub limit: usize,
}

/// The candles.
#[async_trait]
pub trait Candles: Send + Sync {
    /// Merges accounts of candles into what is kept ([`Candle::merge`]); repeated, or written by several recorders
    /// at once, the same stands there afterwards. Some hundreds are one transaction, more are several, so that after
    /// an error a part may be written: write all of them again.
    async fn put_candles(&self, candles: &[Candle]) -> Result<(), StoreError>;
    /// The candles of one series, the oldest first.
    async fn candles(&self, range: &CandleRange) -> Result<Vec<Candle>, StoreError>;
    /// Removes candles of that length that begin earlier, at most [`CANDLES_REMOVED_MAX`] of them; how many. As many
    /// means that there may be more: call again.
    async fn remove_candles_before(&self, interval: Interval, before: Timestamp) -> Result<u64, StoreError>;
}
