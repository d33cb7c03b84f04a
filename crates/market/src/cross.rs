//! Cross rates: a pair that nobody quotes, made through others; inverses; and conversion of amounts.
//! It must not assume that two assets are worth the same (USDT is not USD), nor know where rates are kept.

use crate::rate::CACHE_ONLY;
use crate::{Asset, Basis, Leg, Pair, Price, Rate, RateState, Sign, Timestamp, VenueId, wide::Wide};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// The most legs that a cross may have.
pub const LEGS_MAX: usize = 4;

/// What is quoted: a graph whose nodes are assets and whose edges are usable rates.
pub trait Quoted {
    /// A rate, cheap to clone.
    type Leg: Clone + AsRef<Rate>;

    /// Every usable rate with `asset` on one of its sides.
    fn around(&self, asset: &Asset, each: &mut dyn FnMut(Self::Leg));

    /// Every usable rate between the two, whichever is the base.
    fn between(&self, one: &Asset, other: &Asset, each: &mut dyn FnMut(Self::Leg));

    /// About how many rates there are around the asset.
    fn degree(&self, asset: &Asset) -> usize;
}

/// One step of a route.
#[derive(Debug, Clone)]
pub struct Step<L> {
    /// The rate.
    pub leg: L,
    /// Whether one divided by it is meant.
    pub inverse: bool,
}

/// The way from a pair's base to its quote through the fewest rates; of equal ones the one whose oldest rate is
/// the freshest, then the one with the most sources, then the first by name.
pub fn route<Q: Quoted>(quoted: &Q, pair: &Pair) -> Option<Vec<Step<Q::Leg>>> {
    // From the side with fewer neighbours: the other may be a hub with thousands.
    let is_turned = quoted.degree(pair.quote()) < quoted.degree(pair.base());
    let (start, goal) = if is_turned { (pair.quote(), pair.base()) } else { (pair.base(), pair.quote()) };
    let time = |rate: &Rate| rate.event_time.unwrap_or_default();
    let (_, oldest) = search(quoted, start, goal, Timestamp::from_micros(i64::MAX), |so_far, rate| {
        Some(time(rate).min(so_far))
    })?;
    // Among the ways that are as fresh as the freshest, the sources decide.
    let (mut legs, _) = search(quoted, start, goal, 0u32, |so_far, rate| {
        (time(rate) >= oldest).then(|| so_far.saturating_add(rate.sources_used))
    })?;
    if is_turned {
        legs.reverse();
    }
    let mut from = pair.base().clone();
    let steps = legs.into_iter().map(|leg| {
        let inverse = leg.as_ref().pair.base() != &from;
        from = other_side(&leg.as_ref().pair, &from).clone();
        Step { leg, inverse }
    });
    Some(steps.collect())
}

struct Node<L, S> {
    score: S,
    parent: Asset,
    leg: Option<L>,
}

impl<L: AsRef<Rate>, S> Node<L, S> {
    fn name(&self) -> (&Asset, Option<&Pair>) {
        (&self.parent, self.leg.as_ref().map(|l| &l.as_ref().pair))
    }
}

/// Breadth first, so that the first way found has the fewest legs; of the ways of that length the best score.
/// `extend` gives the score of a way with one more rate, or refuses the rate.
fn search<Q: Quoted, S: Ord + Copy>(
    quoted: &Q,
    start: &Asset,
    goal: &Asset,
    best: S,
    extend: impl Fn(S, &Rate) -> Option<S>,
) -> Option<(Vec<Q::Leg>, S)> {
    let root = Node { score: best, parent: start.clone(), leg: None };
    let mut levels: Vec<BTreeMap<Asset, Node<Q::Leg, S>>> = vec![BTreeMap::from([(start.clone(), root)])];
    for _ in 0..LEGS_MAX {
        let level = levels.last()?;
        let mut last: Option<Node<Q::Leg, S>> = None;
        for (asset, node) in level {
            quoted.between(asset, goal, &mut |leg| {
                if let Some(score) = extend(node.score, leg.as_ref()) {
                    let next = Node { score, parent: asset.clone(), leg: Some(leg) };
                    if last.as_ref().is_none_or(|held| is_better(&next, held)) {
                        last = Some(next);
                    }
                }
            });
        }
        if let Some(last) = last {
            let score = last.score;
            return Some((way(&levels, last), score));
        }
        if levels.len() == LEGS_MAX {
            break;
        }
        let mut next_level: BTreeMap<Asset, Node<Q::Leg, S>> = BTreeMap::new();
        for (asset, node) in level {
            quoted.around(asset, &mut |leg| {
                let to = other_side(&leg.as_ref().pair, asset).clone();
                let Some(score) = extend(node.score, leg.as_ref()) else { return };
                if levels.iter().any(|l| l.contains_key(&to)) {
                    return;
                }
                let next = Node { score, parent: asset.clone(), leg: Some(leg) };
                if next_level.get(&to).is_none_or(|held| is_better(&next, held)) {
                    next_level.insert(to, next);
                }
            });
        }
        levels.push(next_level);
    }
    None
}

