//! The page at `/` and what it loads, all from inside the program; and the OpenAPI document.
//! It must not need a script to be read: the first paint holds every pair, its price and its age.

use crate::{lists, say, state::Server};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use board::VenueView;
use hyper::header::{self, HeaderName, HeaderValue};
use market::{PairState, Rate, RateState};
use std::{fmt::Write, sync::Arc};

/// The OpenAPI 3.1 document.
pub(crate) const OPENAPI: &str = include_str!("openapi.json");
const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("app.js");
const STYLE: &str = include_str!("app.css");
/// Nobody expects an explanation of what comes within this time.
const SOON_MS: u64 = 5_000;
const ICON: &str = include_str!("favicon.svg");

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    say::json(OPENAPI)
}

/// `GET /app.js`.
pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /app.css`.
pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

/// `GET /favicon.svg`.
pub(crate) async fn icon() -> Response {
    file("image/svg+xml", ICON)
}

/// `GET /robots.txt`: prices are old by the time they are found.
pub(crate) async fn robots() -> Response {
    file("text/plain; charset=utf-8", "User-agent: *\nDisallow: /\n")
}

fn file(kind: &'static str, text: impl Into<axum::body::Body>) -> Response {
    const POLICY: HeaderName = header::CONTENT_SECURITY_POLICY;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, say::NO_CACHE),
        (POLICY, HeaderValue::from_static("default-src 'self'; base-uri 'none'; frame-ancestors 'none'")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, text.into()).into_response()
}

/// `GET /`.
pub(crate) async fn page(State(server): State<Arc<Server>>) -> Response {
    let board = server.board();
    let now = board.clock().now();
    let answers = board.answers();
    let mut rows = String::with_capacity(answers.len() * 256);
    for answer in &answers {
        row(&mut rows, &answer.rate, say::age_ms(&answer.rate, now));
    }
    let mut venues = String::new();
    for view in board.venues() {
        let word = lists::summary(&view);
        let shape = match word.as_str() {
            "live" => "●",
            "connecting" | "backing_off" | "rate_limited" | "silent" => "▲",
            "unknown" | "stopped" => "◌",
            _ => "■",
        };
        let (venue, spoken) = (&view.status.venue, word.replace('_', " "));
        let _ = write!(
            venues,
            "<li data-venue=\"{venue}\" class=\"{word}\"><span aria-hidden=\"true\">{shape}</span> \
             <b>{venue}</b> <span class=\"word\">{spoken}</span></li>"
        );
    }
    let demo = if server.is_demo() {
        "<p id=\"demo\" class=\"banner\">DEMO: the venues are simulated and every price is invented.</p>"
    } else {
        ""
    };
    let empty = if answers.is_empty() { "" } else { " hidden" };
    let trouble = trouble(&board.venues());
    let calm = if trouble.is_empty() { " hidden" } else { "" };
    let seldom = seldom(&board.venues());
    let brisk = if seldom.is_empty() { " hidden" } else { "" };
    let mut text = String::with_capacity(PAGE.len() + rows.len() + venues.len() + 512);
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or(("", after));
        match name {
            "rows" => text.push_str(&rows),
            "venues" => text.push_str(&venues),
            "trouble" => text.push_str(&trouble),
            "calm" => text.push_str(calm),
            "seldom" => text.push_str(&seldom),
            "brisk" => text.push_str(brisk),
            "demo" => text.push_str(demo),
            "empty" => text.push_str(empty),
            "build" => say::html(&mut text, server.settings.build),
            "count" => text.push_str(&answers.len().to_string()),
            _ => {}
        }
        rest = after;
    }
    text.push_str(rest);
    file("text/html; charset=utf-8", text)
}

/// The rows of `trade_info` that cannot run, each with its column and reason; as many as a person reads.
fn trouble(venues: &[VenueView]) -> String {
    const ROWS_MAX: usize = 50;
    let is_bad =
        |state| matches!(state, PairState::Invalid | PairState::BlockedAddress | PairState::Delisted);
    let known = venues.iter().filter(|view| !view.unknown);
    let mut bad = known.flat_map(|view| view.status.rows.iter().filter(|row| is_bad(row.state)));
    let mut text = String::new();
    for row in bad.by_ref().take(ROWS_MAX) {
        let state = serde_json::to_value(row.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default().replace('_', " ");
        let _ = write!(text, "<li><span aria-hidden=\"true\">■</span> row {} is {state}: ", row.id);
        say::html(&mut text, row.reason.as_deref().unwrap_or("no reason is known"));
        text.push_str("</li>");
    }
    match bad.count() {
        0 => {}
        more => {
            let _ = write!(text, "<li>and {more} more: <code>rates pairs list</code></li>");
        }
    }
    text
}

/// The venues from which no new price can be expected every few seconds, and why.
fn seldom(venues: &[VenueView]) -> String {
    let mut text = String::new();
    for view in venues.iter().filter(|view| !view.unknown) {
        let connections = &view.status.connections;
        let every_ms = connections.iter().filter_map(|one| one.every_ms).min().filter(|ms| *ms > SOON_MS);
        let why = connections.iter().find_map(|one| one.seldom.as_deref());
        if every_ms.is_none() && why.is_none() {
            continue;
        }
        let _ = write!(text, "<li><b>{}</b>: ", view.status.venue);
        if let Some(ms) = every_ms {
            let _ = write!(text, "asked every {} s. ", ms / 1_000);
        }
        say::html(&mut text, why.unwrap_or_default());
        text.push_str("</li>");
    }
    text
}

/// A state as a shape and as words; never by colour alone.
fn state_words(state: RateState) -> (&'static str, &'static str, &'static str) {
    match state {
        RateState::Fresh => ("fresh", "●", "fresh"),
        RateState::Stale => ("stale", "▲", "stale"),
        RateState::Expired => ("expired", "■", "expired"),
        RateState::Suspect => ("suspect", "◆", "suspect jump"),
        RateState::Disputed => ("disputed", "⚠", "venues disagree"),
    }
}

fn row(to: &mut String, rate: &Rate, age_ms: Option<i64>) {
    let (class, shape, words) = state_words(rate.state);
    let pair = &rate.pair;
    let value = match (rate.value, rate.low, rate.high) {
        (Some(value), ..) => value.to_string(),
        (None, Some(low), Some(high)) => format!("{low} … {high}"),
        _ => "–".into(),
    };
    let _ = write!(
        to,
        "<tr data-pair=\"{pair}\" data-age=\"{}\" class=\"{class}\"><th scope=\"row\"><a href=\"/api/v1/rates/{pair}\
         ?explain=1\">{pair}</a></th><td class=\"value\">{value}</td><td class=\"age\">{}</td><td class=\"state\">\
         <span aria-hidden=\"true\">{shape}</span> {words}</td><td class=\"sources\">{}/{} <span class=\"names\">",
        age_ms.map_or_else(String::new, |ms| ms.to_string()),
        age_words(age_ms),
        rate.sources_used,
        rate.sources_total,
    );
    for (n, venue) in rate.sources.iter().enumerate() {
        if n > 0 {
            to.push_str(", ");
        }
        say::html(to, venue.as_str());
    }
    to.push_str("</span></td></tr>\n");
}

/// An age as the script writes it too.
fn age_words(age_ms: Option<i64>) -> String {
    let Some(ms) = age_ms else { return "–".into() };
    match ms / 1_000 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::ROUTES;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_and_the_routes_are_the_same_set() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let verbs = ["get", "post", "put", "patch", "delete"];
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object()
                    .unwrap()
                    .keys()
                    .filter(|k| verbs.contains(&k.as_str()))
                    .map(|k| (path.clone(), k.to_uppercase()))
            })
            .collect();
        let served: BTreeSet<(String, String)> = ROUTES
            .iter()
            .flat_map(|route| {
                route.methods.iter().map(|method| (route.template.to_owned(), method.to_string()))
            })
            .collect();
        assert_eq!(described, served);
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        fn walk(value: &Value, document: &Value, seen: &mut usize) {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                *seen += 1;
                let pointer = target.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{target}");
            }
            match value {
                Value::Object(members) => members.values().for_each(|v| walk(v, document, seen)),
                Value::Array(items) => items.iter().for_each(|v| walk(v, document, seen)),
                _ => {}
            }
        }
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut seen = 0;
        walk(&document, &document, &mut seen);
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn the_page_asks_nobody_else() {
        for text in [PAGE, SCRIPT, STYLE] {
            for foreign in ["http://", "https://", "src=\"//", "<style", "style=\"", "onclick"] {
                assert!(!text.contains(foreign), "{foreign}");
            }
        }
    }

    #[test]
    fn ages_in_words() {
        for (ms, words) in
            [(None, "–"), (Some(999), "0 s"), (Some(61_000), "1 min 1 s"), (Some(7_260_000), "2 h 1 min")]
        {
            assert_eq!(age_words(ms), words);
        }
    }
}
