//! An example of a venue file as a form to fill in: the same frame for another symbol, other prices, another time.
//! It must not know why a frame is wanted, nor any venue's name.

use crate::{
    json::{self, Token, tokens},
    times::TimeForm,
    walk::{decimals, rounded},
};
use market::{Price, Timestamp};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use std::{fmt::Write, ops::Range, sync::Arc};
use venue::{Example, Frame, Observation, Said, Symbol, Venue};

/// What a frame shall say.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) symbol: &'a Symbol,
    /// The price, unrounded.
    pub(crate) price: Decimal,
    pub(crate) time: Timestamp,
    /// Added to the count of the example.
    pub(crate) sequence: u64,
}

/// An example with holes.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    text: String,
    binary: bool,
    holes: Vec<(Range<usize>, Hole)>,
    has: Fields,
    /// Whether the example has a time of the venue, and a count.
    timed: bool,
    counted: bool,
}

/// Which fields a frame has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fields {
    pub(crate) last: bool,
    pub(crate) bid: bool,
    pub(crate) ask: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hole {
    Symbol(Part, Case),
    /// A price, so many millionths off the middle; written with at least so many digits after the point.
    Price {
        off: i64,
        digits_min: u32,
    },
    Time(TimeForm),
    Sequence(u128),
    /// Another number near the price (a high, a low, an average), so many millionths off it.
    Near {
        off: i64,
    },
}

/// Which spelling of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Name,
    Base,
    Quote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    AsIs,
    Lower,
    Upper,
}

/// Half of the spread between bid and ask, in millionths of the price.
const HALF_SPREAD: i64 = 50;

impl Part {
    fn of(self, symbol: &Symbol) -> &str {
        match self {
            Part::Name => &symbol.name,
            Part::Base => &symbol.base,
            Part::Quote => &symbol.quote,
        }
    }
}

impl Case {
    fn apply(self, text: &str) -> String {
        match self {
            Case::AsIs => text.to_owned(),
            Case::Lower => text.to_ascii_lowercase(),
            Case::Upper => text.to_ascii_uppercase(),
        }
    }
}

impl Template {
    /// Makes a form of an example. It is tried out: what is filled in for each of `trials` must be read back by the
    /// venue's own reader as exactly that. `None` = the example has no single observation of a pair, or cannot
    /// be filled in.
    pub(crate) fn of(venue: &Arc<Venue>, example: &Example, trials: &[Symbol]) -> Option<Template> {
        let first =
            example.ticks.iter().find(|seen| seen.pair.is_some() && !seen.history && !seen.duplicate)?;
        let pair = first.pair.as_ref()?;
        let symbol = venue.symbol(pair.base().as_str(), pair.quote().as_str()).ok()?;
        let (text, seen) = reduced(venue, &symbol, example)?;
        let has = Fields { last: seen.last.is_some(), bid: seen.bid.is_some(), ask: seen.ask.is_some() };
        let values = value_holes(venue, &symbol, example.binary, &text, &seen)?;
        let fitting = |parts: &&[Part]| {
            let mut holes = values.clone();
            symbol_holes(&text, &symbol, parts, &mut holes);
            holes.sort_by_key(|(at, _)| at.start);
            let (timed, counted) = (seen.venue_time.is_some(), seen.sequence.is_some());
            let template =
                Template { text: text.clone(), binary: example.binary, holes, has, timed, counted };
            let good = trials.iter().all(|trial| template.is_read_back(venue, trial));
            good.then_some(template)
        };
        let ways: [&[Part]; 3] =
            [&[Part::Name], &[Part::Base, Part::Quote], &[Part::Name, Part::Base, Part::Quote]];
        ways.iter().find_map(fitting)
    }

    /// Which prices it gives.
    pub(crate) fn has(&self) -> Fields {
        self.has
    }

    /// Whether it is a binary frame.
    pub(crate) fn binary(&self) -> bool {
        self.binary
    }

