//! One WebSocket's life in words: what it is given, what it tells, and how it ends.
//! It must not know how it is lived: that is `begin.rs` and then `open.rs`.

use crate::{cell::ConnectionCell, context::Context, meters::Meters, permit::Permit, subscriptions::Wants};
use market::Timestamp;
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use venue::Venue;

/// What a session is given.
pub struct Session {
    /// What all feeds share.
    pub context: Arc<Context>,
    /// The venue; it has a WebSocket.
    pub venue: Arc<Venue>,
    /// The address, before its variables are filled in.
    pub url: String,
    /// The row's own address, which the token call follows.
    pub origin: Option<String>,
    /// What is wanted of it.
    pub wants: watch::Receiver<Wants>,
    /// Whether it replaces a session that still runs, and must deliver what that one does.
    pub replaces: bool,
    /// Ends it.
    pub stop: CancellationToken,
    /// Where it tells how it is doing.
    pub events: mpsc::Sender<(u64, Event)>,
    /// Its number among the sessions of the connection.
    pub number: u64,
    /// The venue's counters.
    pub meters: Arc<Meters>,
    /// Lets what it reads pass.
    pub permit: Arc<Permit>,
    /// Where what cannot be read is kept.
    pub cell: Arc<ConnectionCell>,
}

/// What a session tells.
#[derive(Debug)]
pub enum Event {
    /// The first data came.
    Live,
    /// It has delivered every pair that was live when it began.
    Covered,
    /// It should be replaced, the new one first.
    Replace(&'static str, String),
    /// Something went wrong; it goes on.
    Trouble(String),
    /// It is over.
    Ended(End),
}

/// How a session ended.
#[derive(Debug)]
pub struct End {
    /// The kind.
    pub cause: Cause,
    /// In words.
    pub words: String,
    /// How long data flowed.
    pub flowed: Duration,
}

/// Kinds of ends, by what follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// We stopped it.
    Stopped,
    /// No connection came about.
    Refused,
    /// The connection was closed or broke.
    Closed,
    /// No data within the silence limit.
    Silent,
    /// Frames came, and none could be read.
    Unreadable,
    /// A frame beyond the limit.
    TooBig,
    /// No answer to a ping.
    Unanswered,
    /// The venue asks us to wait, perhaps until then.
    RateLimited(Option<Timestamp>),
    /// The venue refuses this place.
    GeoBlocked,
    /// The address must not be dialled.
    Blocked,
    /// Our own mistake.
    Panicked,
}

impl Cause {
    /// The label of the metric.
    pub fn label(self) -> &'static str {
        match self {
            Cause::Stopped => "stopped",
            Cause::Refused => "refused",
            Cause::Closed => "closed",
            Cause::Silent => "silent",
            Cause::Unreadable => "cannot_read",
            Cause::TooBig => "too_big",
            Cause::Unanswered => "ping",
            Cause::RateLimited(_) => "rate_limited",
            Cause::GeoBlocked => "geo_blocked",
            Cause::Blocked => "blocked_address",
            Cause::Panicked => "panic",
        }
    }
}

/// Why a session ends, and in words.
pub type Ended = (Cause, String);
