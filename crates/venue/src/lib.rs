//! What a venue file means: what to ask a venue, and what its answers say.
//! Pure: it opens no socket, reads no clock, and knows no venue's name.
//!
//! To add a venue, see `venues/README.md`. To add a named feature to the format: read its key in `file.rs`,
//! `message.rs` or `format.rs`; give it a meaning in `reader.rs` or `ask.rs`; describe it in `venues/README.md`;
//! show it in an example of the venue that needs it.

mod ask;
mod condition;
mod doc;
mod escape;
mod example;
mod extract;
mod fields;
mod file;
mod format;
mod json;
mod listing;
mod message;
mod moment;
mod number;
mod path;
mod poll;
mod reader;
mod said;
mod shown;
mod symbols;
mod template;

pub use ask::{Bootstrap, Limit, Outgoing, Ping, PingFrame, Variables, Ws};
pub use example::Example;
pub use listing::Listed;
pub use poll::{Http, Request, replace_origin};
pub use reader::Reader;
pub use said::{Frame, Meaning, Observation, Problem, Rejected, Said, Unreadable};

use market::{Pair, PairError, VenueId};
use std::sync::Arc;

/// A venue, as its file describes it. A value: immutable, shared, made by [`Venue::parse`].
#[derive(Debug)]
pub struct Venue {
    id: VenueId,
    file: String,
    title: String,
    homepage: String,
    is_spot: bool,
    stale_after_ms: Option<u64>,
    seldom: Option<String>,
    /// Whether some message is a mere text (`pong`), looked for before a frame is parsed.
    has_plain_texts: bool,
    /// The keys that its messages name: nothing else of a frame is kept.
    wanted: doc::Wanted,
    frames: format::Frames,
    symbols: symbols::Symbols,
    ws: Option<Ws>,
    http: Option<Http>,
    listing: Option<listing::Listing>,
    messages: Vec<message::Message>,
    examples: Vec<Example>,
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
    /// The venue's spelling in its answers: letters run together, or `bitcoin/usd`.
    pub name: Arc<str>,
    /// The venue's spelling of the base.
    pub base: Arc<str>,
    /// The venue's spelling of the quote.
    pub quote: Arc<str>,
}

impl Venue {
    /// Past this age a streamed tick is stale, unless the file says otherwise.
    const STALE_AFTER_MS: i64 = 30_000;

    /// Reads and compiles a venue file. `file` is only for messages.
    pub fn parse(id: &VenueId, file: &str, text: &str) -> Result<Venue, FileError> {
        file::parse(id, file, text)
    }

    /// Its name: the file's stem.
    pub fn id(&self) -> &VenueId {
        &self.id
    }

    /// The file it was read from, for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What people call it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its home page.
    pub fn homepage(&self) -> &str {
        &self.homepage
    }

    /// Past this age its ticks are stale: the file's word, else 30 s for streams (`None`), and
    /// 2 x interval + 30 s for polling.
    pub fn stale_after_ms(&self, interval_ms: Option<i64>) -> i64 {
        let usual = interval_ms
            .map_or(Self::STALE_AFTER_MS, |interval| interval.saturating_mul(2).saturating_add(30_000));
        self.stale_after_ms.map_or(usual, |ms| ms as i64)
    }

    /// Why it says nothing new every few seconds, for people; `None` where it does.
    pub fn seldom(&self) -> Option<&str> {
        self.seldom.as_deref()
    }

    /// How it is asked by WebSocket, if it has one. A venue with both is streamed.
    pub fn ws(&self) -> Option<&Ws> {
        self.ws.as_ref()
    }

    /// How it is asked by HTTP, if it is polled.
    pub fn http(&self) -> Option<&Http> {
        self.http.as_ref()
    }

    /// Whether its prices are spot prices; if not, they never reach a rate.
    pub fn is_spot(&self) -> bool {
        self.is_spot
    }

    /// A pair by the names in a row, which may be ours (`BTC`) or the venue's own (`bitcoin`).
    pub fn symbol(&self, base: &str, quote: &str) -> Result<Symbol, PairError> {
        self.symbols.symbol(base, quote)
    }

    /// A reader of its answers, for one connection. It reads only what it follows.
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader::new(self.clone(), reader::Reads::Followed)
    }

    /// A reader of every price that the file knows, followed or not.
    pub fn reader_of_everything(self: &Arc<Self>) -> Reader {
        Reader::new(self.clone(), reader::Reads::Everything)
    }

    /// The same for recordings: it names symbols as the venue's own frames do.
    pub fn reader_of_recordings(self: &Arc<Self>) -> Reader {
        Reader::new(self.clone(), reader::Reads::EverythingAsSpelled)
    }

    /// Runs the file's examples; how many ran.
    pub fn check_examples(self: &Arc<Self>) -> Result<usize, FileError> {
        self.examples.iter().try_for_each(|example| example.check(self)).map(|()| self.examples.len())
    }

    /// The examples, for simulations.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }
}
