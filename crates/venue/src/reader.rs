//! Reads what a venue says on one connection. It holds what a connection must remember (channel ids, partial
//! updates) and its buffers. It must not know sockets, the time, or any venue's name.

use crate::doc::{Doc, Tree};
use crate::extract::Channels;
use crate::format::{self, Format};
use crate::message::{AckRule, ErrorRule, Is, Message, TickRule};
use crate::moment;
use crate::number::Found;
use crate::path::Row;
use crate::{Frame, Observation, Problem, Rejected, Said, Symbol, Unreadable, Venue};
use compact_str::CompactString;
use foldhash::fast::RandomState;
use market::{Pair, Price, PriceError, Sequence, Sign};
use std::collections::HashMap;
use std::sync::Arc;

/// Reads the answers on one connection, so that reading a frame allocates nothing beyond what a tick keeps.
#[derive(Debug)]
pub struct Reader {
    venue: Arc<Venue>,
    reads: Reads,
    memory: Memory,
    doc: Doc,
    /// Text made while decoding a format or a charset.
    made: String,
}

/// What a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// The symbols that it follows.
    Followed,
    /// Every price that the file knows.
    Everything,
    /// The same, with symbols as the venue's frames spell them.
    EverythingAsSpelled,
}

/// What is remembered from frame to frame.
#[derive(Debug, Default)]
struct Memory {
    followed: HashMap<CompactString, Followed, RandomState>,
    channels: Channels,
    /// The last known values where a venue sends only what changed.
    partial: HashMap<CompactString, [Option<Price>; 3]>,
}

#[derive(Debug, Clone)]
struct Followed {
    symbol: Arc<str>,
    pair: Option<Pair>,
    sign: Sign,
}

/// More names than any connection has; a bound on what a hostile venue can make us remember.
const REMEMBERED_MAX: usize = 100_000;
/// Buffers beyond this are given back after a frame.
const KEPT_BYTES_MAX: usize = 256 << 10;

impl Reader {
    pub(crate) fn new(venue: Arc<Venue>, reads: Reads) -> Reader {
        let (memory, doc, made) = (Memory::default(), Doc::default(), String::new());
        Reader { venue, reads, memory, doc, made }
    }

    /// Follows these symbols too.
    pub fn follow(&mut self, symbols: &[Symbol]) {
        for symbol in symbols {
            // Asked for or not: what is not spot has no pair, so that it never reaches a rate.
            let is_spot = self.venue.is_spot && self.venue.symbols.is_spot(&symbol.name);
            let followed = Followed {
                symbol: symbol.name.clone(),
                pair: is_spot.then(|| symbol.pair.clone()),
                sign: Sign::Positive,
            };
            self.memory.followed.entry(CompactString::from(&*symbol.name)).or_insert(followed);
        }
    }

    /// No longer follows these.
    pub fn unfollow(&mut self, symbols: &[Symbol]) {
        for symbol in symbols {
            self.memory.followed.remove(&*symbol.name);
            self.memory.partial.remove(&*symbol.name);
        }
    }

    /// Believes prices below zero for a symbol that is followed.
    pub fn allow_negative(&mut self, symbol: &Symbol) {
        if let Some(followed) = self.memory.followed.get_mut(&*symbol.name) {
            followed.sign = Sign::Any;
        }
    }

    /// Forgets what belonged to the connection (channel ids, partial updates), for the next one.
    pub fn reset(&mut self) {
        self.memory.channels.clear();
        self.memory.partial.clear();
    }

    /// Reads one frame or body, and adds what it says to `said`. `Err` = the frame as a whole cannot be read;
    /// the connection may go on.
    pub fn read(&mut self, frame: Frame<'_>, said: &mut Vec<Said>) -> Result<(), Unreadable> {
        let Reader { venue, reads, memory, doc, made } = self;
        let (bytes, is_binary) = match frame {
            Frame::Text(bytes) => (bytes, false),
            Frame::Binary(bytes) => (bytes, true),
        };
        if bytes.len() > venue.frames.bytes_max {
            return Err(venue.frames.too_big(bytes.len()));
        }
        let unpacked = venue.frames.unpacked(bytes)?;
        let bytes = unpacked.as_deref().unwrap_or(bytes);
        let format = if is_binary { &venue.frames.binary } else { &venue.frames.text };
        let mut decoded = String::new();
        let text = match format {
            Format::Protobuf(nested) if is_binary => {
                format::protobuf(bytes, nested, doc, made)?;
                made.as_str()
            }
            _ => {
                let text = venue.frames.decoded(bytes, &mut decoded)?;
                let plain = if venue.has_plain_texts { venue.plain_text(text) } else { None };
                if let Some(message) = plain {
                    say_plainly(&message.is, text, said);
                    return Ok(());
                }
                let was_made = format::read(format, &venue.wanted, text, doc, made)?;
                if was_made { made.as_str() } else { text }
            }
        };
        memory.frame(venue, doc, text, *reads, said);
        if made.capacity() > KEPT_BYTES_MAX || doc.nodes.capacity() > KEPT_BYTES_MAX / 16 {
            (*made, *doc) = (String::new(), Doc::default());
        }
        Ok(())
    }
}

