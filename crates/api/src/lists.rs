//! What is tracked and how each feed is doing: `/api/v1/pairs` and `/api/v1/venues`.
//! It must not call anything live that nobody has vouched for lately.

use crate::{
    error::{Answer, Problem},
    query::Query,
    say,
    state::Server,
};
use axum::extract::{RawQuery, State};
use board::VenueView;
use market::{ConnectionState, Pair, PairState, RateState};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// `GET /api/v1/pairs`.
pub(crate) async fn pairs(State(server): State<Arc<Server>>, RawQuery(query): RawQuery) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    let board = server.board();
    let mut at: BTreeMap<Pair, Vec<Value>> =
        board.pairs().into_iter().map(|pair| (pair, Vec::new())).collect();
    for view in board.venues() {
        for pair in &view.status.pairs {
            let state = word(&view, json!(pair.state));
            let feed = json!({
                "venue": view.status.venue, "state": state, "last_data_at": pair.last_data_at,
            });
            at.entry(pair.pair.clone()).or_default().push(feed);
        }
    }
    let rates: HashMap<Pair, RateState> =
        board.answers().into_iter().map(|answer| (answer.rate.pair.clone(), answer.rate.state)).collect();
    let pairs: Vec<Value> = at
        .into_iter()
        .map(|(pair, feeds)| json!({"pair": pair, "state": rates.get(&pair), "feeds": feeds}))
        .collect();
    say::value(&flagged(&server, "pairs", pairs))
}

/// `GET /api/v1/venues`.
pub(crate) async fn venues(State(server): State<Arc<Server>>, RawQuery(query): RawQuery) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    let venues: Result<Vec<Value>, Problem> = server.board().venues().iter().map(venue).collect();
    say::value(&flagged(&server, "venues", venues?))
}

fn flagged(server: &Server, name: &str, list: Vec<Value>) -> Map<String, Value> {
    let mut said = Map::new();
    said.insert(name.into(), list.into());
    if server.is_demo() {
        said.insert("demo".into(), true.into());
    }
    said
}

/// A state, or `unknown` where its collector has been silent for too long.
pub(crate) fn word(view: &VenueView, state: Value) -> Value {
    if view.unknown { "unknown".into() } else { state }
}

/// A venue as JSON: what its collector said, with one word for all its connections.
pub(crate) fn venue(view: &VenueView) -> Result<Value, Problem> {
    let mut said = serde_json::to_value(&*view.status).map_err(|_| Problem::Internal)?;
    said["state"] = summary(view).into();
    name_collectors(view, &mut said);
    if view.unknown {
        for list in ["connections", "rows", "pairs"] {
            for item in said[list].as_array_mut().into_iter().flatten() {
                item["state"] = "unknown".into();
            }
        }
    }
    Ok(said)
}

/// Which collector runs each connection and each row: several may divide what is tracked.
fn name_collectors(view: &VenueView, said: &mut Value) {
    let of_connections = view.parts.iter().flat_map(|part| part.connections.iter().map(|_| &part.collector));
    let connections = said["connections"].as_array_mut().into_iter().flatten();
    for (connection, collector) in connections.zip(of_connections) {
        connection["collector"] = collector.as_str().into();
    }
    // Where two tell of a row, the one whose word was taken: the better state.
    let mut of_rows: HashMap<(i64, PairState), &str> = HashMap::new();
    for part in &view.parts {
        for row in &part.rows {
            of_rows.entry((row.id, row.state)).or_insert(&part.collector);
        }
    }
    let rows = said["rows"].as_array_mut().into_iter().flatten();
    for (row, told) in rows.zip(&view.status.rows) {
        row["collector"] = of_rows.get(&(told.id, told.state)).copied().into();
    }
}

/// One word for a venue: live if any connection is, else what its first connection is doing.
pub(crate) fn summary(view: &VenueView) -> String {
    let states = || view.status.connections.iter().map(|connection| connection.state);
    if view.unknown {
        return "unknown".into();
    }
    let state = states().find(|state| *state == ConnectionState::Live).or_else(|| states().next());
    match state.and_then(|state| serde_json::to_value(state).ok()) {
        Some(Value::String(word)) => word,
        _ => "stopped".into(),
    }
}
