//! The last ticks of every (venue, pair), what collectors said of them, and when time alone changes something.
//! It must not know who reads; it makes rates and leaves publishing them to the board.

use crate::{
    Options,
    policy::Policy,
    rows::{Row, Rows},
    venues::{Names, Venue},
};
use market::{Basis, Made, Pair, RateState, Tick, Timestamp, VenueId, VenueStatus};
use metrics::Counter;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    sync::Arc,
};

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
    rows: Rows,
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
            let id = match self.rows.id(&tick.pair) {
                Some(id) => id,
                None if tick.last.or(tick.bid).or(tick.ask).is_none() => continue,
                None => self.rows.add(&tick.pair),
            };
            let Some(row) = self.rows.get_mut(id) else { continue };
            let quoter = row.quoter(venue, &known.venue, options);
            let changed = quoter.source.apply(tick);
            if !changed.any() {
                old += 1;
                continue;
            }
            future += u64::from(tick.is_ahead());
            quoter.accepted += 1;
            // The guard watches what the value is made of: trades, or the book where there are none.
            if let Some(value) = quoter.source.value(quoter.limits, tick.received_at)
                && (changed.last || value.basis == Basis::Mid)
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

    pub(crate) fn row_mut(&mut self, id: u32) -> Option<&mut Row> {
        self.rows.get_mut(id)
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
        for row in self.rows.iter_mut() {
            let Some(quoter) = row.quoters.iter_mut().find(|q| q.venue == *venue) else { continue };
            if quoter.hear(&row.pair, &known.venue, options) && !row.is_marked {
                row.is_marked = true;
                self.marked.push(row.id);
            }
        }
    }

    /// Marks every pair, after something that concerns all of them.
    pub(crate) fn mark_all(&mut self) {
        for row in self.rows.iter_mut() {
            if !std::mem::replace(&mut row.is_marked, true) {
                self.marked.push(row.id);
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
            let Some(row) = self.row_mut(id) else { continue };
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
            if let Some(row) = self.row_mut(*id) {
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
        let Some(row) = self.row_mut(id) else { return };
        if row.due_at.is_none_or(|due| at < due) {
            row.due_at = Some(at);
            self.due.push(Reverse((at, id)));
        }
    }

    /// Makes a row's rate by everything the rules say, and lets the guards and counters learn from it.
    pub(crate) fn make(&mut self, id: u32, now: Timestamp) -> Option<Made> {
        let row = self.rows.get_mut(id)?;
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
        self.rows.get(self.rows.id(pair)?)
    }

    /// Takes out a row that nobody quotes any more: every tick of it expired, and no collector names the pair.
    pub(crate) fn remove_if_forgotten(&mut self, id: u32) -> Option<Row> {
        let row = self.rows.get(id)?;
        if !row.quoters.iter().all(|q| q.is_unnamed) {
            return None;
        }
        self.unfresh.remove(&id);
        self.rows.remove(id)
    }

    /// Every pair that a collector names.
    pub(crate) fn named(&self) -> BTreeSet<Pair> {
        self.venues.values().flat_map(|k| k.venue.pairs.keys().cloned()).collect()
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
