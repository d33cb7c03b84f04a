//! Whether what was read from a venue may be handed on: a collector that shares its work may do so only while it knows
//! that no other does. It must not know how that is known.

use market::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

/// What may be done now with what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// Handed on.
    Publish,
    /// Kept, the newest of it: another collector still has the venue.
    Wait,
    /// Nothing: another may have the venue by now.
    Nothing,
}

/// One venue's permit. Once it has ended or run out it stays so; whoever begins again takes a new one.
#[derive(Debug)]
pub struct Permit {
    until_us: AtomicI64,
}

const ENDED: i64 = i64::MIN;
const WAITING: i64 = i64::MIN + 1;

impl Permit {
    /// For ever: nobody shares the work.
    pub fn always() -> Permit {
        Permit { until_us: AtomicI64::new(i64::MAX) }
    }

    /// Not yet.
    pub fn waiting() -> Permit {
        Permit { until_us: AtomicI64::new(WAITING) }
    }

    /// From now on, until then.
    pub fn until(until: Timestamp) -> Permit {
        Permit { until_us: AtomicI64::new(until.micros()) }
    }

    /// What may be done at that time.
    pub fn at(&self, now: Timestamp) -> May {
        match self.until_us.load(SeqCst) {
            WAITING => May::Wait,
            until if now.micros() < until => May::Publish,
            _ => May::Nothing,
        }
    }

    /// Prolongs it, or lets one that waited begin; `false` if it had run out by `now`: whoever reads may have slept
    /// over it, and what was read since is of unknown age.
    pub fn prolong(&self, now: Timestamp, until: Timestamp) -> bool {
        let longer = |held| match held {
            WAITING => Some(until.micros()),
            held if now.micros() < held => Some(held.max(until.micros())),
            _ => None,
        };
        self.until_us.fetch_update(SeqCst, SeqCst, longer).is_ok()
    }

    /// Ends it for good.
    pub fn end(&self) {
        self.until_us.store(ENDED, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_permit_that_ran_out_is_never_prolonged() {
        assert_eq!(Permit::always().at(at(i64::MAX / 2_000)), May::Publish);
        let permit = Permit::waiting();
        assert_eq!(permit.at(at(5)), May::Wait);
        assert!(permit.prolong(at(5), at(10)));
        assert!(permit.prolong(at(9), at(20)) && permit.prolong(at(9), at(15)));
        assert_eq!((permit.at(at(19)), permit.at(at(20))), (May::Publish, May::Nothing));
        assert!(!permit.prolong(at(20), at(30)), "it was slept over");
        assert_eq!(permit.at(at(21)), May::Nothing);
        let permit = Permit::until(at(10));
        permit.end();
        assert!(!permit.prolong(at(1), at(10)) && permit.at(at(1)) == May::Nothing);
    }
}
