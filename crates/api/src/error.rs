//! Every answer that is not a success, as RFC 9457 problem+json with a stable `code`.
//! It must not know how a handler came to it, and it never repeats what a client sent, but for a venue file's or an
//! alert's own mistakes to the holder of a key.

use axum::response::{IntoResponse, Response};
use hyper::{HeaderMap, StatusCode, header};
use market::{Pair, Price};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// A venue file that cannot be taken: where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueMistake {
    /// Its line, from 1.
    pub line: usize,
    /// The key with the mistake.
    pub key: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// What a request came to, other than an answer. A variant is what a client does differently.
#[derive(Debug)]
pub(crate) enum Problem {
    /// A pair in form that nobody quotes.
    UnknownPair { near: Vec<Pair> },
    /// No pair at all.
    BadPair(&'static str),
    /// A parameter, a member or the body is not as described.
    BadRequest(String),
    /// A venue file with a mistake.
    BadVenueFile(VenueMistake),
    /// Nothing usable is known now.
    NoFreshRate,
    /// Older than the caller accepts.
    TooOld { age_ms: i64, max_age_ms: i64 },
    /// The venues are too far apart for one value.
    RatesDisagree { low: Option<Price>, high: Option<Price> },
    /// Keys, rows and writes need the store.
    StoreUnavailable,
    /// No key, or not one of ours.
    Unauthorized(&'static str),
    /// Too many requests from one address.
    RateLimited { retry_after_s: u64 },
    /// More at once than we serve.
    Overloaded,
    /// There is nothing here; what is missing in words.
    NotFound(&'static str),
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The same row is there already.
    Conflict(String),
    /// As many as one client may have are there.
    LimitReached(String),
    /// The target is longer than we read.
    UriTooLong,
    /// The body is larger than we read.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// The body is said to be something other than JSON.
    UnsupportedMediaType,
    /// We are at fault.
    Internal,
}

/// A result whose failure is a problem.
pub(crate) type Answer<T = Response> = Result<T, Problem>;

impl Problem {
    /// Status, stable code and title.
    pub(crate) fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Problem::UnknownPair { .. } => (StatusCode::NOT_FOUND, "unknown_pair", "Nobody quotes this pair"),
            Problem::BadPair(_) => (StatusCode::BAD_REQUEST, "bad_pair", "Not a pair"),
            Problem::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request", "Not a request we understand"),
            Problem::BadVenueFile(_) => {
                (StatusCode::BAD_REQUEST, "bad_venue_file", "The venue file has a mistake")
            }
            Problem::NoFreshRate => (StatusCode::SERVICE_UNAVAILABLE, "no_fresh_rate", "No usable rate now"),
            Problem::TooOld { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "too_old", "The rate is older than max_age")
            }
            Problem::RatesDisagree { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "rates_disagree", "The venues disagree")
            }
            Problem::StoreUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "The store does not answer")
            }
            Problem::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized", "An API key is needed"),
            Problem::RateLimited { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests")
            }
            Problem::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too many clients at once")
            }
            Problem::NotFound(_) => (StatusCode::NOT_FOUND, "not_found", "Nothing here"),
            Problem::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Not with this method")
            }
            Problem::Conflict(_) => (StatusCode::CONFLICT, "conflict", "It is there already"),
            Problem::LimitReached(_) => (StatusCode::CONFLICT, "limit_reached", "There may be no more"),
            Problem::UriTooLong => (StatusCode::URI_TOO_LONG, "uri_too_long", "The address is too long"),
            Problem::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large")
            }
            Problem::BodyTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "body_timeout", "The body did not come in time")
            }
            Problem::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send application/json")
            }
            Problem::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Our fault"),
        }
    }

    /// What to do about it, in a sentence of ours.
    fn detail(&self) -> String {
        match self {
            Problem::UnknownPair { .. } => {
                "no venue quotes this pair and nothing crosses to it; GET /api/v1/pairs lists the known ones"
                    .into()
            }
            Problem::BadPair(detail) | Problem::Unauthorized(detail) | Problem::NotFound(detail) => {
                (*detail).into()
            }
            Problem::BadRequest(detail) | Problem::Conflict(detail) | Problem::LimitReached(detail) => {
                detail.clone()
            }
            Problem::BadVenueFile(VenueMistake { line, key, reason }) => {
                format!("line {line}: {key}: {reason}")
            }
            Problem::NoFreshRate => {
                "the pair is known, but nothing fresh enough to serve is; GET /api/v1/venues says why".into()
            }
            Problem::TooOld { age_ms, max_age_ms } => {
                format!("the newest is {age_ms} ms old, max_age is {max_age_ms} ms")
            }
            Problem::RatesDisagree { low: Some(low), high: Some(high) } => {
                format!("the venues say from {low} to {high}; ?explain=1 shows each")
            }
            Problem::RatesDisagree { .. } => "the venues are too far apart; ?explain=1 shows each".into(),
            Problem::StoreUnavailable => "keys and rows cannot be read or written now; rates can".into(),
            Problem::RateLimited { retry_after_s } => format!("try again in {retry_after_s} s"),
            Problem::Overloaded => "try again in a few seconds".into(),
            Problem::MethodNotAllowed => "the Allow header names the methods of this path".into(),
            Problem::UriTooLong => "path and query together may have 16384 bytes".into(),
            Problem::BodyTooLarge => "a body may have 65536 bytes".into(),
            Problem::BodyTimeout => "send the whole body without pauses".into(),
            Problem::UnsupportedMediaType => {
                "Content-Type must be application/json; a venue file may be application/toml".into()
            }
            Problem::Internal => "the failure is logged and counted; other requests are not affected".into(),
        }
    }

    /// The JSON object.
    pub(crate) fn body(&self) -> String {
        let (status, code, title) = self.kind();
        let mut object = Map::new();
        object.insert("type".into(), format!("urn:rates:problem:{code}").into());
        object.insert("title".into(), title.into());
        object.insert("status".into(), status.as_u16().into());
        object.insert("code".into(), code.into());
        object.insert("detail".into(), self.detail().into());
        match self {
            Problem::UnknownPair { near } => {
                object.insert("near".into(), near.iter().map(|p| Value::from(p.to_string())).collect());
            }
            Problem::BadVenueFile(VenueMistake { line, key, reason }) => {
                object.insert("line".into(), (*line).into());
                object.insert("key".into(), key.as_str().into());
                object.insert("reason".into(), reason.as_str().into());
            }
            Problem::RatesDisagree { low, high } => {
                object.insert("low".into(), json!(low));
                object.insert("high".into(), json!(high));
            }
            _ => {}
        }
        Value::Object(object).to_string()
    }

    /// After how many seconds another try makes sense.
    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Problem::NoFreshRate | Problem::TooOld { .. } => Some(2),
            Problem::RatesDisagree { .. } | Problem::Overloaded | Problem::StoreUnavailable => Some(5),
            Problem::RateLimited { retry_after_s } => Some(*retry_after_s),
            _ => None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if matches!(self, Problem::Unauthorized(_)) {
            let realm = header::HeaderValue::from_static("Bearer realm=\"rates\"");
            headers.insert(header::WWW_AUTHENTICATE, realm);
        }
        (self.kind().0, headers, self.body()).into_response()
    }
}

