//! How venues are doing: every collector's word merged, and what it means for each pair.
//! It must not know the ticks.

use market::{ConnectionState, Feed, PairState, PairStatus, RowStatus, Timestamp, VenueId, VenueStatus};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// Word older than this is worth nothing: the venue is `unknown`.
pub(crate) const UNKNOWN_AFTER_MS: i64 = 15_000;

/// What a status says of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairWord {
    pub(crate) stale_after_ms: Option<i64>,
    pub(crate) expire_after_ms: Option<i64>,
    state: PairState,
}

/// Whether a status names the same pairs as the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Same,
    Other,
}

#[derive(Debug)]
struct Part {
    status: Arc<VenueStatus>,
    heard_at: Timestamp,
}

/// One venue.
#[derive(Debug)]
pub(crate) struct Venue {
    parts: BTreeMap<String, Part>,
    pub(crate) merged: Arc<VenueStatus>,
    pub(crate) is_unknown: bool,
    is_live: bool,
    alive: usize,
    pub(crate) pairs: HashMap<market::Pair, PairWord>,
    /// What the collector that spoke last had named before, and names no more.
    dropped: HashSet<market::Pair>,
    /// What was last said on the stream.
    shown: Vec<u8>,
}

impl Venue {
    pub(crate) fn new(venue: &VenueId, now: Timestamp) -> Venue {
        let merged = VenueStatus {
            v: 1,
            venue: venue.clone(),
            collector: "".into(),
            sent_at: now,
            connections: Vec::new(),
            rows: Vec::new(),
            pairs: Vec::new(),
        };
        Venue {
            parts: BTreeMap::new(),
            merged: Arc::new(merged),
            is_unknown: true,
            is_live: false,
            alive: 0,
            pairs: HashMap::new(),
            dropped: HashSet::new(),
            shown: Vec::new(),
        }
    }

    /// Whether any collector has ever spoken of it.
    pub(crate) fn was_heard(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Takes one collector's word. `None`: it is older than what is held, and that is still worth something.
    pub(crate) fn take(&mut self, status: Arc<VenueStatus>, now: Timestamp) -> Option<Names> {
        let held = self.parts.get(status.collector.as_str());
        if held.is_some_and(|h| h.status.sent_at > status.sent_at && !h.is_old(now)) {
            return None;
        }
        self.dropped = held.map(|held| dropped(&held.status, &status)).unwrap_or_default();
        self.parts.insert(status.collector.to_string(), Part { status, heard_at: now });
        Some(self.merge(now))
    }

    /// Lets time pass; whether that changed anything.
    pub(crate) fn age(&mut self, now: Timestamp) -> bool {
        if self.was_heard() && self.parts.values().filter(|p| !p.is_old(now)).count() != self.alive {
            self.merge(now);
            return true;
        }
        false
    }

    /// Each collector's word that counts.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Arc<VenueStatus>> {
        self.parts.values().map(|part| &part.status)
    }

    fn merge(&mut self, now: Timestamp) -> Names {
        self.is_unknown = self.parts.values().all(|p| p.is_old(now));
        let newest = self.parts.values().map(|p| p.heard_at).max();
        // A collector that fell silent counts no more beside one that speaks, nor does one that has stopped, here or
        // altogether, beside one that goes on.
        let is_unknown = self.is_unknown;
        self.parts.retain(|_, p| if is_unknown { Some(p.heard_at) == newest } else { !p.is_old(now) });
        if self.parts.values().any(|p| !p.has_left()) {
            self.parts.retain(|_, p| !p.has_left());
        }
        self.alive = self.parts.values().filter(|p| !p.is_old(now)).count();
        let mut parts = self.parts.values().map(|p| &p.status);
        let Some(first) = parts.next() else { return Names::Same };
        self.merged = parts.fold(first.clone(), |one, other| Arc::new(both(&one, other)));
        self.is_live = self.merged.connections.iter().any(|c| c.state == ConnectionState::Live);
        let pairs: HashMap<_, _> = self.merged.pairs.iter().map(|p| (p.pair.clone(), word(p))).collect();
        let before = std::mem::replace(&mut self.pairs, pairs);
        let is_same = before.len() == self.pairs.len() && before.keys().all(|p| self.pairs.contains_key(p));
        if is_same { Names::Same } else { Names::Other }
    }

