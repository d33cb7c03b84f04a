//! Which handler answers which path.
//! It must not know how a connection is served.

use crate::{
    alerts, error::Problem, history, lists, original, page, probes, rates, state::Server, stream, trade_info,
    venue_files,
};
use axum::{
    Router,
    routing::{get, patch},
};
use std::sync::Arc;

/// The router for all that the fast path does not answer.
pub(crate) fn router(server: Arc<Server>) -> Router {
    let more = server
        .settings
        .more
        .clone()
        .fallback(|| async { Problem::NotFound("GET /openapi.json describes every path") });
    Router::new()
        .route("/api/v1/currency_pair", get(original::currency_pair))
        .route("/api/v1/currency_pair/", get(original::currency_pair))
        .route("/api/v1/courses", get(original::courses))
        .route("/api/v1/courses/", get(original::courses))
        .route("/api/v1/rates", get(rates::all))
        .route("/api/v1/rates/{*pair}", get(rates::one))
        .route("/api/v1/history/{*pair}", get(history::one))
        .route("/api/v1/convert", get(rates::convert))
        .route("/api/v1/pairs", get(lists::pairs))
        .route("/api/v1/venues", get(lists::venues).post(venue_files::add))
        .route("/api/v1/venues/{name}", get(venue_files::show).delete(venue_files::remove))
        .route("/api/v1/stream", get(stream::stream))
        .route("/api/v1/trade-info", get(trade_info::list).post(trade_info::add))
        .route("/api/v1/trade-info/{id}", patch(trade_info::change).delete(trade_info::remove))
        .route("/api/v1/alerts", get(alerts::list).post(alerts::add))
        .route("/api/v1/alerts/{id}", get(alerts::show).delete(alerts::remove))
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .route("/openapi.json", get(page::openapi))
        .route("/", get(page::page))
        .route("/app.js", get(page::script))
        .route("/app.css", get(page::style))
        .route("/favicon.svg", get(page::icon))
        .route("/robots.txt", get(page::robots))
        .fallback_service(more)
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .with_state(server)
}
