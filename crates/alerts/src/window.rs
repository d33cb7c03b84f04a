//! The lowest and the highest value of the last so many minutes, and the value of 24 hours ago.
//! It must not know what is made of them, nor read the clock.

use crate::ladder::{Ladder, Way};
use market::Timestamp;
use rust_decimal::Decimal;
use std::collections::VecDeque;

/// A window is kept in so many steps: it is as long as was asked for, and up to this part of it longer.
const STEPS: i64 = 240;
const DAY_MS: i64 = 86_400_000;
/// The value of 24 hours ago may be so much older, where nothing was quoted in between.
const REFERENCE_AGE_MS_MAX: i64 = 3_600_000;
/// So long a window waits to be told what was before it.
const UNTOLD_MS_MAX: i64 = 60_000;
/// So much of yesterday is asked for ahead.
const TOLD_AHEAD_MS: i64 = 7_200_000;

/// The lowest or the highest of a sliding window. Within a step only the extreme is kept, so it never holds more than
/// one value per step.
#[derive(Debug)]
struct Extreme {
    is_lowest: bool,
    step_ms: i64,
    kept: VecDeque<(i64, Decimal)>,
}

impl Extreme {
    fn new(is_lowest: bool, within_ms: i64) -> Extreme {
        Extreme { is_lowest, step_ms: (within_ms / STEPS).max(1), kept: VecDeque::new() }
    }

    fn push(&mut self, at: Timestamp, value: Decimal) {
        let step = at.millis().div_euclid(self.step_ms);
        self.push_step(step, value);
    }

    fn push_step(&mut self, step: i64, value: Decimal) {
        // A clock that goes back a little changes nothing.
        let step = self.kept.back().map_or(step, |(last, _)| step.max(*last));
        while self.kept.front().is_some_and(|(first, _)| *first < step - STEPS) {
            self.kept.pop_front();
        }
        let beats = |one: Decimal, other: Decimal| if self.is_lowest { one <= other } else { one >= other };
        if self.kept.back().is_some_and(|(last, kept)| *last == step && beats(*kept, value)) {
            return;
        }
        while self.kept.back().is_some_and(|(_, kept)| beats(value, *kept)) {
            self.kept.pop_back();
        }
        self.kept.push_back((step, value));
    }

    fn now(&self) -> Option<Decimal> {
        self.kept.front().map(|(_, value)| *value)
    }

    /// Puts older values before what is there.
    fn precede(&mut self, older: impl Iterator<Item = (Timestamp, Decimal)>) {
        let newer = std::mem::take(&mut self.kept);
        let from = newer.front().map_or(i64::MAX, |(step, _)| *step);
        for (at, value) in older {
            if at.millis().div_euclid(self.step_ms) < from {
                self.push(at, value);
            }
        }
        for (step, value) in newer {
            self.push_step(step, value);
        }
    }
}

/// A sliding window of one length, and who waits for moves within it.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) within_ms: i64,
    /// How many gates wait, or will wait again, for moves in it.
    pub(crate) users: usize,
    /// Whether it was told what was before it.
    pub(crate) is_told: bool,
    /// When something was first seen in it.
    first_at: Option<Timestamp>,
    lowest: Extreme,
    highest: Extreme,
    /// Per cents above the lowest.
    pub(crate) rise: Ladder,
    /// Per cents below the highest.
    pub(crate) fall: Ladder,
}

impl Window {
    pub(crate) fn new(within_ms: i64) -> Window {
        Window {
            within_ms,
            users: 0,
            is_told: false,
            first_at: None,
            lowest: Extreme::new(true, within_ms),
            highest: Extreme::new(false, within_ms),
            rise: Ladder::relative(),
            fall: Ladder::relative(),
        }
    }

    /// Takes in a value; whom it wakes.
    pub(crate) fn see(&mut self, at: Timestamp, value: Decimal, woken: &mut Vec<u32>) {
        self.push(at, value);
        let first_at = *self.first_at.get_or_insert(at);
        if self.is_told || at.millis_since(first_at) >= UNTOLD_MS_MAX {
            self.rise.wake(value, woken);
            self.fall.wake(value, woken);
        } else {
            // Its own first value is its extreme as yet: nobody learns from that, and no move is over by it. What is a
            // move already is one all the more once the past is told.
            self.rise.wake_on(Way::Up, value, woken);
            self.fall.wake_on(Way::Down, value, woken);
        }
    }

    fn push(&mut self, at: Timestamp, value: Decimal) {
        self.lowest.push(at, value);
        self.highest.push(at, value);
        self.rise.set_base(self.lowest.now());
        self.fall.set_base(self.highest.now());
    }

    /// Takes in what was before this was watched: times, lowest and highest values, the oldest first.
    pub(crate) fn precede(&mut self, older: &[(Timestamp, Decimal, Decimal)]) {
        self.is_told = true;
        self.lowest.precede(older.iter().map(|(at, low, _)| (*at, *low)));
        self.highest.precede(older.iter().map(|(at, _, high)| (*at, *high)));
        self.rise.set_base(self.lowest.now());
        self.fall.set_base(self.highest.now());
    }

