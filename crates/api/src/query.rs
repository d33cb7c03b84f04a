//! Reads the query part of an address: known names only, each once, every text decoded and bounded.
//! It must not know what a value is good for, and it never repeats one in an error.

use crate::error::Problem;
use std::borrow::Cow;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    values: Vec<(&'static str, Cow<'a, str>)>,
}

/// Names under which people put a key into an address, where it ends up in logs and histories.
const KEY_NAMES: [&str; 8] =
    ["key", "api_key", "apikey", "api-key", "token", "access_token", "authorization", "bearer"];

/// The hint for those who do.
const KEY_HINT: &str = "an API key in an address ends up in logs and histories: revoke it, and send \
    the new one as `Authorization: Bearer KEY`";

impl<'a> Query<'a> {
    /// Reads `a=b&c=d`; a name that is not among `known` is refused, since a misspelled `max_age` that is
    /// silently ignored would serve a price older than was asked for.
    pub(crate) fn parse(text: Option<&'a str>, known: &[&'static str]) -> Result<Query<'a>, Problem> {
        let mut values: Vec<(&'static str, Cow<'a, str>)> = Vec::new();
        for part in text.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name)?;
            let Some(known_name) = known.iter().copied().find(|k| *k == name) else {
                if KEY_NAMES.contains(&name.to_ascii_lowercase().as_str()) {
                    return Err(Problem::BadRequest(KEY_HINT.into()));
                }
                let list = if known.is_empty() { "none".into() } else { known.join(", ") };
                return Err(Problem::BadRequest(format!("an unknown parameter; known here: {list}")));
            };
            if values.iter().any(|(name, _)| *name == known_name) {
                return Err(Problem::BadRequest(format!("the parameter {known_name} is given twice")));
            }
            values.push((known_name, decode(value)?));
        }
        Ok(Query { values })
    }

    /// The value of a parameter, unless it is missing or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_ref()).filter(|v| !v.is_empty())
    }

    /// A switch: `1`, `true`, or the bare name; `0` and `false` are off.
    pub(crate) fn switch(&self, name: &'static str) -> Result<bool, Problem> {
        match self.values.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_ref()) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true" | "") => Ok(true),
            Some(_) => Err(Problem::BadRequest(format!("{name} is 1 or 0"))),
        }
    }
}

/// Undoes percent-encoding; what is not UTF-8 afterwards is refused.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, Problem> {
    if !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(Problem::BadRequest("a percent sign without two hex digits".into())),
            },
            other => other,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Problem::BadRequest("not UTF-8 once decoded".into()))
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Reads an age: `500ms`, `5s` or `5` (seconds); in milliseconds.
pub(crate) fn age_ms(text: &str) -> Result<i64, Problem> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s').unwrap_or(text), 1_000),
    };
    let good = (1..=12).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<i64>() {
        Ok(number) if good => Ok(number * unit),
        _ => Err(Problem::BadRequest("max_age is written 500ms, 5s or 5 (seconds)".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (text, ms) in [("500ms", Some(500)), ("5s", Some(5_000)), ("5", Some(5_000)), ("0", Some(0))] {
            assert_eq!(age_ms(text).ok(), ms, "{text}");
        }
        for text in ["", "ms", "s", "-5", "+5", "5m", "1.5", "5 s", "٥", "9999999999999"] {
            assert!(age_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parameters_are_known_single_and_decoded() {
        let query = Query::parse(Some("a=x%2Fy+z&b=1&c"), &["a", "b", "c"]).unwrap();
        assert_eq!(query.text("a"), Some("x/y z"));
        assert!(query.switch("b").unwrap() && query.switch("c").unwrap() && !query.switch("d").unwrap());
        for (text, needle) in [
            ("max_ages=5", "unknown parameter"),
            ("a=1&a=2", "given twice"),
            ("a=%F", "percent"),
            ("a=%ff", "UTF-8"),
            ("API_KEY=x", "Authorization: Bearer"),
        ] {
            match Query::parse(Some(text), &["a", "max_age"]) {
                Err(Problem::BadRequest(detail)) => assert!(detail.contains(needle), "{text}: {detail}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
