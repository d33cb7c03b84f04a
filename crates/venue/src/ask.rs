//! What to ask a venue: addresses, subscriptions, pings, requests, and the limits on them.
//! It must not know sockets.

use crate::Symbol;
use std::sync::Arc;

/// At most `count` in any `per_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per_ms: u64,
}

/// Named values that templates may use: what a token call gave, settings from the environment.
pub type Variables = std::collections::BTreeMap<String, String>;

/// How a venue is asked by WebSocket.
#[derive(Debug, Clone)]
pub struct Ws {
    /// Addresses, tried in turn after failures; may hold variables of the token call.
    pub urls: Vec<String>,
    /// Headers of the handshake.
    pub headers: Vec<(String, String)>,
    /// The most symbols on one connection.
    pub symbols_max: usize,
    /// Messages from us per connection, pings and pongs included.
    pub messages: Option<Limit>,
    /// Connection attempts per host.
    pub connects: Option<Limit>,
    /// After this age a connection is replaced, make before break.
    pub lifetime_ms: Option<u64>,
    /// No data for this long: the connection is silent and is replaced. Pings are not data.
    pub silence_ms: u64,
    /// No data for one pair for this long after subscribing: `no_data`.
    pub first_data_ms: u64,
    /// A token call before every dial.
    pub bootstrap: Option<Bootstrap>,
    /// Whether a frame must be waited for ([`crate::Said::Welcome`]) before subscribing.
    pub waits_for_welcome: bool,
    /// Wait this long after connecting before the first message.
    pub settle_ms: u64,
    /// What we send to keep the connection alive.
    pub ping: Option<Ping>,
    /// The biggest frame that is read.
    pub frame_bytes_max: usize,
    /// Whether the subscription is part of the address: then a change of symbols needs a new connection.
    pub subscribes_by_url: bool,
}

/// A call that gives variables, before every dial.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// `POST` or `GET`.
    pub method: String,
    /// The address.
    pub url: String,
}

/// What keeps a connection alive from our side.
#[derive(Debug, Clone)]
pub struct Ping {
    /// How often.
    pub every_ms: u64,
    /// What is sent.
    pub frame: PingFrame,
    /// Nothing at all received for this long after a ping: the connection is dead. `None` = not expected.
    pub answer_within_ms: Option<u64>,
}

/// A ping's form.
#[derive(Debug, Clone)]
pub enum PingFrame {
    /// A WebSocket ping frame.
    Protocol,
    /// A text frame; rendered by [`Ws::ping_text`].
    Text,
}

/// A frame to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its text.
    pub text: String,
    /// The id in it, as text, where the template has one: answers with it are about these symbols.
    pub id: Option<String>,
    /// The symbols it is about.
    pub symbols: Vec<Arc<str>>,
}

impl Ws {
    /// The address to dial, for these symbols.
    pub fn dial_url(&self, _url: &str, _symbols: &[Symbol], _variables: &Variables) -> String {
        todo!()
    }
    /// The frames that subscribe `added`, `all` being what the connection carries then (`added` included).
    /// `next_id` counts up over the connection's life.
    pub fn subscribe(&self, _added: &[Symbol], _all: &[Symbol], _next_id: &mut u64) -> Vec<Outgoing> {
        todo!()
    }
    /// The frames that unsubscribe `removed`, `left` being what stays.
    pub fn unsubscribe(&self, _removed: &[Symbol], _left: &[Symbol], _next_id: &mut u64) -> Vec<Outgoing> {
        todo!()
    }
    /// The text of a ping.
    pub fn ping_text(&self, _next_id: &mut u64, _now_ms: i64) -> String {
        todo!()
    }
    /// The ping of a connection whose token call gave these variables (the interval may be one of them).
    pub fn ping_for(&self, _variables: &Variables) -> Option<Ping> {
        todo!()
    }
    /// Reads the answer of the token call.
    pub fn read_bootstrap(&self, _body: &[u8]) -> Result<Variables, crate::Unreadable> {
        todo!()
    }
}

/// How a venue is asked by HTTP. One tier of it is in force, chosen by the keys in the environment.
#[derive(Debug, Clone)]
pub struct Http {
    /// How often, unless the row says otherwise.
    pub interval_ms: u64,
    /// Requests to the host.
    pub budget: Option<Limit>,
    /// The whole request, from the first byte of the dial to the last of the body.
    pub timeout_ms: u64,
    /// The biggest body that is read.
    pub body_bytes_max: usize,
}

/// One request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The whole address.
    pub url: String,
    /// Headers; values from the environment are secrets and are never printed.
    pub headers: Vec<(String, String)>,
    /// The symbols that the answer must hold.
    pub symbols: Vec<Arc<str>>,
}

impl Http {
    /// This venue's terms with the keys that `environment` holds (a demo or a paid key changes address,
    /// headers, interval and budget).
    #[must_use]
    pub fn with_environment(&self, _environment: &dyn Fn(&str) -> Option<String>) -> Http {
        todo!()
    }
    /// The requests that ask for these symbols, as few as the venue allows. `url` replaces scheme, host and
    /// path of the venue's own address.
    pub fn requests(&self, _symbols: &[Symbol], _url: Option<&str>) -> Vec<Request> {
        todo!()
    }
}