    /// What is known of the venue's feed of a pair. A venue of which no collector ever spoke is judged by its ticks
    /// alone.
    pub(crate) fn feed(&self, pair: &market::Pair) -> Feed {
        let is_bad =
            self.pairs.get(pair).is_some_and(|w| !matches!(w.state, PairState::Live | PairState::Waiting));
        match self.was_heard() {
            true if self.is_unknown => Feed::Unheard,
            true if !self.is_live || is_bad => Feed::Down,
            _ => Feed::Good,
        }
    }

    /// Whether the venue, by its collectors' word, does not quote the pair: switched off, or unknown there.
    pub(crate) fn is_gone(&self, pair: &market::Pair) -> bool {
        let gone = [PairState::Disabled, PairState::Delisted, PairState::Invalid];
        !self.is_unknown && self.pairs.get(pair).is_some_and(|w| gone.contains(&w.state))
    }

    /// Whether no collector that speaks names the pair (any more).
    pub(crate) fn is_unnamed(&self, pair: &market::Pair) -> bool {
        self.was_heard() && !self.is_unknown && !self.pairs.contains_key(pair)
    }

    /// Whether the collector that read the pair has just said that it does not any more, and no other does. One
    /// that died says nothing, so its last prices stand and age.
    pub(crate) fn is_withdrawn(&self, pair: &market::Pair) -> bool {
        self.dropped.contains(pair) && !self.pairs.contains_key(pair)
    }

    /// The state on one line of JSON, if it is another than last time.
    pub(crate) fn news(&mut self) -> Option<Vec<u8>> {
        #[derive(serde::Serialize)]
        struct Connection<'a> {
            id: &'a str,
            state: ConnectionState,
        }
        #[derive(serde::Serialize)]
        struct News<'a> {
            venue: &'a VenueId,
            unknown: bool,
            connections: Vec<Connection<'a>>,
        }
        let connections =
            self.merged.connections.iter().map(|c| Connection { id: &c.id, state: c.state }).collect();
        let news = News { venue: &self.merged.venue, unknown: self.is_unknown, connections };
        let news = serde_json::to_vec(&news).ok()?;
        if news == self.shown {
            return None;
        }
        self.shown.clone_from(&news);
        Some(news)
    }
}

impl Part {
    fn is_old(&self, now: Timestamp) -> bool {
        now.millis_since(self.heard_at) > UNKNOWN_AFTER_MS
    }

    /// Whether it ended all its connections on purpose: the collector has stopped, or left the venue to another.
    fn has_left(&self) -> bool {
        let connections = &self.status.connections;
        !connections.is_empty() && connections.iter().all(|c| c.state == ConnectionState::Stopped)
    }
}

/// The pairs that a status named and the next one does not.
fn dropped(before: &VenueStatus, after: &VenueStatus) -> HashSet<market::Pair> {
    let names = |status: &VenueStatus| status.pairs.iter().map(|p| p.pair.clone()).collect::<HashSet<_>>();
    if before.pairs.iter().map(|p| &p.pair).eq(after.pairs.iter().map(|p| &p.pair)) {
        return HashSet::new();
    }
    &names(before) - &names(after)
}

fn word(pair: &PairStatus) -> PairWord {
    PairWord {
        stale_after_ms: pair.stale_after_ms.filter(|ms| *ms > 0),
        expire_after_ms: pair.expire_after_ms.filter(|ms| *ms > 0),
        state: pair.state,
    }
}

/// Two collectors' parts as one. Of a row or pair that both name, the better state counts: one of them has it.
fn both(one: &VenueStatus, other: &VenueStatus) -> VenueStatus {
    let mut rows: BTreeMap<i64, &RowStatus> = BTreeMap::new();
    for row in one.rows.iter().chain(&other.rows) {
        let held = rows.entry(row.id).or_insert(row);
        if row.state.rank() < held.state.rank() {
            *held = row;
        }
    }
    let mut pairs: BTreeMap<&market::Pair, &PairStatus> = BTreeMap::new();
    for pair in one.pairs.iter().chain(&other.pairs) {
        let held = pairs.entry(&pair.pair).or_insert(pair);
        if pair.state.rank() < held.state.rank() {
            *held = pair;
        }
    }
    VenueStatus {
        v: one.v,
        venue: one.venue.clone(),
        collector: format!("{},{}", one.collector, other.collector).into(),
        sent_at: one.sent_at.max(other.sent_at),
        connections: one.connections.iter().chain(&other.connections).cloned().collect(),
        rows: rows.into_values().cloned().collect(),
        pairs: pairs.into_values().cloned().collect(),
    }
}
