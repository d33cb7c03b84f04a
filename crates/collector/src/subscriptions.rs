//! What one connection has asked for, what was answered, and what has to be asked again. Pure: it hands out
//! frames to send and is told what came back. It must not know sockets, nor when it is.

use crate::{cell::PairCell, plan::Want, words};
use market::{PairState, Timestamp};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use venue::{Meaning, Outgoing, Problem, Symbol, Ws};

/// A wanted symbol and where its state is told.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What is wanted.
    pub want: Want,
    /// Its state.
    pub cell: Arc<PairCell>,
}

/// Everything wanted of one connection.
pub type Wants = Arc<Vec<Wanted>>;

/// What a change of wants means for the reader.
#[derive(Debug, Default)]
pub struct Difference {
    /// To follow, and whether prices below zero are believed.
    pub added: Vec<(Symbol, bool)>,
    /// No longer to follow.
    pub removed: Vec<Symbol>,
}

impl Difference {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// What a problem turned out to be about.
#[derive(Debug, PartialEq, Eq)]
pub enum About {
    /// One symbol, which is left alone for now.
    Symbol(Arc<str>),
    /// One of several symbols; they are asked for one by one to find it.
    Several(usize),
    /// Asking too fast.
    Rate,
    /// None of our symbols.
    Nothing,
}

/// What the retries keep to.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// No first data within this: `no_data`.
    pub first_data_ms: i64,
    /// A symbol that the venue does not know is asked for again after this.
    pub delisted_ms: i64,
    /// After "too many requests", nothing is sent for this long.
    pub rate_ms: i64,
}

#[derive(Debug)]
struct Entry {
    symbol: Symbol,
    cell: Arc<PairCell>,
    allow_negative: bool,
    sent_at: Option<Timestamp>,
    last_data: Option<Timestamp>,
    must_cover: bool,
    refused: bool,
    retry_at: Option<Timestamp>,
    /// Another symbol of its request was refused: if nothing has come by then, this one may have been, too.
    doubt_until: Option<Timestamp>,
    tries: u32,
}

#[derive(Debug)]
struct Queued {
    frame: Outgoing,
    subscribes: bool,
}

/// What one connection has asked for.
#[derive(Debug)]
pub struct Subscriptions {
    entries: HashMap<Arc<str>, Entry>,
    queue: VecDeque<Queued>,
    unanswered: VecDeque<(Outgoing, Timestamp)>,
    next_id: u64,
    uncovered: usize,
    one_by_one: bool,
    paused_until: Option<Timestamp>,
    by_url: bool,
    patience: Patience,
}

impl Subscriptions {
    /// A request that got no answer for this long is taken as answered: many venues answer nothing.
    const ANSWER_MS_MAX: i64 = 30_000;
    /// One by one, the next waits at most this long for the answer to the one before.
    const TURN_MS: i64 = 2_000;
    /// Venues that name the one bad symbol may have refused the whole request. If they have not, something comes of the
    /// others within this time, or they are asked for once more, which does no harm.
    const DOUBT_MS: i64 = 2_000;
    /// While so many frames wait to be sent, nothing is asked again.
    const QUEUE_FULL: usize = 20;
    /// No retry of a silent pair waits longer.
    const RETRY_MS_MAX: i64 = 3_600_000;

    /// Nothing asked yet. `by_url`: the symbols stand in the address, and nothing is sent.
    pub fn new(by_url: bool, patience: Patience) -> Subscriptions {
        Subscriptions {
            entries: HashMap::new(),
            queue: VecDeque::new(),
            unanswered: VecDeque::new(),
            next_id: 1,
            uncovered: 0,
            one_by_one: false,
            paused_until: None,
            by_url,
            patience,
        }
    }

    /// The count of frames, which pings share.
    pub fn next_id(&mut self) -> &mut u64 {
        &mut self.next_id
    }

