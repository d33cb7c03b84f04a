//! Venue files over HTTP: put into the store, shown and removed with an API key; the collector follows the store.
//! It must not know the format of a venue file: whoever started us checks it.

use crate::{
    authorise::authorise,
    error::{Answer, Problem},
    query::Query,
    say,
    state::Server,
};
use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use hyper::{HeaderMap, StatusCode, header};
use market::VenueId;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use store::VenueFile;

/// What a venue file may be said to be; JSON holds it as a text.
const TOML_TYPES: [&str; 4] = ["application/toml", "text/toml", "text/x-toml", "text/plain"];

/// The body of a POST as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    text: String,
}

/// `POST /api/v1/venues`: compiled, its examples run, and kept in the store; it runs within two seconds.
pub(crate) async fn add(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let query = Query::parse(query.as_deref(), &["name"])?;
    authorise(&server, &headers).await?;
    let (id, text) = file(&headers, query.text("name"), &body)?;
    let check = server.parts.venue_check.clone();
    let (checked, file) = (id.clone(), VenueFile { name: id.to_string(), text });
    // On a thread of its own: the text is untrusted, and reading it takes as long as it takes.
    let work = tokio::task::spawn_blocking(move || (check(&checked, &file.text), file));
    let (verdict, file) = work.await.map_err(|_| Problem::Internal)?;
    let examples = verdict.map_err(Problem::BadVenueFile)?;
    let store = server.store()?;
    let was_there = server.within(store.venue_files()).await?.iter().any(|kept| kept.name == file.name);
    server.within(store.put_venue_file(&file, server.board().clock().now())).await?;
    tracing::info!(venue = %id, "a venue file was put into the store over http");
    let mut response = say::value(&json!({"name": id, "examples": examples, "replaced": was_there}))?;
    if !was_there {
        *response.status_mut() = StatusCode::CREATED;
    }
    if let Ok(place) = format!("/api/v1/venues/{id}").parse() {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/venues/{name}`: the file in force. It may hold a header that is somebody's secret, hence the key.
pub(crate) async fn show(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    authorise(&server, &headers).await?;
    let id = VenueId::parse(&name).map_err(|_| NO_VENUE)?;
    let kept = server.within(server.store()?.venue_files()).await?;
    let kept = kept.into_iter().find(|file| file.name == id.as_str()).map(|file| file.text);
    let text = kept.or_else(|| (server.parts.venue_text)(&id)).ok_or(NO_VENUE)?;
    let kind =
        [(header::CONTENT_TYPE, "application/toml; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, text).into_response())
}

/// `DELETE /api/v1/venues/{name}`: out of the store; a built-in file of that name is in force again.
pub(crate) async fn remove(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    Query::parse(query.as_deref(), &[])?;
    authorise(&server, &headers).await?;
    let id = VenueId::parse(&name).map_err(|_| NOT_KEPT)?;
    if !server.within(server.store()?.remove_venue_file(id.as_str())).await? {
        return Err(NOT_KEPT);
    }
    tracing::info!(venue = %id, "a venue file was removed from the store over http");
    Ok::<Response, Problem>(StatusCode::NO_CONTENT.into_response())
}

const NO_VENUE: Problem = Problem::NotFound("there is no venue of this name; GET /api/v1/venues lists them");
const NOT_KEPT: Problem = Problem::NotFound("the store holds no venue file of this name");

/// Name and text, from JSON or from the file itself.
fn file(headers: &HeaderMap, name: Option<&str>, body: &[u8]) -> Result<(VenueId, String), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let is_json = match kind.as_deref() {
        Some("application/json") => true,
        Some(kind) if TOML_TYPES.contains(&kind) => false,
        Some(_) => return Err(Problem::UnsupportedMediaType),
        // No venue file begins so.
        None => body.trim_ascii_start().starts_with(b"{"),
    };
    let (name, text) = match (is_json, name) {
        (true, None) => {
            let new: New = serde_json::from_slice(body)
                .map_err(|_| Problem::BadRequest("the body is not {\"name\": …, \"text\": …}".into()))?;
            (new.name, new.text)
        }
        (true, Some(_)) => {
            return Err(Problem::BadRequest("the name stands in the body, not in the address too".into()));
        }
        (false, Some(name)) => {
            let text =
                std::str::from_utf8(body).map_err(|_| Problem::BadRequest("the file is not UTF-8".into()))?;
            (name.to_owned(), text.to_owned())
        }
        (false, None) => {
            return Err(Problem::BadRequest("name: write POST /api/v1/venues?name=NAME".into()));
        }
    };
    let id = VenueId::parse(&name).map_err(|error| Problem::BadRequest(format!("name: {error}")))?;
    Ok((id, text))
}