fn is_better<L: AsRef<Rate>, S: Ord>(one: &Node<L, S>, held: &Node<L, S>) -> bool {
    one.score.cmp(&held.score).then_with(|| held.name().cmp(&one.name())).is_gt()
}

fn way<L: Clone, S>(levels: &[BTreeMap<Asset, Node<L, S>>], last: Node<L, S>) -> Vec<L> {
    let mut legs: Vec<L> = last.leg.into_iter().collect();
    let mut at = last.parent;
    for level in levels.iter().rev() {
        let Some(node) = level.get(&at) else { break };
        legs.extend(node.leg.clone());
        at = node.parent.clone();
    }
    legs.reverse();
    legs
}

fn other_side<'a>(pair: &'a Pair, one: &Asset) -> &'a Asset {
    if pair.base() == one { pair.quote() } else { pair.base() }
}

/// The cross rate over the steps of a route. `None` if a step has no value, or the result cannot be told
/// exactly enough to be one.
pub fn cross<L: AsRef<Rate>>(pair: &Pair, steps: &[Step<L>]) -> Option<Rate> {
    let rates = || steps.iter().map(|s| (s.leg.as_ref(), s.inverse));
    let value = product(&rates().map(|(r, inverse)| r.value.map(|v| (v, inverse))))?;
    // Selling through an inverse leg means buying there: bid and ask change sides.
    let bid = product(&rates().map(|(r, inverse)| if inverse { r.ask } else { r.bid }.map(|v| (v, inverse))));
    let ask = product(&rates().map(|(r, inverse)| if inverse { r.bid } else { r.ask }.map(|v| (v, inverse))));
    let oldest = rates().map(|(r, _)| r).min_by_key(|r| r.event_time)?;
    let mut sources: Vec<VenueId> = rates().flat_map(|(r, _)| r.sources.iter().cloned()).collect();
    sources.sort_unstable();
    sources.dedup();
    let unused: u32 = rates().map(|(r, _)| r.sources_total.saturating_sub(r.sources_used)).sum();
    let leg = |(rate, inverse): (&Rate, bool)| {
        Some(Leg {
            pair: rate.pair.clone(),
            value: rate.value?,
            inverse,
            sources: rate.sources.clone(),
            at: rate.event_time?,
        })
    };
    Some(Rate {
        pair: pair.clone(),
        value: Some(value),
        basis: Basis::Cross,
        state: RateState::Fresh,
        degraded: merge_degraded(rates().map(|(r, _)| r.degraded.as_slice())),
        bid,
        ask,
        spread_pct: None,
        sources_used: sources.len() as u32,
        sources_total: sources.len() as u32 + unused,
        sources,
        legs: rates().map(leg).collect::<Option<_>>()?,
        venue_time: oldest.venue_time,
        received_at: oldest.received_at,
        event_time: oldest.event_time,
        low: None,
        high: None,
        changes_at: rates().filter_map(|(r, _)| r.changes_at).min(),
        is_cached: rates().any(|(r, _)| r.is_cached),
    })
}

/// The words of several rates as those of one: each once, venues first, in the order of the contract.
pub fn merge_degraded<'a>(all: impl Iterator<Item = &'a [String]>) -> Vec<String> {
    let rank = |word: &str| {
        [CACHE_ONLY, "few_sources", "clock_skew"].iter().position(|w| *w == word).map_or(0, |at| at + 1)
    };
    let mut words: Vec<String> = all.flatten().cloned().collect();
    words.sort_unstable_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
    words.dedup();
    words
}

/// Multiplies, or divides where `inverse` is said; multiplications first, so that as few digits as possible
/// are rounded.
fn product(factors: &(impl Iterator<Item = Option<(Price, bool)>> + Clone)) -> Option<Price> {
    let mut value = Wide::new(Decimal::ONE)?;
    for turn in [false, true] {
        for factor in factors.clone() {
            match factor? {
                (price, false) if !turn => value = value.times(price.decimal())?,
                (price, true) if turn => value = value.over(price.decimal())?,
                _ => {}
            }
        }
    }
    Price::from_decimal(value.decimal()?, Sign::Any).ok()
}

/// An amount at a rate, exact to 28 digits.
pub fn convert(amount: Price, rate: Price) -> Option<Price> {
    product(&[Some((amount, false)), Some((rate, false))].into_iter())
}

/// An amount over the steps of a rate: as exact as one division can be, where multiplying by a rounded cross
/// rate would round twice.
pub fn convert_by(amount: Price, rate: &Rate) -> Option<Price> {
    if rate.legs.is_empty() {
        return convert(amount, rate.value?);
    }
    let legs = rate.legs.iter().map(|l| Some((l.value, l.inverse)));
    product(&std::iter::once(Some((amount, false))).chain(legs))
}
