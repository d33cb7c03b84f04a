//! A venue's behaviour as a small file: what it accepts, what it answers, what it sends, and its limits.
//! It must not know the product's own venue files: a script is written from the venue's documentation.

use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// A script. Texts in it are templates and forms: see [`crate::form`] and [`crate::fill`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Where the facts are from, and what is assumed.
    pub facts: String,
    /// Forms of the path and query of the handshake; `{token}` is one that the token call gave. Empty: it is polled.
    #[serde(default)]
    pub paths: Vec<String>,
    /// How frames are written.
    #[serde(default)]
    pub frames: Frames,
    /// The pairs it knows.
    pub symbols: Vec<Symbol>,
    /// The pair it does not know.
    pub unknown: Unknown,
    /// `false`: no price here is a spot price, and no tick may come out.
    #[serde(default = "yes")]
    pub spot: bool,
    /// Sent to every new connection.
    pub welcome: Option<String>,
    /// Whether nothing may be sent before the welcome, which then comes late.
    #[serde(default)]
    pub welcome_first: bool,
    /// Nothing may be sent for so long after connecting.
    pub settle: Option<String>,
    /// The first subscription comes within this time, or the connection is closed.
    pub subscribe_within: Option<String>,
    /// The call before the handshake.
    pub token: Option<Token>,
    /// The forms of a subscription.
    #[serde(default)]
    pub subscribe: Vec<Message>,
    /// The forms of its end.
    #[serde(default)]
    pub unsubscribe: Vec<Message>,
    /// What else may be sent, and what is answered.
    #[serde(default)]
    pub other: Vec<Message>,
    /// The answer to a message in any other form.
    #[serde(default)]
    pub refusal: String,
    /// What can be subscribed.
    #[serde(default)]
    pub channel: Vec<Channel>,
    /// The client's own ping.
    pub ping: Option<Ping>,
    /// A ping in a message that the client must answer.
    pub server_ping: Option<ServerPing>,
    /// Signs of life of the venue, which are no data.
    pub heartbeat: Option<Heartbeat>,
    /// What it allows.
    #[serde(default)]
    pub limits: Limits,
    /// Connections end at this age.
    pub lifetime: Option<String>,
    /// The message that asks for a new connection.
    pub notice: Option<String>,
    /// What it answers by HTTP.
    #[serde(default)]
    pub route: Vec<Route>,
}

/// How frames are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frames {
    /// As text.
    #[default]
    Text,
    /// Binary frames, everything gzipped.
    Gzip,
    /// Text in binary frames.
    Binary,
    /// Data is protobuf, written here as JSON of field numbers; answers are text.
    Protobuf,
}

/// A pair, and how the venue spells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symbol {
    /// Our name.
    pub pair: String,
    /// As it is asked for.
    #[serde(default)]
    pub asked: String,
    /// As data names it.
    #[serde(default)]
    pub told: String,
    /// Its base in requests.
    #[serde(default)]
    pub base: String,
    /// Its quote in requests.
    #[serde(default)]
    pub quote: String,
}

/// The pair that the venue does not know.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// Our name.
    pub pair: String,
    /// As it is asked for.
    #[serde(default)]
    pub asked: String,
    /// What a subscription of it leads to.
    pub how: How,
    /// What is said then.
    #[serde(default)]
    pub error: String,
    /// By HTTP, the status with it.
    pub status: Option<u16>,
    /// What the product must make of it.
    pub state: String,
}

/// What the subscription of an unknown symbol leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is acknowledged, and nothing comes.
    Silent,
    /// It is left out of the acknowledgement, and nothing comes.
    LeftOut,
    /// An error for this one; the others are subscribed.
    Error,
    /// An error, and none of the message is subscribed.
    Batch,
}

/// A message that a client may send.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its form.
    pub form: String,
    /// Answered once: `{id}`, `{items}`, `{state}`.
    #[serde(default)]
    pub ack: String,
    /// Answered once for each symbol and channel: `{symbol}`, `{channel}`, `{chan}`.
    #[serde(default)]
    pub ack_each: String,
    /// One of `{items}`.
    #[serde(default = "quoted_symbol")]
    pub item: String,
    /// The channel, if the form names none.
    #[serde(default)]
    pub channel: String,
    /// Only channels of this variant are meant.
    #[serde(default)]
    pub variant: String,
    /// It replaces what was subscribed before.
    #[serde(default)]
    pub replaces: bool,
    /// It means every symbol.
    #[serde(default)]
    pub all: bool,
    /// The acknowledgement comes after the first data.
    #[serde(default)]
    pub late: bool,
    /// Switches the server's pings on.
    #[serde(default)]
    pub starts_pings: bool,
}

