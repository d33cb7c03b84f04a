//! The board itself: one writer's table behind a lock, answers that readers take without it.
//! It must not know any venue's wire format, nor who reads it.

use crate::{
    Answer, Change, Changes, Conversion, Found, Options, Policy, VenueView, body,
    changes::Ring,
    crossed::{self, Crosses},
    find,
    index::{self, Index, Slot},
    table::{Only, Table},
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use clock::Clock;
use market::{Basis, Pair, Price, Quoting, Rate, RateState, Tick, TickView, Timestamp, VenueId, VenueStatus};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

/// So many pairs whose own ticks are too old are looked at in one turn of the timer, for a cross.
const UNFRESH_TURN: usize = 256;

/// The live table.
///
/// Locks are taken in this order: table, crosses, index, ring. A reader of a fresh rate takes only the index's,
/// for reading.
pub struct Board {
    clock: Clock,
    options: Options,
    boot: String,
    table: Mutex<Table>,
    index: RwLock<Index>,
    crosses: Crosses,
    crosses_shown: Mutex<HashMap<Pair, Bytes>>,
    ring: Arc<Ring>,
    was_fresh: AtomicBool,
    unfresh_from: AtomicU32,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("boot", &self.boot).finish_non_exhaustive()
    }
}

impl Board {
    /// An empty board.
    pub fn new(clock: Clock, options: Options) -> Arc<Board> {
        Arc::new(Board {
            clock,
            options,
            boot: std::iter::repeat_with(fastrand::alphanumeric).take(8).collect::<String>().to_lowercase(),
            table: Mutex::default(),
            index: RwLock::default(),
            crosses: Crosses::default(),
            crosses_shown: Mutex::default(),
            ring: Arc::new(Ring::new()),
            was_fresh: AtomicBool::new(false),
            unfresh_from: AtomicU32::new(0),
        })
    }

    /// A random word that names this board's life; stream ids are `<boot>-<number>`.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// The board's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The configuration.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Takes ticks of one venue, in any order, any number of times: the same ticks give the same board.
    pub fn apply(&self, venue: &VenueId, ticks: &[Tick]) {
        let now = self.clock.now();
        let mut table = self.table.lock();
        table.take(venue, ticks, &self.options, now);
        self.remake(&mut table, now);
        drop(table);
        self.ring.wake();
    }

    /// Takes word of a venue's feeds.
    pub fn apply_status(&self, status: Arc<VenueStatus>) {
        let now = self.clock.now();
        let mut table = self.table.lock();
        if table.take_status(status, &self.options, now) {
            let named = table.named();
            self.index.write().track(named);
        }
        self.tell_venues(&mut table);
        self.remake(&mut table, now);
        drop(table);
        self.ring.wake();
    }

    /// Replaces the policies of pairs; a pair without one has every venue and needs one.
    pub fn set_policies(&self, policies: impl IntoIterator<Item = (Pair, Policy)>) {
        let now = self.clock.now();
        let mut table = self.table.lock();
        table.policies = policies.into_iter().collect();
        table.mark_all();
        self.remake(&mut table, now);
        drop(table);
        self.ring.wake();
    }

    /// Re-makes what changes by time alone (stale, expired, unknown venues); called by the board's own timer.
    pub fn tick_clock(&self) {
        let now = self.clock.now();
        let mut table = self.table.lock();
        table.age_venues(&self.options, now);
        self.tell_venues(&mut table);
        table.mark_due(now);
        self.remake(&mut table, now);
        self.look_after_unfresh(&mut table, now);
        self.look_after_crosses(now);
        drop(table);
        self.ring.wake();
    }

    /// Ends the stream of changes: every reader gets what is left, then `Closed`.
    pub fn close(&self) {
        self.ring.close();
    }

    /// Reads a text that should name a pair, in any usual spelling; letters run together only where one known
    /// pair fits.
    pub fn find(&self, text: &str) -> Found {
        find::find(&self.index.read(), text)
    }

    /// The answer for a pair: made of its venues' ticks, else crossed through the fewest fresh legs.
    pub fn answer(&self, pair: &Pair) -> Option<Arc<Answer>> {
        let now = self.clock.now();
        let direct = self.direct(pair, now);
        match direct {
            Some(answer) if !is_too_old(&answer.rate) => Some(answer),
            direct => self.crossed(pair, direct.as_ref(), now, true).or(direct),
        }
    }

    /// One venue's tick in the same shape.
    pub fn answer_of_venue(&self, pair: &Pair, venue: &VenueId) -> Option<Arc<Answer>> {
        let only = Only { venue: Some(venue), age_ms_max: None };
        let made = self.table.lock().row(pair)?.make(None, Some(only), self.clock.now())?;
        Some(Arc::new(body::answer(made.rate, self.options.demo)))
    }

