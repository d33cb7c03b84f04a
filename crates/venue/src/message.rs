//! What one kind of message of a venue means, as its file writes it.
//! It must not know which symbols are followed.

use crate::condition::Condition;
use crate::extract::{Extract, path};
use crate::fields::{Fields, Value};
use crate::moment::Moment;
use crate::number::Numbers;
use crate::path::{Path, Row, Rows};
use crate::template::Template;
use crate::{FileError, Meaning};

/// A kind of message: how it is recognised and what it says. The first that fits a frame is taken.
#[derive(Debug)]
pub(crate) struct Message {
    pub is: Is,
    /// The whole frame is this text (`pong`).
    pub text: Option<Box<str>>,
    pub when: Condition,
}

#[derive(Debug)]
pub(crate) enum Is {
    Tick(Box<TickRule>),
    Ack(AckRule),
    Error(ErrorRule),
    Heartbeat,
    Welcome,
    Reply(Template, Vec<(String, Path)>),
    Reconnect,
    Ignore,
}

#[derive(Debug)]
pub(crate) struct TickRule {
    pub rows: Rows,
    /// Which rows count.
    pub filter: Condition,
    pub symbol: Extract,
    /// What the venue itself writes, where `symbol` is put together; only shown, never looked up.
    pub spelling: Option<Extract>,
    pub last: Option<Extract>,
    pub bid: Option<Extract>,
    pub ask: Option<Extract>,
    pub time: Option<Moment>,
    pub sequence: Option<Extract>,
    pub history: When,
    pub duplicate: When,
    /// Whether it is a price on the spot market.
    pub spot: bool,
    /// Rows hold only what changed: the rest is remembered, until a row for which this holds.
    pub merge: Option<When>,
    pub numbers: Numbers,
    pub not_before: Option<Moment>,
}

/// Always, never, or under a condition.
#[derive(Debug, Clone)]
pub(crate) enum When {
    Always,
    Never,
    If(Condition),
}

#[derive(Debug)]
pub(crate) struct AckRule {
    pub rows: Rows,
    pub symbol: Option<Extract>,
    pub id: Option<Extract>,
    /// The number by which later frames name the symbol.
    pub channel: Option<Path>,
}

#[derive(Debug)]
pub(crate) struct ErrorRule {
    pub code: Option<Extract>,
    pub words: Option<Extract>,
    pub symbol: Option<Extract>,
    pub id: Option<Extract>,
    pub means: Meaning,
}

impl When {
    fn parse(value: Option<Value<'_>>) -> Result<When, FileError> {
        match value {
            None => Ok(When::Never),
            Some(v) if v.is_table() => Ok(When::If(Condition::parse(&v)?)),
            Some(v) => Ok(if v.flag()? { When::Always } else { When::Never }),
        }
    }

    #[inline]
    pub fn holds(&self, tree: crate::doc::Tree<'_>, row: &Row) -> bool {
        match self {
            When::Always => true,
            When::Never => false,
            When::If(condition) => condition.holds(tree, row),
        }
    }
}

fn extract(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<Extract>, FileError> {
    fields.take(key).as_ref().map(Extract::parse).transpose()
}

fn rows(fields: &mut Fields<'_>, is_tree: bool) -> Result<Rows, FileError> {
    match fields.take("rows") {
        None => Rows::parse("", is_tree).map_err(|reason| fields.error("rows", reason)),
        Some(v) => Rows::parse(v.text()?, is_tree).map_err(|reason| v.error(reason)),
    }
}

impl Message {
    /// Reads one `[[message]]`. `is_tree`: the format repeats names instead of writing lists (XML, protobuf).
    pub fn parse(mut fields: Fields<'_>, is_tree: bool) -> Result<Message, FileError> {
        let is = fields.need("is")?;
        let text = fields.text("text")?.map(Into::into);
        let when = fields.take("when").as_ref().map(Condition::parse).transpose()?.unwrap_or_default();
        let is = match is.text()? {
            "tick" => Is::Tick(Box::new(TickRule::parse(&mut fields, is_tree)?)),
            "ack" => Is::Ack(AckRule {
                rows: rows(&mut fields, is_tree)?,
                symbol: extract(&mut fields, "symbol")?,
                id: extract(&mut fields, "id")?,
                channel: fields.take("channel").as_ref().map(path).transpose()?,
            }),
            "error" => Is::Error(ErrorRule {
                code: extract(&mut fields, "code")?,
                words: extract(&mut fields, "words")?,
                symbol: extract(&mut fields, "symbol")?,
                id: extract(&mut fields, "id")?,
                means: match fields.take("means") {
                    None => Meaning::Error,
                    Some(v) => match v.text()? {
                        "unknown_symbol" => Meaning::UnknownSymbol,
                        "rate_limited" => Meaning::RateLimited,
                        _ => return Err(v.error("must be unknown_symbol or rate_limited")),
                    },
                },
            }),
            "heartbeat" => Is::Heartbeat,
            "welcome" => Is::Welcome,
            "reconnect" => Is::Reconnect,
            "ignore" => Is::Ignore,
            "ping" => {
                let reply = fields.need("reply")?;
                let template = Template::parse_free(reply.text()?);
                let read =
                    |gap: &str| Path::parse(gap).map(|p| (gap.to_owned(), p)).map_err(|e| reply.error(e));
                let paths = template.gaps().map(read).collect::<Result<_, _>>()?;
                Is::Reply(template, paths)
            }
            _ => {
                return Err(
                    is.error("must be tick, ack, error, heartbeat, welcome, ping, reconnect or ignore")
                );
            }
        };
        fields.finish()?;
        Ok(Message { is, text, when })
    }
}

impl TickRule {
    fn parse(fields: &mut Fields<'_>, is_tree: bool) -> Result<TickRule, FileError> {
        let rule = TickRule {
            rows: rows(fields, is_tree)?,
            filter: fields.take("where").as_ref().map(Condition::parse).transpose()?.unwrap_or_default(),
            symbol: Extract::parse(&fields.need("symbol")?)?,
            spelling: extract(fields, "spelling")?,
            last: extract(fields, "last")?,
            bid: extract(fields, "bid")?,
            ask: extract(fields, "ask")?,
            time: fields.take("time").as_ref().map(Moment::parse).transpose()?,
            sequence: extract(fields, "sequence")?,
            history: When::parse(fields.take("history"))?,
            duplicate: When::parse(fields.take("duplicate"))?,
            spot: fields.flag("spot", true)?,
            merge: fields.take("merge").map(|v| When::parse(Some(v))).transpose()?,
            numbers: Numbers::parse(fields)?,
            not_before: fields.take("not_before").as_ref().map(Moment::parse).transpose()?,
        };
        if rule.last.is_none() && rule.bid.is_none() && rule.ask.is_none() {
            return Err(fields.error("is", "a tick needs at least one of last, bid and ask"));
        }
        Ok(rule)
    }
}
