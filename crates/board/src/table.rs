//! The last ticks of every (venue, pair), what collectors said of them, and when time alone changes something.
//! It must not know who reads; it makes rates and leaves publishing them to the board.

use crate::{
    Options,
    index::Slot,
    policy::Policy,
    venues::{Names, Venue},
};
use market::{Guard, Limits, Made, Pair, Quoting, RateState, Source, Tick, Timestamp, VenueId, VenueStatus};
use metrics::Counter;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    sync::Arc,
};

/// One venue's part in one pair.
#[derive(Debug)]
pub(crate) struct Quoter {
    pub(crate) venue: VenueId,
    source: Source,
    guard: Guard,
    limits: Limits,
    is_down: bool,
    is_gone: bool,
    is_unnamed: bool,
    /// How many ticks were accepted since the rate was last made.
    accepted: u64,
}

/// One pair that is quoted.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) pair: Pair,
    pub(crate) quoters: Vec<Quoter>,
    pub(crate) slot: Option<Arc<Slot>>,
    /// What was last said on the stream.
    pub(crate) shown: Option<bytes::Bytes>,
    is_marked: bool,
    /// The one valid entry in the queue of what is due.
    due_at: Option<Timestamp>,
}

/// What is counted, per venue; registered once.
#[derive(Debug)]
struct Counters {
    accepted: Counter,
    old: Counter,
    outlier: Counter,
    future: Counter,
}

/// A venue and its counters.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) venue: Venue,
    counters: Counters,
}

/// The writer's side of the board.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<u32, Row>,
    by_pair: HashMap<Pair, u32>,
    rows_made: u32,
    pub(crate) venues: BTreeMap<VenueId, Known>,
    pub(crate) policies: HashMap<Pair, Policy>,
    /// Quoted, but too old: looked after by the timer, since a cross may stand in.
    pub(crate) unfresh: BTreeSet<u32>,
    marked: Vec<u32>,
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
}

impl Table {
    /// Takes ticks of one venue and marks the pairs that they change.
    pub(crate) fn take(&mut self, venue: &VenueId, ticks: &[Tick], options: &Options, now: Timestamp) {
        if !self.venues.contains_key(venue) {
            self.venues.insert(venue.clone(), known(venue, now));
        }
        let Some(known) = self.venues.get(venue) else { return };
        let (mut old, mut future) = (0, 0);
        for tick in ticks {
            let id = match self.by_pair.get(&tick.pair) {
                Some(id) => *id,
                None if tick.last.or(tick.bid).or(tick.ask).is_none() => continue,
                None => {
                    self.rows_made += 1;
                    self.by_pair.insert(tick.pair.clone(), self.rows_made);
                    self.rows.insert(self.rows_made, Row::new(&tick.pair));
                    self.rows_made
                }
            };
            let Some(row) = self.rows.get_mut(&id) else { continue };
            let quoter = row.quoter(venue, &known.venue, options);
            let changed = quoter.source.apply(tick);
            if !changed.any() {
                old += 1;
                continue;
            }
            future += u64::from(tick.is_ahead());
            quoter.accepted += 1;
            // The guard watches what the value is made of: trades where there are any, else the book.
            if (changed.last || quoter.source.last().is_none())
                && let Some(value) = quoter.source.value(quoter.limits, tick.received_at)
            {
                quoter.guard.see(value.price, tick.received_at);
            }
            if !row.is_marked {
                row.is_marked = true;
                self.marked.push(id);
            }
        }
        known.counters.old.increment(old);
        known.counters.future.increment(future);
    }

    /// Takes a collector's word and marks the pairs for which it means something new. Whether the set of pairs
    /// that the venue's collectors name is another than before.
    pub(crate) fn take_status(
        &mut self,
        status: Arc<VenueStatus>,
        options: &Options,
        now: Timestamp,
    ) -> bool {
        let venue = status.venue.clone();
        let entry = self.venues.entry(venue.clone()).or_insert_with(|| known(&venue, now));
        let taken = entry.venue.take(status, now);
        if taken.is_some() {
            self.tell_rows(&venue, options);
        }
        taken == Some(Names::Other)
    }

