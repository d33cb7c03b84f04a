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

/// Gauges read off the board at this moment: a venue or pair that is gone leaves no series behind, and a venue of
/// which nothing runs (all rows switched off or broken) is neither up nor down. What another room of the same
/// process exports under the same name is left to it, since a name may appear only once.
fn write_feeds(server: &Server, to: &mut String) {
    let board = server.board();
    let now = board.clock().now();
    let build = server.settings.build.replace(['"', '\\', '\n'], "_");
    gauge(to, "rates_build_info", "The version that runs.", [format!("{{version=\"{build}\"}} 1")]);
    let venues = board.venues();
    let running = venues.iter().filter(|view| !view.status.connections.is_empty());
    let up = running.map(|view| {
        let is_up = u8::from(lists::summary(view) == "live");
        format!("{{venue=\"{}\"}} {is_up}", view.status.venue)
    });
    gauge(to, "rates_venue_up", "Whether any connection of the venue is live.", up);
    let last = venues.iter().filter_map(|view| {
        let ms = view.status.pairs.iter().filter_map(|pair| pair.last_data_at).max()?.millis();
        Some(format!("{{venue=\"{}\"}} {}", view.status.venue, seconds(ms)))
    });
    gauge(to, "rates_venue_last_event_timestamp_seconds", "When data of the venue last came.", last);
    let answers = board.answers();
    let rates = || answers.iter().take(PAIRS_MAX).map(|answer| &answer.rate);
    let ages = rates()
        .filter_map(|rate| Some(format!("{{pair=\"{}\"}} {}", rate.pair, seconds(say::age_ms(rate, now)?))));
    gauge(to, "rates_pair_age_seconds", "How old the rate is; the first 500 pairs by name.", ages);
    let used = rates().map(|rate| format!("{{pair=\"{}\"}} {}", rate.pair, rate.sources_used));
    gauge(
        to,
        "rates_pair_sources",
        "Of how many venues the rate is made; the first 500 pairs by name.",
        used,
    );
}

fn gauge(to: &mut String, name: &str, help: &str, series: impl IntoIterator<Item = String>) {
    if to.contains(&format!("# TYPE {name} ")) {
        return;
    }
    let _ = writeln!(to, "# HELP {name} {help}\n# TYPE {name} gauge");
    for line in series {
        let _ = writeln!(to, "{name}{line}");
    }
}

/// Milliseconds as seconds, without floating point.
fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000))
}
