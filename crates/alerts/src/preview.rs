//! How often an alert would have fired, by the candles that are kept.
//! It must not know who asks.

use crate::{
    Alert, Book, Condition, Progress, Seen, Spec,
    history::{closes, read},
};
use market::{Price, Timestamp};
use store::{Candle, Candles, Interval, StoreError};

const DAY_MS: i64 = 86_400_000;

/// How often an alert would have fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preview {
    /// So often.
    pub count: u32,
    /// From when on candles are known: nobody can tell what was before.
    pub since: Timestamp,
}

/// How often it would have fired on these candles, the oldest first, if it repeated itself and every message were
/// delivered at once. Candles before `from` only tell what was before. `None` for what candles do not tell: how far
/// venues are apart, and whether one is down.
///
/// Within a candle the value is taken to go from its open to the nearer extreme, the other extreme, and its close.
pub fn preview(spec: &Spec, candles: &[Candle], from: Timestamp) -> Option<u32> {
    let pair = match (&spec.condition, &spec.pair) {
        (Condition::Spread { .. } | Condition::SourceDown { .. }, _) | (_, None) => return None,
        (_, Some(pair)) => pair,
    };
    let spec = Spec { repeat: true, expires_at: None, snoozed_until: None, ..spec.clone() };
    let mut alert = Alert {
        id: 0,
        owner: "".into(),
        target: "".into(),
        progress: Progress::default(),
        spec,
        fire_seq: 0,
        revision: 0,
        delivered_at: None,
        created_at: from,
    };
    let first = candles.partition_point(|candle| candle.key.start < from);
    let (before, during) = candles.split_at(first);
    // A level that holds all along fires once, at the beginning; a crossing has to come.
    if let Some(last) = before.last() {
        alert.progress = Progress::new(&alert.spec, Some(last.close));
    }
    let mut book = Book::new(None, false);
    book.put(alert, from);
    let until = candles.last().map_or(from, |candle| candle.last_at);
    book.tell_references(pair, closes(candles), until);
    for need in book.needs(from) {
        for within_ms in need.windows_ms {
            let older: Vec<_> = before
                .iter()
                .filter(|c| from.millis_since(c.first_at) <= within_ms)
                .map(|c| (c.first_at, c.low.decimal(), c.high.decimal()))
                .collect();
            book.tell_window(pair, within_ms, &older);
        }
    }
    let mut count = 0;
    for candle in during {
        for (at, value) in path(candle) {
            book.pass(at);
            book.see(pair, &Seen { value, spread_pct: None, sources_used: 1, sources_total: 1, at });
            for fired in book.take_fired() {
                count += 1;
                book.written(&fired);
            }
        }
    }
    Some(count)
}

/// How often it would have fired in the last `days`, from the candles of minutes in the store; `None` for what candles do
/// not tell, and where there are none.
pub async fn preview_days<S: Candles + ?Sized>(
    store: &S,
    spec: &Spec,
    days: i64,
    now: Timestamp,
) -> Result<Option<Preview>, StoreError> {
    let Some(pair) = &spec.pair else { return Ok(None) };
    if matches!(spec.condition, Condition::Spread { .. }) {
        return Ok(None);
    }
    let before = match spec.condition {
        Condition::Change24h { .. } => 1,
        Condition::Move { within_ms, .. } => (within_ms + DAY_MS - 1) / DAY_MS,
        _ => 0,
    };
    let mut candles = Vec::new();
    // By days: the answers of a store are limited.
    for day in (1..=days + before).rev() {
        let (from, to) = (now.plus_millis(-day * DAY_MS), now.plus_millis(-(day - 1) * DAY_MS));
        candles.extend(read(store, pair, Interval::Minute, from, to).await?);
    }
    let from = now.plus_millis(-days * DAY_MS);
    let Some(first) = candles.iter().find(|candle| candle.key.start >= from) else { return Ok(None) };
    let count = preview(spec, &candles, from);
    Ok(count.map(|count| Preview { count, since: first.key.start }))
}

/// Where the value was within a candle, and when.
fn path(candle: &Candle) -> [(Timestamp, Price); 4] {
    let length = candle.key.interval.millis();
    let at = |quarter: i64| candle.key.start.plus_millis(length * quarter / 4);
    let is_rising = candle.close >= candle.open;
    let (first, second) = if is_rising { (candle.low, candle.high) } else { (candle.high, candle.low) };
    [(at(0), candle.open), (at(1), first), (at(2), second), (at(3), candle.close)]
}