    /// Whether nothing is wanted yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Moves to `wants`. With `covers`, what is live elsewhere now must be delivered here before
    /// [`Subscriptions::is_covered`].
    pub fn follow(&mut self, ws: &Ws, wants: &[Wanted], covers: bool, now: Timestamp) -> Difference {
        let mut difference = Difference::default();
        let wanted: HashMap<&Arc<str>, &Wanted> =
            wants.iter().map(|wanted| (&wanted.want.symbol.name, wanted)).collect();
        let keeps = |entry: &Entry| {
            wanted.get(&entry.symbol.name).is_some_and(|w| {
                w.want.allow_negative == entry.allow_negative && Arc::ptr_eq(&w.cell, &entry.cell)
            })
        };
        let gone: Vec<Arc<str>> =
            self.entries.iter().filter(|(_, e)| !keeps(e)).map(|(name, _)| name.clone()).collect();
        let mut unsubscribes = Vec::new();
        for name in gone {
            let Some(entry) = self.entries.remove(&name) else { continue };
            self.uncovered -= usize::from(entry.must_cover && entry.last_data.is_none());
            if entry.sent_at.is_some() && !entry.refused && !wanted.contains_key(&name) {
                unsubscribes.push(entry.symbol.clone());
            }
            difference.removed.push(entry.symbol);
        }
        let entries = &self.entries;
        self.queue.retain(|queued| {
            !queued.subscribes || queued.frame.symbols.iter().any(|name| entries.contains_key(name))
        });
        for Wanted { want, cell } in wants {
            let name = &want.symbol.name;
            if self.entries.contains_key(name) {
                continue;
            }
            let must_cover = covers && cell.state(now) == PairState::Live;
            self.uncovered += usize::from(must_cover);
            let entry = Entry {
                symbol: want.symbol.clone(),
                cell: cell.clone(),
                allow_negative: want.allow_negative,
                sent_at: self.by_url.then_some(now),
                last_data: None,
                must_cover,
                refused: false,
                retry_at: None,
                doubt_until: None,
                tries: 0,
            };
            self.entries.insert(name.clone(), entry);
            difference.added.push((want.symbol.clone(), want.allow_negative));
        }
        if !self.by_url {
            let left = self.asked();
            if !unsubscribes.is_empty() {
                let frames = ws.unsubscribe(&unsubscribes, &left, &mut self.next_id);
                self.queue.extend(frames.into_iter().map(|frame| Queued { frame, subscribes: false }));
            }
            let added: Vec<Symbol> = difference.added.iter().map(|(symbol, _)| symbol.clone()).collect();
            self.subscribe(ws, &added, &left);
        }
        difference
    }

    fn asked(&self) -> Vec<Symbol> {
        self.entries.values().filter(|entry| !entry.refused).map(|entry| entry.symbol.clone()).collect()
    }

    fn subscribe(&mut self, ws: &Ws, added: &[Symbol], all: &[Symbol]) {
        if !added.is_empty() {
            let frames = ws.subscribe(added, all, &mut self.next_id);
            self.queue.extend(frames.into_iter().map(|frame| Queued { frame, subscribes: true }));
        }
    }

