//! Crosses that were asked for: made when asked, kept while their legs stand, told on the stream for a while.
//! It must not know ticks; it reads finished answers only.

use crate::{
    Answer, assumed, body,
    index::{Graph, Index, Standing},
};
use market::{Basis, Pair, Rate, RateState, Timestamp};
use parking_lot::RwLock;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// The most crosses that are kept; a reader who asks for more has each made anew.
const KEPT_MAX: usize = 1_024;
/// A cross is told on the stream for so long after it was last asked for.
pub(crate) const FOLLOWED_MS: i64 = 60_000;
/// So many of them at most.
pub(crate) const FOLLOWED_MAX: usize = 256;
/// Between two equally short routes the fresher one is chosen; the choice is looked at again after this.
const CHOSEN_MS: i64 = 1_000;

#[derive(Debug)]
struct Made {
    answer: Option<Arc<Answer>>,
    legs: Vec<Standing>,
    /// The pair's own answer, too old to be used, whose troubles the cross tells.
    direct: Option<Arc<Answer>>,
    generation: u64,
    good_until: Timestamp,
    asked_at: AtomicI64,
}

/// The crosses.
#[derive(Debug, Default)]
pub(crate) struct Crosses {
    made: RwLock<HashMap<Pair, Arc<Made>>>,
    /// Counts up whenever a rate becomes usable as a leg, or stops being so.
    pub(crate) generation: AtomicU64,
}

impl Crosses {
    /// The cross for a pair, if there is one now. `direct` is the pair's own answer where it is too old.
    pub(crate) fn answer(
        &self,
        index: &RwLock<Index>,
        pair: &Pair,
        direct: Option<&Arc<Answer>>,
        demo: bool,
        now: Timestamp,
        is_asked: bool,
    ) -> Option<Arc<Answer>> {
        let generation = self.generation.load(Ordering::Acquire);
        let held = self.made.read().get(pair).cloned();
        let asked_at = match (&held, is_asked) {
            (_, true) => now.micros(),
            (Some(held), false) => held.asked_at.load(Ordering::Relaxed),
            (None, false) => 0,
        };
        if let Some(held) = &held {
            held.asked_at.store(asked_at, Ordering::Relaxed);
            if held.is_good(generation, direct, now) {
                return held.answer.clone();
            }
        }
        let made = {
            let index = index.read();
            if !index.has_asset(pair.base()) || !index.has_asset(pair.quote()) {
                return None;
            }
            make(&index, pair, direct, demo, now)
        };
        let (answer, legs) = made.unzip();
        let until =
            answer.as_ref().and_then(|a| a.rate.changes_at).unwrap_or(now).min(now.plus_millis(CHOSEN_MS));
        let made = Made {
            answer: answer.clone(),
            legs: legs.unwrap_or_default(),
            direct: direct.cloned(),
            generation,
            good_until: until,
            asked_at: AtomicI64::new(asked_at),
        };
        self.keep(pair, made, now);
        answer
    }

    fn keep(&self, pair: &Pair, made: Made, now: Timestamp) {
        let mut all = self.made.write();
        if all.len() >= KEPT_MAX && !all.contains_key(pair) {
            all.retain(|_, m| m.is_asked_within(FOLLOWED_MS, now));
            if all.len() >= KEPT_MAX {
                return;
            }
        }
        all.insert(pair.clone(), Arc::new(made));
    }

    /// The crosses that were asked for lately.
    pub(crate) fn followed(&self, now: Timestamp) -> BTreeSet<Pair> {
        let all = self.made.read();
        let lately = all.iter().filter(|(_, m)| m.is_asked_within(FOLLOWED_MS, now));
        lately.map(|(pair, _)| pair.clone()).take(FOLLOWED_MAX).collect()
    }
}

impl Made {
    fn is_good(&self, generation: u64, direct: Option<&Arc<Answer>>, now: Timestamp) -> bool {
        let is_same_direct = match (&self.direct, direct) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        self.generation == generation
            && is_same_direct
            && (self.answer.is_none() || now <= self.good_until)
            && self.legs.iter().all(Standing::is_current)
    }

    fn is_asked_within(&self, ms: i64, now: Timestamp) -> bool {
        now.millis_since(Timestamp::from_micros(self.asked_at.load(Ordering::Relaxed))) <= ms
    }
}

fn make(
    index: &Index,
    pair: &Pair,
    direct: Option<&Arc<Answer>>,
    demo: bool,
    now: Timestamp,
) -> Option<(Arc<Answer>, Vec<Standing>)> {
    let route = |assumes| market::route(&Graph { index, usable_at: Some(now), assumes }, pair);
    // What is quoted comes before what is assumed, however long the way.
    let steps = route(false).or_else(|| if index.assumed.is_empty() { None } else { route(true) })?;
    let mut rate = market::cross(pair, &steps)?;
    assumed::settle_times(&mut rate, now);
    if let Some(direct) = direct {
        // It would be quoted, were its venues not silent: that is to be said.
        let down: Vec<String> =
            direct.rate.degraded.iter().filter(|w| w.starts_with("venue_down:")).cloned().collect();
        rate.degraded = market::merge_degraded([down.as_slice(), rate.degraded.as_slice()].into_iter());
    }
    let legs = steps.into_iter().map(|s| s.leg).collect();
    Some((Arc::new(body::answer(rate, demo)), legs))
}

/// Whether any route leads from base to quote, fresh or not.
pub(crate) fn is_crossable(index: &Index, pair: &Pair) -> bool {
    index.has_asset(pair.base())
        && index.has_asset(pair.quote())
        && market::route(&Graph { index, usable_at: None, assumes: true }, pair).is_some()
}

/// What is said of a cross whose legs are gone.
pub(crate) fn gone(pair: &Pair) -> Rate {
    Rate {
        pair: pair.clone(),
        value: None,
        basis: Basis::Cross,
        state: RateState::Expired,
        degraded: Vec::new(),
        bid: None,
        ask: None,
        spread_pct: None,
        sources_used: 0,
        sources_total: 0,
        sources: Vec::new(),
        legs: Vec::new(),
        venue_time: None,
        received_at: None,
        event_time: None,
        low: None,
        high: None,
        changes_at: None,
        is_cached: false,
    }
}
