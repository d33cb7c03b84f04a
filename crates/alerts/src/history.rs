//! What was before anybody watched, from candles: extremes for moves, and the values of yesterday.
//! It must not know who waits for it.

use crate::{Need, run::Watch};
use market::{Pair, Timestamp};
use rust_decimal::Decimal;
use std::time::Duration;
use store::{CANDLES_MAX, Candle, CandleRange, Candles, Interval, StoreError};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether something is needed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// After the store could not tell.
const AGAIN_AFTER: Duration = Duration::from_secs(15);

/// Tells whatever is needed as long as somebody watches.
pub(crate) async fn follow(watch: &Watch, stop: &CancellationToken) {
    let mut wait = LOOK_EVERY;
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        match stop.run_until_cancelled(tell(watch)).await {
            Some(true) => wait = LOOK_EVERY,
            Some(false) => wait = AGAIN_AFTER,
            None => return,
        }
    }
}

/// Tells what is needed now; whether the store could.
pub(crate) async fn tell(watch: &Watch) -> bool {
    let now = watch.parts.clock.now();
    let needs = watch.book.lock().needs(now);
    for need in needs {
        if let Err(error) = tell_one(watch, &need, now).await {
            tracing::debug!(%error, "what was before is not known: the store does not tell");
            return false;
        }
    }
    true
}

async fn tell_one(watch: &Watch, need: &Need, now: Timestamp) -> Result<(), StoreError> {
    let store = &*watch.parts.candles;
    for within_ms in &need.windows_ms {
        // Minutes are kept for a week, and a longer window needs no finer steps than hours.
        let interval = if *within_ms <= Interval::Day.millis() { Interval::Minute } else { Interval::Hour };
        let from = now.plus_millis(-within_ms);
        let candles = read(store, &need.pair, interval, from, now).await?;
        let older: Vec<_> = candles.iter().map(|c| (c.first_at, c.low.decimal(), c.high.decimal())).collect();
        watch.with(|book| book.tell_window(&need.pair, *within_ms, &older));
    }
    if let Some((from, until)) = need.references {
        let candles = read(store, &need.pair, Interval::Minute, from, until).await?;
        watch.with(|book| book.tell_references(&need.pair, closes(&candles), until));
    }
    Ok(())
}

/// When each candle's last price was, and what it was.
pub(crate) fn closes(candles: &[Candle]) -> impl Iterator<Item = (Timestamp, Decimal)> + '_ {
    candles.iter().map(|c| (c.last_at, c.close.decimal()))
}

/// Candles of our own rate.
pub(crate) async fn read<S: Candles + ?Sized>(
    store: &S,
    pair: &Pair,
    interval: Interval,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Candle>, StoreError> {
    let pair = pair.clone();
    store.candles(&CandleRange { venue: None, pair, interval, from, to, limit: CANDLES_MAX }).await
}
