//! Where the answers stand: by pair, by name, by asset. Reading one is a look-up and a counted pointer.
//! It must not know how an answer is made.

use crate::Answer;
use arc_swap::ArcSwap;
use market::{Asset, Pair, Quoted, Rate, RateState, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The place of one quoted pair's answer, made of its own ticks.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) pair: Pair,
    pub(crate) answer: ArcSwap<Answer>,
    /// Whether it has been fresh since the start.
    pub(crate) was_fresh: AtomicBool,
}

/// Every pair there is.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) by_pair: HashMap<Pair, Arc<Slot>>,
    pub(crate) in_order: BTreeMap<Pair, Arc<Slot>>,
    around: HashMap<Asset, Vec<Arc<Slot>>>,
    /// Rates that the operator assumes.
    pub(crate) assumed: Vec<Arc<Slot>>,
    /// Named by a collector, quoted or not.
    pub(crate) tracked: BTreeSet<Pair>,
    run_together: HashMap<String, Vec<Pair>>,
}

impl Index {
    /// Nothing but what the operator assumes.
    pub(crate) fn assuming(assumed: Vec<Arc<Slot>>) -> Index {
        Index { assumed, ..Index::default() }
    }

    /// A pair that is quoted from now on.
    pub(crate) fn add(&mut self, slot: &Arc<Slot>) {
        let pair = &slot.pair;
        self.by_pair.insert(pair.clone(), slot.clone());
        self.in_order.insert(pair.clone(), slot.clone());
        for asset in [pair.base(), pair.quote()] {
            self.around.entry(asset.clone()).or_default().push(slot.clone());
        }
        self.learn(pair);
    }

    /// A pair that is quoted no more.
    pub(crate) fn remove(&mut self, pair: &Pair) {
        self.by_pair.remove(pair);
        self.in_order.remove(pair);
        for asset in [pair.base(), pair.quote()] {
            if let Some(slots) = self.around.get_mut(asset) {
                slots.retain(|s| s.pair != *pair);
                if slots.is_empty() {
                    self.around.remove(asset);
                }
            }
        }
        self.unlearn(pair);
    }

    /// The pairs that collectors name.
    pub(crate) fn track(&mut self, pairs: BTreeSet<Pair>) {
        let before = std::mem::replace(&mut self.tracked, pairs);
        for pair in before {
            self.unlearn(&pair);
        }
        for pair in self.tracked.clone() {
            self.learn(&pair);
        }
    }

    fn learn(&mut self, pair: &Pair) {
        let pairs = self.run_together.entry(pair.concatenated().into()).or_default();
        if let Err(at) = pairs.binary_search(pair) {
            pairs.insert(at, pair.clone());
        }
    }

    fn unlearn(&mut self, pair: &Pair) {
        if self.is_known(pair) {
            return;
        }
        let name = pair.concatenated();
        if let Some(pairs) = self.run_together.get_mut(name.as_str()) {
            pairs.retain(|p| p != pair);
            if pairs.is_empty() {
                self.run_together.remove(name.as_str());
            }
        }
    }

    /// Quoted, or named by a collector.
    pub(crate) fn is_known(&self, pair: &Pair) -> bool {
        self.by_pair.contains_key(pair) || self.tracked.contains(pair)
    }

    /// The known pairs that are written so when base and quote are run together (upper case).
    pub(crate) fn run_together(&self, text: &str) -> &[Pair] {
        self.run_together.get(text).map_or(&[], Vec::as_slice)
    }

    /// Every asset that is quoted.
    pub(crate) fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.around.keys()
    }

    /// Whether the asset is quoted at all, or taken for another.
    pub(crate) fn has_asset(&self, asset: &Asset) -> bool {
        self.around.contains_key(asset) || self.assumed.iter().any(|slot| slot.pair.has(asset))
    }

    /// Every quoted pair with that asset.
    pub(crate) fn pairs_around(&self, asset: &Asset) -> impl Iterator<Item = &Pair> {
        self.around.get(asset).into_iter().flatten().map(|s| &s.pair)
    }
}

/// Whether a rate may be a leg of a cross at this time.
pub(crate) fn is_usable(rate: &Rate, now: Timestamp) -> bool {
    rate.state == RateState::Fresh && rate.value.is_some() && rate.changes_at.is_none_or(|at| at >= now)
}

/// An answer and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) slot: Arc<Slot>,
    pub(crate) answer: Arc<Answer>,
}

impl Standing {
    /// Whether it is still the answer.
    pub(crate) fn is_current(&self) -> bool {
        Arc::ptr_eq(&self.slot.answer.load(), &self.answer)
    }
}

impl AsRef<Rate> for Standing {
    fn as_ref(&self) -> &Rate {
        &self.answer.rate
    }
}

/// The graph for crossing.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) index: &'a Index,
    /// Only rates that are usable at this time; every one, if none is given.
    pub(crate) usable_at: Option<Timestamp>,
    /// Whether the operator's assumptions are rates too.
    pub(crate) assumes: bool,
}

impl Graph<'_> {
    fn assumed(&self) -> &[Arc<Slot>] {
        if self.assumes { &self.index.assumed } else { &[] }
    }

    fn give(&self, slot: &Arc<Slot>, each: &mut dyn FnMut(Standing)) {
        let answer = slot.answer.load();
        if self.usable_at.is_none_or(|now| is_usable(&answer.rate, now)) {
            each(Standing { slot: slot.clone(), answer: answer.clone() });
        }
    }
}

impl Quoted for Graph<'_> {
    type Leg = Standing;

    fn around(&self, asset: &Asset, each: &mut dyn FnMut(Standing)) {
        for slot in self.index.around.get(asset).into_iter().flatten() {
            self.give(slot, each);
        }
        for slot in self.assumed().iter().filter(|slot| slot.pair.has(asset)) {
            self.give(slot, each);
        }
    }

    fn between(&self, one: &Asset, other: &Asset, each: &mut dyn FnMut(Standing)) {
        let Ok(pair) = Pair::new(one.clone(), other.clone()) else { return };
        for pair in [&pair, &pair.inverse()] {
            if let Some(slot) = self.index.by_pair.get(pair) {
                self.give(slot, each);
            }
        }
        for slot in self.assumed().iter().filter(|slot| slot.pair.has(one) && slot.pair.has(other)) {
            self.give(slot, each);
        }
    }

    fn degree(&self, asset: &Asset) -> usize {
        self.index.around.get(asset).map_or(0, Vec::len) + self.assumed().len()
    }
}

/// Marks that a pair has been fresh.
pub(crate) fn mark_fresh(slot: &Slot) {
    let rate = &slot.answer.load().rate;
    if rate.state == RateState::Fresh && !rate.is_cached {
        slot.was_fresh.store(true, Ordering::Relaxed);
    }
}
