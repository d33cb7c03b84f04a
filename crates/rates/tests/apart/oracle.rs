//! The outside checker: it knows what the numbered venues have said, is shown what every view of them showed, and
//! says what cannot be. It must not know the product's code, nor which fault is going on.
//!
//! A **view** is one way to see rates: an API by request, an API by stream, Redis, a foreign consumer on RabbitMQ.
//! A **life** of a view begins when its process or server is started. What must hold of everything shown:
//!
//! 1. *Nothing invented.* A value is, digit for digit, what one venue said, or the exact middle of what two said; the
//!    venues are those the answer names, the time beside it is the venue's own, and all of it was said before.
//! 2. *Nothing older over newer.* Within a life no view goes back, for any venue of any pair. A rate that does not
//!    say `cache_only` does not go back over a restart of its process either: only what was kept by the cache may be
//!    older than what was shown before, and says so. (So does what nobody has renewed for 15 s: that is not held to it.) Redis forgets all when it dies, which is a new life. A consumer
//!    on RabbitMQ has one life: what comes to it never goes back, whoever is killed.
//! 3. *Nothing stale without a flag.* An answer to a request that calls itself `fresh` was not older than
//!    `stale_after` and a second when the request was sent (it was made later than that), nor by the age it states. A
//!    stream and a consumer on RabbitMQ are judged by the stated age alone.
//! 4. *No silent gap.* On a stream the ids of one life follow each other without a hole, over reconnections too; a
//!    `resync` or a snapshot begins anew.
//! 5. *Convergence.* Once the last fault is over, every view shows within 2 s, of every venue of every pair, what was
//!    said at that moment or later. A fault is over when the servers answer and the processes are ready.
//!
//! What is fair: a killed process answers nothing, a new one is not ready and answers 503 or what the cache kept; a
//! rate without a value shows nothing and is no violation; while something is dead anything may be stale, and says so.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use testkit::{NumberedVenue, Place, number, numbers_in_middle};

/// A pair's venues by number of the last price shown of each; 0 = none.
type Numbers = [u64; 2];

