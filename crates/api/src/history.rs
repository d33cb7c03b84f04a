//! Candles: what a pair did in the past, from the store.
//! It must not know who recorded them.

use crate::{
    error::{Answer, Problem},
    query::Query,
    rates, say,
    state::Server,
};
use axum::extract::{Path, RawQuery, State, rejection::PathRejection};
use market::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Candle, CandleRange, Interval};

/// Candles in one answer, unless `from` and `to` ask for fewer.
const CANDLES_MAX: usize = 1_000;

/// `GET /api/v1/history/{pair}?interval=1m|1h|1d&from=&to=&venue=`: the newest thousand of the range, oldest first.
pub(crate) async fn one(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Answer {
    let Path(text) = path.map_err(|_| Problem::BadPair("the name of the pair is not UTF-8 once decoded"))?;
    let query = Query::parse(query.as_deref(), &["interval", "from", "to", "venue"])?;
    let interval = query.text("interval").unwrap_or("1h").parse::<Interval>();
    let interval = interval.map_err(|error| Problem::BadRequest(error.to_string()))?;
    let moment = |name: &'static str| query.text(name).map(|text| millis(name, text)).transpose();
    let venue = query.text("venue").map(|name| rates::venue(&server, name)).transpose()?;
    let to = moment("to")?.unwrap_or_else(|| server.board().clock().now().plus_millis(1));
    let from = moment("from")?.unwrap_or_else(|| to.plus_millis(-interval.millis() * CANDLES_MAX as i64));
    let pair = server.pair(&text)?;
    let range = CandleRange { venue, pair: pair.clone(), interval, from, to, limit: CANDLES_MAX };
    let candles = server.within(server.store()?.candles(&range)).await?;
    let mut said = json!({
        "pair": pair,
        "interval": interval.as_str(),
        "candles": candles.iter().map(candle).collect::<Vec<_>>(),
    });
    if server.is_demo() {
        said["demo"] = true.into();
    }
    say::value(&said)
}

fn candle(candle: &Candle) -> Value {
    json!({
        "t": candle.key.start,
        "o": candle.open,
        "h": candle.high,
        "l": candle.low,
        "c": candle.close,
        "n": candle.ticks,
    })
}

fn millis(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let wrong = || Problem::BadRequest(format!("{name} is milliseconds since the epoch"));
    text.parse().map(Timestamp::from_millis).map_err(|_| wrong())
}
