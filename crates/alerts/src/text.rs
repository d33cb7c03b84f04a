//! An alert on one line, as the command line takes it and lists show it: `BTC-USDT above 70000 repeat`.
//! It must not know any language but this one; what people say in chats is read elsewhere.

use crate::{Condition, Direction, Quiet, Side, Spec, SpecError};
use market::{Pair, Price, Sign, Timestamp, VenueId};
use rust_decimal::Decimal;
use std::fmt;

/// What a line may be.
const FORMS: &str = "above PRICE, below PRICE, is above PRICE, is below PRICE, +5% in 1h, -5% in 1h, 5% in 1h, \
    +5% (from now), 24h +5%, spread 1%; or: venue NAME down 5m";

/// Why a line is no alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It does not begin with a pair.
    #[error("{0:?} is no pair; an alert is written PAIR above PRICE, for instance BTC-USDT above 70000")]
    Pair(String),
    /// What follows the pair is no condition.
    #[error("after the pair one of: {FORMS}")]
    Condition,
    /// A number, a span or a time is none.
    #[error("{0:?} is no {1}")]
    Value(String, &'static str),
    /// Something stands at the end that means nothing.
    #[error(
        "{0:?} is not understood; at the end may stand: repeat, urgent, cooldown 15m, hysteresis 0.1%, \
         until 2030-01-01T00:00Z, quiet 22:00-08:00 Europe/Berlin"
    )]
    Option(String),
    /// It is read, and cannot be.
    #[error("{0}")]
    Spec(#[from] SpecError),
}

/// Reads a line.
pub fn parse(line: &str) -> Result<Spec, TextError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut words = words.as_slice();
    let (pair, condition) = if let ["venue", name, "down", span, rest @ ..] = words {
        words = rest;
        let venue = VenueId::parse(name).map_err(|_| TextError::Value((*name).to_owned(), "venue"))?;
        (None, Condition::SourceDown { venue, for_ms: span_ms(span)? })
    } else {
        let pair = pair(&mut words)?;
        (Some(pair), condition(&mut words)?)
    };
    let mut spec = Spec::new(pair, condition);
    options(&mut spec, words)?;
    spec.check()?;
    Ok(spec)
}

/// `BTC-USDT`, or `BTC USDT`.
fn pair(words: &mut &[&str]) -> Result<Pair, TextError> {
    let wrong = || TextError::Pair(words.first().copied().unwrap_or_default().to_owned());
    let [first, rest @ ..] = *words else { return Err(wrong()) };
    if let Ok(pair) = Pair::parse(first) {
        *words = rest;
        return Ok(pair);
    }
    let [second, rest @ ..] = rest else { return Err(wrong()) };
    let pair = Pair::parse(&format!("{first}-{second}")).map_err(|_| wrong())?;
    *words = rest;
    Ok(pair)
}

fn condition(words: &mut &[&str]) -> Result<Condition, TextError> {
    let (condition, rest) = match *words {
        ["is", side @ ("above" | "below"), value, rest @ ..] => {
            (Condition::Is { side: side_of(side), threshold: price(value)? }, rest)
        }
        [side @ ("above" | "below"), value, rest @ ..] => {
            (Condition::Cross { side: side_of(side), threshold: price(value)? }, rest)
        }
        ["spread", value, rest @ ..] => (Condition::Spread { pct: per_cent(value)?.1 }, rest),
        ["24h", value, rest @ ..] => {
            let (direction, pct) = per_cent(value)?;
            (Condition::Change24h { direction, pct }, rest)
        }
        [value, "in", span, rest @ ..] if value.ends_with('%') => {
            let (direction, pct) = per_cent(value)?;
            (Condition::Move { direction, pct, within_ms: span_ms(span)? }, rest)
        }
        [value, rest @ ..] if value.ends_with('%') => {
            let (direction, pct) = per_cent(value)?;
            (Condition::MoveFromNow { direction, pct }, rest)
        }
        _ => return Err(TextError::Condition),
    };
    *words = rest;
    Ok(condition)
}

fn options(spec: &mut Spec, mut words: &[&str]) -> Result<(), TextError> {
    loop {
        words = match *words {
            [] => return Ok(()),
            ["repeat", ref rest @ ..] => {
                spec.repeat = true;
                rest
            }
            ["urgent", ref rest @ ..] => {
                spec.is_urgent = true;
                rest
            }
            ["cooldown", span, ref rest @ ..] => {
                spec.cooldown_ms = if span == "0" { 0 } else { span_ms(span)? };
                rest
            }
            ["hysteresis", value, ref rest @ ..] => {
                spec.hysteresis_pct = per_cent(value)?.1;
                rest
            }
            ["until", moment, ref rest @ ..] => {
                spec.expires_at = Some(time(moment)?);
                rest
            }
            ["quiet", hours, zone, ref rest @ ..] => {
                let wrong =
                    |text: &str| TextError::Value(text.to_owned(), "stretch of hours, HH:MM-HH:MM ZONE");
                let (from, to) = hours.split_once('-').ok_or_else(|| wrong(hours))?;
                let minute = |text: &str| text.parse().map_err(|_| wrong(text));
                let time_zone = zone.parse().map_err(|_| wrong(zone))?;
                spec.quiet = Some(Quiet { from: minute(from)?, to: minute(to)?, time_zone });
                rest
            }
            [other, ..] => return Err(TextError::Option(other.to_owned())),
        };
    }
}