    /// Lets time pass over the venues: a silent collector's word loses its worth.
    pub(crate) fn age_venues(&mut self, options: &Options, now: Timestamp) {
        let aged: Vec<VenueId> =
            self.venues.iter_mut().filter_map(|(id, k)| k.venue.age(now).then(|| id.clone())).collect();
        for venue in aged {
            self.tell_rows(&venue, options);
        }
    }

    /// Brings what the venue's status says to each of its rows.
    fn tell_rows(&mut self, venue: &VenueId, options: &Options) {
        let Some(known) = self.venues.get(venue) else { return };
        for (id, row) in &mut self.rows {
            let Some(quoter) = row.quoters.iter_mut().find(|q| q.venue == *venue) else { continue };
            if quoter.hear(&row.pair, &known.venue, options) && !row.is_marked {
                row.is_marked = true;
                self.marked.push(*id);
            }
        }
    }

    /// Marks every pair, after something that concerns all of them.
    pub(crate) fn mark_all(&mut self) {
        for (id, row) in &mut self.rows {
            if !std::mem::replace(&mut row.is_marked, true) {
                self.marked.push(*id);
            }
        }
    }

    /// Marks what has become due.
    pub(crate) fn mark_due(&mut self, now: Timestamp) {
        while let Some(Reverse((at, id))) = self.due.peek().copied() {
            if at >= now {
                break;
            }
            self.due.pop();
            let Some(row) = self.rows.get_mut(&id) else { continue };
            if row.due_at != Some(at) {
                continue;
            }
            row.due_at = None;
            match row.slot.as_ref().and_then(|s| s.answer.load().rate.changes_at) {
                // Ticks came since: it ages later. So a pair has one entry however often it ticks.
                Some(later) if later >= now => self.schedule(id, later),
                _ if !row.is_marked => {
                    row.is_marked = true;
                    self.marked.push(id);
                }
                _ => {}
            }
        }
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// The pairs whose rate is to be made again.
    pub(crate) fn take_marked(&mut self) -> Vec<u32> {
        let marked = std::mem::take(&mut self.marked);
        for id in &marked {
            if let Some(row) = self.rows.get_mut(id) {
                row.is_marked = false;
            }
        }
        marked
    }

    /// Gives back the list, so that its memory is used again.
    pub(crate) fn give_back(&mut self, mut list: Vec<u32>) {
        if self.marked.is_empty() {
            list.clear();
            self.marked = list;
        }
    }

    /// Sees to it that a row is looked at when time changes it.
    pub(crate) fn schedule(&mut self, id: u32, at: Timestamp) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        if row.due_at.is_none_or(|due| at < due) {
            row.due_at = Some(at);
            self.due.push(Reverse((at, id)));
        }
    }

    /// Makes a row's rate by everything the rules say, and lets the guards and counters learn from it.
    pub(crate) fn make(&mut self, id: u32, now: Timestamp) -> Option<Made> {
        let row = self.rows.get_mut(&id)?;
        let made = row.make(self.policies.get(&row.pair), None, now)?;
        let is_confirmed = made.rate.sources_used > 1 && made.rate.state == RateState::Fresh;
        for (quoter, part) in row.quoters.iter_mut().zip(&made.parts) {
            if is_confirmed
                && part.is_used()
                && quoter.guard.is_suspect()
                && let Some(value) = quoter.source.value(quoter.limits, now)
            {
                quoter.guard.believe(value.price);
            }
            let accepted = std::mem::take(&mut quoter.accepted);
            if accepted > 0
                && let Some(known) = self.venues.get(&quoter.venue)
            {
                let is_outlier = *part == market::Part::Outlier;
                let counter = if is_outlier { &known.counters.outlier } else { &known.counters.accepted };
                counter.increment(accepted);
            }
        }
        Some(made)
    }

    /// The row of a pair.
    pub(crate) fn row(&self, pair: &Pair) -> Option<&Row> {
        self.rows.get(self.by_pair.get(pair)?)
    }

    /// Takes out a row that nobody quotes any more: every tick of it expired, and no collector names the pair.
    pub(crate) fn remove_if_forgotten(&mut self, id: u32) -> Option<Row> {
        let row = self.rows.get(&id)?;
        if !row.quoters.iter().all(|q| q.is_unnamed) {
            return None;
        }
        self.unfresh.remove(&id);
        self.by_pair.remove(&row.pair);
        self.rows.remove(&id)
    }

