//! What the interface counts about itself: requests, how long they took, streams, panics.
//! It must not know how metrics are collected, nor add a series for every text a client thinks up.

use crate::paths::{ROUTES, Route};
use hyper::{Method, StatusCode};
use metrics::{Counter, Gauge};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper borders of the duration histogram, in microseconds, and as Prometheus writes them.
const BORDERS: [(u64, &str); 12] = [
    (25, "0.000025"),
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (50_000, "0.05"),
    (250_000, "0.25"),
    (1_000_000, "1"),
];

/// One route's durations; atomics, since a list of samples would grow with the load.
#[derive(Debug, Default)]
struct Durations {
    counts: [AtomicU64; BORDERS.len() + 1],
    sum_us: AtomicU64,
}

/// Every counter, registered once.
pub(crate) struct Meter {
    /// Requests by route, method and code, for whatever is not hot.
    requests: Mutex<HashMap<(Route, &'static str, u16), Counter>>,
    hot: Vec<Counter>,
    durations: Vec<Durations>,
    pub(crate) stream_clients: Gauge,
    pub(crate) stream_lagged: Counter,
    pub(crate) connections_overdue: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) accept_errors: Counter,
}

impl Meter {
    pub(crate) fn new() -> Meter {
        use metrics::{Unit, describe_counter as describe, describe_gauge};
        describe!("rates_http_requests_total", "Requests answered, by route, method and status code");
        describe_gauge!("rates_stream_clients", Unit::Count, "Readers of /api/v1/stream now");
        describe!("rates_stream_lagged_total", "Stream readers that missed changes and got a resync");
        describe!("rates_http_connections_overdue_total", "Connections closed for silence or stalling");
        describe!("rates_http_connections_refused_total", "Connections refused because too many were open");
        describe!("rates_accept_errors_total", "Connections that could not be accepted (out of descriptors)");
        Meter {
            requests: Mutex::default(),
            hot: ROUTES.iter().map(|route| request_counter(route.template, "GET", 200)).collect(),
            durations: ROUTES.iter().map(|_| Durations::default()).collect(),
            stream_clients: metrics::gauge!("rates_stream_clients"),
            stream_lagged: metrics::counter!("rates_stream_lagged_total"),
            connections_overdue: metrics::counter!("rates_http_connections_overdue_total"),
            connections_refused: metrics::counter!("rates_http_connections_refused_total"),
            accept_errors: metrics::counter!("rates_accept_errors_total"),
        }
    }

    /// Counts a GET answered with 200, the way of nearly all requests: two atomic additions for its time, one
    /// for itself.
    pub(crate) fn hot(&self, route: Route, took: Duration) {
        self.hot[route.0].increment(1);
        self.took(route, took);
    }

    /// Counts any other request.
    pub(crate) fn request(&self, route: Route, method: &Method, code: StatusCode, took: Duration) {
        let method = known_method(method);
        self.took(route, took);
        if method == "GET" && code == StatusCode::OK {
            return self.hot[route.0].increment(1);
        }
        self.requests
            .lock()
            .entry((route, method, code.as_u16()))
            .or_insert_with(|| request_counter(ROUTES[route.0].template, method, code.as_u16()))
            .increment(1);
    }

    fn took(&self, route: Route, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let durations = &self.durations[route.0];
        let at = BORDERS.iter().position(|(border, _)| us <= *border).unwrap_or(BORDERS.len());
        durations.counts[at].fetch_add(1, Relaxed);
        durations.sum_us.fetch_add(us, Relaxed);
    }

    /// The duration histogram in Prometheus' text form; until the head of the answer, so a stream counts as
    /// started, not as watched.
    pub(crate) fn write_durations(&self, to: &mut String) {
        const NAME: &str = "rates_http_request_duration_seconds";
        let _ = writeln!(to, "# HELP {NAME} Time from a request's head to its answer's head.");
        let _ = writeln!(to, "# TYPE {NAME} histogram");
        for (route, durations) in ROUTES.iter().zip(&self.durations) {
            let counts: Vec<u64> = durations.counts.iter().map(|c| c.load(Relaxed)).collect();
            let total: u64 = counts.iter().sum();
            if total == 0 {
                continue;
            }
            let (mut so_far, route) = (0, route.template);
            for ((_, border), count) in BORDERS.iter().zip(&counts) {
                so_far += count;
                let _ = writeln!(to, "{NAME}_bucket{{route=\"{route}\",le=\"{border}\"}} {so_far}");
            }
            let sum_us = durations.sum_us.load(Relaxed);
            let (s, us) = (sum_us / 1_000_000, sum_us % 1_000_000);
            let _ = writeln!(to, "{NAME}_bucket{{route=\"{route}\",le=\"+Inf\"}} {total}");
            let _ = writeln!(to, "{NAME}_sum{{route=\"{route}\"}} {s}.{us:06}");
            let _ = writeln!(to, "{NAME}_count{{route=\"{route}\"}} {total}");
        }
    }
}

fn request_counter(route: &'static str, method: &'static str, code: u16) -> Counter {
    metrics::counter!(
        "rates_http_requests_total", "route" => route, "method" => method, "code" => code.to_string()
    )
}

fn known_method(method: &Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}
