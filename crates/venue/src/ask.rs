//! What to ask a venue by WebSocket: addresses, subscriptions, pings, and the limits on them.
//! It must not know sockets.

use crate::doc::Tree;
use crate::path::{Path, Row};
use crate::template::{Template, query_text};
use crate::{Symbol, Unreadable};
use std::borrow::Cow;
use std::sync::Arc;

/// At most `count` in any `per_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per_ms: u64,
}

/// Named values that templates may use: what a token call gave.
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
    /// The biggest frame that is read.
    pub frame_bytes_max: usize,
    /// Whether the subscription is part of the address: then a change of symbols needs a new connection.
    pub subscribes_by_url: bool,
    /// Whether a subscription replaces the one before.
    pub replaces: bool,
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) ping: Option<PingSpec>,
}

/// A call that gives variables, before every dial.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// `POST` or `GET`.
    pub method: String,
    /// The address.
    pub url: String,
    pub(crate) variables: Arc<[(String, Path)]>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingFrame {
    /// A WebSocket ping frame.
    Protocol,
    /// A text frame; rendered by [`Ws::ping_text`].
    Text,
}

/// A ping as the file writes it.
#[derive(Debug, Clone)]
pub(crate) struct PingSpec {
    pub every: Every,
    pub send: Option<Template>,
    pub answer_within_ms: Option<u64>,
}

/// An interval, or the variable of the token call that holds it in milliseconds.
#[derive(Debug, Clone)]
pub(crate) enum Every {
    Millis(u64),
    Variable(String),
}

/// How subscriptions are worded.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub mode: Mode,
    /// What one symbol adds to a message; several, where a symbol needs several channels.
    pub items: Vec<Template>,
    pub send: Template,
    pub unsubscribe: Option<Template>,
    pub items_max: usize,
    pub bytes_max: usize,
    /// Between items where they are joined.
    pub joiner: String,
}

/// How a subscription reaches the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Many symbols in one message.
    Batch,
    /// One message per item of a symbol.
    Each,
    /// One message with all symbols, which replaces what was before.
    Replace,
    /// In the address.
    Url,
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

/// The names of gaps that stand for one symbol.
pub(crate) const SYMBOL_GAPS: &[&str] = &["symbol", "base", "quote", "BASE", "QUOTE", "Base", "Quote"];
/// The names of gaps in a subscription message.
pub(crate) const MESSAGE_GAPS: &[&str] = &["items", "item", "joined", "id", "uuid"];

/// Fills a gap that stands for one symbol.
pub(crate) fn symbol_gap<'s>(symbol: &'s Symbol, name: &str) -> Option<Cow<'s, str>> {
    Some(match name {
        "symbol" => Cow::Borrowed(&*symbol.name),
        "base" => symbol.base.to_ascii_lowercase().into(),
        "quote" => symbol.quote.to_ascii_lowercase().into(),
        "BASE" => symbol.base.to_ascii_uppercase().into(),
        "QUOTE" => symbol.quote.to_ascii_uppercase().into(),
        "Base" => Cow::Borrowed(&*symbol.base),
        "Quote" => Cow::Borrowed(&*symbol.quote),
        _ => return None,
    })
}

impl Subscription {
    fn items(&self, symbol: &Symbol) -> impl Iterator<Item = String> {
        self.items.iter().map(|item| item.render(|name| symbol_gap(symbol, name)))
    }

    /// An item as it stands in a JSON array: as it is if it is JSON itself, else as a string.
    fn json(item: &str) -> Cow<'_, str> {
        if item.starts_with(['{', '[']) {
            Cow::Borrowed(item)
        } else {
            Cow::Owned(serde_json::Value::from(item).to_string())
        }
    }

    fn message(&self, template: &Template, symbols: &[&Symbol], next_id: &mut u64) -> Outgoing {
        let items: Vec<String> = symbols.iter().flat_map(|s| self.items(s)).collect();
        self.message_of(template, symbols, &items, next_id)
    }

    /// One message per item, each about its symbol.
    fn each(&self, template: &Template, symbols: &[Symbol], next_id: &mut u64) -> Vec<Outgoing> {
        let mut out = Vec::new();
        for symbol in symbols {
            for item in self.items(symbol) {
                out.push(self.message_of(template, &[symbol], &[item], next_id));
            }
        }
        out
    }

    fn message_of(
        &self,
        template: &Template,
        symbols: &[&Symbol],
        items: &[String],
        next_id: &mut u64,
    ) -> Outgoing {
        let id = next_id.to_string();
        *next_id += 1;
        let text = template.render(|name| {
            Some(match name {
                "items" => {
                    let all: Vec<_> = items.iter().map(|item| Self::json(item)).collect();
                    format!("[{}]", all.join(",")).into()
                }
                "item" => Self::json(items.first().map_or("", String::as_str)).into_owned().into(),
                "joined" => items.join(&self.joiner).into(),
                "id" => id.clone().into(),
                "uuid" => format!("00000000-0000-4000-8000-{:012}", *next_id).into(),
                _ => return symbols.first().and_then(|s| symbol_gap(s, name)).map(|t| t.into_owned().into()),
            })
        });
        Outgoing {
            text,
            id: template.has("id").then_some(id),
            symbols: symbols.iter().map(|s| s.name.clone()).collect(),
        }
    }

    fn batches(&self, template: &Template, symbols: &[Symbol], next_id: &mut u64) -> Vec<Outgoing> {
        let (mut out, mut batch, mut count, mut bytes) = (Vec::new(), Vec::<&Symbol>::new(), 0, 0);
        for symbol in symbols {
            let (n, size) = self.items(symbol).fold((0, 0), |(n, size), item| (n + 1, size + item.len() + 3));
            let full = count + n > self.items_max || bytes + size > self.bytes_max;
            if full && !batch.is_empty() {
                out.push(self.message(template, &batch, next_id));
                batch.clear();
                (count, bytes) = (0, 0);
            }
            batch.push(symbol);
            count += n;
            bytes += size;
        }
        if !batch.is_empty() {
            out.push(self.message(template, &batch, next_id));
        }
        out
    }
}

