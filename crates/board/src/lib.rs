//! The live table: the last tick per (venue, pair), the rate per pair made from them, the stream of changes.
//! It must not know any venue's wire format, nor who reads it.

mod assumed;
mod body;
mod changes;
mod crossed;
mod find;
mod follow;
mod index;
mod live;
mod policy;
mod publish;
mod rows;
mod table;
mod venues;

use bytes::Bytes;
use market::{Asset, Limits, Pair, Price, Rate, VenueStatus};
use std::{collections::VecDeque, sync::Arc};

pub use follow::follow;
pub use live::Board;
pub use policy::Policy;

/// What a board is told by the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// For pairs whose collector has not said otherwise.
    pub stale_after_ms: i64,
    /// Likewise.
    pub expire_after_ms: i64,
    /// Whether every answer says that it is a demo.
    pub demo: bool,
    /// Assets that the operator takes for one another, in crosses only, where no quoted rates lead from one to the
    /// other: the cross then says so (`assumed:USDT=USD`).
    pub same_as: Vec<(Asset, Asset)>,
}

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
    /// Each collector's part, in the order in which `status` lists their connections.
    pub parts: Vec<Arc<VenueStatus>>,
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
pub struct Changes {
    ring: Arc<changes::Ring>,
    woken: tokio::sync::watch::Receiver<u64>,
    at: u64,
    taken: VecDeque<Arc<Change>>,
}

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

impl Options {
    fn limits(&self) -> Limits {
        Limits {
            stale_after_ms: self.stale_after_ms,
            expire_after_ms: self.expire_after_ms.max(self.stale_after_ms),
        }
    }
}
