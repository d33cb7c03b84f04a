//! The front of the server: the two hot paths are answered here without a router, everything else is prepared
//! (limits, body, panics, counting) and handed to it. It must not know how a connection is kept.

use crate::{
    body::{AnswerBody, Ended},
    error::Problem,
    original,
    paths::Route,
    say,
    state::Server,
    watch::{Phase, Watch},
};
use axum::{
    Router,
    response::{IntoResponse, Response as Routed},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, Uri,
    body::{Body, Incoming},
    header::{self, HeaderValue},
};
use market::{Pair, RateState};
use std::{
    convert::Infallible,
    future::Ready,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};
use tokio::time::Instant;
use tower::ServiceExt;

/// The largest target that is read: a pair of 10,000 characters is still answered with 400, more with 414.
pub(crate) const URI_BYTES_MAX: usize = 16 << 10;
/// The largest body that is read.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

type Reply = Result<Response<AnswerBody>, Infallible>;

/// Answers the requests of one connection.
pub(crate) struct Front {
    pub(crate) server: Arc<Server>,
    pub(crate) router: Router,
    pub(crate) watch: Arc<Watch>,
    pub(crate) peer: IpAddr,
}

/// An answer that is ready, or one that takes the router.
pub(crate) enum Pending {
    Ready(Ready<Reply>),
    Routed(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

impl Future for Pending {
    type Output = Reply;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match self.get_mut() {
            Pending::Ready(ready) => Pin::new(ready).poll(cx),
            Pending::Routed(routed) => routed.as_mut().poll(cx),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pending;

    fn call(&self, request: Request<Incoming>) -> Pending {
        let started = Instant::now();
        // A panic in there is met again on the slow way, where it is answered. The process' panic hook counts it.
        let hot = catch_unwind(AssertUnwindSafe(|| self.hot(&request))).unwrap_or(None);
        if let Some((route, mut response)) = hot {
            if self.server.is_stopping.load(Relaxed) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            self.watch.enter(Phase::Idle);
            self.server.meter.hot(route, started.elapsed());
            return Pending::Ready(std::future::ready(Ok(response)));
        }
        self.watch.enter(Phase::Serving);
        let (server, router) = (self.server.clone(), self.router.clone());
        let (watch, peer) = (self.watch.clone(), self.peer);
        Pending::Routed(Box::pin(async move {
            let ended = Ended(watch.clone());
            let route = Route::of(request.uri().path());
            let method = request.method().clone();
            let mut response = guarded(&server, router, &watch, peer, request).await;
            if server.is_stopping.load(Relaxed) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            let nosniff = HeaderValue::from_static("nosniff");
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
            server.meter.request(route, &method, response.status(), started.elapsed());
            Ok(response.map(|body| AnswerBody::Routed(body, ended)))
        }))
    }
}

impl Front {
    /// Answers a plain GET of one fresh rate; `None` for whatever needs more thought.
    fn hot(&self, request: &Request<Incoming>) -> Option<(Route, Response<AnswerBody>)> {
        let (uri, headers) = (request.uri(), request.headers());
        if request.method() != Method::GET
            || self.server.limiter.is_some()
            || headers.contains_key(header::IF_NONE_MATCH)
            || !request.body().is_end_stream()
        {
            return None;
        }
        let (route, asked) = hot_pair(uri)?;
        let pair = Pair::parse(asked).ok()?;
        let board = self.server.board();
        let answer = board.answer(&pair)?;
        let rate = &answer.rate;
        let body: Bytes = match (route, rate.state, rate.value) {
            (Route::RATE, RateState::Fresh | RateState::Stale | RateState::Suspect, Some(_)) => {
                say::whole(&answer, board.clock().now())
            }
            (Route::CURRENCY_PAIR, RateState::Fresh, Some(value)) => {
                original::one(rate, asked, value, self.server.is_demo()).into()
            }
            _ => return None,
        };
        let mut response = Response::new(AnswerBody::Ready(Some(body)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, say::JSON);
        headers.insert(header::CACHE_CONTROL, say::NO_CACHE);
        headers.insert(header::ETAG, say::etag(&answer)?);
        Some((route, response))
    }
}

/// The pair in one of the two hot targets, if it is written plainly.
fn hot_pair(uri: &Uri) -> Option<(Route, &str)> {
    let is_plain = |text: &str| !text.bytes().any(|b| matches!(b, b'%' | b'+' | b'&' | b'=' | b'/'));
    let path = uri.path();
    if let Some(text) = path.strip_prefix("/api/v1/rates/") {
        return (uri.query().is_none() && is_plain(text)).then_some((Route::RATE, text));
    }
    let rest = path.strip_prefix("/api/v1/currency_pair")?;
    let text = uri.query()?.strip_prefix("currency_pair=")?;
    ((rest.is_empty() || rest == "/") && is_plain(text)).then_some((Route::CURRENCY_PAIR, text))
}

/// Everything that every request of the slow way goes through.
async fn guarded(
    server: &Arc<Server>,
    router: Router,
    watch: &Watch,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Routed {
    let path = request.uri().path();
    let is_probe = matches!(path, "/livez" | "/readyz" | "/metrics");
    let verdict = server.limiter.as_ref().filter(|_| !is_probe).map(|limiter| {
        let now_ms = server.board().clock().now().millis().unsigned_abs();
        limiter.take(limiter.payer(peer, request.headers()), now_ms)
    });
    let mut response = match verdict {
        Some(verdict) if !verdict.pass => {
            Problem::RateLimited { retry_after_s: verdict.reset_s }.into_response()
        }
        _ => match whole_request(server, request).await {
            Ok(request) => routed(router, request).await,
            Err(problem) => {
                // The client may be in the middle of a long body: the answer is all it gets on this connection.
                watch.linger.store(true, Relaxed);
                let mut response = problem.into_response();
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                response
            }
        },
    };
    if let Some(verdict) = verdict {
        verdict.write(response.headers_mut());
    }
    response
}

/// The request with its body read, within limits.
async fn whole_request(server: &Server, request: Request<Incoming>) -> Result<Request<Bytes>, Problem> {
    if request.uri().path_and_query().map_or(0, |target| target.as_str().len()) > URI_BYTES_MAX {
        return Err(Problem::UriTooLong);
    }
    let (head, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(Request::from_parts(head, Bytes::new()));
    }
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(Problem::BodyTooLarge);
    }
    let reading = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(server.settings.body_timeout, reading).await {
        Ok(Ok(body)) => Ok(Request::from_parts(head, body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::BodyTooLarge),
        Ok(Err(_)) => Err(Problem::BadRequest("the body ended before its length".into())),
        Err(_) => Err(Problem::BodyTimeout),
    }
}

/// What the router says; a panic costs this request only.
async fn routed(router: Router, request: Request<Bytes>) -> Routed {
    let request = request.map(axum::body::Body::from);
    match AssertUnwindSafe(router.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            tracing::error!("a handler panicked; its request got 500, nothing else is affected");
            Problem::Internal.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_targets_are_hot() {
        for (target, found) in [
            ("/api/v1/rates/BTC-USDT", Some((Route::RATE, "BTC-USDT"))),
            ("/api/v1/currency_pair?currency_pair=bitcoin-usd", Some((Route::CURRENCY_PAIR, "bitcoin-usd"))),
            ("/api/v1/currency_pair/?currency_pair=a-b", Some((Route::CURRENCY_PAIR, "a-b"))),
            ("/api/v1/rates/BTC-USDT?strict=1", None),
            ("/api/v1/rates/BTC%2FUSDT", None),
            ("/api/v1/rates/BTC/USDT", None),
            ("/api/v1/currency_pair/?currency_pair=a-b&x=1", None),
            ("/api/v1/currency_pair/x?currency_pair=a-b", None),
            ("/api/v1/currency_pairs?currency_pair=a-b", None),
            ("/api/v1/rates", None),
        ] {
            assert_eq!(hot_pair(&target.parse().unwrap()), found, "{target}");
        }
    }
}
