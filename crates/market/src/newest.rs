//! The newest that one venue said of each side of one pair: what is kept where not every tick can be.
//! It must not know who keeps it, nor what a rate is.

use crate::source::side_key;
use crate::{Price, Tick};

/// The newest ticks of one (venue, pair): for each of last, bid and ask the newest tick that has it.
///
/// Usually that is one tick, three at most. Taking the same ticks in any order, any number of times, gives the
/// same ticks kept: a newer tick without a last price does not throw away the one that has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest {
    /// By key, oldest first; every one of them is the newest on at least one side.
    ticks: Vec<Tick>,
}

/// The price on one side of a tick.
type Side = fn(&Tick) -> Option<Price>;

const SIDES: [Side; 3] = [|t| t.last, |t| t.bid, |t| t.ask];

impl Newest {
    /// Nothing yet.
    pub const fn new() -> Newest {
        Newest { ticks: Vec::new() }
    }

    /// Takes a tick of the pair; `false` if it says nothing newer on any side.
    pub fn apply(&mut self, tick: &Tick) -> bool {
        let is_newer = |side: &Side| {
            side(tick).is_some_and(|price| {
                let key = side_key(tick, price);
                self.ticks.iter().all(|t| side(t).is_none_or(|p| side_key(t, p) < key))
            })
        };
        if !SIDES.iter().any(is_newer) {
            return false;
        }
        let at = self.ticks.partition_point(|t| t.key() <= tick.key());
        self.ticks.insert(at, tick.clone());
        let mut at = 0;
        while at < self.ticks.len() {
            if self.leads(at) {
                at += 1;
            } else {
                self.ticks.remove(at);
            }
        }
        true
    }

    /// Whether the tick at this place is the newest on any side, in the order that [`crate::Source`] keeps.
    fn leads(&self, at: usize) -> bool {
        let tick = &self.ticks[at];
        SIDES.iter().any(|side| {
            side(tick).is_some_and(|price| {
                let key = side_key(tick, price);
                let mut others = self.ticks.iter().enumerate().filter(|(other, _)| *other != at);
                others.all(|(_, t)| side(t).is_none_or(|p| side_key(t, p) < key))
            })
        })
    }

    /// The ticks to apply, oldest first, to get here again.
    pub fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    /// The same, given away.
    pub fn into_ticks(self) -> Vec<Tick> {
        self.ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flag, Flags, Pair, Sequence, Source, Timestamp};
    use proptest::prelude::*;

    /// A tick at a time, with the sides named by letters: `l`, `b`, `a`.
    fn tick(at: i64, sides: &str) -> Tick {
        let price = |side: char| sides.contains(side).then(|| Price::parse(&at.to_string()).unwrap());
        Tick {
            pair: Pair::parse("BTC-USD").unwrap(),
            symbol: "BTCUSD".into(),
            last: price('l'),
            bid: price('b'),
            ask: price('a'),
            venue_time: Some(Timestamp::from_millis(at)),
            received_at: Timestamp::from_millis(at),
            sequence: Sequence::new("1"),
            flags: Flags::NONE,
        }
    }

    fn kept(ticks: &[(i64, &str)]) -> Vec<i64> {
        let mut newest = Newest::new();
        for (at, sides) in ticks {
            newest.apply(&tick(*at, sides));
        }
        newest.ticks().iter().map(|t| t.event_time().millis()).collect()
    }

    #[test]
    fn every_side_is_kept_until_a_newer_one_comes() {
        for (ticks, expect) in [
            (&[(1, "lba"), (2, "lba")][..], &[2][..]),
            (&[(2, "lba"), (1, "lba")], &[2]),
            (&[(1, "l"), (2, "ba")], &[1, 2]),
            (&[(2, "ba"), (1, "l"), (3, "ba")], &[1, 3]),
            (&[(1, "ba"), (2, "b"), (3, "l")], &[1, 2, 3]),
            (&[(1, "ba"), (2, "b"), (3, "a")], &[2, 3]),
            (&[(1, "ba"), (2, "b"), (3, "l"), (4, "lba")], &[4]),
            (&[(1, "l"), (1, "ba")], &[1, 1]),
            (&[(1, "lb"), (1, "ba")], &[1, 1]),
            (&[(1, "")], &[]),
        ] {
            assert_eq!(kept(ticks), expect, "{ticks:?}");
        }
    }

    fn all(ticks: &[Tick]) -> Newest {
        let mut newest = Newest::new();
        for tick in ticks {
            newest.apply(tick);
        }
        newest
    }

    fn source(ticks: &[Tick]) -> Source {
        let mut source = Source::default();
        for tick in ticks {
            source.apply(tick);
        }
        source
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let mut newest = Newest::new();
        assert!(newest.apply(&tick(1, "l")));
        assert!(!newest.apply(&tick(1, "l")));
        let cached = Tick { flags: Flags::NONE.with(Flag::Cached), ..tick(1, "l") };
        assert!(!newest.apply(&cached));
        assert_eq!(newest.ticks(), [tick(1, "l")]);
    }

    proptest! {
        /// Ticks of few different times, sequences and prices: most of them contend for the same place.
        #[test]
        fn any_order_and_any_repetition_keep_the_same_and_what_a_source_needs(
            (ticks, shuffled) in prop::collection::vec(("l?b?a?", 1i64..4, 1i64..4, 1i64..3, "[12]", any::<bool>()), 1..12)
                .prop_flat_map(|said| {
                    let tick = |(sides, at, price, received, sequence, cached): &(String, i64, i64, i64, String, bool)| Tick {
                        venue_time: Some(Timestamp::from_millis(*at)),
                        received_at: Timestamp::from_millis(*received),
                        sequence: Sequence::new(sequence),
                        flags: if *cached { Flags::NONE.with(Flag::Cached) } else { Flags::NONE },
                        ..tick(*price, sides)
                    };
                    let ticks: Vec<Tick> = said.iter().map(tick).collect();
                    let twice = [ticks.clone(), ticks.clone()].concat();
                    (Just(ticks), Just(twice).prop_shuffle())
                })
        ) {
            let (straight, shuffled) = (all(&ticks), all(&shuffled));
            prop_assert!(straight.ticks().len() <= 3);
            prop_assert_eq!(source(straight.ticks()), source(&ticks));
            prop_assert_eq!(source(shuffled.ticks()), source(&ticks));
            prop_assert_eq!(all(straight.ticks()), straight);
        }
    }
}
