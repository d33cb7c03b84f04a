//! A venue file into a [`Venue`]: every key is read here, and every mistake named with its line.
//! It must not know what a frame looks like.

use crate::ask::{Bootstrap, Every, Limit, MESSAGE_GAPS, Mode, PingSpec, SYMBOL_GAPS, Subscription, Ws};
use crate::doc::Wanted;
use crate::example::Example;
use crate::extract::path;
use crate::fields::{Fields, Source, Value};
use crate::format::Frames;
use crate::listing::Listing;
use crate::message::Message;
use crate::poll::{Http, REQUEST_GAPS, Tier};
use crate::symbols::Symbols;
use crate::template::Template;
use crate::{FileError, Venue};
use market::VenueId;
use std::sync::Arc;
use toml::de::DeTable;

/// The version of the format that this program reads.
const FORMAT: i64 = 1;

/// Silence limit, unless the file knows better.
const SILENCE_MS: u64 = 30_000;

pub(crate) fn parse(id: &VenueId, file: &str, text: &str) -> Result<Venue, FileError> {
    let source = Source { file, text };
    let table = DeTable::parse(text).map_err(|e| {
        source.error(e.span().map_or(0, |s| s.start), "(file)", format!("is no TOML: {}", e.message()))
    })?;
    let mut fields = Fields::root(source, &table);
    let version = fields.need("format")?;
    if version.integer()? != FORMAT {
        return Err(
            version.error(format!("is a version of the file format that is not known here; known: {FORMAT}"))
        );
    }
    let title = fields.need("name")?.text()?.to_owned();
    let homepage = fields.need("homepage")?.text()?.to_owned();
    fields.text("facts")?;
    let is_spot = fields.flag("spot", true)?;
    let stale_after_ms = fields.millis("stale_after")?;
    let seldom = fields.text("seldom")?;
    let frames = Frames::parse(fields.table("frame")?)?;
    let symbols_table = fields.need("symbols")?.table()?;
    let symbols = Symbols::parse(symbols_table)?;
    let ws = fields.table("ws")?.map(|table| ws(table, &frames)).transpose()?;
    let http = fields.table("http")?.map(|table| http(table, &frames)).transpose()?;
    let listing = fields.take("listing").map(|value| listing(&value, &frames)).transpose()?;
    if ws.is_none() && http.is_none() {
        return Err(fields.error("ws", "is missing, and so is [http]: a venue is asked by one or the other"));
    }
    let wanted = fields.take("message").map_or(Wanted::NOTHING, |messages| wanted(&messages));
    let is_tree = frames.text.is_tree() || frames.binary.is_tree();
    let messages = fields
        .tables("message")?
        .into_iter()
        .map(|m| Message::parse(m, is_tree))
        .collect::<Result<Vec<_>, _>>()?;
    if messages.is_empty() {
        return Err(fields.error("message", "is missing: without a [[message]] nothing is understood"));
    }
    let examples =
        fields.tables("example")?.into_iter().map(Example::parse).collect::<Result<Vec<_>, _>>()?;
    if examples.is_empty() {
        return Err(fields.error("example", "is missing: an [[example]] shows that the file reads its venue"));
    }
    fields.finish()?;
    Ok(Venue {
        id: id.clone(),
        file: file.to_owned(),
        title,
        homepage,
        is_spot,
        stale_after_ms,
        seldom,
        wanted,
        has_plain_texts: messages.iter().any(|m| m.text.is_some()),
        frames,
        symbols,
        ws,
        http,
        listing,
        messages,
        examples,
    })
}

fn listing(value: &Value<'_>, frames: &Frames) -> Result<Listing, FileError> {
    let mut fields = value.table()?;
    let urls = fields.need("url")?.one_or_more()?;
    let urls = urls.iter().map(|v| address(v, &["https://", "http://"])).collect::<Result<Vec<_>, _>>()?;
    Listing::parse(fields, urls, wanted(value), frames)
}

