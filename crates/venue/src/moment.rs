//! A venue's time in any of the units venues use, as a [`Timestamp`].
//! It must not read a clock: what has no time has none.

use crate::FileError;
use crate::doc::Tree;
use crate::extract::{Channels, Extract};
use crate::fields::Value;
use crate::path::Row;
use jiff::civil;
use market::Timestamp;

/// Where a time stands and in what unit.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    ways: Box<[(Extract, Unit)]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Seconds, with or without a fraction.
    Seconds,
    /// Milliseconds, with or without a fraction.
    Millis,
    Micros,
    Nanos,
    /// ISO 8601; where it names no zone, the offset in minutes is taken (UTC unless the file says otherwise).
    Iso {
        offset_minutes: i32,
    },
    /// `2026-11-22`: 00:00 UTC of that day.
    Date,
    /// `22.11.2026` or `22/11/2026`.
    DayMonthYear,
}

/// What was found where a time should stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(Timestamp),
    Missing,
    /// The epoch itself: the venue's way of saying that this never happened.
    Never,
}

/// 2000-01-01: no venue was there before.
const EARLIEST_MS: i64 = 946_684_800_000;

impl Moment {
    /// Reads `"path"` (milliseconds), `{ at = "path", unit = "iso" }`, or a list of such.
    pub fn parse(value: &Value<'_>) -> Result<Moment, FileError> {
        let mut ways = Vec::new();
        for way in value.one_or_more()? {
            if way.is_text() {
                ways.push((Extract::parse(&way)?, Unit::Millis));
                continue;
            }
            let mut fields = way.table()?;
            let extract = Extract::parse(&fields.need("at")?)?;
            let zone = fields.take("zone");
            let offset_minutes = zone.as_ref().map_or(Ok(0), |z| {
                offset(z.text()?).ok_or_else(|| z.error("must be an offset such as \"+09:00\""))
            })?;
            let unit = match fields.take("unit") {
                None => Unit::Millis,
                Some(unit) => match unit.text()? {
                    "s" => Unit::Seconds,
                    "ms" => Unit::Millis,
                    "us" => Unit::Micros,
                    "ns" => Unit::Nanos,
                    "iso" => Unit::Iso { offset_minutes },
                    "date" => Unit::Date,
                    "day.month.year" => Unit::DayMonthYear,
                    _ => return Err(unit.error("must be s, ms, us, ns, iso, date or day.month.year")),
                },
            };
            if let (Some(zone), false) = (zone, matches!(unit, Unit::Iso { .. })) {
                return Err(zone.error("goes with unit = \"iso\" only"));
            }
            fields.finish()?;
            ways.push((extract, unit));
        }
        Ok(Moment { ways: ways.into() })
    }

    #[inline]
    pub fn read(&self, tree: Tree<'_>, row: &Row, channels: &Channels) -> When {
        for (extract, unit) in &self.ways {
            if let Some(time) = extract.text(tree, row, channels).and_then(|text| read(&text, *unit)) {
                return if time.millis() < EARLIEST_MS { When::Never } else { When::At(time) };
            }
        }
        When::Missing
    }
}

fn read(text: &str, unit: Unit) -> Option<Timestamp> {
    match unit {
        Unit::Seconds => decimal(text, 6).map(Timestamp::from_micros),
        Unit::Millis => decimal(text, 3).map(Timestamp::from_micros),
        Unit::Micros => decimal(text, 0).map(Timestamp::from_micros),
        Unit::Nanos => decimal(text, 0).map(|ns| Timestamp::from_micros(ns.div_euclid(1_000))),
        Unit::Iso { offset_minutes } => iso(text, offset_minutes),
        Unit::Date => midnight(text.parse().ok()?),
        Unit::DayMonthYear => {
            let mut parts = text.split(['.', '/']);
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            midnight(civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?)
        }
    }
}

fn midnight(date: civil::Date) -> Option<Timestamp> {
    let zoned = date.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// A plain decimal times ten to the power of `places`, cut to a whole number.
#[inline]
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut value: i64 = whole.parse().ok()?;
    let mut digits = fraction.bytes();
    for _ in 0..places {
        let digit = digits.next().unwrap_or(b'0');
        value =
            value.checked_mul(10)?.checked_add(i64::from(digit.is_ascii_digit().then(|| digit - b'0')?))?;
    }
    Some(value)
}

/// ISO 8601 with 0 to 9 digits of a second, `T` or a space, `Z`, an offset or nothing. Read by hand: this is on
/// the way of every tick of the venues that write their times so.
#[inline]
fn iso(text: &str, offset_minutes: i32) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        bytes
            .get(from..to)?
            .iter()
            .try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|b| allowed.contains(b));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (mut at, mut micros, mut scale) = (19, 0, 100_000);
    if is(19, b".,") {
        at = 20;
        while let Some(digit) = bytes.get(at).filter(|b| b.is_ascii_digit()) {
            micros += i64::from(digit - b'0') * scale;
            scale /= 10;
            at += 1;
        }
    }
    let minutes = match text.get(at..)? {
        "" => i64::from(offset_minutes),
        "Z" | "z" => 0,
        zone => i64::from(offset(zone)?),
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + (minute - minutes) * 60 + second;
    Some(Timestamp::from_micros(seconds * 1_000_000 + micros))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar: years counted from March, so that the leap day is
/// the last, in eras of 400 years.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `+09:00`, `-0330` or `+09` in minutes.
fn offset(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes): (i32, i32) = match digits.len() {
        2 => (digits.parse().ok()?, 0),
        4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_gives_milliseconds() {
        let utc = Unit::Iso { offset_minutes: 0 };
        for (text, unit, ms) in [
            ("1781416576889", Unit::Millis, Some(1_781_416_576_889)),
            ("1788336082402.208000", Unit::Millis, Some(1_788_336_082_402)),
            ("1619093531", Unit::Seconds, Some(1_619_093_531_000)),
            ("1534614057.321", Unit::Seconds, Some(1_534_614_057_321)),
            ("1788335012854000", Unit::Micros, Some(1_788_335_012_854)),
            ("1545896669145000000", Unit::Nanos, Some(1_545_896_669_145)),
            ("2026-10-03T20:58:33.794283Z", utc, Some(1_791_061_113_794)),
            ("2026-10-03T20:58:33.7942837", utc, Some(1_791_061_113_794)),
            ("2026-10-03T20:58:33+00:00", utc, Some(1_791_061_113_000)),
            ("2026-10-03 20:58:33.5-03:30", utc, Some(1_791_073_713_500)),
            ("2021-06-02 08:43:34.555058", Unit::Iso { offset_minutes: 540 }, Some(1_622_591_014_555)),
            ("2022-10-03", Unit::Date, Some(1_664_755_200_000)),
            ("25.04.2026", Unit::DayMonthYear, Some(1_777_075_200_000)),
            ("yesterday", utc, None),
            ("2026-13-03T20:58:33Z", utc, None),
            ("", Unit::Millis, None),
            ("12x", Unit::Millis, None),
            ("12. 5", Unit::Millis, None),
            ("12.5\u{fffd}", Unit::Seconds, None),
            ("99999999999999999999", Unit::Millis, None),
        ] {
            assert_eq!(read(text, unit).map(Timestamp::millis), ms, "{text}");
        }
    }

    proptest! {
        #[test]
        fn iso_agrees_with_the_library(ms in 946_684_800_000i64..4_102_444_800_000) {
            let text = jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
            prop_assert_eq!(iso(&text, 0).map(Timestamp::millis), Some(ms), "{}", text);
        }
    }
}
