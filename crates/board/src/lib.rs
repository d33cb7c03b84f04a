//! The live table: the last tick per (venue, pair), the rate per pair made from them, the stream of changes.
//! It must not know any venue's wire format, nor who reads it.

use broker::Broker;
use bytes::Bytes;
use cache::Cache;
use clock::Clock;
use market::{Pair, Price, Rate, Tick, TickView, VenueId, VenueStatus};
use std::sync::Arc;

/// What a board is told by the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// For pairs whose collector has not said otherwise.
    pub stale_after_ms: i64,
    /// Likewise.
    pub expire_after_ms: i64,
    /// Whether every answer says that it is a demo.
    pub demo: bool,
}

/// The live table.
#[derive(Debug)]
pub struct Board {}

/// A rate and the bytes that say it: serialised once per change, not once per request.
#[derive(Debug)]
pub struct Answer {
    /// The rate.
    pub rate: Rate,
    /// The JSON object up to and including `"age_ms":`; the reader appends the age and `}`.
    pub body: Bytes,
    /// The weak ETag made from `body`, quotes included.
    pub etag: Bytes,
}

/// What a text that should name a pair turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A pair that is known, quoted or crossable.
    Pair(Pair),
    /// A pair in form, but nobody quotes it and nothing crosses to it; near matches.
    Unknown(Vec<Pair>),
    /// Not a pair at all.
    Malformed,
}

/// How a venue is doing, as far as the board knows.
#[derive(Debug, Clone)]
pub struct VenueView {
    /// What its collector last said (every collector's part merged).
    pub status: Arc<VenueStatus>,
    /// Whether that is older than 15 s: then nothing in it may be called live.
    pub unknown: bool,
}

/// A change, ready to be written to a stream.
#[derive(Debug, Clone)]
pub struct Change {
    /// Counts up from 1 since the board was made.
    pub number: u64,
    /// The pair, for filters; `None` for a change of a venue's status.
    pub pair: Option<Pair>,
    /// The whole SSE event, `id`, `event` and `data` lines and the empty line included.
    pub event: Bytes,
}

/// The outcome of a conversion.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// The rate used (a cross has its legs).
    pub rate: Rate,
    /// The amount converted, exact to 28 digits.
    pub result: Price,
}

/// One reader of the stream of changes: bounded; a reader that falls behind is told so.
#[derive(Debug)]
pub struct Changes {}

/// What a reader of changes gets next.
#[derive(Debug, Clone)]
pub enum Next {
    /// The next change.
    Change(Arc<Change>),
    /// Changes were missed: take a snapshot and go on from there.
    Missed,
    /// The board has been closed.
    Closed,
}

impl Changes {
    /// The next change. Cancel-safe.
    pub async fn next(&mut self) -> Next {
        todo!()
    }
}

impl Board {
    /// An empty board.
    pub fn new(_clock: Clock, _options: Options) -> Arc<Board> {
        todo!()
    }
    /// A random word that names this board's life; stream ids are `<boot>-<number>`.
    pub fn boot(&self) -> &str {
        todo!()
    }
    /// Takes ticks of one venue, in any order, any number of times: the same ticks give the same board.
    pub fn apply(&self, _venue: &VenueId, _ticks: &[Tick]) {
        todo!()
    }
    /// Takes word of a venue's feeds.
    pub fn apply_status(&self, _status: Arc<VenueStatus>) {
        todo!()
    }
    /// Re-makes what changes by time alone (stale, expired, unknown venues); called by the board's own timer.
    pub fn tick_clock(&self) {
        todo!()
    }
    /// Reads a text that should name a pair, in any usual spelling; letters run together only where one known
    /// pair fits.
    pub fn find(&self, _text: &str) -> Found {
        todo!()
    }
    /// The answer for a pair: made of its venues' ticks, else crossed through the fewest fresh legs.
    pub fn answer(&self, _pair: &Pair) -> Option<Arc<Answer>> {
        todo!()
    }
    /// One venue's tick in the same shape.
    pub fn answer_of_venue(&self, _pair: &Pair, _venue: &VenueId) -> Option<Arc<Answer>> {
        todo!()
    }
    /// The answer made only of ticks not older than this.
    pub fn answer_not_older(&self, _pair: &Pair, _age_ms_max: i64) -> Option<Arc<Answer>> {
        todo!()
    }
    /// Every tick behind a rate.
    pub fn explain(&self, _pair: &Pair) -> Vec<TickView> {
        todo!()
    }
    /// The answers for every pair that somebody quotes, by name.
    pub fn answers(&self) -> Vec<Arc<Answer>> {
        todo!()
    }
    /// Every pair that is tracked: quoted, or named by a collector.
    pub fn pairs(&self) -> Vec<Pair> {
        todo!()
    }
    /// Every venue that was heard of, by name.
    pub fn venues(&self) -> Vec<VenueView> {
        todo!()
    }
    /// Converts an amount, directly, inversely or crossed.
    pub fn convert(&self, _amount: Price, _pair: &Pair) -> Option<Conversion> {
        todo!()
    }
    /// A reader of changes from now on, and the number of the last change before it.
    pub fn changes(&self) -> (Changes, u64) {
        todo!()
    }
    /// The changes after `number`, if they are all still kept.
    pub fn changes_since(&self, _number: u64) -> Option<Vec<Arc<Change>>> {
        todo!()
    }
    /// Whether a fresh rate has been seen since the start: of each of these pairs, or of any if none is named.
    pub fn is_ready(&self, _pairs: &[Pair]) -> bool {
        todo!()
    }
    /// The time now, by the board's clock.
    pub fn clock(&self) -> Clock {
        todo!()
    }
    /// The configuration.
    pub fn options(&self) -> &Options {
        todo!()
    }
}

/// Starts a board that follows the broker, warm from the cache. It re-subscribes for ever; `stop` ends it.
pub async fn follow(
    _broker: Arc<dyn Broker>,
    _cache: Arc<dyn Cache>,
    _clock: Clock,
    _options: Options,
    _stop: tokio_util::sync::CancellationToken,
) -> Arc<Board> {
    todo!()
}
