//! What one venue last said of one pair: `last`, `bid` and `ask`, each with the order it came in.
//! It must not know other venues, nor how old is too old.

use crate::{Flag, Flags, Price, Sequence, Tick, Timestamp};
use std::cmp::{Ordering, Reverse};

/// One price and the observation it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The price.
    pub price: Price,
    /// When it counts as having happened.
    pub event_time: Timestamp,
    /// When the venue says it happened.
    pub venue_time: Option<Timestamp>,
    /// When it was received.
    pub received_at: Timestamp,
    /// What is to be known about it.
    pub flags: Flags,
    sequence: Sequence,
}

/// The last known sides of one (venue, pair).
///
/// Any permutation of the same ticks, with any duplicates, gives the same source: each side keeps the
/// observation that is greatest in one total order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    last: Option<Seen>,
    bid: Option<Seen>,
    ask: Option<Seen>,
}

/// Which sides a tick has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// The last price, or its time.
    pub last: bool,
    /// The best bid, or its time.
    pub bid: bool,
    /// The best ask, or its time.
    pub ask: bool,
}

impl Changed {
    /// Whether anything has changed; if not, the tick was old, or known already.
    pub fn any(self) -> bool {
        self.last || self.bid || self.ask
    }
}

impl Source {
    /// Takes a tick. A side that the tick does not name stays as it is; an older one changes nothing.
    pub fn apply(&mut self, tick: &Tick) -> Changed {
        Changed {
            last: take(&mut self.last, tick.last, tick),
            bid: take(&mut self.bid, tick.bid, tick),
            ask: take(&mut self.ask, tick.ask, tick),
        }
    }

    /// The last price.
    pub fn last(&self) -> Option<&Seen> {
        self.last.as_ref()
    }

    /// The best bid.
    pub fn bid(&self) -> Option<&Seen> {
        self.bid.as_ref()
    }

    /// The best ask.
    pub fn ask(&self) -> Option<&Seen> {
        self.ask.as_ref()
    }

    /// Every side that is known.
    pub fn sides(&self) -> impl Iterator<Item = &Seen> {
        [&self.last, &self.bid, &self.ask].into_iter().flatten()
    }
}

fn take(held: &mut Option<Seen>, price: Option<Price>, tick: &Tick) -> bool {
    let Some(price) = price else { return false };
    let event_time = tick.event_time();
    // The common case of an old tick is told without copying its sequence.
    if held.as_ref().is_some_and(|h| (event_time, &tick.sequence) < (h.event_time, &h.sequence)) {
        return false;
    }
    let seen = Seen {
        price,
        event_time,
        venue_time: tick.venue_time,
        received_at: tick.received_at,
        flags: if tick.is_ahead() { tick.flags.with(Flag::ClockSkew) } else { tick.flags },
        sequence: tick.sequence.clone(),
    };
    match held {
        Some(held) if order(&seen, held) != Ordering::Greater => false,
        held => {
            *held = Some(seen);
            true
        }
    }
}

/// What observations of one side are ordered by.
///
/// Time, then sequence. Where both are equal the venue said the same thing twice (two connections, or the
/// cache): what came from the venue itself counts before what came from the cache, then what was heard first.
/// The rest only makes the order total, so that no permutation can give another answer.
pub(crate) type SideKey<'a> =
    (Timestamp, &'a Sequence, bool, Reverse<Timestamp>, Price, u32, Option<Timestamp>, bool);

/// The key of one side of a tick, by its price.
pub(crate) fn side_key(tick: &Tick, price: Price) -> SideKey<'_> {
    let is_skewed = tick.is_ahead() || tick.flags.contains(Flag::ClockSkew);
    (
        tick.event_time(),
        &tick.sequence,
        !tick.flags.contains(Flag::Cached),
        Reverse(tick.received_at),
        price,
        price.decimal().scale(),
        tick.venue_time,
        is_skewed,
    )
}

fn order(a: &Seen, b: &Seen) -> Ordering {
    fn key(s: &Seen) -> SideKey<'_> {
        (
            s.event_time,
            &s.sequence,
            !s.flags.contains(Flag::Cached),
            Reverse(s.received_at),
            s.price,
            s.price.decimal().scale(),
            s.venue_time,
            s.flags.contains(Flag::ClockSkew),
        )
    }
    key(a).cmp(&key(b))
}