fn side_of(word: &str) -> Side {
    if word == "above" { Side::Above } else { Side::Below }
}

fn price(text: &str) -> Result<Price, TextError> {
    Price::parse_signed(text, Sign::Any).map_err(|_| TextError::Value(text.to_owned(), "price"))
}

/// `+5%`, `-5%`, `5%`; digits and a point, nothing else.
fn per_cent(text: &str) -> Result<(Direction, Decimal), TextError> {
    let wrong = || TextError::Value(text.to_owned(), "percentage, such as 5%");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (direction, digits) = match number.as_bytes().first() {
        Some(b'+') => (Direction::Up, &number[1..]),
        Some(b'-') => (Direction::Down, &number[1..]),
        _ => (Direction::Either, number),
    };
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !digits.starts_with('.');
    let pct = digits.parse().ok().filter(|_| is_plain).ok_or_else(wrong)?;
    Ok((direction, pct))
}

const UNITS: [(char, i64); 4] = [('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1_000)];

/// `90s`, `15m`, `1h`, `2d`.
fn span_ms(text: &str) -> Result<i64, TextError> {
    let wrong = || TextError::Value(text.to_owned(), "span of time, such as 15m, 1h or 2d");
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(*unit)).ok_or_else(wrong)?;
    let digits = &text[..text.len() - 1];
    let is_plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let count: i64 = digits.parse().ok().filter(|_| is_plain).ok_or_else(wrong)?;
    count.checked_mul(unit.1).ok_or_else(wrong)
}

/// `2030-01-01T00:00Z`.
fn time(text: &str) -> Result<Timestamp, TextError> {
    let parsed = text.parse::<jiff::Timestamp>();
    let moment = parsed.map_err(|_| TextError::Value(text.to_owned(), "time, such as 2030-01-01T00:00Z"))?;
    Ok(Timestamp::from_millis(moment.as_millisecond()))
}

fn span(ms: i64) -> String {
    let unit = UNITS.iter().find(|(_, length)| ms > 0 && ms % length == 0);
    unit.map_or_else(|| "0".to_owned(), |(unit, length)| format!("{}{unit}", ms / length))
}

/// The condition alone: `above 70000`, `-5% in 1h`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Side| if *side == Side::Above { "above" } else { "below" };
        let sign = |direction: &Direction| match direction {
            Direction::Up => "+",
            Direction::Down => "-",
            Direction::Either => "",
        };
        match self {
            Condition::Cross { side: s, threshold } => write!(f, "{} {threshold}", side(s)),
            Condition::Is { side: s, threshold } => write!(f, "is {} {threshold}", side(s)),
            Condition::Move { direction, pct, within_ms } => {
                write!(f, "{}{pct}% in {}", sign(direction), span(*within_ms))
            }
            Condition::MoveFromNow { direction, pct } => write!(f, "{}{pct}%", sign(direction)),
            Condition::Change24h { direction, pct } => write!(f, "24h {}{pct}%", sign(direction)),
            Condition::Spread { pct } => write!(f, "spread {pct}%"),
            Condition::SourceDown { venue, for_ms } => write!(f, "venue {venue} down {}", span(*for_ms)),
        }
    }
}

/// The line that [`parse`] reads; spans of less than a second and the snooze are not said.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pair) = &self.pair {
            write!(f, "{pair} ")?;
        }
        write!(f, "{}", self.condition)?;
        if self.repeat {
            f.write_str(" repeat")?;
        }
        if self.is_urgent {
            f.write_str(" urgent")?;
        }
        if self.cooldown_ms != Spec::cooldown_ms_default() {
            write!(f, " cooldown {}", span(self.cooldown_ms))?;
        }
        if self.hysteresis_pct != Spec::hysteresis_pct_default() {
            write!(f, " hysteresis {}%", self.hysteresis_pct)?;
        }
        if let Some(at) = self.expires_at
            && let Ok(at) = jiff::Timestamp::from_millisecond(at.millis())
        {
            write!(f, " until {at}")?;
        }
        if let Some(Quiet { from, to, time_zone }) = &self.quiet {
            write!(f, " quiet {from}-{to} {time_zone}")?;
        }
        Ok(())
    }
}
