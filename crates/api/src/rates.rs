//! Our own reading paths: all rates, one rate with its conditions, conversion.
//! It must not know how a rate is made, nor hide what state it is in.

use crate::{
    error::{Answer, Problem},
    query::{self, Query},
    say,
    state::Server,
};
use axum::extract::{Path, RawQuery, State, rejection::PathRejection};
use hyper::HeaderMap;
use market::{Asset, Pair, Price, PriceError, Rate, RateState, VenueId};
use serde_json::json;
use std::sync::Arc;

/// `GET /api/v1/rates?venue=`: every pair with its state, whatever it is; of one venue its ticks.
pub(crate) async fn all(State(server): State<Arc<Server>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["venue"])?;
    let board = server.board();
    let answers = match query.text("venue").map(|name| venue(&server, name)).transpose()? {
        Some(venue) => board.pairs().iter().filter_map(|pair| board.answer_of_venue(pair, &venue)).collect(),
        None => board.answers(),
    };
    Ok(say::json(say::all(&answers, board.clock().now())))
}

/// `GET /api/v1/rates/{pair}`.
pub(crate) async fn one(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let Path(text) = path.map_err(|_| Problem::BadPair("the name of the pair is not UTF-8 once decoded"))?;
    let query = Query::parse(query.as_deref(), &["venue", "max_age", "explain", "strict"])?;
    let max_age_ms = query.text("max_age").map(query::age_ms).transpose()?;
    let (explain, strict) = (query.switch("explain")?, query.switch("strict")?);
    let venue = query.text("venue").map(|name| self::venue(&server, name)).transpose()?;
    let pair = server.pair(&text)?;
    let (board, now) = (server.board(), server.board().clock().now());
    let plain = || match &venue {
        Some(venue) => board.answer_of_venue(&pair, venue),
        None => board.answer(&pair),
    };
    let answer = match (max_age_ms, &venue) {
        (Some(ms), None) => board.answer_not_older(&pair, ms).or_else(plain),
        _ => plain(),
    };
    let answer = answer.ok_or(Problem::NoFreshRate)?;
    let rate = &answer.rate;
    refuse(rate, strict)?;
    if let (Some(max_age_ms), Some(age_ms)) = (max_age_ms, say::age_ms(rate, now))
        && age_ms > max_age_ms
    {
        return Err(Problem::TooOld { age_ms, max_age_ms });
    }
    if !explain {
        return Ok(say::tagged(&headers, &answer, || say::whole(&answer, now)));
    }
    let ticks = serde_json::to_vec(&board.explain(&pair)).map_err(|_| Problem::Internal)?;
    let mut text = Vec::with_capacity(answer.body.len() + ticks.len() + 32);
    say::append(&mut text, &answer, now);
    text.pop();
    text.extend_from_slice(b",\"ticks\":");
    text.extend_from_slice(&ticks);
    text.push(b'}');
    Ok(say::json(text))
}

/// What may not be served at all.
pub(crate) fn refuse(rate: &Rate, strict: bool) -> Result<(), Problem> {
    match rate.state {
        RateState::Expired => Err(Problem::NoFreshRate),
        RateState::Disputed if strict => Err(Problem::RatesDisagree { low: rate.low, high: rate.high }),
        RateState::Disputed => Ok(()),
        _ if rate.value.is_none() => Err(Problem::NoFreshRate),
        _ => Ok(()),
    }
}

/// A venue from a query: one that was heard of, or that has a file.
pub(crate) fn venue(server: &Server, name: &str) -> Result<VenueId, Problem> {
    let venue = VenueId::parse(name).map_err(|error| Problem::BadRequest(error.to_string()))?;
    // By its ticks or its status; only then is it worth asking whether there is a file.
    let heard_of = server.board().venues().iter().any(|view| view.status.venue == venue);
    if !heard_of && (server.parts.venue_known)(&venue).is_err() {
        return Err(Problem::NotFound("no venue of this name; GET /api/v1/venues lists them"));
    }
    Ok(venue)
}

/// `GET /api/v1/convert?from=&to=&amount=`.
pub(crate) async fn convert(State(server): State<Arc<Server>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["from", "to", "amount"])?;
    let asset = |name: &str| {
        let text = query.text(name).ok_or_else(|| Problem::BadRequest(format!("{name} is missing")))?;
        Asset::parse(text).map_err(|error| Problem::BadRequest(format!("{name}: {error}")))
    };
    let (from, to) = (asset("from")?, asset("to")?);
    let amount = amount(query.text("amount").unwrap_or("1"))?;
    let pair = Pair::new(from, to).map_err(|_| Problem::BadPair("from and to are the same asset"))?;
    let board = server.board();
    let Some(conversion) = board.convert(amount, &pair) else {
        server.pair(&pair.to_string())?;
        if let Some(answer) = board.answer(&pair) {
            refuse(&answer.rate, true)?;
            // There is a rate: it is the amount that cannot be.
            return Err(Problem::BadRequest("amount: the result has more digits than are exact".into()));
        }
        return Err(Problem::NoFreshRate);
    };
    refuse(&conversion.rate, true)?;
    let mut said = json!({
        "from": pair.base(),
        "to": pair.quote(),
        "amount": amount,
        "result": conversion.result,
        "legs": conversion.rate.legs,
        "state": conversion.rate.state,
        "age_ms": say::age_ms(&conversion.rate, board.clock().now()),
    });
    if server.is_demo() {
        said["demo"] = true.into();
    }
    say::value(&said)
}

fn amount(text: &str) -> Result<Price, Problem> {
    Price::parse(text).map_err(|error| {
        Problem::BadRequest(match error {
            PriceError::Zero => "amount is zero".into(),
            PriceError::Negative => "amount is below zero".into(),
            error => format!("amount: {error}"),
        })
    })
}
