//! The guard against a jump that only one venue shows: suspect until it is confirmed.
//! It must not know how many venues there are; who asks it decides whether a venue stands alone.

use crate::{Price, Timestamp};
use rust_decimal::Decimal;

/// Per (venue, pair): the last value that was believed, and a jump away from it that is not confirmed yet.
///
/// It cannot lock itself: whatever the new level is, [`Guard::TICKS`] ticks near each other over
/// [`Guard::OVER_MS`] make it the believed one, however long ago the old one was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    believed: Option<Price>,
    jump: Option<Jump>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Jump {
    to: Price,
    since: Timestamp,
    ticks: u32,
}

impl Guard {
    /// A change by more than one part in this many (20 %) is a jump.
    pub const JUMP_PARTS: u32 = 5;
    /// So many ticks at the new level confirm it ...
    pub const TICKS: u32 = 3;
    /// ... if the last of them came so much later than the first.
    pub const OVER_MS: i64 = 5_000;

    /// Takes the next value of the venue and when it was received.
    pub fn see(&mut self, value: Price, received_at: Timestamp) {
        let Some(believed) = self.believed else { return self.believe(value) };
        if is_near(value, believed) {
            return self.believe(value);
        }
        match &mut self.jump {
            Some(jump) if is_near(value, jump.to) => {
                jump.to = value;
                jump.ticks += 1;
                if jump.ticks >= Self::TICKS && received_at.millis_since(jump.since) >= Self::OVER_MS {
                    self.believe(value);
                }
            }
            jump => *jump = Some(Jump { to: value, since: received_at, ticks: 1 }),
        }
    }

    /// Believes a value because other venues say the same.
    pub fn believe(&mut self, value: Price) {
        self.believed = Some(value);
        self.jump = None;
    }

    /// Whether the value seen last is a jump that is not confirmed.
    pub fn is_suspect(&self) -> bool {
        self.jump.is_some()
    }
}

/// Within 20 % of the other. A difference too large to be computed is no small one.
fn is_near(value: Price, of: Price) -> bool {
    let off = value.decimal().checked_sub(of.decimal()).map(|d| d.abs());
    off.and_then(|d| d.checked_mul(Decimal::from(Guard::JUMP_PARTS))).is_some_and(|d| d <= of.decimal().abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values with their time in milliseconds; `!` = suspect after it.
    fn check(ticks: &[(&str, i64, bool)]) {
        let mut guard = Guard::default();
        for (value, at, suspect) in ticks {
            guard.see(Price::parse(value).unwrap(), Timestamp::from_millis(*at));
            assert_eq!(guard.is_suspect(), *suspect, "{value} at {at} of {ticks:?}");
        }
    }

    #[test]
    fn a_jump_is_suspect_until_three_ticks_over_five_seconds() {
        check(&[("100", 0, false), ("120", 1, false), ("144.01", 2, true), ("120", 3, false)]);
        check(&[("100", 0, false), ("10000", 1_000, true), ("10000", 3_000, true), ("10100", 6_000, false)]);
        // Three ticks in a burst are not enough, and neither are two that lie far apart.
        check(&[
            ("100", 0, false),
            ("50", 1, true),
            ("50", 2, true),
            ("50", 3, true),
            ("50", 5_000, true),
            ("50", 5_001, false),
        ]);
        check(&[("100", 0, false), ("50", 1, true), ("50", 9_000, true), ("50", 9_001, false)]);
        // A tick at another level starts the count again.
        check(&[
            ("100", 0, false),
            ("50", 1, true),
            ("200", 4_000, true),
            ("200", 6_000, true),
            ("200", 9_000, false),
        ]);
    }

    #[test]
    fn a_long_silence_does_not_lock_it() {
        let hours = 6 * 3_600_000;
        check(&[
            ("100", 0, false),
            ("130", hours, true),
            ("131", hours + 2_500, true),
            ("130", hours + 5_000, false),
        ]);
    }

    #[test]
    fn what_other_venues_say_is_believed_at_once() {
        let mut guard = Guard::default();
        let at = Timestamp::from_millis(0);
        guard.see(Price::parse("100").unwrap(), at);
        guard.see(Price::parse("150").unwrap(), at);
        assert!(guard.is_suspect());
        guard.believe(Price::parse("150").unwrap());
        assert!(!guard.is_suspect());
        guard.see(Price::parse("151").unwrap(), at);
        assert!(!guard.is_suspect());
    }
}
