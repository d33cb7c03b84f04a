//! A tick: one observation by one venue, and the order in which observations count.
//! It must not know where it came from or who reads it.

use crate::{Pair, Price, Timestamp, VenueId};
use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{cmp::Ordering, sync::Arc};

/// One observation by one venue of one pair. An absent field says nothing about that side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// What was observed.
    pub pair: Pair,
    /// The venue's own spelling of it.
    pub symbol: Arc<str>,
    /// The last traded (or published) price.
    #[serde(default)]
    pub last: Option<Price>,
    /// The best bid.
    #[serde(default)]
    pub bid: Option<Price>,
    /// The best ask.
    #[serde(default)]
    pub ask: Option<Price>,
    /// When the venue says it happened.
    #[serde(default)]
    pub venue_time: Option<Timestamp>,
    /// When we received it.
    pub received_at: Timestamp,
    /// The venue's own count, else the time of receipt in microseconds.
    pub sequence: Sequence,
    /// What is to be known about it.
    #[serde(default, skip_serializing_if = "Flags::is_empty")]
    pub flags: Flags,
}

/// The order of ticks of one (venue, pair): later wins, equal changes nothing.
pub type TickKey<'a> = (Timestamp, &'a Sequence);

impl Tick {
    /// How far ahead of our clock a venue's time may be before the time of receipt is taken instead.
    pub const FUTURE_MAX_MS: i64 = 5_000;

    /// When it counts as having happened: the venue's time, or the time of receipt where that is missing or
    /// more than 5 s ahead.
    pub fn event_time(&self) -> Timestamp {
        match self.venue_time {
            Some(time) if time.millis_since(self.received_at) <= Self::FUTURE_MAX_MS => time,
            _ => self.received_at,
        }
    }

    /// Whether the venue's clock is ahead of ours by more than [`Tick::FUTURE_MAX_MS`].
    pub fn is_ahead(&self) -> bool {
        self.venue_time.is_some_and(|t| t.millis_since(self.received_at) > Self::FUTURE_MAX_MS)
    }

    /// What it is ordered by.
    pub fn key(&self) -> TickKey<'_> {
        (self.event_time(), &self.sequence)
    }
}

/// A count that orders ticks of equal time; compared as length, then text, so that numbers of any size compare
/// as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sequence(CompactString);

impl Sequence {
    /// The longest that is kept; a longer one is cut.
    const LENGTH_MAX: usize = 64;

    /// The venue's own count.
    pub fn new(text: &str) -> Sequence {
        if text.len() <= Self::LENGTH_MAX {
            return Sequence(CompactString::from(text));
        }
        let end = text.char_indices().nth(Self::LENGTH_MAX).map_or(text.len(), |(at, _)| at);
        Sequence(CompactString::from(&text[..end]))
    }

    /// Where the venue has none: the time of receipt in microseconds.
    pub fn from_receipt(received_at: Timestamp) -> Sequence {
        Sequence(format_compact!("{}", received_at.micros()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Sequence {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), self.0.as_str()).cmp(&(other.0.len(), other.0.as_str()))
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Sequence {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Sequence, D::Error> {
        CompactString::deserialize(from).map(|text| Sequence::new(&text))
    }
}

/// One thing to be known about a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The venue's clock is more than 5 s ahead: its time was replaced by the time of receipt.
    ClockSkew,
    /// It comes from the cache, not from the venue just now.
    Cached,
    /// A flag of a newer version.
    #[serde(other)]
    Unknown,
}

/// A small set of flags; a JSON array of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    /// No flag at all.
    pub const NONE: Flags = Flags(0);

    /// This set and one more.
    #[must_use]
    pub fn with(self, flag: Flag) -> Flags {
        Flags(self.0 | 1 << flag as u8)
    }

    /// Whether it holds the flag.
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq([Flag::ClockSkew, Flag::Cached].into_iter().filter(|f| self.contains(*f)))
    }
}

impl<'de> Deserialize<'de> for Flags {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Flags, D::Error> {
        let all = Vec::<Flag>::deserialize(from)?;
        Ok(all.into_iter().filter(|f| *f != Flag::Unknown).fold(Flags::NONE, Flags::with))
    }
}

/// What one venue said in one go: the body of a message on `rates.ticks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickBatch {
    /// The version of the shape, 1.
    pub v: u32,
    /// Who said it.
    pub venue: VenueId,
    /// When it was handed to the broker.
    pub sent_at: Timestamp,
    /// What was said, in the venue's order.
    pub ticks: Vec<Tick>,
}

impl TickBatch {
    /// The version of the shape that is written.
    pub const VERSION: u32 = 1;
}
