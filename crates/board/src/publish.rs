//! The writer's side of the board: rates made anew go to their place, and on the stream if they say something new.
//! It must not know who reads; everything here runs under the table's lock.

use crate::{
    Answer, Board, body, crossed,
    index::{self, Slot},
    live::is_too_old,
    rows::Shown,
    table::Table,
};
use arc_swap::ArcSwap;
use market::{Pair, Rate, RateState, Timestamp};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// So many pairs whose own ticks are too old are looked at in one turn of the timer, for a cross.
const UNFRESH_TURN: usize = 256;

impl Board {
    /// Brings up to date what time has changed since the timer last looked.
    pub(crate) fn settle(&self, now: Timestamp) {
        let mut table = self.table.lock();
        table.mark_due(now);
        self.remake(&mut table, now);
        drop(table);
        self.ring.wake();
    }

    /// Makes the rates of all marked pairs anew and publishes what is different.
    pub(crate) fn remake(&self, table: &mut Table, now: Timestamp) {
        let marked = table.take_marked();
        let (mut too_old, mut gone) = (Vec::new(), Vec::new());
        for id in &marked {
            let Some(made) = table.make(*id, now) else { continue };
            let (state, is_old) = (made.rate.state, is_too_old(&made.rate));
            let is_cached = made.rate.is_cached;
            if let Some(at) = made.rate.changes_at {
                table.schedule(*id, at);
            }
            if state == RateState::Expired
                && let Some(row) = table.remove_if_forgotten(*id)
            {
                self.index.write().remove(&row.pair);
                self.crosses.generation.fetch_add(1, Ordering::AcqRel);
                gone.push((row, made.rate));
                continue;
            }
            if state == RateState::Fresh && !is_cached {
                self.was_fresh.store(true, Ordering::Relaxed);
            }
            if is_old {
                table.unfresh.insert(*id);
                too_old.push(*id);
            } else {
                table.unfresh.remove(id);
            }
            self.publish(table, *id, made.rate, now);
        }
        // Once every rate of the batch stands: a cross may stand in for these.
        for id in too_old {
            self.show_best(table, id, now);
        }
        // Nobody quotes these any more: readers that hold the last price are told that it is none.
        for (mut row, rate) in gone {
            let cross = self.crossed(&row.pair, None, now, false);
            let best = cross.unwrap_or_else(|| Arc::new(body::answer(rate, self.options.demo)));
            self.show(&mut row.shown, &row.pair, &best, now);
        }
        let next_due = table.next_due().map_or(i64::MAX, Timestamp::micros);
        self.next_due.store(next_due, Ordering::Relaxed);
        table.give_back(marked);
    }

    /// Puts a rate in its place, and on the stream if it says something else than before.
    fn publish(&self, table: &mut Table, id: u32, rate: Rate, now: Timestamp) {
        let Some(row) = table.row_mut(id) else { return };
        let answer = Arc::new(body::answer(rate, self.options.demo));
        match &row.slot {
            Some(slot) => {
                let before = slot.answer.swap(answer.clone());
                // By the time, too: one that nobody had looked at since it grew old was no leg any more.
                if index::is_usable(&before.rate, now) != index::is_usable(&answer.rate, now) {
                    self.crosses.generation.fetch_add(1, Ordering::AcqRel);
                }
            }
            None => {
                let slot = Arc::new(Slot {
                    pair: row.pair.clone(),
                    answer: ArcSwap::new(answer.clone()),
                    was_fresh: AtomicBool::new(false),
                });
                self.index.write().add(&slot);
                self.crosses.generation.fetch_add(1, Ordering::AcqRel);
                row.slot = Some(slot);
            }
        }
        if let Some(slot) = &row.slot {
            index::mark_fresh(slot);
        }
        if !is_too_old(&answer.rate) {
            self.show(&mut row.shown, &row.pair, &answer, now);
        }
    }

    /// Says on the stream what is known of a pair whose own ticks are too old.
    fn show_best(&self, table: &mut Table, id: u32, now: Timestamp) {
        let Some(row) = table.row_mut(id) else { return };
        let Some(direct) = row.slot.as_ref().map(|s| s.answer.load_full()) else { return };
        let cross = self.crossed(&row.pair, Some(&direct), now, false);
        self.show(&mut row.shown, &row.pair, cross.as_ref().unwrap_or(&direct), now);
    }

    fn show(&self, last: &mut Shown, pair: &Pair, answer: &Answer, now: Timestamp) {
        // The ETag stands for the body: the old body is not touched again.
        let etag = answer.etag.as_ref().try_into().ok();
        if *last != etag || etag.is_none() {
            *last = etag;
            self.ring.push(Some(pair.clone()), |number| body::rate_event(&self.boot, number, answer, now));
        }
    }

    /// Says on the stream how venues are doing, where that has changed.
    pub(crate) fn tell_venues(&self, table: &mut Table) {
        for known in table.venues.values_mut().filter(|k| k.venue.was_heard()) {
            if let Some(news) = known.venue.news() {
                self.ring.push(None, |number| body::event(&self.boot, number, "status", &news));
            }
        }
    }

    /// A pair whose own ticks are too old may be crossed, and its cross moves with its legs: some in each turn.
    pub(crate) fn look_after_unfresh(&self, table: &mut Table, now: Timestamp) {
        let from = self.unfresh_from.load(Ordering::Relaxed);
        let turn: Vec<u32> = table.unfresh.range(from..).take(UNFRESH_TURN).copied().collect();
        let next = if turn.len() < UNFRESH_TURN { 0 } else { turn.last().map_or(0, |id| id + 1) };
        self.unfresh_from.store(next, Ordering::Relaxed);
        for id in turn {
            self.show_best(table, id, now);
        }
    }

    /// Crosses that were asked for lately are told on the stream like rates that are quoted.
    pub(crate) fn look_after_crosses(&self, now: Timestamp) {
        let followed = self.crosses.followed(now);
        let mut shown = self.crosses_shown.lock();
        shown.retain(|pair, _| followed.contains(pair));
        for pair in followed {
            if self.index.read().by_pair.contains_key(&pair) {
                continue;
            }
            let mut last = shown.remove(&pair).flatten();
            let cross = self.crossed(&pair, None, now, false);
            match cross {
                Some(cross) => self.show(&mut last, &pair, &cross, now),
                None if last.is_some() => {
                    let gone = body::answer(crossed::gone(&pair), self.options.demo);
                    self.show(&mut last, &pair, &gone, now);
                }
                None => {}
            }
            shown.insert(pair, last);
        }
    }
}