    /// Its words, for finding out which example a subscription is about.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The frame for what is wanted.
    pub(crate) fn fill(&self, wanted: &Wanted<'_>) -> String {
        let mut filled = String::with_capacity(self.text.len() + 16);
        let mut at = 0;
        for (range, hole) in &self.holes {
            filled.push_str(&self.text[at..range.start]);
            at = range.end;
            match hole {
                Hole::Symbol(part, case) => filled.push_str(&case.apply(part.of(wanted.symbol))),
                Hole::Price { off, digits_min } => {
                    let mut price = price(wanted.price, *off);
                    price.rescale(price.scale().max(*digits_min));
                    // Writing to a string does not fail.
                    let _ = write!(filled, "{price}");
                }
                Hole::Near { off } => {
                    let _ = write!(filled, "{}", price(wanted.price, *off));
                }
                Hole::Time(form) => filled.push_str(&form.write(wanted.time)),
                Hole::Sequence(from) => {
                    let _ = write!(filled, "{}", from.saturating_add(u128::from(wanted.sequence)));
                }
            }
        }
        filled.push_str(&self.text[at..]);
        filled
    }

    /// Whether a filled-in frame says exactly what was wanted.
    pub(crate) fn is_read_back(&self, venue: &Arc<Venue>, symbol: &Symbol) -> bool {
        let time = Timestamp::from_micros(1_790_000_000_123_456);
        let middle = Decimal::new(1_234_567_891, 8);
        let wanted = Wanted { symbol, price: middle, time, sequence: 3 };
        let Some(read) = read_one(venue, symbol, self.binary, &self.fill(&wanted)) else { return false };
        let same = |read: Option<Price>, has: bool, off: i64| {
            read.map(Price::decimal) == has.then(|| price(middle, off))
        };
        // A form may hold whole seconds only.
        let timely = match read.venue_time {
            None => !self.timed,
            Some(read) => self.timed && read <= time && time.millis_since(read) < 1_000,
        };
        read.symbol == symbol.name
            && read.pair.as_ref() == Some(&symbol.pair)
            && same(read.last, self.has.last, 0)
            && same(read.bid, self.has.bid, -HALF_SPREAD)
            && same(read.ask, self.has.ask, HALF_SPREAD)
            && timely
            && read.sequence.is_some() == self.counted
            && !read.history
            && !read.duplicate
    }
}

/// The price so many millionths off the middle, with the digits that fit its size.
fn price(middle: Decimal, off: i64) -> Decimal {
    rounded(middle, off, decimals(middle))
}

/// What a frame says of one symbol, if that is one observation and nothing else.
fn read_one(venue: &Arc<Venue>, symbol: &Symbol, binary: bool, text: &str) -> Option<Observation> {
    let mut seen = read(venue, symbol, binary, text)?;
    if seen.len() == 1 { seen.pop() } else { None }
}

fn read(venue: &Arc<Venue>, symbol: &Symbol, binary: bool, text: &str) -> Option<Vec<Observation>> {
    let mut reader = venue.reader();
    reader.follow(std::slice::from_ref(symbol));
    let frame = if binary { Frame::Binary(text.as_bytes()) } else { Frame::Text(text.as_bytes()) };
    let mut said = Vec::new();
    reader.read(frame, &mut said).ok()?;
    let seen = said.into_iter().filter_map(|said| match said {
        Said::Tick(seen) => Some(seen),
        _ => None,
    });
    Some(seen.collect())
}

/// The example cut down to one observation: members and rows that are about others are left out.
fn reduced(venue: &Arc<Venue>, symbol: &Symbol, example: &Example) -> Option<(String, Observation)> {
    let text = std::str::from_utf8(&example.frame).ok()?;
    let everything = read_everything(venue, example.binary, text)?;
    let kept =
        everything.into_iter().find(|seen| seen.symbol == symbol.name && !seen.history && !seen.duplicate)?;
    let rows = |text: &str| {
        let seen = read_everything(venue, example.binary, text)?;
        seen.contains(&kept).then_some(seen.len())
    };
    Some((json::reduced(text, rows)?, kept))
}

fn read_everything(venue: &Arc<Venue>, binary: bool, text: &str) -> Option<Vec<Observation>> {
    let frame = if binary { Frame::Binary(text.as_bytes()) } else { Frame::Text(text.as_bytes()) };
    let mut said = Vec::new();
    venue.reader_of_everything().read(frame, &mut said).ok()?;
    let seen = said.into_iter().filter_map(|said| match said {
        Said::Tick(seen) => Some(seen),
        _ => None,
    });
    Some(seen.collect())
}

