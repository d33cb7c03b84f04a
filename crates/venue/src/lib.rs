//! What a venue file means: what to ask a venue, and what its answers say.
//! Pure: it opens no socket, reads no clock, and knows no venue's name.
//!
//! To add a venue, see `venues/README.md`.

mod ask;
mod said;

pub use ask::{Bootstrap, Http, Limit, Outgoing, Ping, PingFrame, Request, Variables, Ws};
pub use said::{Frame, Meaning, Observation, Problem, Rejected, Said, Unreadable};

use market::{Pair, VenueId};
use std::sync::Arc;

/// A venue, as its file describes it. A value: immutable, shared, made by [`Venue::parse`].
#[derive(Debug)]
pub struct Venue {
    id: VenueId,
}

/// A mistake in a venue file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {key}: {reason}")]
pub struct FileError {
    /// The file, or `store:NAME`.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The key with the mistake.
    pub key: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// A pair as one venue spells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Symbol {
    /// The pair.
    pub pair: Pair,
    /// The venue's spelling in its answers: `BTCUSDT`, `bitcoin/usd`.
    pub name: Arc<str>,
    /// The venue's spelling of the base.
    pub base: Arc<str>,
    /// The venue's spelling of the quote.
    pub quote: Arc<str>,
}

impl Venue {
    /// Reads and compiles a venue file. `file` is only for messages.
    pub fn parse(_id: &VenueId, _file: &str, _text: &str) -> Result<Venue, FileError> {
        todo!()
    }
    /// Its name: the file's stem.
    pub fn id(&self) -> &VenueId {
        &self.id
    }
    /// What people call it.
    pub fn title(&self) -> &str {
        todo!()
    }
    /// Its home page.
    pub fn homepage(&self) -> &str {
        todo!()
    }
    /// Past this age its ticks are stale: the file's word, else 30 s for streams, 2 x interval + 30 s for polling.
    pub fn stale_after_ms(&self, interval_ms: Option<i64>) -> i64 {
        let _ = interval_ms;
        todo!()
    }
    /// How it is asked by WebSocket, if it has one. A venue with both is streamed.
    pub fn ws(&self) -> Option<&Ws> {
        todo!()
    }
    /// How it is asked by HTTP, if it is polled.
    pub fn http(&self) -> Option<&Http> {
        todo!()
    }
    /// A pair by the names in a row, which may be ours (`BTC`) or the venue's own (`bitcoin`).
    pub fn symbol(&self, _base: &str, _quote: &str) -> Result<Symbol, market::PairError> {
        todo!()
    }
    /// A reader of its answers, for one connection. It reads only what it follows.
    pub fn reader(self: &Arc<Self>) -> Reader {
        todo!()
    }
    /// A reader for recordings: it reads every price the file knows, followed or not.
    pub fn reader_of_everything(self: &Arc<Self>) -> Reader {
        todo!()
    }
    /// Runs the file's examples; how many ran.
    pub fn check_examples(self: &Arc<Self>) -> Result<usize, FileError> {
        todo!()
    }
    /// The examples, for simulations.
    pub fn examples(&self) -> &[Example] {
        todo!()
    }
}

/// An answer of the venue, and what it must give.
#[derive(Debug, Clone)]
pub struct Example {
    /// The frame or body as text (binary ones are base64 in the file and decoded here).
    pub frame: Vec<u8>,
    /// A binary WebSocket frame.
    pub binary: bool,
    /// The ticks it must give, in order.
    pub ticks: Vec<Observation>,
}

/// Reads the answers on one connection: it holds what a connection must remember (channel ids, partial
/// updates) and its buffers, so that reading a frame allocates nothing beyond what a tick keeps.
#[derive(Debug)]
pub struct Reader {
    _venue: Arc<Venue>,
}

impl Reader {
    /// Follows these symbols too.
    pub fn follow(&mut self, _symbols: &[Symbol]) {
        todo!()
    }
    /// No longer follows these.
    pub fn unfollow(&mut self, _symbols: &[Symbol]) {
        todo!()
    }
    /// Whether prices below zero are believed for a symbol.
    pub fn allow_negative(&mut self, _symbol: &Symbol) {
        todo!()
    }
    /// Reads one frame or body, and adds what it says to `said`. `Err` = the frame as a whole cannot be read;
    /// the connection may go on.
    pub fn read(&mut self, _frame: Frame<'_>, _said: &mut Vec<Said>) -> Result<(), Unreadable> {
        todo!()
    }
    /// Forgets what belonged to the connection (channel ids, partial updates), for the next one.
    pub fn reset(&mut self) {
        todo!()
    }
}
