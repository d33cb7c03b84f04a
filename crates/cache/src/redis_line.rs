//! The line to Redis: one connection that all calls share, a limit on each call, and a breaker.
//! It must not know what is kept there.

use crate::{CacheError, Options};
use again::Waits;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, TlsCertificates};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long connecting may take.
const CONNECT_WAIT: Duration = Duration::from_secs(1);
/// So often it is asked whether it still answers; with two failures in a row, the breaker opens within a second.
const PING_EVERY: Duration = Duration::from_millis(250);
const FAILURES_MAX: u32 = 2;
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// While the breaker is open, calls fail at once; only the line's own task knocks.
pub(crate) struct Line {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    client: Client,
    /// Where it is, for people: never with the password.
    server: String,
    timeout: Duration,
    /// None while the breaker is open.
    live: Mutex<Option<MultiplexedConnection>>,
    /// In a row.
    failures: AtomicU32,
    /// The breaker has opened, or closed.
    turned: Notify,
}

impl Line {
    /// Starts to connect; `None` if the address is none.
    pub(crate) fn open(url: &str, options: &Options) -> Option<Line> {
        let timeout = options.timeout;
        // The client library takes what the process has settled on, and panics where nobody has.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match &options.trusted_roots {
            Some(roots) if url.starts_with("rediss:") => {
                let certificates =
                    TlsCertificates { client_tls: None, root_cert: Some(with_public_roots(roots)) };
                Client::build_with_tls(url, certificates)
            }
            _ => Client::open(url),
        }
        .ok()?;
        let server = client.get_connection_info().addr().to_string();
        let shared = Arc::new(Shared {
            client,
            server,
            timeout,
            live: Mutex::new(None),
            failures: AtomicU32::new(0),
            turned: Notify::new(),
        });
        // There from the start: a counter that appears with its first count shows no increase.
        metrics::counter!("rates_cache_errors_total", "kind" => "unavailable").increment(0);
        let stop = CancellationToken::new();
        let keep = {
            let shared = shared.clone();
            async move { shared.keep().await }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep));
        Some(Line { shared, _stop: stop.drop_guard() })
    }

    /// Returns once it answers, or could not be connected to.
    pub(crate) async fn tried(&self) {
        let _ = tokio::time::timeout(CONNECT_WAIT, self.shared.turned.notified()).await;
    }

    pub(crate) fn is_up(&self) -> bool {
        self.shared.live.lock().is_some()
    }

    /// Asks, within the limit.
    pub(crate) async fn call<T>(
        &self,
        ask: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, CacheError> {
        self.shared.call(ask).await
    }
}

impl Shared {
    async fn call<T>(
        &self,
        ask: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, CacheError> {
        let Some(connection) = self.live.lock().clone() else { return Err(CacheError::Unavailable) };
        let error = match tokio::time::timeout(self.timeout, ask(connection)).await {
            Ok(Ok(answer)) => {
                self.failures.store(0, Ordering::Relaxed);
                return Ok(answer);
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        match error {
            Some(error) if !is_about_the_line(&error) => {
                self.failures.store(0, Ordering::Relaxed);
                metrics::counter!("rates_cache_errors_total", "kind" => "refused").increment(1);
                Err(CacheError::Refused { reason: error.to_string() })
            }
            error => {
                metrics::counter!("rates_cache_errors_total", "kind" => "unavailable").increment(1);
                let is_gone = error.is_some_and(|error| !error.is_timeout());
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX || is_gone {
                    *self.live.lock() = None;
                    self.turned.notify_waiters();
                }
                Err(CacheError::Unavailable)
            }
        }
    }

    /// Connects for ever, and asks what is connected whether it answers.
    async fn keep(&self) {
        let (mut waits, mut said) = (Waits::new(BACKOFF_MIN, BACKOFF_MAX), None);
        loop {
            if self.live.lock().is_some() {
                tokio::select! {
                    () = tokio::time::sleep(PING_EVERY) => {}
                    () = self.turned.notified() => {}
                }
                let ping = async |mut connection: MultiplexedConnection| {
                    redis::cmd("PING").query_async::<()>(&mut connection).await
                };
                let _ = self.call(ping).await;
                if self.live.lock().is_none() {
                    tracing::warn!(server = self.server, "the cache does not answer; going on without it");
                }
                continue;
            }
            match self.connect().await {
                Ok(connection) => {
                    self.failures.store(0, Ordering::Relaxed);
                    *self.live.lock() = Some(connection);
                    waits.reset();
                    said = None;
                    tracing::info!(server = self.server, "connected to the cache");
                    self.turned.notify_one();
                }
                Err(why) => {
                    if said.as_ref() != Some(&why) {
                        tracing::warn!(
                            server = self.server,
                            error = why,
                            "not connected to the cache; trying again for ever"
                        );
                        said = Some(why);
                    }
                    self.turned.notify_one();
                    tokio::time::sleep(waits.after_failure()).await;
                }
            }
        }
    }

    /// Connected only once it has answered: a server that is loading its data does not yet.
    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WAIT))
            .set_response_timeout(Some(CONNECT_WAIT));
        let connect = async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await?;
            Ok(connection)
        };
        match tokio::time::timeout(CONNECT_WAIT, connect).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(words(&error)),
            Err(_) => Err(format!("no answer within {} s", CONNECT_WAIT.as_secs())),
        }
    }
}

/// The client library trusts what it is given and nobody else; here, as elsewhere, the public ones stay trusted.
fn with_public_roots(roots: &str) -> Vec<u8> {
    let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|certificate| {
        let text = BASE64_STANDARD.encode(certificate);
        format!("\n-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    });
    std::iter::once(roots.to_owned()).chain(public).collect::<String>().into_bytes()
}

/// Whether the connection is at fault, rather than what was asked.
fn is_about_the_line(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.kind() == ErrorKind::Parse
}

/// What a person can do something with.
fn words(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => "user or password refused".to_owned(),
        ErrorKind::Parse => "what answers there does not speak Redis".to_owned(),
        _ => error.to_string(),
    }
}
