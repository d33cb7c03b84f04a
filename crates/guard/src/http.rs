//! One HTTP request: guarded, timed as a whole, read up to a limit, never redirected.
//! It must not know what the answer means.

use crate::{Blocked, Guard, GuardError, words};
use clock::Clock;
use market::Timestamp;
use reqwest::{
    Method, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
};
use std::{sync::Arc, time::Duration};
use url::Url;

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Not to be asked again before this time.
    pub retry_at: Option<Timestamp>,
    /// Names this version of the body.
    pub etag: Option<String>,
    /// Where it wants to send us; we do not go.
    pub location: Option<Url>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address must not be dialled.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// Not within the time.
    #[error("no whole answer within {0:?}")]
    Timeout(Duration),
    /// More than the limit.
    #[error("the answer is longer than {0} bytes")]
    TooBig(usize),
    /// The address or a header cannot be sent.
    #[error("{0}")]
    Request(String),
    /// Anything else on the way.
    #[error("{}", words::causes(.0))]
    Failed(#[source] reqwest::Error),
}

/// Sends requests.
#[derive(Debug, Clone)]
pub struct Client {
    client: reqwest::Client,
    guard: Guard,
    clock: Clock,
}

/// What to ask, and how far to go.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The whole address.
    pub url: &'a str,
    /// Headers; they may be secret.
    pub headers: &'a [(String, String)],
    /// The version we have.
    pub etag: Option<&'a str>,
    /// What is sent with it, if anything.
    pub body: Option<&'a str>,
    /// From the first byte of the dial to the last of the body.
    pub timeout: Duration,
    /// The biggest body that is read; with 0 none is, whatever there is.
    pub body_bytes_max: usize,
}

/// Never longer, whatever a venue says: a day.
const RETRY_AFTER_SECONDS_MAX: i64 = 86_400;

impl Client {
    /// A client behind that guard.
    pub fn new(guard: Guard, clock: Clock, tls: rustls::ClientConfig) -> Result<Client, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Arc::new(GuardedNames(guard.clone())))
            .user_agent(concat!("rates/", env!("CARGO_PKG_VERSION")))
            .pool_max_idle_per_host(2)
            .build()?;
        Ok(Client { client, guard, clock })
    }

    /// Sends one request and reads its whole answer.
    pub async fn fetch(&self, ask: &Ask<'_>) -> Result<Answer, FetchError> {
        let url = Url::parse(ask.url).map_err(|error| FetchError::Request(format!("no address: {error}")))?;
        // The client's own resolver is not asked about addresses written as numbers, so they are judged here.
        self.guard.check(&url)?;
        let method = Method::from_bytes(ask.method.as_bytes())
            .map_err(|error| FetchError::Request(error.to_string()))?;
        let mut request = self.client.request(method, url.clone());
        for (name, value) in ask.headers {
            let mut value = header::HeaderValue::from_str(value).map_err(|_| {
                FetchError::Request(format!("the header {} holds what no header may", words::plain(name)))
            })?;
            value.set_sensitive(true);
            request = request.header(name.as_str(), value);
        }
        if let Some(etag) = ask.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(body) = ask.body {
            request = request.body(body.to_owned());
        }
        let whole = tokio::time::timeout(ask.timeout, self.read(request, &url, ask.body_bytes_max));
        whole.await.map_err(|_| FetchError::Timeout(ask.timeout))?
    }

    async fn read(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        bytes_max: usize,
    ) -> Result<Answer, FetchError> {
        let mut response = request.send().await.map_err(failed)?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_at = text(header::RETRY_AFTER).and_then(|text| retry_at(text, self.clock.now()));
        let etag = text(header::ETAG).map(str::to_owned);
        let location = text(header::LOCATION).and_then(|to| url.join(to).ok());
        let mut body = Vec::new();
        while bytes_max > 0
            && let Some(chunk) = response.chunk().await.map_err(failed)?
        {
            if body.len() + chunk.len() > bytes_max {
                return Err(FetchError::TooBig(bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), retry_at, etag, location, body })
    }
}

impl FetchError {
    /// Whether it is certain that nothing of the request has arrived.
    pub fn is_unsent(&self) -> bool {
        match self {
            FetchError::Blocked(_) | FetchError::Request(_) => true,
            FetchError::Timeout(_) | FetchError::TooBig(_) => false,
            FetchError::Failed(error) => error.is_connect() || error.is_builder(),
        }
    }
}

/// Our guard among the client's causes, or the failure without its address, which may hold a secret.
fn failed(error: reqwest::Error) -> FetchError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(GuardError::Blocked(blocked)) = error.downcast_ref::<GuardError>() {
            return FetchError::Blocked(blocked.clone());
        }
        cause = error.source();
    }
    FetchError::Failed(error.without_url())
}

/// `Retry-After`, as seconds or as a date.
pub fn retry_at(text: &str, now: Timestamp) -> Option<Timestamp> {
    let seconds = match text.trim().parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
            // Rounded up: a second early is too early.
            date.as_second() - now.millis().div_euclid(1_000)
        }
    };
    (seconds > 0).then(|| now.plus_millis(seconds.min(RETRY_AFTER_SECONDS_MAX) * 1_000))
}

/// The client's way to names, through the guard.
struct GuardedNames(Guard);

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            // Port 0 is replaced by the one of the address.
            let found = guard.resolve_name(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        // 1994-11-06 08:49:37 GMT, less 30 seconds.
        let now = Timestamp::from_millis((784_111_777 - 30) * 1_000 + 500);
        for (text, seconds) in [
            ("30", Some(30)),
            (" 1 ", Some(1)),
            ("0", None),
            ("-5", None),
            ("soon", None),
            ("99999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None),
        ] {
            let expect = seconds.map(|seconds| now.plus_millis(seconds * 1_000));
            assert_eq!(retry_at(text, now), expect, "{text}");
        }
    }
}
