//! What a client may write into `trade_info`, and how a row is shown: checked here, before the store sees it.
//! It must not know who is asking.

use crate::error::Problem;
use market::{PairSpec, VenueId};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use store::{NewTradeRow, TradeRow, TradeRowChange};
use url::Url;

/// The longest address.
const URL_BYTES_MAX: usize = 2_048;
/// The longest list of pairs.
const PAIRS_BYTES_MAX: usize = 32 << 10;
/// Polling more often than this is no polling; less often than this is nothing to wait for.
const INTERVAL_MS: std::ops::RangeInclusive<i64> = 100..=86_400_000;
/// Ages after which a tick is stale or expired.
const AGE_MS: std::ops::RangeInclusive<i64> = 1..=31_536_000_000;

/// The body of a POST.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    venue: String,
    currency_pair: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    interval_ms: Option<i64>,
    #[serde(default)]
    stale_after_ms: Option<i64>,
    #[serde(default)]
    expire_after_ms: Option<i64>,
    #[serde(default)]
    allow_negative: bool,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// The body of a PATCH: `null` empties a column, an absent member leaves it alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    currency_pair: Option<String>,
    #[serde(default, deserialize_with = "present")]
    url: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    interval_ms: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    stale_after_ms: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    expire_after_ms: Option<Option<i64>>,
    #[serde(default)]
    allow_negative: Option<bool>,
    #[serde(default)]
    enabled: Option<bool>,
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

/// Reads a new row; the venue is still to be asked about.
pub(crate) fn new(body: &[u8]) -> Result<(VenueId, NewTradeRow), Problem> {
    let new: New = read(
        body,
        "venue, currency_pair, url, interval_ms, stale_after_ms, expire_after_ms, allow_negative, enabled",
    )?;
    let venue = VenueId::parse(&new.venue).map_err(|error| Problem::BadRequest(format!("venue: {error}")))?;
    let row = NewTradeRow {
        venue: new.venue,
        currency_pair: pairs(&new.currency_pair)?,
        url: new.url.as_deref().map(url).transpose()?,
        interval_ms: within("interval_ms", new.interval_ms, INTERVAL_MS)?,
        stale_after_ms: within("stale_after_ms", new.stale_after_ms, AGE_MS)?,
        expire_after_ms: within("expire_after_ms", new.expire_after_ms, AGE_MS)?,
        allow_negative: new.allow_negative,
        enabled: new.enabled,
    };
    ages_fit(row.stale_after_ms, row.expire_after_ms)?;
    Ok((venue, row))
}

/// Reads a change.
pub(crate) fn change(body: &[u8]) -> Result<TradeRowChange, Problem> {
    let known = "currency_pair, url, interval_ms, stale_after_ms, expire_after_ms, allow_negative, enabled";
    let change: Change = read(body, known)?;
    let change = TradeRowChange {
        currency_pair: change.currency_pair.as_deref().map(pairs).transpose()?,
        url: change.url.map(|text| text.as_deref().map(url).transpose()).transpose()?,
        interval_ms: change.interval_ms.map(|ms| within("interval_ms", ms, INTERVAL_MS)).transpose()?,
        stale_after_ms: change.stale_after_ms.map(|ms| within("stale_after_ms", ms, AGE_MS)).transpose()?,
        expire_after_ms: change
            .expire_after_ms
            .map(|ms| within("expire_after_ms", ms, AGE_MS))
            .transpose()?,
        allow_negative: change.allow_negative,
        enabled: change.enabled,
    };
    if change == TradeRowChange::default() {
        return Err(Problem::BadRequest(format!("nothing to change; members: {known}")));
    }
    ages_fit(change.stale_after_ms.flatten(), change.expire_after_ms.flatten())?;
    Ok(change)
}

/// The parser's own words may repeat what the client sent, so only the place is told.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8], known: &str) -> Result<T, Problem> {
    // A list of values in the right order would be taken for an object.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::BadRequest("the body is not a JSON object".into()));
    }
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::BadRequest(match error.classify() {
            serde_json::error::Category::Data => {
                format!("line {line}, column {column}: an unknown, doubled, missing or wrongly typed member; known: {known}")
            }
            _ => format!("line {line}, column {column}: not JSON"),
        })
    })
}

fn pairs(text: &str) -> Result<String, Problem> {
    if text.len() > PAIRS_BYTES_MAX {
        return Err(Problem::BadRequest(format!("currency_pair has more than {PAIRS_BYTES_MAX} bytes")));
    }
    PairSpec::parse(text).map_err(|error| Problem::BadRequest(format!("currency_pair: {error}")))?;
    Ok(text.trim().to_owned())
}

/// Form only: whether the address may be connected to is judged where connections are made.
fn url(text: &str) -> Result<String, Problem> {
    let refuse = |why: &str| Err(Problem::BadRequest(format!("url: {why}")));
    if text.len() > URL_BYTES_MAX {
        return refuse("more than 2048 bytes");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("a space or a control character");
    }
    let Ok(url) = Url::parse(text) else { return refuse("not an absolute address") };
    if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
        return refuse("the scheme is not http, https, ws or wss");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse("no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a user or password in an address would be seen by everyone");
    }
    Ok(text.to_owned())
}

fn within(name: &str, ms: Option<i64>, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
    if ms.is_some_and(|ms| !range.contains(&ms)) {
        let (low, high) = range.into_inner();
        return Err(Problem::BadRequest(format!("{name} is from {low} to {high}")));
    }
    Ok(ms)
}

