//! HTTP: the versioned interface, the stream, the probes and the page, over a [`board::Board`] and a store.
//! It must not know how ticks are collected or carried: `collector` and `broker` are no business of it.
//!
//! How to add a path:
//! 1. Write its handler beside its kin (`rates`, `original`, `lists`, `trade_info`, `alerts`, `probes`, `page`).
//! 2. Enter it twice in `routes.rs`: in the table and in the router.
//! 3. Describe it in `openapi.json`; a test compares the document with the table.
//! 4. Say what goes wrong with a variant of `error::Problem`, never by hand.
//! 5. Test it over a socket in `tests/`.

mod alerts;
mod authorise;
mod body;
mod error;
mod fast;
mod history;
mod limit;
mod lists;
mod meter;
mod original;
mod page;
mod paths;
mod probes;
mod query;
mod rates;
mod routes;
mod say;
mod serve;
mod socket;
mod state;
mod stream;
mod trade_info;
mod trade_row;
mod venue_files;
mod watch;

pub use error::VenueMistake;
pub use limit::RateLimit;
pub use serve::serve;
pub use state::{Check, Parts, Settings, VenueCheck, VenueKnown, VenueText, WebhookCheck};

/// The OpenAPI 3.1 document, as JSON.
pub fn openapi() -> String {
    page::OPENAPI.to_owned()
}