/// What can be subscribed, and what comes then.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its name in forms.
    pub name: String,
    /// Of which variant of the subscription.
    #[serde(default)]
    pub variant: String,
    /// Whether it carries prices of the whole venue's own life, needed to prove anything.
    #[serde(default)]
    pub first: Vec<String>,
    /// The frames of one round.
    pub data: Vec<String>,
}

/// The client's ping.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// Its form; `protocol` is a ping frame.
    pub form: String,
    /// The answer.
    #[serde(default)]
    pub answer: String,
    /// Closed after so long without one.
    pub within: Option<String>,
    /// Whether any message counts as one.
    #[serde(default)]
    pub any: bool,
}

/// The server's ping.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPing {
    /// What is sent; `protocol` is a ping frame.
    pub send: String,
    /// The form of the answer, filled in like the ping.
    #[serde(default)]
    pub answer: String,
    /// How often.
    pub every: String,
    /// Closed after so long without an answer.
    pub within: String,
    /// Only if the client asked for it.
    #[serde(default)]
    pub on_demand: bool,
}

/// The venue's signs of life.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// What is sent; with `{chan}`, once for every channel.
    pub send: String,
    /// How often.
    pub every: String,
}

/// What a venue allows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Messages of a client on one connection, such as `5/1s`.
    pub messages: Option<String>,
    /// Connection attempts.
    pub connects: Option<String>,
    /// Requests by HTTP.
    pub requests: Option<String>,
    /// Symbols in one message.
    pub items: Option<usize>,
    /// Bytes of one message.
    pub bytes: Option<usize>,
    /// Symbols and channels on one connection.
    pub subscriptions: Option<usize>,
    /// Subscriptions, resubscriptions and their ends on one connection.
    pub requests_per_connection: Option<usize>,
}

/// A token call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The one method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The answer, `{token}` being a new one, and `{ping_ms}` how often the client is to ping.
    pub answer: String,
    /// That, as long as it is in life.
    #[serde(default)]
    pub ping: Option<String>,
}

/// A request and its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The form of the path.
    pub path: String,
    /// The forms of the parameters; a name that ends in `?` may be missing.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The answer: `{groups}`, `{rows}`, or one symbol's values.
    pub answer: String,
    /// One base's part of it, with `{rows}`.
    #[serde(default)]
    pub group: String,
    /// One symbol's part.
    #[serde(default)]
    pub row: String,
    /// Between rows and between groups.
    #[serde(default = "comma")]
    pub joiner: String,
    /// Of the answer.
    #[serde(default = "json")]
    pub content_type: String,
}

fn yes() -> bool {
    true
}

fn quoted_symbol() -> String {
    "\"{symbol}\"".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}

fn json() -> String {
    "application/json".to_owned()
}

impl Script {
    /// Reads a script.
    pub fn parse(text: &str) -> Result<Script, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Every template of data, to see what it may say.
    pub fn data(&self) -> impl Iterator<Item = &str> {
        let streamed = self.channel.iter().flat_map(|channel| channel.data.iter().chain(&channel.first));
        let polled = self.route.iter().flat_map(|route| [&route.answer, &route.group, &route.row]);
        streamed.chain(polled).map(String::as_str)
    }
}

/// `"20s"`.
pub fn duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits.parse().unwrap_or_else(|_| panic!("'{text}' is no duration"));
    match &text[digits.len()..] {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count * 60),
        "h" => Duration::from_secs(count * 3_600),
        "d" => Duration::from_secs(count * 86_400),
        unit => panic!("'{text}' has the unknown unit '{unit}'"),
    }
}

/// `"5/1s"`.
pub fn limit(text: &str) -> (usize, Duration) {
    let (count, per) = text.split_once('/').unwrap_or_else(|| panic!("'{text}' is no limit"));
    (count.parse().unwrap_or_else(|_| panic!("'{text}' is no limit")), duration(per))
}