fn ages_fit(stale_after_ms: Option<i64>, expire_after_ms: Option<i64>) -> Result<(), Problem> {
    match (stale_after_ms, expire_after_ms) {
        (Some(stale), Some(expire)) if expire <= stale => {
            Err(Problem::BadRequest("expire_after_ms is not above stale_after_ms".into()))
        }
        _ => Ok(()),
    }
}

/// A row as JSON with its state; an address is shown without what may be secret in it.
pub(crate) fn show(row: &TradeRow, state: &Value, reason: Option<&str>) -> Value {
    // A foreign client may have written anything: a number is shown as one, all else as its text.
    let number = |text: &Option<String>| {
        text.as_ref().map(|text| text.parse::<i64>().map_or_else(|_| Value::from(text.as_str()), Value::from))
    };
    json!({
        "id": row.id,
        "venue": row.venue,
        "currency_pair": row.currency_pair,
        "url": row.url.as_deref().map(without_secrets),
        "interval_ms": number(&row.interval_ms),
        "stale_after_ms": number(&row.stale_after_ms),
        "expire_after_ms": number(&row.expire_after_ms),
        "allow_negative": row.allow_negative,
        "enabled": row.enabled,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "state": state,
        "reason": reason,
    })
}

fn without_secrets(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "(not an address)".into() };
    if url.cannot_be_a_base() {
        return format!("{}:***", url.scheme());
    }
    if !url.username().is_empty() || url.password().is_some() {
        let _ = url.set_username("***");
        let _ = url.set_password(None);
    }
    if url.query().is_some() {
        let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        url.query_pairs_mut().clear().extend_pairs(names.iter().map(|name| (name, "***")));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_rows_pass() {
        for body in [
            r#"{"venue":"v","currency_pair":"BTC-USDT"}"#,
            r#"{"venue":"a-1","currency_pair":"bitcoin,usd-coin-rub,usd","interval_ms":60000,"allow_negative":true}"#,
            r#"{"venue":"v","currency_pair":"A-B","url":"wss://example.org/ws?x=1","stale_after_ms":1,"expire_after_ms":2}"#,
        ] {
            assert!(new(body.as_bytes()).is_ok(), "{body}: {:?}", new(body.as_bytes()));
        }
    }

    #[test]
    fn bad_rows_are_refused_with_the_column() {
        let long = format!(r#"{{"venue":"v","currency_pair":"A-B","url":"http://e/{}"}}"#, "x".repeat(3_000));
        for (body, needle) in [
            ("", "not a JSON object"),
            (r#"["v", "A-B"]"#, "not a JSON object"),
            ("{", "not JSON"),
            (r#"{"venue":"v","currency_pair":"A-B"} x"#, "not JSON"),
            ("{}", "missing"),
            (r#"{"venue":"v","currency_pair":"A-B","id":1}"#, "unknown"),
            (r#"{"venue":"v","venue":"w","currency_pair":"A-B"}"#, "doubled"),
            (r#"{"venue":1,"currency_pair":"A-B"}"#, "wrongly typed"),
            (r#"{"venue":"V","currency_pair":"A-B"}"#, "venue:"),
            (r#"{"venue":"v'; --","currency_pair":"A-B"}"#, "venue:"),
            (r#"{"venue":"v","currency_pair":"AB"}"#, "currency_pair:"),
            (r#"{"venue":"v","currency_pair":"A\r\nX-B"}"#, "currency_pair:"),
            (r#"{"venue":"v","currency_pair":"A-B","url":"file:///etc/passwd"}"#, "scheme"),
            (r#"{"venue":"v","currency_pair":"A-B","url":"/x"}"#, "absolute"),
            (r#"{"venue":"v","currency_pair":"A-B","url":"http://u:p@example.org/"}"#, "password"),
            (r#"{"venue":"v","currency_pair":"A-B","url":"http://e/\r\nX: y"}"#, "control"),
            (&long, "2048"),
            (r#"{"venue":"v","currency_pair":"A-B","interval_ms":0}"#, "interval_ms"),
            (r#"{"venue":"v","currency_pair":"A-B","interval_ms":-5}"#, "interval_ms"),
            (r#"{"venue":"v","currency_pair":"A-B","interval_ms":99999999999}"#, "interval_ms"),
            (
                r#"{"venue":"v","currency_pair":"A-B","stale_after_ms":5,"expire_after_ms":5}"#,
                "expire_after_ms",
            ),
        ] {
            match new(body.as_bytes()) {
                Err(Problem::BadRequest(detail)) => {
                    assert!(detail.contains(needle), "{body}: {detail}");
                    assert!(!detail.contains("passwd") && !detail.contains("--"), "echoed: {detail}");
                }
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn null_empties_and_absence_leaves_alone() {
        let changed = change(br#"{"url":null,"interval_ms":5000}"#).unwrap();
        assert_eq!(
            changed,
            TradeRowChange { url: Some(None), interval_ms: Some(Some(5_000)), ..TradeRowChange::default() }
        );
        assert!(change(b"{}").is_err() && change(br#"{"venue":"x"}"#).is_err());
    }

    #[test]
    fn addresses_are_shown_without_secrets() {
        for (text, shown) in [
            ("https://u:p@example.org/a", "https://***@example.org/a"),
            ("https://example.org/a?key=s3cret&b=1", "https://example.org/a?key=***&b=***"),
            ("nonsense s3cret", "(not an address)"),
            ("data:s3cret", "data:***"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
