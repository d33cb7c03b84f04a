//! The newest that one venue said of each side of one pair: what is kept where not every tick can be.
//! It must not know who keeps it, nor what a rate is.

use crate::Tick;

/// The newest ticks of one (venue, pair): for each of last, bid and ask the newest tick that has it.
///
/// Usually that is one tick, three at most. Taking the same ticks in any order, any number of times, gives the
/// same ticks kept: a newer tick without a last price does not throw away the one that has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest {
    /// By key, oldest first; every one of them is the newest on at least one side.
    ticks: Vec<Tick>,
}

/// Whether a tick says anything of one side.
type Side = fn(&Tick) -> bool;

const SIDES: [Side; 3] = [|t| t.last.is_some(), |t| t.bid.is_some(), |t| t.ask.is_some()];

impl Newest {
    /// Nothing yet.
    pub const fn new() -> Newest {
        Newest { ticks: Vec::new() }
    }

    /// Takes a tick of the pair; `false` if it says nothing newer on any side.
    pub fn apply(&mut self, tick: &Tick) -> bool {
        let key = tick.key();
        let is_newer = |side: &Side| side(tick) && !self.ticks.iter().any(|t| side(t) && t.key() >= key);
        if !SIDES.iter().any(is_newer) {
            return false;
        }
        let at = self.ticks.partition_point(|t| t.key() <= key);
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

    /// Whether the tick at this place is the newest on any side; of equal keys the first one is.
    fn leads(&self, at: usize) -> bool {
        let (tick, later) = (&self.ticks[at], &self.ticks[at + 1..]);
        let equal_before = self.ticks[..at].iter().rev().take_while(|t| t.key() == tick.key());
        SIDES.iter().any(|side| {
            side(tick)
                && !later.iter().any(|t| side(t) && t.key() > tick.key())
                && !equal_before.clone().any(side)
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
    use crate::{Flags, Pair, Price, Sequence, Timestamp};
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

    #[test]
    fn an_equal_key_changes_nothing() {
        let mut newest = Newest::new();
        assert!(newest.apply(&tick(1, "l")));
        let again = Tick { last: Price::parse("77").ok(), ..tick(1, "l") };
        assert!(!newest.apply(&again));
        assert_eq!(newest.ticks(), [tick(1, "l")]);
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_keep_the_same(
            (ticks, shuffled) in prop::collection::vec("l?b?a?", 1..12).prop_flat_map(|sides| {
                let ticks: Vec<Tick> = sides.iter().enumerate().map(|(at, s)| tick(at as i64 + 1, s)).collect();
                let twice = [ticks.clone(), ticks.clone()].concat();
                (Just(ticks), Just(twice).prop_shuffle())
            })
        ) {
            let all = |ticks: &[Tick]| {
                let mut newest = Newest::new();
                for tick in ticks {
                    newest.apply(tick);
                }
                newest
            };
            let (straight, shuffled) = (all(&ticks), all(&shuffled));
            prop_assert_eq!(&straight, &shuffled);
            prop_assert!(straight.ticks().len() <= 3);
            prop_assert_eq!(all(straight.ticks()), straight);
        }
    }
}
