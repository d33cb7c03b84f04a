//! The board itself: one writer's table behind a lock, answers that readers take without it.
//! It must not know any venue's wire format, nor who reads it.

use crate::{
    Answer, Change, Changes, Conversion, Found, Options, Policy, VenueView, assumed, body,
    changes::Ring,
    crossed::Crosses,
    find,
    index::Index,
    rows::{Only, Shown},
    table::Table,
};
use clock::Clock;
use market::{Basis, Pair, Price, Quoting, Rate, RateState, Tick, TickView, Timestamp, VenueId, VenueStatus};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
};

/// The live table.
///
/// Locks are taken in this order: table, crosses, index, ring. A reader of a fresh rate takes only the index's,
/// for reading.
pub struct Board {
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) boot: String,
    pub(crate) table: Mutex<Table>,
    pub(crate) index: RwLock<Index>,
    pub(crate) crosses: Crosses,
    pub(crate) crosses_shown: Mutex<HashMap<Pair, Shown>>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) was_fresh: AtomicBool,
    pub(crate) unfresh_from: AtomicU32,
    /// In microseconds; readers of crosses look whether time has changed a leg.
    pub(crate) next_due: AtomicI64,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").field("boot", &self.boot).finish_non_exhaustive()
    }
}

impl Board {
    /// An empty board.
    pub fn new(clock: Clock, options: Options) -> Arc<Board> {
        let index = Index::assuming(assumed::slots(&options.same_as, options.demo));
        Arc::new(Board {
            clock,
            options,
            boot: std::iter::repeat_with(fastrand::alphanumeric).take(8).collect::<String>().to_lowercase(),
            table: Mutex::default(),
            index: RwLock::new(index),
            crosses: Crosses::default(),
            crosses_shown: Mutex::default(),
            ring: Arc::new(Ring::new()),
            was_fresh: AtomicBool::new(false),
            unfresh_from: AtomicU32::new(0),
            next_due: AtomicI64::new(i64::MAX),
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
        table.mark_due(now);
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
        drop(table);
        self.look_after_crosses(now);
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
            direct => {
                if self.next_due.load(Ordering::Relaxed) < now.micros() {
                    self.settle(now);
                }
                self.crossed(pair, direct.as_ref(), now, true).or(direct)
            }
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
            return (is_young && answer.rate.state != RateState::Expired).then_some(answer);
        }
        let table = self.table.lock();
        let only = Only { venue: None, age_ms_max: Some(age_ms_max) };
        let made = table.row(pair)?.make(table.policies.get(pair), Some(only), now)?;
        drop(table);
        (made.rate.state != RateState::Expired).then(|| Arc::new(body::answer(made.rate, self.options.demo)))
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

    /// The answers for every pair that is tracked, by name: of one that nobody has quoted yet a cross, or one
    /// without a value.
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
        let unseen: Vec<Pair> = {
            let index = self.index.read();
            index.tracked.iter().filter(|pair| !index.by_pair.contains_key(*pair)).cloned().collect()
        };
        if !unseen.is_empty() {
            answers.extend(unseen.iter().map(|pair| {
                let nothing = || Arc::new(body::answer(Rate::unseen(pair), self.options.demo));
                self.crossed(pair, None, now, false).unwrap_or_else(nothing)
            }));
            answers.sort_by(|a, b| a.rate.pair.cmp(&b.rate.pair));
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
            parts: known.venue.parts().cloned().collect(),
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

    /// Whether a fresh rate has been seen since the start: of each of these pairs, or of any if none is named. What
    /// comes from the cache alone was fresh before the start, and does not count.
    pub fn is_ready(&self, pairs: &[Pair]) -> bool {
        if pairs.is_empty() {
            return self.was_fresh.load(Ordering::Relaxed);
        }
        let was_fresh = |pair: &Pair| {
            let slot = self.index.read().by_pair.get(pair).cloned();
            slot.is_some_and(|s| s.was_fresh.load(Ordering::Relaxed))
                || self.answer(pair).is_some_and(|a| a.rate.state == RateState::Fresh && !a.rate.is_cached)
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

    pub(crate) fn crossed(
        &self,
        pair: &Pair,
        direct: Option<&Arc<Answer>>,
        now: Timestamp,
        is_asked: bool,
    ) -> Option<Arc<Answer>> {
        self.crosses.answer(&self.index, pair, direct, self.options.demo, now, is_asked)
    }
}

/// Whether a cross is better than this.
pub(crate) fn is_too_old(rate: &Rate) -> bool {
    matches!(rate.state, RateState::Stale | RateState::Expired)
}