    /// Lengths are rounded up, so that one pair has some hundreds of windows at most.
    pub(crate) fn rounded_ms(within_ms: i64) -> i64 {
        const MINUTE: i64 = 60_000;
        let steps = [(3_600_000, MINUTE), (21_600_000, 5 * MINUTE), (86_400_000, 15 * MINUTE)];
        let step =
            steps.iter().find(|(longest, _)| within_ms <= *longest).map_or(60 * MINUTE, |(_, step)| *step);
        within_ms.saturating_add(step - 1) / step * step
    }
}

/// Values of yesterday, the oldest first, up to what will be needed next.
#[derive(Debug, Default)]
pub(crate) struct References {
    points: VecDeque<(Timestamp, Decimal)>,
    told_until: Option<Timestamp>,
}

impl References {
    /// Adds what is later than what is there, the oldest first: all there is up to `until`.
    pub(crate) fn extend(&mut self, points: impl Iterator<Item = (Timestamp, Decimal)>, until: Timestamp) {
        for (at, value) in points {
            if self.points.back().is_none_or(|(last, _)| *last < at) {
                self.points.push_back((at, value));
            }
        }
        self.told_until = self.told_until.max(Some(until));
    }

    /// From when to when values are needed, if some will be soon.
    pub(crate) fn needed(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let then = now.plus_millis(-DAY_MS);
        let is_soon = self.told_until.is_none_or(|until| until < then.plus_millis(TOLD_AHEAD_MS / 4));
        let from = then.plus_millis(-REFERENCE_AGE_MS_MAX);
        is_soon
            .then(|| (self.told_until.map_or(from, |until| until.max(from)), then.plus_millis(TOLD_AHEAD_MS)))
    }

    /// The value of 24 hours before; letting go of what is older than that.
    pub(crate) fn at(&mut self, now: Timestamp) -> Option<Decimal> {
        let then = now.plus_millis(-DAY_MS);
        while self.points.get(1).is_some_and(|(at, _)| *at <= then) {
            self.points.pop_front();
        }
        let (at, value) = *self.points.front()?;
        (at <= then && then.millis_since(at) <= REFERENCE_AGE_MS_MAX).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_window_is_what_a_simple_search_finds(
            within_s in 60i64..100_000,
            steps in proptest::collection::vec((0i64..40_000, 1i64..1_000), 1..200),
        ) {
            let within_ms = within_s * 1_000;
            let (mut lowest, mut highest) = (Extreme::new(true, within_ms), Extreme::new(false, within_ms));
            let (mut now, mut all) = (1_700_000_000_000i64, Vec::new());
            for (wait, value) in steps {
                now += wait * within_s / 1_000;
                let value = Decimal::from(value);
                all.push((now, value));
                lowest.push(Timestamp::from_millis(now), value);
                highest.push(Timestamp::from_millis(now), value);
                let step = within_ms / STEPS;
                let since = |ms: i64| all.iter().filter(move |(at, _)| *at > now - ms).map(|(_, v)| *v);
                // At least what was asked for, at most one step and what rounding it costs more.
                let longest = within_ms + step + STEPS;
                prop_assert!(lowest.now() <= since(within_ms - STEPS).min() && lowest.now() >= since(longest).min());
                prop_assert!(highest.now() >= since(within_ms - STEPS).max() && highest.now() <= since(longest).max());
                prop_assert!(lowest.kept.len() <= STEPS as usize + 1);
            }
        }

        #[test]
        fn what_comes_from_candles_first_or_later_is_the_same(
            values in proptest::collection::vec(1i64..1_000, 2..60),
            split in 1usize..59,
        ) {
            let split = split.min(values.len() - 1);
            let at = |i: usize| Timestamp::from_millis(1_700_000_000_000 + i as i64 * 60_000);
            let (mut one, mut other) = (Window::new(1_200_000), Window::new(1_200_000));
            let points: Vec<_> =
                values.iter().enumerate().map(|(i, v)| (at(i), Decimal::from(*v), Decimal::from(*v))).collect();
            for (at, value, _) in &points {
                one.push(*at, *value);
            }
            for (at, value, _) in &points[split..] {
                other.push(*at, *value);
            }
            other.precede(&points[..split]);
            prop_assert_eq!(one.lowest.kept, other.lowest.kept);
            prop_assert_eq!(one.highest.kept, other.highest.kept);
        }
    }

    #[test]
    fn yesterday_is_the_last_value_before() {
        let mut references = References::default();
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        assert_eq!(references.needed(at(1_440)), Some((at(-60), at(120))));
        let points = [(at(0), Decimal::ONE), (at(10), Decimal::TWO), (at(200), Decimal::TEN)];
        references.extend(points.into_iter(), at(220));
        references.extend([(at(10), Decimal::TEN)].into_iter(), at(210));
        assert_eq!(references.needed(at(1_440 + 100)), None);
        assert_eq!(references.needed(at(1_440 + 200)), Some((at(220), at(320))));
        for (minute, value) in [
            (-1, None),
            (0, Some(Decimal::ONE)),
            (9, Some(Decimal::ONE)),
            (10, Some(Decimal::TWO)),
            (70, Some(Decimal::TWO)),
            (71, None),
            (200, Some(Decimal::TEN)),
        ] {
            assert_eq!(references.at(at(minute + 1_440)), value, "{minute}");
        }
    }
}
