//! What every handler is given: the board, the store if there is one, the settings and the counters.
//! It must not know how any of them is made.

use crate::{
    error::{Problem, VenueMistake},
    limit::{Limiter, RateLimit},
    meter::Meter,
};
use axum::Router;
use board::{Board, Found};
use ipnet::IpNet;
use market::{Pair, VenueId};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};
use store::Store;
use tokio_util::sync::CancellationToken;

/// What the configuration says. Limits and times have defaults that fit the promises; tests shorten them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether the page says that it is a demo.
    pub demo: bool,
    /// `/readyz` waits for a fresh rate of each; of any pair if none is named.
    pub ready_pairs: Vec<Pair>,
    /// Off if `None`.
    pub rate_limit: Option<RateLimit>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The version that `/metrics` and the page show.
    pub build: &'static str,
    /// From a connection, or the first byte of a request, to the end of its head.
    pub head_timeout: Duration,
    /// Between two requests of a connection.
    pub idle_timeout: Duration,
    /// For the whole body of a request.
    pub body_timeout: Duration,
    /// A connection whose client reads nothing is closed after this.
    pub stall_timeout: Duration,
    /// Between two comments on a quiet stream.
    pub heartbeat: Duration,
    /// For each question to the store.
    pub store_timeout: Duration,
    /// At stop: how long clients may still ask on open connections, and are told to close.
    pub drain: Duration,
    /// At stop: after this everything is closed.
    pub stop_within: Duration,
    /// Paths of other parts of the product, such as a webhook; ours come first.
    pub more: Router,
    /// Open connections at once; further ones get 503.
    pub connections_max: usize,
    /// Streams at once; further ones get 503.
    pub streams_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            demo: false,
            ready_pairs: Vec::new(),
            rate_limit: None,
            trusted_proxies: Vec::new(),
            build: env!("CARGO_PKG_VERSION"),
            head_timeout: Duration::from_millis(9_500),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(25),
            heartbeat: Duration::from_secs(15),
            store_timeout: Duration::from_secs(3),
            drain: Duration::from_millis(300),
            stop_within: Duration::from_secs(8),
            more: Router::new(),
            connections_max: 20_000,
            streams_max: 12_000,
        }
    }
}

/// Name of a dependency (`broker`, `cache`, `store`) and how it is (`ok`, `down`, `off`).
pub type Check = (String, &'static str);

/// Whether rows may name a venue; else why not, in words for the client.
pub type VenueKnown = dyn Fn(&VenueId) -> Result<(), String> + Send + Sync;

/// Compiles a venue file and runs its examples; how many there are.
pub type VenueCheck = dyn Fn(&VenueId, &str) -> Result<usize, VenueMistake> + Send + Sync;

/// The text of a venue file that did not come from the store.
pub type VenueText = dyn Fn(&VenueId) -> Option<String> + Send + Sync;

/// Whether a webhook may be at this address; else why not, in words that do not repeat it.
pub type WebhookCheck = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// What the interface is built on.
#[derive(Clone)]
pub struct Parts {
    /// Rates come from here only.
    pub board: Arc<Board>,
    /// Keys and rows; `None` while there is no store: then what needs it answers 503.
    pub store: Option<Arc<dyn Store>>,
    /// The process' metrics in Prometheus' text form.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// How the dependencies are, without waiting for them.
    pub checks: Arc<dyn Fn() -> Vec<Check> + Send + Sync>,
    /// Asked before a row is written.
    pub venue_known: Arc<VenueKnown>,
    /// Asked before a venue file is written.
    pub venue_check: Arc<VenueCheck>,
    /// Asked for venue files that the store does not hold.
    pub venue_text: Arc<VenueText>,
    /// Asked before a webhook is written.
    pub webhook_check: Arc<WebhookCheck>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("store", &self.store.is_some()).finish_non_exhaustive()
    }
}

/// One running server.
pub(crate) struct Server {
    pub(crate) parts: Parts,
    pub(crate) settings: Settings,
    pub(crate) meter: Meter,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) streams: AtomicUsize,
    /// Cancelled when the server is to stop.
    pub(crate) stop: CancellationToken,
    /// The same, read by every request.
    pub(crate) is_stopping: AtomicBool,
}

impl Server {
    pub(crate) fn new(parts: Parts, settings: Settings, stop: CancellationToken) -> Server {
        let limiter = settings.rate_limit.map(|limit| Limiter::new(limit, settings.trusted_proxies.clone()));
        Server {
            parts,
            settings,
            meter: Meter::new(),
            limiter,
            streams: AtomicUsize::new(0),
            stop,
            is_stopping: AtomicBool::new(false),
        }
    }

    pub(crate) fn board(&self) -> &Board {
        &self.parts.board
    }

    /// Whether every answer is to say that it is a demo.
    pub(crate) fn is_demo(&self) -> bool {
        self.settings.demo || self.board().options().demo
    }

    /// The pair that a text names, or the problem it is.
    pub(crate) fn pair(&self, text: &str) -> Result<Pair, Problem> {
        match self.board().find(text) {
            Found::Pair(pair) => Ok(pair),
            Found::Unknown(near) => Err(Problem::UnknownPair { near }),
            Found::Malformed => Err(Problem::BadPair("a pair is written BASE-QUOTE, such as BTC-USDT")),
        }
    }

    /// The store, if there is one.
    pub(crate) fn store(&self) -> Result<&dyn Store, Problem> {
        self.parts.store.as_deref().ok_or(Problem::StoreUnavailable)
    }

    /// Waits for the store, but not for ever.
    pub(crate) async fn within<T>(
        &self,
        question: impl Future<Output = Result<T, store::StoreError>> + Send,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(self.settings.store_timeout, question).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                if crate::error::is_due() {
                    tracing::warn!("the store does not answer requests in time");
                }
                Err(Problem::StoreUnavailable)
            }
        }
    }
}
