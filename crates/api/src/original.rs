//! The two endpoints of the original interface, in its shapes and words (`exchanger`, `courses`, `direction`).
//! It must not serve what needs a flag: these shapes have no place for one, so only fresh values pass.

use crate::{
    error::{Answer, Problem},
    query::Query,
    rates, say,
    state::Server,
};
use axum::extract::{RawQuery, State};
use hyper::HeaderMap;
use market::{Basis, Price, Rate, RateState};
use std::{io::Write, sync::Arc};

/// `GET /api/v1/currency_pair/?currency_pair=bitcoin-usd`.
pub(crate) async fn currency_pair(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let query = Query::parse(query.as_deref(), &["currency_pair"])?;
    let asked = query
        .text("currency_pair")
        .ok_or_else(|| Problem::BadRequest("currency_pair is missing: ?currency_pair=bitcoin-usd".into()))?;
    let pair = server.pair(asked)?;
    let answer = server.board().answer(&pair).ok_or(Problem::NoFreshRate)?;
    let value = usable(&answer.rate)?;
    let body = || one(&answer.rate, asked, value, server.is_demo()).into();
    Ok(say::tagged(&headers, &answer, body))
}

/// The value, if it can be given without a flag.
pub(crate) fn usable(rate: &Rate) -> Result<Price, Problem> {
    rates::refuse(rate, true)?;
    match rate.value {
        Some(value) if rate.state == RateState::Fresh => Ok(value),
        _ => Err(Problem::NoFreshRate),
    }
}

/// The venue, if one venue made the value.
pub(crate) fn exchanger(rate: &Rate) -> &str {
    match (rate.basis, rate.sources.as_slice()) {
        (Basis::Last | Basis::Mid, [venue]) => venue.as_str(),
        _ => "rates",
    }
}

/// The object for one pair.
pub(crate) fn one(rate: &Rate, asked: &str, value: Price, is_demo: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(160 + asked.len());
    begin(&mut text, exchanger(rate));
    course(&mut text, asked, value);
    end(&mut text, is_demo);
    text
}

fn begin(text: &mut Vec<u8>, exchanger: &str) {
    text.extend_from_slice(b"{\"exchanger\":\"");
    text.extend_from_slice(exchanger.as_bytes());
    text.extend_from_slice(b"\",\"courses\":[");
}

/// A price is written by its digits, so a JSON number keeps them all.
fn course(text: &mut Vec<u8>, direction: &str, value: Price) {
    text.extend_from_slice(b"{\"direction\":\"");
    // What named a pair holds nothing else; what might break out of the string is left out all the same.
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_./: ".contains(b);
    text.extend(direction.trim().bytes().filter(plain));
    text.extend_from_slice(b"\",\"value\":");
    let _ = write!(text, "{value}");
    text.push(b'}');
}

fn end(text: &mut Vec<u8>, is_demo: bool) {
    text.extend_from_slice(if is_demo { b"],\"demo\":true}" } else { b"]}" });
}

/// `GET /api/v1/courses?exchanger=&direction=`: one object with every fresh value, by pair; without a filter a
/// `direction` is written `BTC-USD`, with one as it was asked for.
pub(crate) async fn courses(State(server): State<Arc<Server>>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query.as_deref(), &["exchanger", "direction"])?;
    let exchanger = query.text("exchanger").filter(|name| *name != "rates");
    let venue = exchanger.map(|name| rates::venue(&server, name)).transpose()?;
    let board = server.board();
    let asked = query.text("direction");
    let pairs = match asked {
        Some(text) => vec![server.pair(text)?],
        None => board.pairs(),
    };
    let mut text = Vec::with_capacity(64 * pairs.len() + 64);
    begin(&mut text, venue.as_ref().map_or("rates", |venue| venue.as_str()));
    let mut is_first = true;
    for pair in &pairs {
        let answer = match &venue {
            Some(venue) => board.answer_of_venue(pair, venue),
            None => board.answer(pair),
        };
        let Some(value) = answer.as_ref().and_then(|answer| usable(&answer.rate).ok()) else { continue };
        if !is_first {
            text.push(b',');
        }
        is_first = false;
        match asked {
            Some(asked) => course(&mut text, asked, value),
            None => course(&mut text, &pair.to_string(), value),
        }
    }
    end(&mut text, server.is_demo());
    Ok(say::json(text))
}