impl Ws {
    /// The address to dial, for these symbols.
    pub fn dial_url(&self, url: &str, symbols: &[Symbol], variables: &Variables) -> String {
        let joined = || {
            let items = symbols.iter().flat_map(|s| self.subscription.items(s)).map(|item| query_text(&item));
            items.collect::<Vec<_>>().join(&self.subscription.joiner)
        };
        Template::parse_free(url).render(|name| match name {
            "joined" => Some(joined().into()),
            // An address from the token call is taken as it is; anything else goes into the query.
            _ => variables.get(name).map(|v| match v.contains("://") {
                true => Cow::Borrowed(v.as_str()),
                false => Cow::Owned(query_text(v)),
            }),
        })
    }

    /// The frames that subscribe `added`, `all` being what the connection carries then (`added` included).
    /// `next_id` counts up over the connection's life.
    pub fn subscribe(&self, added: &[Symbol], all: &[Symbol], next_id: &mut u64) -> Vec<Outgoing> {
        let how = &self.subscription;
        match how.mode {
            Mode::Url => Vec::new(),
            Mode::Batch => how.batches(&how.send, added, next_id),
            Mode::Each => how.each(&how.send, added, next_id),
            Mode::Replace if all.is_empty() => Vec::new(),
            Mode::Replace => vec![how.message(&how.send, &all.iter().collect::<Vec<_>>(), next_id)],
        }
    }

    /// The frames that unsubscribe `removed`, `left` being what stays. Where a venue has no such message there
    /// are none: its ticks are no longer followed.
    pub fn unsubscribe(&self, removed: &[Symbol], left: &[Symbol], next_id: &mut u64) -> Vec<Outgoing> {
        let how = &self.subscription;
        match (how.mode, &how.unsubscribe) {
            (Mode::Replace, _) => self.subscribe(&[], left, next_id),
            (Mode::Batch, Some(template)) => how.batches(template, removed, next_id),
            (Mode::Each, Some(template)) => how.each(template, removed, next_id),
            _ => Vec::new(),
        }
    }

    /// What one symbol adds to a subscription message.
    pub fn items(&self, symbol: &Symbol) -> Vec<String> {
        self.subscription.items(symbol).collect()
    }

    /// The text of a ping.
    pub fn ping_text(&self, next_id: &mut u64, now_ms: i64) -> String {
        let Some(template) = self.ping.as_ref().and_then(|ping| ping.send.as_ref()) else {
            return String::new();
        };
        let id = *next_id;
        *next_id += 1;
        template.render(|name| match name {
            "id" => Some(id.to_string().into()),
            "now_ms" => Some(now_ms.to_string().into()),
            "now_s" => Some((now_ms / 1_000).to_string().into()),
            _ => None,
        })
    }

    /// The ping of a connection whose token call gave these variables (the interval may be one of them).
    pub fn ping_for(&self, variables: &Variables) -> Option<Ping> {
        let spec = self.ping.as_ref()?;
        let every_ms = match &spec.every {
            Every::Millis(ms) => *ms,
            // A venue that gives no interval, or nonsense, is pinged every 15 s.
            Every::Variable(name) => variables.get(name).and_then(|v| v.parse().ok()).unwrap_or(15_000),
        };
        let frame = if spec.send.is_some() { PingFrame::Text } else { PingFrame::Protocol };
        Some(Ping {
            every_ms: every_ms.clamp(1_000, 3_600_000),
            frame,
            answer_within_ms: spec.answer_within_ms,
        })
    }

    /// Reads the answer of the token call.
    pub fn read_bootstrap(&self, body: &[u8]) -> Result<Variables, Unreadable> {
        let Some(bootstrap) = &self.bootstrap else { return Ok(Variables::new()) };
        let unreadable = |detail: String| Unreadable { reason: "not_json", detail };
        let text = std::str::from_utf8(body).map_err(|_| unreadable("the token answer is no text".into()))?;
        let mut doc = crate::doc::Doc::default();
        crate::json::parse(text, &crate::doc::Wanted::EVERYTHING, &mut doc)
            .map_err(|_| unreadable("the token answer is no JSON".into()))?;
        let tree = Tree { nodes: &doc.nodes, text };
        let value = |path: &Path| path.find(tree, &Row::FRAME).and_then(|at| tree.scalar(at));
        let read = |(name, path): &(String, Path)| match value(path) {
            Some(text) => Ok((name.clone(), text.into_owned())),
            None => Err(unreadable(format!("the token answer has no {name}"))),
        };
        bootstrap.variables.iter().map(read).collect()
    }
}
