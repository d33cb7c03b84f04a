//! Says within ten seconds of the start which venues cannot be reached, if none can; and what to do then.
//! It must not know how a venue is reached.

use board::{Board, VenueView};
use collector::Environment;
use market::ConnectionState;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use url::Url;
use venue::Venue;

/// By then it is said, whatever is still being tried.
const SAID_BY: Duration = Duration::from_secs(8);

/// Not earlier, even if every venue failed at once: the first retry follows at once.
const SAID_AFTER: Duration = Duration::from_secs(2);

/// How often the board is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks at the board until a venue delivers, or says that none can be reached.
pub async fn watch(board: Arc<Board>, venues: Vec<Arc<Venue>>, environment: Environment) {
    let started = Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let views = board.venues();
        if views.iter().any(delivers) {
            return;
        }
        let waited = started.elapsed();
        let all_failed = !views.is_empty() && views.iter().all(has_failed);
        if waited >= SAID_BY || (waited >= SAID_AFTER && all_failed) {
            say(&views, &venues, &environment);
            return;
        }
    }
}

fn delivers(view: &VenueView) -> bool {
    view.status.connections.iter().any(|connection| connection.state == ConnectionState::Live)
}

/// Whether every connection of it has something to complain of.
fn has_failed(view: &VenueView) -> bool {
    !view.status.connections.is_empty() && view.status.connections.iter().all(|c| c.last_error.is_some())
}

fn say(views: &[VenueView], venues: &[Arc<Venue>], environment: &Environment) {
    let tried: Vec<String> = views
        .iter()
        .filter(|view| !view.status.connections.is_empty())
        .map(|view| {
            let id = &view.status.venue;
            let venue = venues.iter().find(|venue| venue.id() == id);
            let hosts = venue.map(|venue| hosts(venue, environment)).unwrap_or_default();
            let why = view.status.connections.iter().find_map(|connection| connection.last_error.as_deref());
            format!("{id} at {}: {}", or_unknown(&hosts.join(", ")), why.unwrap_or("no answer yet"))
        })
        .collect();
    if tried.is_empty() {
        tracing::warn!("nothing is tracked: add a pair with `rates pairs add BTC-USDT --venue NAME`");
        return;
    }
    tracing::warn!(
        "no venue can be reached ({}); they are tried again. Is there a network? `rates demo` works without one",
        tried.join("; ")
    );
}

fn or_unknown(hosts: &str) -> &str {
    if hosts.is_empty() { "its address" } else { hosts }
}

/// The hosts of a venue's own addresses.
fn hosts(venue: &Venue, environment: &Environment) -> Vec<String> {
    let urls: Vec<String> = match (venue.ws(), venue.http()) {
        (Some(ws), _) => ws.urls.clone(),
        (None, Some(http)) => {
            let symbols: Vec<_> = venue.symbol("BTC", "USD").into_iter().collect();
            let http = http.with_environment(&**environment);
            http.requests(&symbols, None).into_iter().map(|request| request.url).collect()
        }
        (None, None) => Vec::new(),
    };
    let host = |url: String| Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let mut hosts: Vec<String> = urls.into_iter().filter_map(host).collect();
    hosts.dedup();
    hosts
}
