//! The rows that drive collecting, over HTTP: read by anyone, written with an API key.
//! It must not know what a row means to a venue; its state is what the board has heard.

use crate::{
    authorise::authorise,
    error::{Answer, Problem},
    query::Query,
    say,
    state::Server,
    trade_row,
};
use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use hyper::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};
use store::TradeRow;

/// `GET /api/v1/trade-info`.
pub(crate) async fn list(State(server): State<Arc<Server>>, RawQuery(query): RawQuery) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    let rows = server.within(server.store()?.trade_rows()).await?;
    let states = states(&server);
    let rows: Vec<Value> = rows.iter().map(|row| show(row, &states)).collect();
    say::value(&json!({"trade_info": rows}))
}

/// `POST /api/v1/trade-info`.
pub(crate) async fn add(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    authorise(&server, &headers).await?;
    expect_json(&headers)?;
    let (venue, row) = trade_row::new(&body)?;
    (server.parts.venue_known)(&venue).map_err(|why| Problem::BadRequest(format!("venue: {why}")))?;
    let now = server.board().clock().now();
    let id = server.within(server.store()?.add_trade_row(&row, now)).await?;
    tracing::info!(id, venue = %venue, "a row was added to trade_info over http");
    let mut response = one(&server, id).await?;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = format!("/api/v1/trade-info/{id}").parse() {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `PATCH /api/v1/trade-info/{id}`.
pub(crate) async fn change(
    State(server): State<Arc<Server>>,
    path: Result<Path<i64>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    authorise(&server, &headers).await?;
    expect_json(&headers)?;
    let id = row_id(path)?;
    let change = trade_row::change(&body)?;
    let now = server.board().clock().now();
    if !server.within(server.store()?.change_trade_row(id, &change, now)).await? {
        return Err(NO_ROW);
    }
    tracing::info!(id, "a row of trade_info was changed over http");
    one(&server, id).await
}

/// `DELETE /api/v1/trade-info/{id}`.
pub(crate) async fn remove(
    State(server): State<Arc<Server>>,
    path: Result<Path<i64>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    authorise(&server, &headers).await?;
    let id = row_id(path)?;
    if !server.within(server.store()?.remove_trade_row(id)).await? {
        return Err(NO_ROW);
    }
    tracing::info!(id, "a row of trade_info was removed over http");
    Ok(StatusCode::NO_CONTENT.into_response())
}

const NO_ROW: Problem = Problem::NotFound("no row of trade_info has this id");

fn row_id(path: Result<Path<i64>, PathRejection>) -> Result<i64, Problem> {
    path.map(|Path(id)| id).map_err(|_| Problem::BadRequest("the id of a row is a whole number".into()))
}

pub(crate) fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Problem::UnsupportedMediaType) }
}

/// What the board has heard of each row.
fn states(server: &Server) -> HashMap<i64, (Value, Option<String>)> {
    let mut states = HashMap::new();
    for view in server.board().venues() {
        for row in &view.status.rows {
            states.insert(row.id, (crate::lists::word(&view, json!(row.state)), row.reason.clone()));
        }
    }
    states
}

fn show(row: &TradeRow, states: &HashMap<i64, (Value, Option<String>)>) -> Value {
    match states.get(&row.id) {
        // What the collector said last may be older than the row.
        _ if !row.enabled => trade_row::show(row, &"disabled".into(), None),
        Some((state, reason)) => trade_row::show(row, state, reason.as_deref()),
        None => trade_row::show(row, &"unknown".into(), None),
    }
}

/// A row just written, as it stands now.
async fn one(server: &Server, id: i64) -> Result<Response, Problem> {
    let rows = server.within(server.store()?.trade_rows()).await?;
    let row = rows.iter().find(|row| row.id == id).ok_or(NO_ROW)?;
    say::value(&show(row, &states(server)))
}
