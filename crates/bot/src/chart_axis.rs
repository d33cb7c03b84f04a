//! The marks on a picture's axes: round prices, round times by the reader's clock.
//! It must not draw, nor use floating point: a price on an axis is as exact as any other.

use crate::{Language, moment};
use alerts::ZoneName;
use market::Timestamp;
use rust_decimal::Decimal;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What times are marked, at the most dense.
const STEPS_MS: [i64; 16] = [
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    4 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    5 * DAY_MS,
    10 * DAY_MS,
    30 * DAY_MS,
    60 * DAY_MS,
];

/// Round prices between two, at most so many, the lowest first.
pub(crate) fn price_marks(low: Decimal, high: Decimal, count_max: u32) -> Vec<Decimal> {
    let Some(step) = step(low, high, count_max) else { return Vec::new() };
    let Some(first) = low.checked_div(step).map(|n| n.ceil()).and_then(|n| n.checked_mul(step)) else {
        return Vec::new();
    };
    let marks = (0..count_max).map_while(|n| first.checked_add(step.checked_mul(n.into())?));
    marks.take_while(|mark| *mark <= high).map(|mark| mark.normalize()).collect()
}

/// 1, 2, 2.5 or 5 times a power of ten: the least that makes few enough marks.
fn step(low: Decimal, high: Decimal, count_max: u32) -> Option<Decimal> {
    let range = high.checked_sub(low).filter(|range| *range > Decimal::ZERO)?;
    let least = range.checked_div(count_max.into())?;
    let mut power = Decimal::ONE;
    while power > least {
        power = power.checked_div(Decimal::TEN)?;
    }
    while power.checked_mul(Decimal::TEN)? <= least {
        power = power.checked_mul(Decimal::TEN)?;
    }
    let times = [Decimal::ONE, Decimal::TWO, Decimal::new(25, 1), Decimal::from(5), Decimal::TEN];
    times.into_iter().filter_map(|times| power.checked_mul(times)).find(|step| *step >= least)
}

/// Round times between two, at most so many, each with what is written there.
pub(crate) fn time_marks(
    from: Timestamp,
    to: Timestamp,
    zone: Option<&ZoneName>,
    language: Language,
    count_max: i64,
) -> Vec<(Timestamp, String)> {
    let span = to.millis_since(from);
    let step = STEPS_MS.into_iter().find(|step| span <= step * count_max).unwrap_or(90 * DAY_MS);
    // Round by the reader's clock: midnight there is no round time in UTC.
    let offset = moment::offset_ms(to, zone);
    let local = from.millis() + offset;
    let first = local - local.rem_euclid(step) + step;
    (0..=count_max)
        .map(|n| Timestamp::from_millis(first + n * step - offset))
        .take_while(|at| *at <= to)
        .filter_map(|at| {
            let is_midnight = (at.millis() + offset).rem_euclid(DAY_MS) == 0;
            let text = if is_midnight {
                moment::short_date(moment::date_of(at, zone)?, language)
            } else {
                moment::bare_time(at, zone)
            };
            Some((at, text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn prices_are_marked_where_they_are_round() {
        for (low, high, marks) in [
            ("65480", "67910.5", "65500 66000 66500 67000 67500"),
            ("0.0000118", "0.0000131", "0.000012 0.00001225 0.0000125 0.00001275 0.000013"),
            ("-3", "4", "-2 0 2 4"),
            ("99", "101", "99 99.5 100 100.5 101"),
        ] {
            let shown: Vec<String> =
                price_marks(decimal(low), decimal(high), 6).iter().map(Decimal::to_string).collect();
            assert_eq!(shown.join(" "), marks, "{low} {high}");
        }
        assert!(price_marks(Decimal::ONE, Decimal::ONE, 6).is_empty());
    }

    #[test]
    fn times_are_marked_where_they_are_round() {
        let to = Timestamp::from_millis(1_795_701_912_000);
        let zone = moment::find_zone("мск");
        let marks = time_marks(to.plus_millis(-DAY_MS), to, zone.as_ref(), Language::Ru, 8);
        let shown: Vec<&str> = marks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(shown, ["18:00", "21:00", "26 ноя", "03:00", "06:00", "09:00", "12:00", "15:00"]);
    }
}