/// Two venues, and who quotes what.
pub struct Truth {
    pub venues: [(&'static str, Place, NumberedVenue); 2],
    /// Which of the venues quote a pair.
    pub quoted_by: BTreeMap<String, [bool; 2]>,
    pub stale_after_ms: i64,
}

/// Everything shown so far, and what was wrong with it.
pub struct Oracle {
    pub truth: Truth,
    seen: Mutex<Seen>,
    judged: AtomicU64,
}

#[derive(Default)]
struct Seen {
    views: BTreeMap<String, View>,
    violations: Vec<String>,
}

#[derive(Default)]
struct View {
    life: u64,
    /// In this life.
    shown: BTreeMap<String, Numbers>,
    /// Ever, without `cache_only`.
    shown_live: BTreeMap<String, Numbers>,
    /// Must converge.
    is_awaited: bool,
}

/// A late enough moment in the life of the venues.
pub type Mark = BTreeMap<String, Numbers>;

impl Oracle {
    pub fn new(truth: Truth) -> Arc<Oracle> {
        Arc::new(Oracle { truth, seen: Mutex::default(), judged: AtomicU64::new(0) })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A view that must converge from now on; told before anything of it is judged.
    pub fn await_view(&self, view: &str) {
        self.seen().views.entry(view.to_owned()).or_default().is_awaited = true;
    }

    /// A view that is gone for good.
    pub fn forget_view(&self, view: &str) {
        self.seen().views.remove(view);
    }

    /// What the venues have said by now.
    pub fn mark(&self) -> Mark {
        let numbers = |(pair, quoted): (&String, &[bool; 2])| {
            let last = |at: usize| if quoted[at] { self.truth.venues[at].2.last(pair) } else { 0 };
            (pair.clone(), [last(0), last(1)])
        };
        self.truth.quoted_by.iter().map(numbers).collect()
    }

    /// Views and pairs that have not shown what was said at the mark, or later.
    pub fn behind(&self, mark: &Mark) -> Vec<String> {
        let seen = self.seen();
        let mut behind = Vec::new();
        for (name, view) in seen.views.iter().filter(|(_, view)| view.is_awaited) {
            for (pair, wanted) in mark {
                let shown = view.shown.get(pair).copied().unwrap_or_default();
                if shown[0] < wanted[0] || shown[1] < wanted[1] {
                    behind.push(format!("{name}: {pair} at {shown:?}, not {wanted:?}"));
                }
            }
        }
        behind
    }

    /// How many values were judged.
    pub fn judged(&self) -> u64 {
        self.judged.load(Relaxed)
    }

    /// What was wrong so far.
    pub fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }

    /// Panics if anything was wrong.
    pub fn is_content(&self, after: &str) {
        let violations = self.violations();
        assert!(violations.is_empty(), "{after}: {} violations: {violations:#?}", violations.len());
    }

    pub fn violation(&self, what: String) {
        let mut seen = self.seen();
        if seen.violations.len() < 50 {
            seen.violations.push(what);
        }
    }

    /// Judges one rate; `asked_at_ms` is when it was asked for, if it was.
    pub fn judge_rate(&self, view: &str, life: u64, rate: &Value, asked_at_ms: Option<i64>) {
        let wrong = |why: &str| self.violation(format!("{view} (life {life}): {why}: {rate}"));
        let (Some(pair), Some(state)) = (rate["pair"].as_str(), rate["state"].as_str()) else {
            return wrong("no rate");
        };
        let Some(value) = rate["value"].as_str() else {
            if state == "fresh" {
                wrong("fresh without a value");
            }
            return;
        };
        let sources = strings(&rate["sources"]);
        let shown = self.numbers(&sources, value);
        let Some(times) = shown.and_then(|shown| self.times(pair, &shown)) else {
            return wrong("invented");
        };
        let time = times.into_iter().min();
        if rate["venue_time"].as_i64() != time {
            wrong(&format!("its time is not the venue's, which is {time:?}"));
        }
        // A second: a machine that is busy may take some time from the judging of an age to the writing of it.
        let (limit, time) = (self.truth.stale_after_ms + 1_000, time.unwrap_or_default());
        if state == "fresh" {
            let stated = rate["age_ms"].as_i64().is_some_and(|age| age > limit);
            if stated || asked_at_ms.is_some_and(|asked| asked - time > limit) {
                wrong(&format!("stale, and called fresh, asked at {asked_at_ms:?}"));
            }
        }
        let is_cached = strings(&rate["degraded"]).contains("cache_only");
        self.keep(view, life, pair, shown.unwrap_or_default(), is_cached, rate);
    }

    /// Judges one tick of one venue, kept somewhere that has no flags.
    pub fn judge_tick(&self, view: &str, life: u64, venue: &str, tick: &Value, must_follow: bool) {
        let wrong = |why: &str| self.violation(format!("{view} (life {life}): {why}: {venue} {tick}"));
        let (Some(pair), Some(last)) = (tick["pair"].as_str(), tick["last"].as_str()) else {
            return wrong("no tick");
        };
        let shown = self.numbers(&BTreeSet::from([venue]), last);
        let Some(times) = shown.and_then(|shown| self.times(pair, &shown)) else {
            return wrong("invented");
        };
        if tick["venue_time"].as_i64() != times.first().copied() {
            wrong("its time is not the venue's");
        }
        if must_follow {
            self.keep(view, life, pair, shown.unwrap_or_default(), true, tick);
        }
    }

    /// The numbers in a value of these sources.
    fn numbers(&self, sources: &BTreeSet<&str>, value: &str) -> Option<Numbers> {
        let is_source = [0, 1].map(|at| sources.contains(self.truth.venues[at].0));
        match is_source {
            _ if sources.len() != is_source.iter().filter(|is| **is).count() => None,
            [true, false] => Some([number(self.truth.venues[0].1, value)?, 0]),
            [false, true] => Some([0, number(self.truth.venues[1].1, value)?]),
            [true, true] => numbers_in_middle(value).map(|(first, second)| [first, second]),
            [false, false] => None,
        }
    }

    /// When each was said; `None` if any was not.
    fn times(&self, pair: &str, shown: &Numbers) -> Option<Vec<i64>> {
        let said = |at: usize| (shown[at] > 0).then(|| self.truth.venues[at].2.said_at(pair, shown[at]));
        let said: Option<Vec<i64>> = [0, 1].into_iter().filter_map(said).collect();
        said.filter(|times| !times.is_empty())
    }

    fn keep(&self, view: &str, life: u64, pair: &str, shown: Numbers, is_cached: bool, what: &Value) {
        self.judged.fetch_add(1, Relaxed);
        let mut seen = self.seen();
        let kept = seen.views.entry(view.to_owned()).or_default();
        if kept.life != life {
            (kept.life, kept.shown) = (life, BTreeMap::new());
        }
        let mut older = Vec::new();
        let before = kept.shown.entry(pair.to_owned()).or_default();
        let live = kept.shown_live.entry(pair.to_owned()).or_default();
        for at in [0, 1].into_iter().filter(|at| shown[*at] > 0) {
            if shown[at] < before[at] {
                older.push(format!("{} after {}", shown[at], before[at]));
            } else if !is_cached && shown[at] < live[at] {
                older.push(format!("{} after {} of an earlier life", shown[at], live[at]));
            }
            before[at] = before[at].max(shown[at]);
            if !is_cached {
                live[at] = live[at].max(shown[at]);
            }
        }
        drop(seen);
        if !older.is_empty() {
            self.violation(format!("{view} (life {life}): older over newer: {older:?}: {what}"));
        }
    }
}

fn strings(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
