//! Making a rate: the ticks of all venues of a pair become one answer, by the rules of the contract.
//! It must not know where the ticks are kept, nor which venue is which.

use crate::rate::CACHE_ONLY;
use crate::{Basis, Flag, Pair, Price, Rate, RateState, Seen, Sign, Source, TickView, Timestamp, VenueId};
use rust_decimal::Decimal;

/// How old a tick may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Past this age it is stale.
    pub stale_after_ms: i64,
    /// Past this age it is refused.
    pub expire_after_ms: i64,
}

/// One venue that quotes the pair.
#[derive(Debug, Clone, Copy)]
pub struct Quoting<'a> {
    /// Which venue.
    pub venue: &'a VenueId,
    /// What it last said.
    pub source: &'a Source,
    /// How old that may be.
    pub limits: Limits,
    /// Whether its value is a jump that is not confirmed; counts only where it stands alone.
    pub is_suspect: bool,
    /// What is known of its feed.
    pub feed: Feed,
    /// Whether it is left out: by the pair's policy, or since the venue does not quote the pair any more.
    pub is_excluded: bool,
}

/// What is known of a venue's feed of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Feed {
    /// Nothing that speaks against it.
    #[default]
    Good,
    /// It is known not to be live.
    Down,
    /// Nobody tells of it any more: its collector is dead, or the way from there.
    Unheard,
}

/// What became of a venue's tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The rate was made with it.
    Used,
    /// It is the whole rate, but a jump that is not confirmed.
    Suspect,
    /// Too old to be used beside fresh ones.
    Stale,
    /// Too old to be used at all.
    Expired,
    /// Too far off the others.
    Outlier,
    /// Left out.
    Excluded,
    /// It holds neither a last price nor both bid and ask.
    Valueless,
}

impl Part {
    /// Whether the rate was made with it.
    pub fn is_used(self) -> bool {
        matches!(self, Part::Used | Part::Suspect)
    }

    /// Why it was not, or not quite.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Part::Used => None,
            Part::Suspect => Some("suspect"),
            Part::Stale => Some("stale"),
            Part::Expired => Some("expired"),
            Part::Outlier => Some("outlier"),
            Part::Excluded => Some("excluded"),
            Part::Valueless => Some("no_value"),
        }
    }
}

/// A rate, and what became of each venue's tick, in the order given.
#[derive(Debug, Clone)]
pub struct Made {
    /// The rate.
    pub rate: Rate,
    /// One per venue.
    pub parts: Vec<Part>,
}

/// The value of a source: what it is, and of what observation.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// The value.
    pub price: Price,
    /// What it was taken from.
    pub basis: Basis,
    /// The observation it rests on; of bid and ask the older one.
    pub seen: &'a Seen,
    /// How old that is: fresh, stale or expired.
    pub state: RateState,
}

impl Source {
    /// The value: the last price, else the middle of bid and ask. What is fresh goes before what is stale, so
    /// that a market without trades but with a living book is not called stale.
    pub fn value(&self, limits: Limits, now: Timestamp) -> Option<Value<'_>> {
        let aged = |price, basis, seen: &Seen| (price, basis, aged(seen.event_time, limits, now));
        let last = self.last().map(|s| (aged(s.price, Basis::Last, s), s));
        let of = |((price, basis, state), seen)| Value { price, basis, seen, state };
        if let Some(last @ ((_, _, RateState::Fresh), _)) = last {
            return Some(of(last));
        }
        let mid = self.bid().zip(self.ask()).and_then(|(bid, ask)| {
            let older = if bid.event_time <= ask.event_time { bid } else { ask };
            let price =
                Price::from_decimal(mean(bid.price.decimal(), ask.price.decimal())?, Sign::Any).ok()?;
            Some((aged(price, Basis::Mid, older), older))
        });
        match (last, mid) {
            (Some(last), Some(mid)) if rank(mid.0.2) >= rank(last.0.2) => Some(of(last)),
            (last, mid) => mid.or(last).map(of),
        }
    }
}

fn rank(state: RateState) -> u8 {
    match state {
        RateState::Fresh => 0,
        RateState::Stale => 1,
        _ => 2,
    }
}

