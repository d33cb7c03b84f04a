//! What a pair did in the past day, from the candles of its own rate.
//! It must not show a day where only an hour is known.

use market::{Pair, Price, Timestamp};
use rust_decimal::Decimal;
use store::{CandleRange, Candles, Interval, StoreError};

const DAY_MS: i64 = 86_400_000;
/// A span that lacks no more than this is called a day.
const LACKS_MAX_MS: i64 = 30 * 60_000;
/// A shorter past says nothing.
const SPAN_MIN_MS: i64 = 10 * 60_000;

/// The past day, or as much of it as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Day {
    /// When it begins.
    pub(crate) from: Timestamp,
    /// The first price.
    pub(crate) open: Price,
    /// The lowest.
    pub(crate) low: Price,
    /// The highest.
    pub(crate) high: Price,
}

impl Day {
    /// Reads it; `None` where too little is known.
    pub(crate) async fn read(
        candles: &(impl Candles + ?Sized),
        pair: &Pair,
        now: Timestamp,
    ) -> Result<Option<Day>, StoreError> {
        let range = CandleRange {
            venue: None,
            pair: pair.clone(),
            interval: Interval::Minute,
            from: now.plus_millis(-DAY_MS),
            to: now.plus_millis(1),
            limit: 2_000,
        };
        let all = candles.candles(&range).await?;
        let Some(first) = all.first() else { return Ok(None) };
        let low = all.iter().map(|c| c.low).min().unwrap_or(first.low);
        let high = all.iter().map(|c| c.high).max().unwrap_or(first.high);
        let is_enough = now.millis_since(first.first_at) >= SPAN_MIN_MS;
        Ok(is_enough.then_some(Day { from: first.first_at, open: first.open, low, high }))
    }

    /// How long it is: a whole day where next to nothing lacks.
    pub(crate) fn span_ms(&self, now: Timestamp) -> i64 {
        let span = now.millis_since(self.from);
        if span + LACKS_MAX_MS >= DAY_MS { DAY_MS } else { span }
    }

    /// The change up to a price, in per cent.
    pub(crate) fn change_to(&self, price: Price) -> Option<Decimal> {
        change(self.open.decimal(), price.decimal())
    }
}

/// From one price to another, in per cent.
pub(crate) fn change(from: Decimal, to: Decimal) -> Option<Decimal> {
    to.checked_sub(from)?.checked_div(from.abs())?.checked_mul(Decimal::ONE_HUNDRED)
}