    /// Whether there is a frame to send now.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let paused = self.paused_until.is_some_and(|until| now < until);
        let in_turn = !self.one_by_one
            || self.unanswered.back().is_none_or(|(_, at)| now.millis_since(*at) >= Self::TURN_MS);
        !self.queue.is_empty() && !paused && in_turn
    }

    /// Whether frames wait to be sent.
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next frame to send; the caller sends it now.
    pub fn take(&mut self, now: Timestamp) -> Option<Outgoing> {
        if !self.is_ready(now) {
            return None;
        }
        let Queued { frame, subscribes } = self.queue.pop_front()?;
        if subscribes {
            for name in &frame.symbols {
                if let Some(entry) = self.entries.get_mut(name) {
                    entry.sent_at = Some(now);
                }
            }
            self.unanswered.push_back((frame.clone(), now));
        }
        Some(frame)
    }

    /// A tick came; `false` if nobody wants it.
    pub fn data(&mut self, name: &str, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(name) else { return false };
        if entry.last_data.replace(now).is_none() {
            self.uncovered -= usize::from(entry.must_cover);
        }
        entry.doubt_until = None;
        if entry.retry_at.take().is_some() {
            entry.tries = 0;
            entry.refused = false;
        }
        entry.cell.data(now);
        true
    }

    /// What came of a symbol is no spot price: it need not be asked for again, and its pair has no data all the same.
    pub fn not_spot(&mut self, name: &str, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        if entry.last_data.replace(now).is_none() {
            self.uncovered -= usize::from(entry.must_cover);
            entry.cell.set_because(PairState::NoData, "its prices are not spot prices and reach no rate");
        }
    }

    /// Whether every pair that was live elsewhere has been delivered here.
    pub fn is_covered(&self) -> bool {
        self.uncovered == 0
    }

    /// Whether any data can be expected at all.
    pub fn expects_data(&self) -> bool {
        self.entries.values().any(|entry| !entry.refused)
    }

    /// A subscription was acknowledged. That proves nothing about data.
    pub fn acknowledged(&mut self, symbol: Option<&str>, id: Option<&str>) {
        match (symbol, id) {
            (_, Some(id)) if self.unanswered.iter().any(|(frame, _)| frame.id.as_deref() == Some(id)) => {
                self.unanswered.retain(|(frame, _)| frame.id.as_deref() != Some(id));
            }
            (Some(symbol), _) => self.answered(symbol),
            _ => drop(self.unanswered.pop_front()),
        }
    }

    fn answered(&mut self, symbol: &str) {
        if let Some(entry) = self.entries.get_mut(symbol) {
            entry.doubt_until = None;
        }
        for (frame, _) in &mut self.unanswered {
            frame.symbols.retain(|name| &**name != symbol);
        }
        self.unanswered.retain(|(frame, _)| !frame.symbols.is_empty());
    }

    /// The venue reports an error: finds whom it is about, and does what follows.
    pub fn problem(&mut self, ws: &Ws, problem: &Problem, now: Timestamp) -> About {
        self.unanswered.retain(|(_, at)| now.millis_since(*at) < Self::ANSWER_MS_MAX);
        if problem.means == Meaning::RateLimited {
            return self.too_fast(now);
        }
        self.doubt(problem, now);
        let about = self.refused_symbols(problem);
        match about.len() {
            0 => About::Nothing,
            1 => self.refuse(&about[0], problem, now),
            count => {
                self.one_by_one = true;
                let all = self.asked();
                for name in &about {
                    if let Some(entry) = self.entries.get_mut(name) {
                        entry.sent_at = None;
                        let one = [entry.symbol.clone()];
                        self.subscribe(ws, &one, &all);
                    }
                }
                About::Several(count)
            }
        }
    }

    /// A refusal names one symbol: the others of the same request are in doubt.
    fn doubt(&mut self, problem: &Problem, now: Timestamp) {
        let Some(symbol) = &problem.symbol else { return };
        let id = problem.id.as_deref();
        let is_its = |frame: &Outgoing| match id {
            Some(id) if frame.id.is_some() => frame.id.as_deref() == Some(id),
            _ => frame.symbols.contains(symbol),
        };
        for (frame, _) in self.unanswered.iter().filter(|(frame, _)| is_its(frame)) {
            for name in frame.symbols.iter().filter(|name| *name != symbol) {
                if let Some(entry) =
                    self.entries.get_mut(name).filter(|e| e.last_data.is_none() && !e.refused)
                {
                    entry.doubt_until.get_or_insert(now.plus_millis(Self::DOUBT_MS));
                }
            }
        }
    }

    /// The symbols that a refusal may be about, each of them ours and without data so far.
    fn refused_symbols(&mut self, problem: &Problem) -> Vec<Arc<str>> {
        let names: Vec<Arc<str>> = if let Some(symbol) = &problem.symbol {
            self.answered(symbol);
            if problem.means == Meaning::UnknownSymbol && self.entries.contains_key(symbol) {
                // Data may have come before: then it was delisted while we watched.
                return vec![symbol.clone()];
            }
            vec![symbol.clone()]
        } else if let Some(at) = problem.id.as_deref().and_then(|id| self.position(id)) {
            self.unanswered.remove(at).map(|(frame, _)| frame.symbols).unwrap_or_default()
        } else {
            // Nothing says which request it answers. Those whose data flows were not refused.
            self.unanswered.drain(..).flat_map(|(frame, _)| frame.symbols).collect()
        };
        let mut seen = HashSet::new();
        names
            .into_iter()
            .filter(|name| {
                self.entries.get(name).is_some_and(|entry| entry.last_data.is_none())
                    && seen.insert(name.clone())
            })
            .collect()
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.unanswered.iter().position(|(frame, _)| frame.id.as_deref() == Some(id))
    }

    fn refuse(&mut self, name: &Arc<str>, problem: &Problem, now: Timestamp) -> About {
        let patience = self.patience;
        if let Some(entry) = self.entries.get_mut(name) {
            let unknown = problem.means == Meaning::UnknownSymbol;
            self.uncovered -= usize::from(entry.must_cover && entry.last_data.is_none());
            entry.must_cover = false;
            entry.refused = true;
            let state = if unknown { PairState::Delisted } else { PairState::NoData };
            entry.cell.set_because(state, &words::plain(&problem.text));
            let wait = if unknown {
                patience.delisted_ms
            } else {
                doubled(60_000, entry.tries).min(Self::RETRY_MS_MAX)
            };
            entry.tries = entry.tries.saturating_add(1);
            entry.retry_at = Some(now.plus_millis(wait));
        }
        About::Symbol(name.clone())
    }

    fn too_fast(&mut self, now: Timestamp) -> About {
        self.paused_until = Some(now.plus_millis(self.patience.rate_ms));
        while let Some((frame, _)) = self.unanswered.pop_back() {
            let waits =
                |name: &Arc<str>| self.entries.get(name).is_some_and(|entry| entry.last_data.is_none());
            if frame.symbols.iter().any(waits) {
                self.queue.push_front(Queued { frame, subscribes: true });
            }
        }
        About::Rate
    }

    /// Looks all pairs over: tells which have no data, and asks again for those and for the stale, one pair at
    /// a time and ever more seldom. Gives the symbols asked for again.
    pub fn look(&mut self, ws: &Ws, now: Timestamp) -> Vec<Arc<str>> {
        let mut again = Vec::new();
        self.ask_doubted(ws, now);
        for entry in self.entries.values_mut() {
            let due = entry.retry_at.is_some_and(|at| now >= at);
            if entry.refused {
                if due && !self.by_url {
                    again.push(entry.symbol.name.clone());
                }
                continue;
            }
            let Some(sent_at) = entry.sent_at else { continue };
            let patience = match entry.last_data {
                None => self.patience.first_data_ms,
                Some(_) => entry.cell.stale_after_ms(),
            };
            let since = entry.last_data.unwrap_or(sent_at);
            if now.millis_since(since) <= patience {
                continue;
            }
            // A pair that lives on the connection being replaced is not silent because it is silent here.
            if entry.last_data.is_none() && entry.cell.state(now) != PairState::Live {
                entry.cell.set(PairState::NoData);
            }
            if (entry.retry_at.is_none() || due) && !self.by_url {
                again.push(entry.symbol.name.clone());
            }
        }
        if self.queue.len() >= Self::QUEUE_FULL {
            return Vec::new();
        }
        again.truncate(Self::QUEUE_FULL);
        for name in &again {
            self.ask_again(ws, name, now);
        }
        again
    }

    /// Asks once more, together, for those whose request was refused for another's sake.
    fn ask_doubted(&mut self, ws: &Ws, now: Timestamp) {
        let mut doubted = Vec::new();
        for entry in self.entries.values_mut().filter(|entry| entry.doubt_until.is_some_and(|at| now >= at)) {
            entry.doubt_until = None;
            if !entry.refused {
                entry.sent_at = None;
                doubted.push(entry.symbol.clone());
            }
        }
        if !doubted.is_empty() && !self.by_url {
            let all = self.asked();
            self.subscribe(ws, &doubted, &all);
        }
    }

    fn ask_again(&mut self, ws: &Ws, name: &Arc<str>, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        let was_refused = std::mem::take(&mut entry.refused);
        let step = entry.cell.stale_after_ms().max(self.patience.first_data_ms).max(1_000);
        let wait = if was_refused {
            self.patience.delisted_ms
        } else {
            doubled(step, entry.tries).min(Self::RETRY_MS_MAX)
        };
        entry.tries = entry.tries.saturating_add(1);
        entry.retry_at = Some(now.plus_millis(wait));
        let one = [entry.symbol.clone()];
        let all = self.asked();
        if !was_refused {
            let left: Vec<Symbol> = all.iter().filter(|symbol| symbol.name != *name).cloned().collect();
            let frames = ws.unsubscribe(&one, &left, &mut self.next_id);
            self.queue.extend(frames.into_iter().map(|frame| Queued { frame, subscribes: false }));
        }
        self.subscribe(ws, &one, &all);
    }
}

impl Patience {
    /// A venue's and the settings' patience.
    pub fn new(ws: &Ws, delisted: Duration, rate: Duration) -> Patience {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Patience {
            first_data_ms: i64::try_from(ws.first_data_ms).unwrap_or(i64::MAX),
            delisted_ms: ms(delisted),
            rate_ms: ms(rate),
        }
    }
}

fn doubled(step: i64, times: u32) -> i64 {
    step.saturating_mul(1i64.checked_shl(times.min(40)).unwrap_or(i64::MAX))
}