/// Where the prices, the times and the count stand.
fn value_holes(
    venue: &Arc<Venue>,
    symbol: &Symbol,
    binary: bool,
    text: &str,
    seen: &Observation,
) -> Option<Vec<(Range<usize>, Hole)>> {
    let (mut holes, mut found) = (Vec::new(), Fields::default());
    let sequence = seen.sequence.as_ref().map(market::Sequence::as_str);
    let middle = seen.last.or(seen.bid).or(seen.ask).map(Price::decimal);
    for token in tokens(text) {
        let content = &text[token.at.clone()];
        if let Some(field) = price_at(venue, symbol, binary, text, &token, seen) {
            let (off, digits_min) = match field {
                Field::Last => (0, padded_digits(content)),
                Field::Bid => (-HALF_SPREAD, padded_digits(content)),
                Field::Ask => (HALF_SPREAD, padded_digits(content)),
            };
            match field {
                Field::Last => found.last = true,
                Field::Bid => found.bid = true,
                Field::Ask => found.ask = true,
            }
            holes.push((token.at, Hole::Price { off, digits_min }));
        } else if let Some(form) = seen.venue_time.and_then(|near| TimeForm::of(content, near)) {
            holes.push((token.at, Hole::Time(form)));
        } else if let Some(from) =
            sequence.filter(|count| *count == content).and_then(|count| count.parse().ok())
        {
            holes.push((token.at, Hole::Sequence(from)));
        } else if let Some(off) = middle.and_then(|middle| near(content, middle)) {
            holes.push((token.at, Hole::Near { off }));
        }
    }
    let complete = found.last == seen.last.is_some()
        && found.bid == seen.bid.is_some()
        && found.ask == seen.ask.is_some()
        && (found.last || found.bid || found.ask);
    complete.then_some(holes)
}

/// How many millionths a number is off the price, if it is near enough to be a price too.
fn near(content: &str, middle: Decimal) -> Option<i64> {
    const OFF_MAX: i64 = 100_000;
    let value = Price::parse(content).ok()?.decimal();
    let off =
        value.checked_sub(middle)?.checked_mul(Decimal::ONE_THOUSAND)?.checked_mul(Decimal::ONE_THOUSAND)?;
    let off = off.checked_div(middle)?.round().to_i64()?;
    (off.abs() <= OFF_MAX).then_some(off)
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Last,
    Bid,
    Ask,
}

/// Which price stands in a token: found by changing the token and reading the frame again, since last and ask
/// are often the same number.
fn price_at(
    venue: &Arc<Venue>,
    symbol: &Symbol,
    binary: bool,
    text: &str,
    token: &Token,
    seen: &Observation,
) -> Option<Field> {
    let value = Price::parse(&text[token.at.clone()]).ok()?;
    let fields = [(Field::Last, seen.last), (Field::Bid, seen.bid), (Field::Ask, seen.ask)];
    if fields.iter().all(|(_, price)| *price != Some(value)) {
        return None;
    }
    let other = rounded(value.decimal(), 1_000, value.decimal().scale() + 3).to_string();
    let changed = format!("{}{other}{}", &text[..token.at.start], &text[token.at.end..]);
    let read = read_one(venue, symbol, binary, &changed)?;
    let now = [read.last, read.bid, read.ask];
    fields.iter().zip(now).find(|((_, before), now)| before != now).map(|((field, _), _)| *field)
}

/// The digits after the point of a price that is written with trailing zeros: then all are.
fn padded_digits(content: &str) -> u32 {
    match content.split_once('.') {
        Some((_, fraction)) if fraction.ends_with("00") && fraction.bytes().all(|b| b.is_ascii_digit()) => {
            u32::try_from(fraction.len()).unwrap_or(0)
        }
        _ => 0,
    }
}

/// Adds a hole wherever one of the parts of the symbol stands as a word, in any case, outside other holes.
fn symbol_holes(text: &str, symbol: &Symbol, parts: &[Part], holes: &mut Vec<(Range<usize>, Hole)>) {
    for part in parts {
        let spelling = part.of(symbol);
        let mut tried: Vec<String> = Vec::new();
        for case in [Case::AsIs, Case::Lower, Case::Upper] {
            let word = case.apply(spelling);
            if tried.contains(&word) {
                continue;
            }
            for (start, _) in text.match_indices(&word) {
                let range = start..start + word.len();
                let free =
                    holes.iter().all(|(other, _)| range.end <= other.start || other.end <= range.start);
                if free && is_word(text, &range) {
                    holes.push((range, Hole::Symbol(*part, case)));
                }
            }
            tried.push(word);
        }
    }
}

fn is_word(text: &str, range: &Range<usize>) -> bool {
    let inner = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let before = range.start.checked_sub(1).and_then(|at| text.as_bytes().get(at));
    !inner(before) && !inner(text.as_bytes().get(range.end))
}