fn aged(event_time: Timestamp, limits: Limits, now: Timestamp) -> RateState {
    if now > event_time.plus_millis(limits.expire_after_ms) {
        RateState::Expired
    } else if now > event_time.plus_millis(limits.stale_after_ms) {
        RateState::Stale
    } else {
        RateState::Fresh
    }
}

/// When it ages next, if it still does.
fn ages_at(event_time: Timestamp, limits: Limits, now: Timestamp) -> Option<Timestamp> {
    let (stale, expired) =
        (event_time.plus_millis(limits.stale_after_ms), event_time.plus_millis(limits.expire_after_ms));
    if now > stale.min(expired) { (now <= expired).then_some(expired) } else { Some(stale.min(expired)) }
}

/// One candidate: its place in the list of venues, and its value.
type Candidate<'a> = (usize, Value<'a>);

/// Makes the rate of a pair. `None` if no venue is given.
///
/// `sources_min`: fewer than these make the answer `few_sources`; one is no demand.
pub fn make(pair: &Pair, venues: &[Quoting<'_>], sources_min: u32, now: Timestamp) -> Option<Made> {
    if venues.is_empty() {
        return None;
    }
    let mut parts = vec![Part::Valueless; venues.len()];
    let mut all: Vec<Candidate<'_>> = Vec::with_capacity(venues.len());
    let mut changes_at: Option<Timestamp> = None;
    for (at, quoting) in venues.iter().enumerate() {
        if quoting.is_excluded {
            parts[at] = Part::Excluded;
            continue;
        }
        let ages = quoting.source.sides().filter_map(|s| ages_at(s.event_time, quoting.limits, now)).min();
        changes_at = [changes_at, ages].into_iter().flatten().min();
        if let Some(value) = quoting.source.value(quoting.limits, now) {
            parts[at] = if value.state == RateState::Expired { Part::Expired } else { Part::Stale };
            all.push((at, value));
        }
    }
    let best = all.iter().map(|(_, v)| rank(v.state)).min().unwrap_or(2);
    let state = match best {
        0 => RateState::Fresh,
        1 => RateState::Stale,
        _ => RateState::Expired,
    };
    let newest = all.iter().max_by_key(|(_, v)| v.seen.event_time).map(|(_, v)| v.seen);
    let mut rate = empty(pair, state, newest, changes_at);
    rate.sources_total = parts.iter().filter(|p| **p != Part::Excluded).count() as u32;
    if state != RateState::Expired {
        all.retain(|(_, v)| rank(v.state) == best);
        fill(&mut rate, all, venues, &mut parts, now);
    }
    degrade(&mut rate, venues, &parts, sources_min, now);
    Some(Made { rate, parts })
}

impl Rate {
    /// The rate of a pair that is tracked, and of which nothing was ever seen.
    pub fn unseen(pair: &Pair) -> Rate {
        empty(pair, RateState::Expired, None, None)
    }
}

fn empty(pair: &Pair, state: RateState, newest: Option<&Seen>, changes_at: Option<Timestamp>) -> Rate {
    Rate {
        pair: pair.clone(),
        value: None,
        basis: Basis::Last,
        state,
        degraded: Vec::new(),
        bid: None,
        ask: None,
        spread_pct: None,
        sources_used: 0,
        sources_total: 0,
        sources: Vec::new(),
        legs: Vec::new(),
        venue_time: newest.and_then(|s| s.venue_time),
        received_at: newest.map(|s| s.received_at),
        event_time: newest.map(|s| s.event_time),
        low: None,
        high: None,
        changes_at,
        is_cached: false,
    }
}

/// The value from candidates of one state: outliers dropped, the median, disputed or suspect.
fn fill(
    rate: &mut Rate,
    mut candidates: Vec<Candidate<'_>>,
    venues: &[Quoting<'_>],
    parts: &mut [Part],
    now: Timestamp,
) {
    candidates.sort_by_key(|(at, v)| (v.price, *at));
    let is_alone = candidates.len() == 1;
    if candidates.len() >= 3 {
        drop_outliers(&mut candidates, parts);
    }
    for (at, _) in &candidates {
        let is_suspect = is_alone && venues[*at].is_suspect;
        parts[*at] = if is_suspect { Part::Suspect } else { Part::Used };
        if is_suspect && rate.state == RateState::Fresh {
            rate.state = RateState::Suspect;
        }
    }
    let middle = &candidates[(candidates.len() - 1) / 2..=candidates.len() / 2];
    let older = middle.iter().min_by_key(|(_, v)| v.seen.event_time).map(|(_, v)| v);
    if let Some(older) = older {
        rate.venue_time = older.seen.venue_time;
        rate.received_at = Some(older.seen.received_at);
        rate.event_time = Some(older.seen.event_time);
    }
    if middle.iter().any(|(_, v)| v.basis == Basis::Mid) {
        rate.basis = Basis::Mid;
    }
    let median = middle_of(&candidates);
    rate.value = median.and_then(|m| Price::from_decimal(m, Sign::Any).ok());
    if let (Some((_, low)), Some((_, high)), Some(median), true) =
        (candidates.first(), candidates.last(), median, candidates.len() > 1)
    {
        let apart = high.price.decimal().checked_sub(low.price.decimal());
        rate.spread_pct = apart.and_then(|apart| percent(apart, median));
        // Compared as a product, so that exactly 10 % is not lost in a division.
        let is_near = apart.and_then(|a| a.checked_mul(Decimal::TEN)).is_some_and(|a| a <= median.abs());
        if !is_near && rate.state == RateState::Fresh {
            rate.state = RateState::Disputed;
            (rate.value, rate.low, rate.high) = (None, Some(low.price), Some(high.price));
        }
    }
    rate.sources_used = candidates.len() as u32;
    rate.sources.reserve_exact(candidates.len());
    rate.sources.extend(parts.iter().zip(venues).filter(|(p, _)| p.is_used()).map(|(_, v)| v.venue.clone()));
    // Bid and ask of the sources used, as fresh as the rate itself.
    let usable = |seen: Option<&Seen>, limits| {
        seen.filter(|s| rank(aged(s.event_time, limits, now)) <= u8::from(rate.state == RateState::Stale))
            .map(|s| s.price)
    };
    let books = candidates.iter().map(|(at, _)| &venues[*at]);
    let books: Vec<_> =
        books.map(|v| (usable(v.source.bid(), v.limits), usable(v.source.ask(), v.limits))).collect();
    (rate.bid, rate.ask) = middle_book(&books);
}

/// The median bid and the median ask, of the venues that have both: the best of each would cross one venue's bid
/// with another's ask. Only where no venue has both sides is each side taken alone.
fn middle_book(books: &[(Option<Price>, Option<Price>)]) -> (Option<Price>, Option<Price>) {
    let is_whole = books.iter().any(|(bid, ask)| bid.is_some() && ask.is_some());
    let counted = || books.iter().filter(|(bid, ask)| !is_whole || (bid.is_some() && ask.is_some()));
    (middle_price(counted().filter_map(|(bid, _)| *bid)), middle_price(counted().filter_map(|(_, ask)| *ask)))
}

fn middle_price(prices: impl Iterator<Item = Price>) -> Option<Price> {
    let mut all: Vec<Price> = prices.collect();
    all.sort_unstable();
    let upper = *all.get(all.len() / 2)?;
    if all.len() % 2 == 1 {
        return Some(upper);
    }
    Price::from_decimal(mean(all[all.len() / 2 - 1].decimal(), upper.decimal())?, Sign::Any).ok()
}

/// Drops what is off the median by more than max(3 x 1.4826 x MAD, 5 %). 1.4826 makes the median absolute
/// deviation an estimate of the standard deviation of a normal distribution (Rousseeuw and Croux 1993).
fn drop_outliers(candidates: &mut Vec<Candidate<'_>>, parts: &mut [Part]) {
    const THREE_SIGMA: Decimal = Decimal::from_parts(44_478, 0, 0, false, 4);
    const FIVE_PER_CENT: Decimal = Decimal::from_parts(5, 0, 0, false, 2);
    let Some(median) = middle_of(candidates) else { return };
    let off = |v: &Value<'_>| v.price.decimal().checked_sub(median).map_or(Decimal::MAX, |d| d.abs());
    let mut all: Vec<Decimal> = candidates.iter().map(|(_, v)| off(v)).collect();
    all.sort_unstable();
    let deviation = mean(all[(all.len() - 1) / 2], all[all.len() / 2]);
    let by_deviation = deviation.and_then(|d| d.checked_mul(THREE_SIGMA)).unwrap_or(Decimal::MAX);
    let most = by_deviation.max(median.abs().checked_mul(FIVE_PER_CENT).unwrap_or(Decimal::MAX));
    candidates.retain(|(at, v)| {
        let keep = off(v) <= most;
        if !keep {
            parts[*at] = Part::Outlier;
        }
        keep
    });
}

/// The median of what is sorted; of an even number the mean of the middle two.
fn middle_of(sorted: &[Candidate<'_>]) -> Option<Decimal> {
    let at = |at: usize| sorted.get(at).map(|(_, v)| v.price.decimal());
    let upper = at(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { mean(at(sorted.len() / 2 - 1)?, upper) }
}

/// The exact mean, with no digit more than it needs; `None` only where even the sum of halves is too large.
fn mean(a: Decimal, b: Decimal) -> Option<Decimal> {
    const HALF: Decimal = Decimal::from_parts(5, 0, 0, false, 1);
    if a == b {
        return Some(a);
    }
    let half = match a.checked_add(b) {
        Some(sum) => sum.checked_mul(HALF)?,
        None => a.checked_mul(HALF)?.checked_add(b.checked_mul(HALF)?)?,
    };
    let shown = a.scale().max(b.scale());
    let short = half.round_dp(shown);
    Some(if short == half { short } else { half })
}

/// `part` of `whole` in per cent, to four digits after the point.
pub(crate) fn percent(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let ratio = part.checked_div(whole.abs())?.checked_mul(Decimal::ONE_HUNDRED)?;
    Some(ratio.round_dp(4).normalize())
}

/// Says what is not as it should be, in the order of the contract.
fn degrade(rate: &mut Rate, venues: &[Quoting<'_>], parts: &[Part], sources_min: u32, now: Timestamp) {
    let mut words = Vec::new();
    let (mut used, mut cached, mut kept, mut skewed) = (0u32, 0u32, 0u32, false);
    for (venue, part) in venues.iter().zip(parts) {
        let is_old =
            matches!(part, Part::Stale | Part::Expired) || (part.is_used() && rate.state == RateState::Stale);
        if *part != Part::Excluded && (venue.feed != Feed::Good || is_old) {
            words.push(format!("venue_down:{}", venue.venue));
        }
        if part.is_used()
            && let Some(value) = venue.source.value(venue.limits, now)
        {
            used += 1;
            let is_cached = value.seen.flags.contains(Flag::Cached);
            cached += u32::from(is_cached);
            kept += u32::from(is_cached || venue.feed == Feed::Unheard);
            skewed |= value.seen.flags.contains(Flag::ClockSkew);
        }
    }
    words.sort_unstable();
    rate.is_cached = used > 0 && used == cached;
    if used > 0 && used == kept {
        words.push(CACHE_ONLY.to_owned());
    }
    if sources_min > 1 && used < sources_min {
        words.push("few_sources".to_owned());
    }
    if skewed {
        words.push("clock_skew".to_owned());
    }
    rate.degraded = words;
}

/// One venue's part in a rate, for `explain`.
pub fn view(quoting: &Quoting<'_>, part: Part, value: Option<Price>, now: Timestamp) -> Option<TickView> {
    let source = quoting.source;
    let own = source.value(quoting.limits, now);
    let seen = own.map(|v| v.seen).or_else(|| source.sides().max_by_key(|s| s.event_time))?;
    let off = own
        .zip(value)
        .and_then(|(own, value)| percent(own.price.decimal().checked_sub(value.decimal())?, value.decimal()));
    Some(TickView {
        venue: quoting.venue.clone(),
        last: source.last().map(|s| s.price),
        bid: source.bid().map(|s| s.price),
        ask: source.ask().map(|s| s.price),
        venue_time: seen.venue_time,
        received_at: seen.received_at,
        age_ms: now.millis_since(seen.event_time).max(0),
        deviation_pct: off,
        used: part.is_used(),
        reason: part.reason(),
    })
}
