//! Rates that nobody quotes and the operator assumes: two assets worth the same (`same_as`), as legs of crosses.
//! It must not know which assets those are but by the configuration.

use crate::{body, index::Slot};
use arc_swap::ArcSwap;
use market::{Asset, Basis, Pair, Price, Rate, RateState, Timestamp};
use std::sync::{Arc, atomic::AtomicBool};

/// Later than any observation: an assumption is never the oldest leg, and makes no way fresher than another.
const ALWAYS: Timestamp = Timestamp::from_micros(i64::MAX);

/// The places of the assumed rates; their answers never change. An asset that equals itself assumes nothing.
pub(crate) fn slots(same_as: &[(Asset, Asset)], demo: bool) -> Vec<Arc<Slot>> {
    let pairs = same_as.iter().filter_map(|(one, other)| Pair::new(one.clone(), other.clone()).ok());
    pairs.filter_map(|pair| slot(pair, demo)).collect()
}

fn slot(pair: Pair, demo: bool) -> Option<Arc<Slot>> {
    let one = Price::parse("1").ok()?;
    let rate = Rate {
        pair: pair.clone(),
        value: Some(one),
        basis: Basis::Last,
        state: RateState::Fresh,
        degraded: vec![format!("assumed:{}={}", pair.base(), pair.quote())],
        bid: Some(one),
        ask: Some(one),
        spread_pct: None,
        sources_used: 0,
        sources_total: 0,
        sources: Vec::new(),
        legs: Vec::new(),
        venue_time: None,
        received_at: None,
        event_time: Some(ALWAYS),
        low: None,
        high: None,
        changes_at: None,
        is_cached: false,
    };
    let answer = ArcSwap::new(Arc::new(body::answer(rate, demo)));
    Some(Arc::new(Slot { pair, answer, was_fresh: AtomicBool::new(false) }))
}

/// An assumption has no time of its own: it is shown with the time that the cross rests on, or with now where
/// nothing was observed at all.
pub(crate) fn settle_times(rate: &mut Rate, now: Timestamp) {
    let at = rate.event_time.filter(|at| *at != ALWAYS).unwrap_or(now);
    rate.event_time = Some(at);
    for leg in rate.legs.iter_mut().filter(|leg| leg.at == ALWAYS) {
        leg.at = at;
    }
}
