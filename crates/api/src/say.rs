//! Puts answers into bytes: the prebuilt part of a rate and its age, in one allocation; texts of others, safely.
//! It must not know which rate was asked for.

use axum::response::{IntoResponse, Response};
use board::Answer;
use bytes::Bytes;
use hyper::{HeaderMap, StatusCode, header, header::HeaderValue};
use market::{Rate, Timestamp};
use serde::Serialize;

/// The content type of every success.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A rate may be kept by a cache, but must be asked about each time.
pub(crate) const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// How old a rate is now; `None` if nothing was ever seen.
pub(crate) fn age_ms(rate: &Rate, now: Timestamp) -> Option<i64> {
    rate.event_time.map(|at| now.millis_since(at).max(0))
}

/// The whole JSON object of a rate.
pub(crate) fn whole(answer: &Answer, now: Timestamp) -> Bytes {
    let mut digits = Digits::new();
    let age = digits.write(age_ms(&answer.rate, now));
    let mut bytes = Vec::with_capacity(answer.body.len() + age.len() + 1);
    bytes.extend_from_slice(&answer.body);
    bytes.extend_from_slice(age);
    bytes.push(b'}');
    bytes.into()
}

/// The rate's object added to a longer text.
pub(crate) fn append(to: &mut Vec<u8>, answer: &Answer, now: Timestamp) {
    let mut digits = Digits::new();
    to.extend_from_slice(&answer.body);
    to.extend_from_slice(digits.write(age_ms(&answer.rate, now)));
    to.push(b'}');
}

/// `{"rates":[…]}`.
pub(crate) fn all(answers: &[std::sync::Arc<Answer>], now: Timestamp) -> Vec<u8> {
    let mut text = Vec::with_capacity(answers.iter().map(|a| a.body.len() + 12).sum::<usize>() + 16);
    text.extend_from_slice(b"{\"rates\":[");
    for (n, answer) in answers.iter().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        append(&mut text, answer, now);
    }
    text.extend_from_slice(b"]}");
    text
}

/// Room for the digits of an age.
struct Digits([u8; 20]);

impl Digits {
    fn new() -> Digits {
        Digits([0; 20])
    }

    fn write(&mut self, age_ms: Option<i64>) -> &[u8] {
        let Some(mut rest) = age_ms.map(i64::unsigned_abs) else { return b"null" };
        let mut at = self.0.len();
        loop {
            at -= 1;
            self.0[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return &self.0[at..];
            }
        }
    }
}

/// A JSON answer that must not be kept.
pub(crate) fn json(bytes: impl Into<Bytes>) -> Response {
    let headers = [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, NO_CACHE)];
    (headers, axum::body::Body::from(bytes.into())).into_response()
}

/// A value as a JSON answer.
pub(crate) fn value(value: &impl Serialize) -> Result<Response, crate::error::Problem> {
    serde_json::to_vec(value).map(json).map_err(|error| {
        tracing::error!(%error, "an answer of ours cannot be written as JSON");
        crate::error::Problem::Internal
    })
}

/// The ETag as a header.
pub(crate) fn etag(answer: &Answer) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(answer.etag.clone()).ok()
}

/// Whether the client has this version already (weak comparison, RFC 9110 13.1.2).
pub(crate) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    fn plain(tag: &[u8]) -> &[u8] {
        tag.strip_prefix(b"W/").unwrap_or(tag)
    }
    let lines = headers.get_all(header::IF_NONE_MATCH).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || plain(tag) == plain(etag.as_bytes()))
}

/// An answer with its ETag, or 304 if the client has it.
pub(crate) fn tagged(headers: &HeaderMap, answer: &Answer, body: impl FnOnce() -> Bytes) -> Response {
    let Some(tag) = etag(answer) else { return json(body()) };
    let mut response =
        if is_known(headers, &tag) { StatusCode::NOT_MODIFIED.into_response() } else { json(body()) };
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
    response
}

/// Text between tags or quotes of HTML.
pub(crate) fn html(to: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            c if c.is_control() => to.push('\u{fffd}'),
            c => to.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_in_digits() {
        for (age, text) in
            [(None, "null"), (Some(0), "0"), (Some(812), "812"), (Some(i64::MAX), "9223372036854775807")]
        {
            assert_eq!(Digits::new().write(age), text.as_bytes());
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        let tag = HeaderValue::from_static("W/\"abc\"");
        for (header, known) in [
            ("W/\"abc\"", true),
            ("\"abc\"", true),
            ("\"x\", W/\"abc\"", true),
            ("*", true),
            ("\"x\"", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(header))]);
            assert_eq!(is_known(&headers, &tag), known, "{header}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_html() {
        let mut text = String::new();
        html(&mut text, "<a href=\"x\" b='y'>&\0");
        assert_eq!(text, "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\u{fffd}");
    }
}
