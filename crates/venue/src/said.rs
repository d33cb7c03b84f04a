//! What an answer of a venue says.
//! It must not know how the answer came, nor when.

use compact_str::CompactString;
use market::{Pair, Price, PriceError, Sequence, Timestamp};
use std::sync::Arc;

/// A frame or body as it came.
#[derive(Debug, Clone, Copy)]
pub enum Frame<'a> {
    /// A WebSocket text frame, or the body of an answer.
    Text(&'a [u8]),
    /// A WebSocket binary frame.
    Binary(&'a [u8]),
}

/// One thing that an answer says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// An observation of a price.
    Tick(Observation),
    /// A value that is no price; the rest of the answer was read.
    Rejected(Rejected),
    /// A subscription was acknowledged: of this symbol, or of the request with this id, or just so.
    Acknowledged {
        /// The symbol, if it is named.
        symbol: Option<Arc<str>>,
        /// The request's id, if it is named.
        id: Option<CompactString>,
    },
    /// The venue reports an error.
    Problem(Problem),
    /// The venue is alive; this is no data.
    Heartbeat,
    /// The connection is ready for subscriptions.
    Welcome,
    /// Send this back now.
    Reply(String),
    /// The venue asks us to reconnect; the new connection first.
    Reconnect(String),
    /// Do not ask again before this time.
    NotBefore(Timestamp),
    /// Known and of no interest.
    Ignored,
    /// Prices, and every one of a symbol that is not followed.
    Elsewhere,
    /// By its form a message with prices, and where the file looks for rows or symbols there is none.
    Empty,
    /// Well-formed, but nothing that the file describes: a change of the venue's protocol may begin so.
    Unknown,
}

/// An error as the venue reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The venue's code, as text.
    pub code: Option<CompactString>,
    /// The venue's words.
    pub text: String,
    /// The symbol it is about, if it is named.
    pub symbol: Option<Arc<str>>,
    /// The request it is about, if it is named.
    pub id: Option<CompactString>,
    /// What it means for us, if the file says so.
    pub means: Meaning,
}

/// What an error means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Meaning {
    /// Just an error.
    #[default]
    Error,
    /// The venue does not know the symbol (any more).
    UnknownSymbol,
    /// Too many requests.
    RateLimited,
}

/// One observation of a price.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The venue's spelling.
    pub symbol: Arc<str>,
    /// The pair: what is followed under that symbol, or what the symbol certainly means; `None` for what is
    /// not spot.
    pub pair: Option<Pair>,
    /// The last price.
    pub last: Option<Price>,
    /// The best bid.
    pub bid: Option<Price>,
    /// The best ask.
    pub ask: Option<Price>,
    /// The venue's time.
    pub venue_time: Option<Timestamp>,
    /// The venue's count.
    pub sequence: Option<Sequence>,
    /// A row of an initial snapshot: it happened before we asked.
    pub history: bool,
    /// A repetition.
    pub duplicate: bool,
}

/// A value that is no price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The venue's spelling.
    pub symbol: Arc<str>,
    /// `last`, `bid` or `ask`.
    pub field: &'static str,
    /// Why.
    pub reason: PriceError,
    /// The start of what stood there.
    pub value: String,
}

/// A frame that cannot be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Unreadable {
    /// The label of the counter: `too_big`, `not_json`, `too_deep`, `bad_text`, `bad_compression`, `unknown`.
    pub reason: &'static str,
    /// In words, with the start of the frame.
    pub detail: String,
}
