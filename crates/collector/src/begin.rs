//! A session begins: its turn, its token, its dial; then it is open, and its end comes back.
//! It must not know what comes after it: [`crate::connection`] does.

use crate::{
    dial::{Dial, DialError, Socket, dial},
    limiter::{Host, Kind},
    open::Open,
    session::{Cause, End, Ended, Session},
    words,
};
use guard::{Ask, FetchError};
use market::Timestamp;
use std::time::Duration;
use url::Url;
use venue::{Ping, Variables, Ws};

impl Session {
    /// Lives it. Only ever returns.
    pub async fn run(mut self) -> End {
        let Some(ws) = self.venue.clone().ws().cloned() else {
            return End {
                cause: Cause::Refused,
                words: "the venue has no stream".to_owned(),
                flowed: Duration::ZERO,
            };
        };
        let stop = self.stop.clone();
        let opened = tokio::select! {
            () = stop.cancelled() => Err((Cause::Stopped, String::new())),
            opened = self.open(&ws) => opened,
        };
        match opened {
            Err((cause, words)) => End { cause, words, flowed: Duration::ZERO },
            Ok((socket, ping)) => Open::new(self, ws, socket, ping).run().await,
        }
    }

    /// Waits for its turn, calls for a token if the venue wants that, and dials.
    async fn open(&mut self, ws: &Ws) -> Result<(Socket, Option<Ping>), Ended> {
        let context = self.context.clone();
        let timeout = context.settings.timing.connect_timeout;
        let variables = match &ws.bootstrap {
            None => Variables::new(),
            Some(bootstrap) => {
                let url = match &self.origin {
                    Some(origin) => beside(origin, &bootstrap.url),
                    None => bootstrap.url.clone(),
                };
                let ask = Ask {
                    method: &bootstrap.method,
                    url: &url,
                    headers: &[],
                    etag: None,
                    body: None,
                    timeout,
                    body_bytes_max: 1 << 20,
                };
                self.token(ws, &ask).await?
            }
        };
        let symbols: Vec<_> = self.wants.borrow().iter().map(|wanted| wanted.want.symbol.clone()).collect();
        let text = ws.dial_url(&self.url, &symbols, &variables);
        let url = Url::parse(&text)
            .map_err(|error| (Cause::Refused, format!("the venue's address is none: {error}")))?;
        let host = context.hosts.host(&words::address(&url));
        held(&host, context.clock.now())?;
        host.turn(Kind::Connect, ws.connects, &context.clock).await;
        let what = Dial {
            url: &url,
            headers: &ws.headers,
            frame_bytes_max: ws.frame_bytes_max,
            timeout,
            wire: &*context.settings.wire,
        };
        match dial(&context.guard, &context.tls, &what, context.clock.now()).await {
            Ok(socket) => Ok((socket, ws.ping_for(&variables))),
            Err(error) => Err(self.not_dialled(&url, error).await),
        }
    }

    async fn token(&self, ws: &Ws, ask: &Ask<'_>) -> Result<Variables, Ended> {
        let context = &self.context;
        let host = Url::parse(ask.url).ok().map(|url| context.hosts.host(&words::address(&url)));
        if let Some(host) = &host {
            held(host, context.clock.now())?;
        }
        let answer = context.http.fetch(ask).await.map_err(|error| match error {
            FetchError::Blocked(blocked) => (Cause::Blocked, blocked.to_string()),
            other => (Cause::Refused, format!("token call: {other}")),
        })?;
        match answer.status.as_u16() {
            200..=299 => {
                let read = ws.read_bootstrap(&answer.body);
                read.map_err(|error| {
                    (Cause::Refused, format!("token call: {}", words::plain(&error.to_string())))
                })
            }
            429 | 418 => {
                let until = answer.retry_at.unwrap_or_else(|| self.pause_end());
                if let Some(host) = host {
                    host.hold_until(until);
                }
                Err((Cause::RateLimited(Some(until)), "token call: too many requests".to_owned()))
            }
            451 => Err((Cause::GeoBlocked, "token call: HTTP 451".to_owned())),
            status => Err((Cause::Refused, format!("token call: HTTP {status}"))),
        }
    }

    /// Until when a venue that says "too many" is left alone, where it does not say.
    fn pause_end(&self) -> Timestamp {
        let pause = self.context.settings.timing.rate_limited_pause.as_millis();
        self.context.clock.now().plus_millis(i64::try_from(pause).unwrap_or(60_000))
    }

    async fn not_dialled(&self, url: &Url, error: DialError) -> Ended {
        let words = error.to_string();
        match error {
            DialError::Blocked(_) => (Cause::Blocked, words),
            DialError::RateLimited { until, .. } => {
                // Every connection to that host keeps to it, not only this one.
                let until = until.unwrap_or_else(|| self.pause_end());
                self.context.hosts.host(&words::address(url)).hold_until(until);
                (Cause::RateLimited(Some(until)), words)
            }
            DialError::GeoBlocked => (Cause::GeoBlocked, words),
            DialError::Refused { status, location: Some(location) } => {
                match self.context.guard.resolve(&location).await {
                    Err(guard::GuardError::Blocked(blocked)) => {
                        (Cause::Blocked, format!("HTTP {status} points to where we do not go: {blocked}"))
                    }
                    _ => (
                        Cause::Refused,
                        format!(
                            "HTTP {status} points to {}; redirects are not followed",
                            words::address(&location)
                        ),
                    ),
                }
            }
            _ => (Cause::Refused, words),
        }
    }
}

/// Another connection was told to wait: then so are we, and it shows.
fn held(host: &Host, now: Timestamp) -> Result<(), Ended> {
    match host.held_until(now) {
        Some(until) => Err((Cause::RateLimited(Some(until)), "the venue asked us to wait".to_owned())),
        None => Ok(()),
    }
}

/// A row that sends the stream elsewhere sends the token call there too: a token of one host is worth nothing
/// at another. Path and query stay the venue's own.
fn beside(origin: &str, own: &str) -> String {
    let on_origin = || {
        let (origin, mut url) = (Url::parse(origin).ok()?, Url::parse(own).ok()?);
        let is_plain = matches!(origin.scheme(), "ws" | "http");
        url.set_scheme(if is_plain { "http" } else { "https" }).ok()?;
        url.set_host(origin.host_str()).ok()?;
        url.set_port(origin.port()).ok()?;
        Some(url.to_string())
    };
    on_origin().unwrap_or_else(|| own.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_call_goes_where_the_stream_goes() {
        let own = "https://api.example.org/v1/token?a=1";
        for (origin, want) in [
            ("ws://127.0.0.1:9000", "http://127.0.0.1:9000/v1/token?a=1"),
            ("wss://mirror.example.org/path?b=2", "https://mirror.example.org/v1/token?a=1"),
            ("ws://[::1]:80/", "http://[::1]/v1/token?a=1"),
            ("no address", own),
        ] {
            assert_eq!(beside(origin, own), want);
        }
        assert_eq!(beside("wss://a.example", "http://b.example:81/t"), "https://a.example/t");
    }
}