    /// Every pair that a collector names.
    pub(crate) fn named(&self) -> BTreeSet<Pair> {
        self.venues.values().flat_map(|k| k.venue.pairs.keys().cloned()).collect()
    }
}

impl Row {
    fn new(pair: &Pair) -> Row {
        Row {
            pair: pair.clone(),
            quoters: Vec::new(),
            slot: None,
            shown: None,
            is_marked: false,
            due_at: None,
        }
    }

    fn quoter(&mut self, venue: &VenueId, known: &Venue, options: &Options) -> &mut Quoter {
        let at = match self.quoters.binary_search_by(|q| q.venue.cmp(venue)) {
            Ok(at) => at,
            Err(at) => {
                let mut quoter = Quoter {
                    venue: venue.clone(),
                    source: Source::default(),
                    guard: Guard::default(),
                    limits: options.limits(),
                    is_down: false,
                    is_gone: false,
                    is_unnamed: false,
                    accepted: 0,
                };
                quoter.hear(&self.pair, known, options);
                self.quoters.insert(at, quoter);
                at
            }
        };
        &mut self.quoters[at]
    }

    /// Makes the rate. `only`: of this venue alone, with these limits for every venue.
    pub(crate) fn make(
        &self,
        policy: Option<&Policy>,
        only: Option<Only<'_>>,
        now: Timestamp,
    ) -> Option<Made> {
        let quoting = self.quoting(policy, only);
        market::make(&self.pair, &quoting, policy.map_or(1, |p| p.sources_min), now)
    }

    pub(crate) fn quoting(&self, policy: Option<&Policy>, only: Option<Only<'_>>) -> Vec<Quoting<'_>> {
        let only = only.unwrap_or_default();
        let quoters = self.quoters.iter().filter(|q| only.venue.is_none_or(|venue| q.venue == *venue));
        quoters
            .map(|q| Quoting {
                venue: &q.venue,
                source: &q.source,
                limits: only.age_ms_max.map_or(q.limits, |ms| {
                    let Limits { stale_after_ms, expire_after_ms } = q.limits;
                    Limits {
                        stale_after_ms: stale_after_ms.min(ms),
                        expire_after_ms: expire_after_ms.min(ms),
                    }
                }),
                is_suspect: q.guard.is_suspect(),
                is_down: q.is_down,
                is_excluded: q.is_gone
                    || (only.venue.is_none() && policy.is_some_and(|p| !p.permits(&q.venue))),
            })
            .collect()
    }
}

/// A narrower question than the pair's rate.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Only<'a> {
    /// Of one venue.
    pub(crate) venue: Option<&'a VenueId>,
    /// Of ticks not older than this.
    pub(crate) age_ms_max: Option<i64>,
}

impl Quoter {
    /// Takes what the venue's status means for this pair; whether that is something new.
    fn hear(&mut self, pair: &Pair, venue: &Venue, options: &Options) -> bool {
        let word = venue.pairs.get(pair);
        let own = options.limits();
        let stale_after_ms = word.and_then(|w| w.stale_after_ms).unwrap_or(own.stale_after_ms);
        let expire_after_ms = word.and_then(|w| w.expire_after_ms).unwrap_or(own.expire_after_ms);
        let limits = Limits { stale_after_ms, expire_after_ms: expire_after_ms.max(stale_after_ms) };
        let new = (limits, venue.is_down(pair), venue.is_gone(pair), venue.is_unnamed(pair));
        let is_new = new != (self.limits, self.is_down, self.is_gone, self.is_unnamed);
        (self.limits, self.is_down, self.is_gone, self.is_unnamed) = new;
        is_new
    }
}

fn known(venue: &VenueId, now: Timestamp) -> Known {
    let counter = |outcome: &'static str| metrics::counter!("rates_updates_total", "venue" => venue.to_string(), "outcome" => outcome);
    Known {
        venue: Venue::new(venue, now),
        counters: Counters {
            accepted: counter("accepted"),
            old: counter("old"),
            outlier: counter("outlier"),
            future: counter("future"),
        },
    }
}
