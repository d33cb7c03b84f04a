//! Asks a venue for its list of symbols: one guarded request, without the feeds and their limits.
//! It must not know what is looked for in the list.

use crate::{context::ContextError, settings::Settings, words};
use clock::Clock;
use guard::{Ask, Client, FetchError, Guard};
use std::time::Duration;
use venue::{Listed, Request, Venue};

/// Why a venue gives no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// Its file knows none.
    #[error("its file knows no list of symbols")]
    Unknown,
    /// The address must not be asked; `--allow-private` may help.
    #[error("{0}")]
    Blocked(String),
    /// No answer, or one that is no list.
    #[error("{0}")]
    Unanswered(String),
}

/// Asks for lists of symbols.
#[derive(Debug, Clone)]
pub struct Lister {
    http: Client,
}

impl Lister {
    /// Behind the same guard as the feeds.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Lister, ContextError> {
        let resolver = settings.resolver.clone();
        let guard = Guard::new(&settings.allow_private, resolver, settings.timing.resolve_timeout);
        Ok(Lister { http: Client::new(guard, clock, guard::tls()?)? })
    }

    /// The venue's list, within this time, from the first of its addresses that gives one. `origin` replaces scheme and host of its address, or all of it.
    pub async fn list(
        &self,
        venue: &Venue,
        origin: Option<&str>,
        within: Duration,
    ) -> Result<Vec<Listed>, ListingError> {
        let requests = venue.listing_requests();
        let each = within / u32::try_from(requests.len().max(1)).unwrap_or(1);
        let mut answer = Err(ListingError::Unknown);
        for request in &requests {
            answer = self.one(venue, request, origin, each).await;
            if answer.is_ok() {
                break;
            }
        }
        answer
    }

    async fn one(
        &self,
        venue: &Venue,
        request: &Request,
        origin: Option<&str>,
        within: Duration,
    ) -> Result<Vec<Listed>, ListingError> {
        let url = origin.map_or(request.url.clone(), |origin| venue::replace_origin(origin, &request.url));
        let ask = Ask {
            method: "GET",
            url: &url,
            headers: &request.headers,
            etag: None,
            body: None,
            timeout: within,
            body_bytes_max: venue.listing_bytes_max(),
        };
        let answer = self.http.fetch(&ask).await.map_err(|error| match error {
            FetchError::Blocked(blocked) => ListingError::Blocked(blocked.to_string()),
            other => ListingError::Unanswered(other.to_string()),
        })?;
        if !answer.status.is_success() {
            return Err(ListingError::Unanswered(format!("HTTP {}", answer.status.as_u16())));
        }
        venue
            .read_listing(&answer.body)
            .map_err(|error| ListingError::Unanswered(words::plain(&error.to_string())))
    }
}
