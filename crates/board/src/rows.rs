//! One row per quoted pair: what each of its venues last said, and the rate made of that.
//! It must not know other pairs, nor when it is made anew.

use crate::{Options, index::Slot, policy::Policy, venues::Venue};
use market::{Feed, Guard, Limits, Made, Pair, Quoting, Source, Timestamp, VenueId};
use std::{collections::HashMap, sync::Arc};

/// One venue's part in one pair.
#[derive(Debug)]
pub(crate) struct Quoter {
    pub(crate) venue: VenueId,
    pub(crate) source: Source,
    pub(crate) guard: Guard,
    pub(crate) limits: Limits,
    pub(crate) feed: Feed,
    pub(crate) is_gone: bool,
    pub(crate) is_unnamed: bool,
    /// Its row was switched off, removed or made another: what it said counts no more, until it is named again.
    is_withdrawn: bool,
    /// How many ticks were accepted since the rate was last made.
    pub(crate) accepted: u64,
}

/// The ETag of what was last said on the stream.
pub(crate) type Shown = Option<[u8; 20]>;

/// One pair that is quoted.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: u32,
    pub(crate) pair: Pair,
    pub(crate) quoters: Vec<Quoter>,
    pub(crate) slot: Option<Arc<Slot>>,
    /// What was last said on the stream.
    pub(crate) shown: Shown,
    pub(crate) is_marked: bool,
    /// The one valid entry in the queue of what is due.
    pub(crate) due_at: Option<Timestamp>,
}

/// All rows, each with a small number that stays its own as long as the pair is quoted.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    all: Vec<Option<Row>>,
    /// Places whose pair has gone.
    free: Vec<u32>,
    by_pair: HashMap<Pair, u32>,
}

impl Rows {
    pub(crate) fn id(&self, pair: &Pair) -> Option<u32> {
        self.by_pair.get(pair).copied()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Row> {
        self.all.get(id as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Row> {
        self.all.get_mut(id as usize)?.as_mut()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.all.iter_mut().flatten()
    }

    /// A row for a pair that has none.
    pub(crate) fn add(&mut self, pair: &Pair) -> u32 {
        let id = self.free.pop().unwrap_or(self.all.len() as u32);
        self.by_pair.insert(pair.clone(), id);
        let row = Some(Row::new(id, pair));
        match self.all.get_mut(id as usize) {
            Some(place) => *place = row,
            None => self.all.push(row),
        }
        id
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Row> {
        let row = self.all.get_mut(id as usize)?.take()?;
        self.by_pair.remove(&row.pair);
        self.free.push(id);
        Some(row)
    }
}

impl Row {
    fn new(id: u32, pair: &Pair) -> Row {
        Row {
            id,
            pair: pair.clone(),
            quoters: Vec::new(),
            slot: None,
            shown: None,
            is_marked: false,
            due_at: None,
        }
    }

    pub(crate) fn quoter(&mut self, venue: &VenueId, known: &Venue, options: &Options) -> &mut Quoter {
        let at = match self.quoters.binary_search_by(|q| q.venue.cmp(venue)) {
            Ok(at) => at,
            Err(at) => {
                let mut quoter = Quoter {
                    venue: venue.clone(),
                    source: Source::default(),
                    guard: Guard::default(),
                    limits: options.limits(),
                    feed: Feed::Good,
                    is_gone: false,
                    is_unnamed: false,
                    is_withdrawn: false,
                    accepted: 0,
                };
                quoter.hear(&self.pair, known, options);
                // Most pairs have one venue: no room is kept for more.
                self.quoters.reserve_exact(1);
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
                feed: q.feed,
                is_excluded: q.is_gone
                    || q.is_withdrawn
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
    pub(crate) fn hear(&mut self, pair: &Pair, venue: &Venue, options: &Options) -> bool {
        let word = venue.pairs.get(pair);
        let own = options.limits();
        let stale_after_ms = word.and_then(|w| w.stale_after_ms).unwrap_or(own.stale_after_ms);
        let expire_after_ms = word.and_then(|w| w.expire_after_ms).unwrap_or(own.expire_after_ms);
        let limits = Limits { stale_after_ms, expire_after_ms: expire_after_ms.max(stale_after_ms) };
        let is_unnamed = venue.is_unnamed(pair);
        let is_withdrawn = venue.is_withdrawn(pair) || (self.is_withdrawn && word.is_none());
        let new = (limits, venue.feed(pair), venue.is_gone(pair), is_unnamed, is_withdrawn);
        let is_new = new != (self.limits, self.feed, self.is_gone, self.is_unnamed, self.is_withdrawn);
        (self.limits, self.feed, self.is_gone, self.is_unnamed, self.is_withdrawn) = new;
        is_new
    }
}
