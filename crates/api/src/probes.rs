//! For machines that watch the process: is it alive, is it ready, what has it counted.
//! It must not wait for a dependency: a probe that hangs says the wrong thing.

use crate::{lists, say, state::Server};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use hyper::{StatusCode, header};
use serde_json::{Map, Value, json};
use std::{fmt::Write, sync::Arc};

/// More pairs than this get no series of their own.
const PAIRS_MAX: usize = 500;

/// `GET /livez`: the process answers.
pub(crate) async fn livez() -> Response {
    say::json("{\"status\":\"ok\"}")
}

/// `GET /readyz`: 503 only before the first fresh rate.
pub(crate) async fn readyz(State(server): State<Arc<Server>>) -> Response {
    let checks = (server.parts.checks)();
    let is_ready = server.board().is_ready(&server.settings.ready_pairs);
    let status = match is_ready {
        false => "not_ready",
        true if checks.iter().any(|(_, how)| *how == "down") => "degraded",
        true => "ok",
    };
    let checks: Map<String, Value> = checks.into_iter().map(|(name, how)| (name, how.into())).collect();
    let mut response = say::json(json!({"status": status, "checks": checks}).to_string());
    if !is_ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(header::RETRY_AFTER, 1.into());
    }
    response
}

/// `GET /metrics`: what the process has counted, and how each feed is now.
pub(crate) async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let mut text = (server.parts.metrics)();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    write_feeds(&server, &mut text);
    server.meter.write_durations(&mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Gauges read off the board at this moment: a venue or pair that is gone leaves no series behind.
fn write_feeds(server: &Server, to: &mut String) {
    let board = server.board();
    let now = board.clock().now();
    let head = |to: &mut String, name: &str, help: &str| {
        let _ = writeln!(to, "# HELP {name} {help}\n# TYPE {name} gauge");
    };
    head(to, "rates_build_info", "The version that runs.");
    let _ = writeln!(
        to,
        "rates_build_info{{version=\"{}\"}} 1",
        server.settings.build.replace(['"', '\\', '\n'], "_")
    );
    let venues = board.venues();
    head(to, "rates_venue_up", "Whether any connection of the venue is live.");
    for view in &venues {
        let is_up = u8::from(lists::summary(view) == "live");
        let _ = writeln!(to, "rates_venue_up{{venue=\"{}\"}} {is_up}", view.status.venue);
    }
    head(to, "rates_venue_last_event_timestamp_seconds", "When data of the venue last came.");
    for view in &venues {
        if let Some(at) = view.status.pairs.iter().filter_map(|pair| pair.last_data_at).max() {
            let (s, ms) = (at.millis().div_euclid(1_000), at.millis().rem_euclid(1_000));
            let venue = &view.status.venue;
            let _ = writeln!(to, "rates_venue_last_event_timestamp_seconds{{venue=\"{venue}\"}} {s}.{ms:03}");
        }
    }
    let answers = board.answers();
    head(to, "rates_pair_age_seconds", "How old the rate is; the first 500 pairs by name.");
    for answer in answers.iter().take(PAIRS_MAX) {
        if let Some(age_ms) = say::age_ms(&answer.rate, now) {
            let (s, ms, pair) = (age_ms / 1_000, age_ms % 1_000, &answer.rate.pair);
            let _ = writeln!(to, "rates_pair_age_seconds{{pair=\"{pair}\"}} {s}.{ms:03}");
        }
    }
    head(to, "rates_pair_sources", "How many venues the rate is made of; the first 500 pairs by name.");
    for answer in answers.iter().take(PAIRS_MAX) {
        let (pair, used) = (&answer.rate.pair, answer.rate.sources_used);
        let _ = writeln!(to, "rates_pair_sources{{pair=\"{pair}\"}} {used}");
    }
}
