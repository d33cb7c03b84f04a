//! The candles of a picture: which span, how long each, put together from those that are kept.
//! It must not know how they are drawn.

use market::{Pair, Price, Timestamp};
use store::{Candle, CandleRange, Interval};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The shortest and the longest picture.
const SPAN_MS_MIN: i64 = HOUR_MS;
const SPAN_MS_MAX: i64 = 366 * DAY_MS;
/// The most candles in a picture: more are no longer told apart.
const CANDLES_MAX: i64 = 100;
/// How long a candle of a picture may be.
const LENGTHS_MS: [i64; 17] = [
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    4 * HOUR_MS,
    6 * HOUR_MS,
    8 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    4 * DAY_MS,
    7 * DAY_MS,
];

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// How far back.
    pub(crate) span_ms: i64,
    /// How long each candle is.
    pub(crate) candle_ms: i64,
}

impl Span {
    /// A day, unless something else is asked for.
    pub(crate) fn of(span_ms: Option<i64>) -> Span {
        let span_ms = span_ms.unwrap_or(DAY_MS).clamp(SPAN_MS_MIN, SPAN_MS_MAX);
        let fits = |length: &i64| span_ms <= length * CANDLES_MAX;
        Span { span_ms, candle_ms: LENGTHS_MS.into_iter().find(fits).unwrap_or(7 * DAY_MS) }
    }

    /// The candles that are read for it.
    pub(crate) fn range(&self, pair: &Pair, now: Timestamp) -> CandleRange {
        let interval = match self.candle_ms {
            ms if ms < HOUR_MS => Interval::Minute,
            ms if ms < DAY_MS => Interval::Hour,
            _ => Interval::Day,
        };
        CandleRange {
            venue: None,
            pair: pair.clone(),
            interval,
            from: self.from(now),
            to: now.plus_millis(1),
            limit: store::CANDLES_MAX,
        }
    }

    /// Where it begins: at the beginning of a candle.
    pub(crate) fn from(&self, now: Timestamp) -> Timestamp {
        let first = now.millis() - self.span_ms;
        // The first candle is whole: it begins after the moment, not before it.
        Timestamp::from_millis(first - first.rem_euclid(self.candle_ms) + self.candle_ms)
    }

    /// How many candles have room.
    pub(crate) fn count(&self, now: Timestamp) -> i64 {
        (now.millis() - self.from(now).millis()) / self.candle_ms + 1
    }
}

/// One candle of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Which place it has, from the left.
    pub(crate) at: i64,
    /// When it begins.
    pub(crate) start: Timestamp,
    pub(crate) open: Price,
    pub(crate) high: Price,
    pub(crate) low: Price,
    pub(crate) close: Price,
}

/// Puts candles together, the oldest first.
pub(crate) fn bars(candles: &[Candle], span: Span, now: Timestamp) -> Vec<Bar> {
    let from = span.from(now);
    let mut bars: Vec<Bar> = Vec::new();
    for candle in candles {
        let at = candle.key.start.millis_since(from).div_euclid(span.candle_ms);
        match bars.last_mut() {
            Some(last) if last.at == at => {
                last.high = last.high.max(candle.high);
                last.low = last.low.min(candle.low);
                last.close = candle.close;
            }
            _ if at < 0 => {}
            _ => bars.push(Bar {
                at,
                start: from.plus_millis(at * span.candle_ms),
                open: candle.open,
                high: candle.high,
                low: candle.low,
                close: candle.close,
            }),
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::CandleKey;

    #[test]
    fn a_span_has_at_most_a_hundred_candles() {
        for (span, candle) in [
            (HOUR_MS, MINUTE_MS),
            (6 * HOUR_MS, 5 * MINUTE_MS),
            (DAY_MS, 15 * MINUTE_MS),
            (7 * DAY_MS, 2 * HOUR_MS),
            (30 * DAY_MS, 8 * HOUR_MS),
            (365 * DAY_MS, 4 * DAY_MS),
        ] {
            assert_eq!(Span::of(Some(span)), Span { span_ms: span, candle_ms: candle });
        }
        assert_eq!(Span::of(Some(1)).span_ms, HOUR_MS);
        assert_eq!(Span::of(Some(i64::MAX)).span_ms, 366 * DAY_MS);
    }

    #[test]
    fn candles_become_longer_ones() {
        let now = Timestamp::from_millis(100 * DAY_MS + 7 * MINUTE_MS);
        let span = Span::of(None);
        let pair: Pair = "BTC-USDT".parse().unwrap();
        let candle = |minute: i64, prices: [&str; 4]| {
            let start = span.from(now).plus_millis(minute * MINUTE_MS);
            let key = CandleKey { venue: None, pair: pair.clone(), interval: Interval::Minute, start };
            let [open, high, low, close] = prices.map(|p| Price::parse(p).unwrap());
            Candle { open, high, low, close, ..Candle::of(key, open, start) }
        };
        let all = [
            candle(0, ["10", "12", "9", "11"]),
            candle(14, ["11", "15", "11", "14"]),
            candle(15, ["14", "14", "13", "13"]),
        ];
        let bars = bars(&all, span, now);
        let shown: Vec<_> =
            bars.iter().map(|b| (b.at, [b.open, b.high, b.low, b.close].map(|p| p.to_string()))).collect();
        assert_eq!(shown[0], (0, ["10", "15", "9", "14"].map(str::to_owned)));
        assert_eq!(shown[1], (1, ["14", "14", "13", "13"].map(str::to_owned)));
        assert_eq!(span.count(now), 96);
    }
}
