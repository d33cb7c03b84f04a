//! Levels that wake somebody when a measure goes beyond them, sorted, so that a measure that wakes nobody costs two
//! comparisons. It must not know what is measured, nor who is woken.

use rust_decimal::Decimal;
use std::collections::BTreeSet;

/// Which way a measure must go to wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The measure must be strictly above the level.
    Up,
    /// Strictly below.
    Down,
}

/// What the keys of a ladder count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    /// Nothing: a key upward is the level itself, downward the level with its sign turned.
    Zero,
    /// A price: keys are per cent, and the level is so far above (upward) or below (downward) it. Unknown: nobody wakes.
    Of(Option<Decimal>),
}

/// Sorted levels. On either way the first key is the one that wakes first.
#[derive(Debug)]
pub(crate) struct Ladder {
    base: Base,
    up: BTreeSet<(Decimal, u32)>,
    down: BTreeSet<(Decimal, u32)>,
    /// Woken by the next measure, whatever it is.
    unknown: Vec<u32>,
    /// The nearest levels, upward and downward, while they are known.
    nearest: Option<(Option<Decimal>, Option<Decimal>)>,
}

impl Ladder {
    /// Levels as they are.
    pub(crate) fn absolute() -> Ladder {
        Ladder::on(Base::Zero)
    }

    /// Levels in per cent of a price that is yet to be told.
    pub(crate) fn relative() -> Ladder {
        Ladder::on(Base::Of(None))
    }

    fn on(base: Base) -> Ladder {
        Ladder { base, up: BTreeSet::new(), down: BTreeSet::new(), unknown: Vec::new(), nearest: None }
    }

    /// What per cents count from now; per cents of nothing, or of what is below zero, mean nothing.
    pub(crate) fn set_base(&mut self, price: Option<Decimal>) {
        let base = Base::Of(price.filter(|price| *price > Decimal::ZERO));
        if self.base != base {
            self.base = base;
            self.nearest = None;
        }
    }

    /// What per cents count from, if it is known.
    pub(crate) fn base(&self) -> Option<Decimal> {
        match self.base {
            Base::Zero => None,
            Base::Of(price) => price,
        }
    }

    pub(crate) fn insert(&mut self, way: Way, key: Decimal, who: u32) {
        self.nearest = None;
        match way {
            Way::Up => self.up.insert((key, who)),
            Way::Down => self.down.insert((key, who)),
        };
    }

    pub(crate) fn remove(&mut self, way: Way, key: Decimal, who: u32) {
        self.nearest = None;
        match way {
            Way::Up => self.up.remove(&(key, who)),
            Way::Down => self.down.remove(&(key, who)),
        };
    }

    /// Woken by the next measure, whatever it is.
    pub(crate) fn insert_unknown(&mut self, who: u32) {
        self.unknown.push(who);
    }

    pub(crate) fn remove_unknown(&mut self, who: u32) {
        self.unknown.retain(|other| *other != who);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.up.is_empty() && self.down.is_empty() && self.unknown.is_empty()
    }

    /// Takes out everybody whom this measure wakes.
    pub(crate) fn wake(&mut self, measure: Decimal, woken: &mut Vec<u32>) {
        if self.base == Base::Of(None) {
            return;
        }
        let (above, below) = match self.nearest {
            Some(nearest) => nearest,
            None => self.look(),
        };
        let is_calm =
            above.is_none_or(|level| measure <= level) && below.is_none_or(|level| measure >= level);
        if is_calm && self.unknown.is_empty() {
            return;
        }
        woken.append(&mut self.unknown);
        self.wake_on(Way::Up, measure, woken);
        self.wake_on(Way::Down, measure, woken);
    }

    /// Takes out those alone who wait for it to go this way and whom it wakes.
    pub(crate) fn wake_on(&mut self, way: Way, measure: Decimal, woken: &mut Vec<u32>) {
        self.nearest = None;
        while let Some((key, who)) = self.first(way)
            && self.is_beyond(way, key, measure)
        {
            match way {
                Way::Up => self.up.pop_first(),
                Way::Down => self.down.pop_first(),
            };
            woken.push(who);
        }
    }

    fn first(&self, way: Way) -> Option<(Decimal, u32)> {
        match way {
            Way::Up => self.up.first().copied(),
            Way::Down => self.down.first().copied(),
        }
    }

    /// Whether the measure is beyond a key.
    pub(crate) fn is_beyond(&self, way: Way, key: Decimal, measure: Decimal) -> bool {
        self.level(way, key).is_some_and(|level| match way {
            Way::Up => measure > level,
            Way::Down => measure < level,
        })
    }

    fn look(&mut self) -> (Option<Decimal>, Option<Decimal>) {
        let above = self.up.first().and_then(|(key, _)| self.level(Way::Up, *key));
        let below = self.down.first().and_then(|(key, _)| self.level(Way::Down, *key));
        self.nearest = Some((above, below));
        (above, below)
    }

    /// Where a key is; nowhere if that is beyond the range of exact decimals.
    fn level(&self, way: Way, key: Decimal) -> Option<Decimal> {
        match (self.base, way) {
            (Base::Zero, Way::Up) => Some(key),
            (Base::Zero, Way::Down) => Some(-key),
            (Base::Of(base), _) => {
                let pct = if way == Way::Up { key } else { -key };
                let part = base?.checked_mul(pct)?.checked_div(Decimal::ONE_HUNDRED)?;
                base?.checked_add(part)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woken(ladder: &mut Ladder, measure: i64) -> Vec<u32> {
        let mut woken = Vec::new();
        ladder.wake(Decimal::from(measure), &mut woken);
        woken
    }

    #[test]
    fn levels_wake_in_order_and_strictly_beyond() {
        let mut ladder = Ladder::absolute();
        for (way, key, who) in [(Way::Up, 70, 1), (Way::Up, 60, 2), (Way::Down, -50, 3), (Way::Down, -40, 4)]
        {
            ladder.insert(way, Decimal::from(key), who);
        }
        assert_eq!(woken(&mut ladder, 60), [0; 0]);
        assert_eq!(woken(&mut ladder, 50), [0; 0]);
        assert_eq!(woken(&mut ladder, 61), [2]);
        assert_eq!(woken(&mut ladder, 71), [1]);
        assert_eq!(woken(&mut ladder, 39), [3, 4]);
        assert!(ladder.is_empty());
    }

    #[test]
    fn per_cents_follow_their_base() {
        let mut ladder = Ladder::relative();
        ladder.insert(Way::Up, Decimal::from(5), 1);
        ladder.insert(Way::Down, Decimal::from(5), 2);
        ladder.insert_unknown(3);
        assert_eq!(woken(&mut ladder, 1_000), [0; 0], "without a base nobody wakes");
        ladder.set_base(Some(Decimal::from(100)));
        assert_eq!(woken(&mut ladder, 105), [3]);
        ladder.set_base(Some(Decimal::from(99)));
        assert_eq!(woken(&mut ladder, 105), [1]);
        assert_eq!(woken(&mut ladder, 94), [2]);
    }
}