/// What every request to a store meets while it is away is said once in so long.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// Whether it is time to say it again.
pub(crate) fn is_due() -> bool {
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    let mut said = SAID.lock();
    let is_due = said.is_none_or(|said| said.elapsed() >= SAID_EVERY);
    if is_due {
        *said = Some(Instant::now());
    }
    is_due
}

impl From<store::StoreError> for Problem {
    fn from(error: store::StoreError) -> Problem {
        match error {
            store::StoreError::Conflict(detail) => Problem::Conflict(detail),
            error => {
                if is_due() {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the store does not answer requests"
                    );
                }
                Problem::StoreUnavailable
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_the_contract() {
        let near = vec![Pair::parse("BTC-USD").unwrap()];
        let body: Value = serde_json::from_str(&Problem::UnknownPair { near }.body()).unwrap();
        assert_eq!(body["code"], "unknown_pair");
        assert_eq!(body["status"], 404);
        assert_eq!(body["near"], json!(["BTC-USD"]));
        for member in ["type", "title", "detail"] {
            assert!(body[member].is_string(), "{member}");
        }
    }

    #[test]
    fn what_may_pass_by_itself_says_when_to_try_again() {
        for problem in [
            Problem::NoFreshRate,
            Problem::TooOld { age_ms: 9, max_age_ms: 5 },
            Problem::RatesDisagree { low: None, high: None },
            Problem::StoreUnavailable,
            Problem::Overloaded,
            Problem::RateLimited { retry_after_s: 3 },
        ] {
            let (status, code, _) = problem.kind();
            assert!(status == 503 || status == 429, "{code}");
            assert!(problem.into_response().headers().contains_key(header::RETRY_AFTER), "{code}");
        }
    }
}