impl Venue {
    /// The message that is just this text, if there is one.
    fn plain_text(&self, text: &str) -> Option<&Message> {
        if text.starts_with(['{', '[']) {
            return None;
        }
        self.messages.iter().find(|m| m.text.as_deref() == Some(text.trim()))
    }
}

/// What a message says that is a mere text.
fn say_plainly(is: &Is, text: &str, said: &mut Vec<Said>) {
    said.push(match is {
        Is::Heartbeat => Said::Heartbeat,
        Is::Welcome => Said::Welcome,
        Is::Reconnect => Said::Reconnect(text.to_owned()),
        Is::Reply(template, _) => Said::Reply(template.render(|_| None)),
        Is::Ack(_) => Said::Acknowledged { symbol: None, id: None },
        Is::Tick(_) | Is::Error(_) | Is::Ignore => Said::Ignored,
    });
}

impl Memory {
    fn frame(&mut self, venue: &Venue, doc: &Doc, text: &str, reads: Reads, said: &mut Vec<Said>) {
        let tree = Tree { nodes: &doc.nodes, text };
        let fits = |m: &&Message| m.text.is_none() && m.when.holds(tree, &Row::FRAME);
        let Some(message) = venue.messages.iter().find(fits) else { return said.push(Said::Unknown) };
        match &message.is {
            Is::Tick(rule) => self.ticks(venue, rule, tree, reads, said),
            Is::Ack(rule) => self.acknowledged(rule, tree, said),
            Is::Error(rule) => said.push(Said::Problem(self.problem(rule, tree))),
            Is::Heartbeat => said.push(Said::Heartbeat),
            Is::Welcome => said.push(Said::Welcome),
            Is::Reconnect => said.push(Said::Reconnect(text.chars().take(200).collect())),
            Is::Ignore => said.push(Said::Ignored),
            Is::Reply(template, paths) => said.push(Said::Reply(template.render(|gap| {
                let (_, path) = paths.iter().find(|(name, _)| name == gap)?;
                tree.scalar(path.find(tree, &Row::FRAME)?)
            }))),
        }
    }

    fn acknowledged(&mut self, rule: &AckRule, tree: Tree<'_>, said: &mut Vec<Said>) {
        let before = said.len();
        rule.rows.walk(tree, &mut |row| {
            let symbol = rule
                .symbol
                .as_ref()
                .and_then(|s| s.text(tree, row, &self.channels))
                .map(std::borrow::Cow::into_owned);
            let channel = rule.channel.as_ref().and_then(|path| tree.scalar(path.find(tree, row)?));
            let id =
                rule.id.as_ref().and_then(|id| id.text(tree, row, &self.channels)).map(CompactString::from);
            if let (Some(channel), Some(symbol)) = (channel, &symbol)
                && self.channels.len() < REMEMBERED_MAX
            {
                self.channels.insert(channel.into_owned(), symbol.clone());
            }
            said.push(Said::Acknowledged { symbol: symbol.map(Into::into), id });
        });
        if said.len() == before {
            said.push(Said::Acknowledged { symbol: None, id: None });
        }
    }

    fn problem(&self, rule: &ErrorRule, tree: Tree<'_>) -> Problem {
        let text = |from: &Option<crate::extract::Extract>| {
            from.as_ref()
                .and_then(|e| e.text(tree, &Row::FRAME, &self.channels))
                .map(|t| t.chars().take(300).collect::<String>())
        };
        Problem {
            code: text(&rule.code).map(Into::into),
            text: text(&rule.words).unwrap_or_else(|| tree.text.chars().take(300).collect()),
            symbol: text(&rule.symbol).map(Into::into),
            id: text(&rule.id).map(Into::into),
            means: rule.means,
        }
    }