/// The keys that the messages may ask for: every text in them is taken as a path, and every gap in a text. Texts
/// that are no paths add keys that nobody asks for, which does no harm.
fn wanted(messages: &Value<'_>) -> Wanted {
    let mut wanted = Wanted::NOTHING;
    messages.each_text(&mut |text| {
        crate::path::want(text, &mut wanted);
        text.split(['{', '}']).for_each(|part| crate::path::want(part, &mut wanted));
    });
    wanted
}

fn limit(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<Limit>, FileError> {
    fields.take(key).map(|v| v.limit()).transpose()
}

fn headers(fields: &mut Fields<'_>) -> Result<Vec<(String, String)>, FileError> {
    let Some(table) = fields.table("headers")? else { return Ok(Vec::new()) };
    table.free().into_iter().map(|(name, v)| Ok((header_name(&name, &v)?, header_value(&v)?))).collect()
}

fn header_name(name: &str, value: &Value<'_>) -> Result<String, FileError> {
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if good { Ok(name.to_ascii_lowercase()) } else { Err(value.error("has a name that is no header name")) }
}

fn header_value(value: &Value<'_>) -> Result<String, FileError> {
    let text = value.text()?;
    let good = text.bytes().all(|b| (0x20..0x7f).contains(&b));
    if good { Ok(text.to_owned()) } else { Err(value.error("may hold printable ASCII only")) }
}

fn template(value: &Value<'_>, gaps: &[&str]) -> Result<Template, FileError> {
    Template::parse(value.text()?, gaps).map_err(|reason| value.error(reason))
}

fn address(value: &Value<'_>, schemes: &[&str]) -> Result<String, FileError> {
    let text = value.text()?;
    let good = text.starts_with('{') || schemes.iter().any(|s| text.starts_with(s));
    if good {
        Ok(text.to_owned())
    } else {
        Err(value.error(format!("must begin with {}", schemes.join(" or "))))
    }
}

fn ws(mut fields: Fields<'_>, frames: &Frames) -> Result<Ws, FileError> {
    let url = fields.need("url")?;
    let urls =
        url.one_or_more()?.iter().map(|v| address(v, &["wss://", "ws://"])).collect::<Result<Vec<_>, _>>()?;
    if urls.is_empty() {
        return Err(url.error("is an empty list"));
    }
    let table = fields.need("subscribe")?.table()?;
    let subscription = subscription(table)?;
    let silence_ms = fields.millis("silence")?.unwrap_or(SILENCE_MS);
    let ws = Ws {
        urls,
        headers: headers(&mut fields)?,
        symbols_max: fields.count("symbols_per_connection")?.unwrap_or(200),
        messages: limit(&mut fields, "messages")?,
        connects: limit(&mut fields, "connects")?,
        lifetime_ms: fields.millis("lifetime")?,
        silence_ms,
        first_data_ms: fields.millis("first_data")?.unwrap_or(silence_ms.max(30_000)),
        bootstrap: fields.table("token")?.map(bootstrap).transpose()?,
        waits_for_welcome: fields.flag("wait_for_welcome", false)?,
        settle_ms: fields.millis("settle")?.unwrap_or(0),
        frame_bytes_max: frames.bytes_max,
        subscribes_by_url: subscription.mode == Mode::Url,
        replaces: subscription.mode == Mode::Replace,
        subscription: Arc::new(subscription),
        ping: fields.table("ping")?.map(ping).transpose()?,
    };
    fields.finish()?;
    Ok(ws)
}

fn subscription(mut fields: Fields<'_>) -> Result<Subscription, FileError> {
    let mode = match fields.take("mode") {
        None => Mode::Batch,
        Some(v) => match v.text()? {
            "batch" => Mode::Batch,
            "each" => Mode::Each,
            "replace" => Mode::Replace,
            "url" => Mode::Url,
            _ => return Err(v.error("must be batch, each, replace or url")),
        },
    };
    let items = match fields.take("item") {
        None => vec![Template::parse_free("{symbol}")],
        Some(v) => v.one_or_more()?.iter().map(|i| template(i, SYMBOL_GAPS)).collect::<Result<_, _>>()?,
    };
    let gaps = [MESSAGE_GAPS, SYMBOL_GAPS].concat();
    let send = match (fields.take("send"), mode) {
        (Some(v), Mode::Url) => {
            return Err(v.error("has no use where the subscription is part of the address"));
        }
        (None, Mode::Url) => Template::default(),
        (Some(v), _) => template(&v, &gaps)?,
        (None, _) => return Err(fields.error("send", "is missing: the message that subscribes")),
    };
    let subscription = Subscription {
        mode,
        items,
        send,
        unsubscribe: fields.take("unsubscribe").map(|v| template(&v, &gaps)).transpose()?,
        items_max: fields.count("items_max")?.unwrap_or(100),
        bytes_max: fields.count("bytes_max")?.unwrap_or(16_384),
        joiner: fields.text("joiner")?.unwrap_or_else(|| ",".into()),
    };
    fields.finish()?;
    Ok(subscription)
}

fn bootstrap(mut fields: Fields<'_>) -> Result<Bootstrap, FileError> {
    let method = fields.need("method")?;
    if !matches!(method.text()?, "GET" | "POST") {
        return Err(method.error("must be GET or POST"));
    }
    let method = method.text()?.to_owned();
    let url = address(&fields.need("url")?, &["https://", "http://"])?;
    let table = fields.need("variables")?.table()?;
    let read = |(name, value): (String, Value<'_>)| path(&value).map(|path| (name, path));
    let variables = table.free().into_iter().map(read).collect::<Result<_, _>>()?;
    fields.finish()?;
    Ok(Bootstrap { method, url, variables })
}

fn ping(mut fields: Fields<'_>) -> Result<PingSpec, FileError> {
    let every = fields.need("every")?;
    let text = every.text()?;
    let every = match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        Some(name) => Every::Variable(name.to_owned()),
        None => Every::Millis(every.millis()?),
    };
    let send = fields.take("send").map(|v| template(&v, &["id", "now_ms", "now_s"])).transpose()?;
    let ping = PingSpec { every, send, answer_within_ms: fields.millis("answer_within")? };
    fields.finish()?;
    Ok(ping)
}

fn http(mut fields: Fields<'_>, frames: &Frames) -> Result<Http, FileError> {
    let read_url =
        |v: &Value<'_>| address(v, &["https://", "http://"]).and_then(|_| template(v, REQUEST_GAPS));
    let urls = fields.need("url")?.one_or_more()?.iter().map(read_url).collect::<Result<Vec<_>, _>>()?;
    let interval_ms = fields.need("interval")?.millis()?;
    let mut tiers = Vec::new();
    for mut table in fields.tables("tier")? {
        let key = table.need("key")?.text()?.to_owned();
        let headers = match table.table("headers")? {
            None => Vec::new(),
            Some(t) => {
                let read =
                    |(name, v): (String, Value<'_>)| Ok((header_name(&name, &v)?, template(&v, &["key"])?));
                t.free().into_iter().map(read).collect::<Result<_, FileError>>()?
            }
        };
        tiers.push(Tier {
            key,
            url: table.take("url").map(|v| read_url(&v)).transpose()?,
            headers,
            interval_ms: table.millis("interval")?,
            budget: limit(&mut table, "budget")?,
        });
        table.finish()?;
    }
    let mut urls = urls.into_iter();
    let url = urls.next().ok_or_else(|| fields.error("url", "is an empty list"))?;
    let http = Http {
        interval_ms,
        budget: limit(&mut fields, "budget")?,
        timeout_ms: fields.millis("timeout")?.unwrap_or(5_000),
        body_bytes_max: frames.bytes_max,
        symbols_max: fields.count("symbols_per_request")?.unwrap_or(200),
        url,
        others: urls.collect(),
        headers: headers(&mut fields)?,
        key_headers: Vec::new(),
        keys: Vec::new(),
        tiers: tiers.into(),
    };
    fields.finish()?;
    Ok(http)
}