    /// The answer made only of ticks not older than this.
    pub fn answer_not_older(&self, pair: &Pair, age_ms_max: i64) -> Option<Arc<Answer>> {
        let now = self.clock.now();
        let answer = self.answer(pair)?;
        let is_young = answer.age_ms(now).is_some_and(|age| age <= age_ms_max);
        if answer.rate.basis == Basis::Cross || answer.rate.sources_used == 1 {
            return (is_young && !is_too_old(&answer.rate)).then_some(answer);
        }
        let table = self.table.lock();
        let only = Only { venue: None, age_ms_max: Some(age_ms_max) };
        let made = table.row(pair)?.make(table.policies.get(pair), Some(only), now)?;
        drop(table);
        (!is_too_old(&made.rate)).then(|| Arc::new(body::answer(made.rate, self.options.demo)))
    }

    /// Every tick behind a rate.
    pub fn explain(&self, pair: &Pair) -> Vec<TickView> {
        let now = self.clock.now();
        let table = self.table.lock();
        let policy = table.policies.get(pair);
        let Some(row) = table.row(pair) else { return Vec::new() };
        let Some(made) = row.make(policy, None, now) else { return Vec::new() };
        let quoting = row.quoting(policy, None);
        let view = |(q, part): (&Quoting<'_>, _)| market::view(q, part, made.rate.value, now);
        quoting.iter().zip(made.parts.iter().copied()).filter_map(view).collect()
    }

    /// The answers for every pair that somebody quotes, by name.
    pub fn answers(&self) -> Vec<Arc<Answer>> {
        let now = self.clock.now();
        let all = || -> Vec<Arc<Answer>> {
            self.index.read().in_order.values().map(|s| s.answer.load_full()).collect()
        };
        let mut answers = all();
        if answers.iter().any(|a| a.rate.changes_at.is_some_and(|at| at < now)) {
            self.settle(now);
            answers = all();
        }
        for answer in answers.iter_mut().filter(|a| is_too_old(&a.rate)) {
            if let Some(cross) = self.crossed(&answer.rate.pair, Some(answer), now, false) {
                *answer = cross;
            }
        }
        answers
    }

    /// Every pair that is tracked: quoted, or named by a collector.
    pub fn pairs(&self) -> Vec<Pair> {
        let index = self.index.read();
        let unquoted = index.tracked.iter().filter(|p| !index.by_pair.contains_key(p));
        let mut all: Vec<Pair> = index.in_order.keys().chain(unquoted).cloned().collect();
        all.sort_unstable();
        all
    }

    /// Every venue that was heard of, by name.
    pub fn venues(&self) -> Vec<VenueView> {
        let table = self.table.lock();
        let view = |known: &crate::table::Known| VenueView {
            status: known.venue.merged.clone(),
            unknown: known.venue.is_unknown,
        };
        table.venues.values().map(view).collect()
    }

    /// Converts an amount, directly, inversely or crossed.
    pub fn convert(&self, amount: Price, pair: &Pair) -> Option<Conversion> {
        let answer = self.answer(pair)?;
        let result = market::convert_by(amount, &answer.rate)?;
        Some(Conversion { rate: answer.rate.clone(), result })
    }

    /// A reader of changes from now on, and the number of the last change before it.
    pub fn changes(&self) -> (Changes, u64) {
        self.ring.reader()
    }

    /// The changes after `number`, if they are all still kept.
    pub fn changes_since(&self, number: u64) -> Option<Vec<Arc<Change>>> {
        self.ring.since(number, usize::MAX)
    }

    /// Whether a fresh rate has been seen since the start: of each of these pairs, or of any if none is named.
    pub fn is_ready(&self, pairs: &[Pair]) -> bool {
        if pairs.is_empty() {
            return self.was_fresh.load(Ordering::Relaxed);
        }
        let was_fresh = |pair: &Pair| {
            let slot = self.index.read().by_pair.get(pair).cloned();
            slot.is_some_and(|s| s.was_fresh.load(Ordering::Relaxed))
                || self.answer(pair).is_some_and(|a| a.rate.state == RateState::Fresh)
        };
        pairs.iter().all(was_fresh)
    }

    /// The pair's own answer, with what time has done to it by now.
    fn direct(&self, pair: &Pair, now: Timestamp) -> Option<Arc<Answer>> {
        let answer = self.index.read().by_pair.get(pair)?.answer.load_full();
        if answer.rate.changes_at.is_none_or(|at| at >= now) {
            return Some(answer);
        }
        self.settle(now);
        Some(self.index.read().by_pair.get(pair)?.answer.load_full())
    }

    fn crossed(
        &self,
        pair: &Pair,
        direct: Option<&Arc<Answer>>,
        now: Timestamp,
        is_asked: bool,
    ) -> Option<Arc<Answer>> {
        self.crosses.answer(&self.index, pair, direct, self.options.demo, now, is_asked)
    }

    /// Brings up to date what time has changed since the timer last looked.
    fn settle(&self, now: Timestamp) {
        let mut table = self.table.lock();
        table.mark_due(now);
        self.remake(&mut table, now);
        drop(table);
        self.ring.wake();
    }

    /// Makes the rates of all marked pairs anew and publishes what is different.
    fn remake(&self, table: &mut Table, now: Timestamp) {
        let marked = table.take_marked();
        for id in &marked {
            let Some(made) = table.make(*id, now) else { continue };
            let (state, is_old) = (made.rate.state, is_too_old(&made.rate));
            if let Some(at) = made.rate.changes_at {
                table.schedule(*id, at);
            }
            if state == RateState::Expired
                && let Some(row) = table.remove_if_forgotten(*id)
            {
                self.index.write().remove(&row.pair);
                self.crosses.generation.fetch_add(1, Ordering::AcqRel);
                continue;
            }
            if is_old {
                table.unfresh.insert(*id)
            } else {
                table.unfresh.remove(id)
            };
            if state == RateState::Fresh {
                self.was_fresh.store(true, Ordering::Relaxed);
            }
            self.publish(table, *id, made.rate, now);
        }
        table.give_back(marked);
    }

    /// Puts a rate in its place, and on the stream if it says something else than before.
    fn publish(&self, table: &mut Table, id: u32, rate: Rate, now: Timestamp) {
        let Some(row) = table.rows.get_mut(&id) else { return };
        let answer = Arc::new(body::answer(rate, self.options.demo));
        match &row.slot {
            Some(slot) => {
                let before = slot.answer.swap(answer.clone());
                if index::is_leg(&before.rate) != index::is_leg(&answer.rate) {
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
        let cross =
            if is_too_old(&answer.rate) { self.crossed(&row.pair, Some(&answer), now, false) } else { None };
        let shown = cross.as_ref().unwrap_or(&answer);
        self.show(&mut row.shown, &row.pair, shown, now);
    }

    fn show(&self, last: &mut Option<Bytes>, pair: &Pair, answer: &Answer, now: Timestamp) {
        if last.as_ref() != Some(&answer.body) {
            *last = Some(answer.body.clone());
            self.ring.push(Some(pair.clone()), |number| body::rate_event(&self.boot, number, answer, now));
        }
    }

    /// Says on the stream how venues are doing, where that has changed.
    fn tell_venues(&self, table: &mut Table) {
        for known in table.venues.values_mut().filter(|k| k.venue.was_heard()) {
            if let Some(news) = known.venue.news() {
                self.ring.push(None, |number| body::event(&self.boot, number, "status", &news));
            }
        }
    }

    /// A pair whose own ticks are too old may be crossed, and its cross moves with its legs: some in each turn.
    fn look_after_unfresh(&self, table: &mut Table, now: Timestamp) {
        let from = self.unfresh_from.load(Ordering::Relaxed);
        let turn: Vec<u32> = table.unfresh.range(from..).take(UNFRESH_TURN).copied().collect();
        let next = if turn.len() < UNFRESH_TURN { 0 } else { turn.last().map_or(0, |id| id + 1) };
        self.unfresh_from.store(next, Ordering::Relaxed);
        for id in turn {
            let Some(row) = table.rows.get_mut(&id) else { continue };
            let Some(direct) = row.slot.as_ref().map(|s| s.answer.load_full()) else { continue };
            let cross = self.crossed(&row.pair, Some(&direct), now, false);
            self.show(&mut row.shown, &row.pair, cross.as_ref().unwrap_or(&direct), now);
        }
    }

    /// Crosses that were asked for lately are told on the stream like rates that are quoted.
    fn look_after_crosses(&self, now: Timestamp) {
        let followed = self.crosses.followed(now);
        let mut shown = self.crosses_shown.lock();
        shown.retain(|pair, _| followed.contains(pair));
        for pair in followed {
            if self.index.read().by_pair.contains_key(&pair) {
                continue;
            }
            let mut last = shown.remove(&pair);
            let cross = self.crossed(&pair, None, now, false);
            match cross {
                Some(cross) => self.show(&mut last, &pair, &cross, now),
                None if last.is_some() => {
                    let gone = body::answer(crossed::gone(&pair), self.options.demo);
                    self.show(&mut last, &pair, &gone, now);
                }
                None => {}
            }
            if let Some(last) = last {
                shown.insert(pair, last);
            }
        }
    }
}

/// Whether a cross is better than this.
fn is_too_old(rate: &Rate) -> bool {
    matches!(rate.state, RateState::Stale | RateState::Expired)
}