    fn ticks(&mut self, venue: &Venue, rule: &TickRule, tree: Tree<'_>, reads: Reads, said: &mut Vec<Said>) {
        if let Some(moment::When::At(time)) =
            rule.not_before.as_ref().map(|m| m.read(tree, &Row::FRAME, &self.channels))
        {
            said.push(Said::NotBefore(time));
        }
        let before = said.len();
        let mut gave = Gave::Nothing;
        rule.rows.walk(tree, &mut |row| {
            let row = match rule.filter.holds(tree, row) {
                true => self.tick(venue, rule, tree, row, reads, said),
                false => Gave::NoTick,
            };
            gave = gave.max(row);
        });
        if said.len() == before {
            said.push(match gave {
                Gave::Nothing => Said::Empty,
                Gave::Elsewhere => Said::Elsewhere,
                Gave::NoTick => Said::Ignored,
            });
        }
    }

    fn tick(
        &mut self,
        venue: &Venue,
        rule: &TickRule,
        tree: Tree<'_>,
        row: &Row,
        reads: Reads,
        said: &mut Vec<Said>,
    ) -> Gave {
        let Memory { followed, channels, partial } = self;
        let name = match rule.symbol.text(tree, row, channels) {
            Some(name) => name,
            // In a recording that lost the symbol the price is still one.
            None if reads != Reads::Followed => "".into(),
            None => return Gave::Nothing,
        };
        if reads != Reads::Followed && !followed.contains_key(&*name) && followed.len() < REMEMBERED_MAX {
            let pair = if venue.is_spot { venue.symbols.split(&name) } else { None };
            let spelled = rule.spelling.as_ref().filter(|_| reads == Reads::EverythingAsSpelled);
            let spelled = spelled.and_then(|s| s.text(tree, row, channels));
            let symbol = spelled.map_or_else(|| Arc::from(&*name), |s| Arc::from(&*s));
            let new = Followed { symbol, pair, sign: Sign::Positive };
            followed.insert(CompactString::from(&*name), new);
        }
        let Some(target) = followed.get(&*name) else { return Gave::Elsewhere };
        let venue_time = match rule.time.as_ref().map(|m| m.read(tree, row, channels)) {
            Some(moment::When::At(time)) => Some(time),
            Some(moment::When::Never) => return Gave::NoTick,
            Some(moment::When::Missing) | None => None,
        };
        let mut seen = false;
        let mut price = |from: &Option<crate::extract::Extract>, field: &'static str| {
            let found = rule.numbers.read(from.as_ref()?, tree, row, channels, target.sign);
            seen |= found != Found::Absent;
            match found {
                Found::Price(price) => Some(price),
                // A side of the book without orders is written as 0.
                Found::Bad(PriceError::Zero, _) if field != "last" => None,
                Found::Bad(reason, value) => {
                    said.push(Said::Rejected(Rejected {
                        symbol: target.symbol.clone(),
                        field,
                        reason,
                        value,
                    }));
                    None
                }
                Found::Absent => None,
            }
        };
        let mut prices = [price(&rule.last, "last"), price(&rule.bid, "bid"), price(&rule.ask, "ask")];
        if !seen {
            // Neither side holds anything at all: that is no price, and the last good one goes on ageing.
            let field = if rule.last.is_some() { "last" } else { "bid" };
            let (symbol, reason) = (target.symbol.clone(), PriceError::NotANumber);
            said.push(Said::Rejected(Rejected { symbol, field, reason, value: String::new() }));
            return Gave::NoTick;
        }
        if let Some(reset) = &rule.merge {
            let known = partial.entry(CompactString::from(&*name)).or_default();
            if reset.holds(tree, row) {
                *known = [None; 3];
            }
            for (price, known) in prices.iter_mut().zip(known) {
                *known = price.or(*known);
                *price = *known;
            }
        }
        if prices == [None; 3] {
            return Gave::NoTick;
        }
        let [last, bid, ask] = prices;
        let sequence =
            rule.sequence.as_ref().and_then(|s| s.text(tree, row, channels)).map(|s| Sequence::new(&s));
        said.push(Said::Tick(Observation {
            symbol: target.symbol.clone(),
            pair: if rule.spot { target.pair.clone() } else { None },
            last,
            bid,
            ask,
            venue_time,
            sequence,
            history: rule.history.holds(tree, row),
            duplicate: rule.duplicate.holds(tree, row),
        }));
        Gave::NoTick
    }
}

/// What a row gave that gave no tick: the worse an understanding of the venue, the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gave {
    /// No symbol where the file looks for it.
    Nothing,
    /// A symbol that is not followed.
    Elsewhere,
    /// All is well: a row of no interest, or what it gave has been said.
    NoTick,
}
