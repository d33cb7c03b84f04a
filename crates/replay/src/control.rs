//! The switch of a simulated venue: live, frozen or killed, for tests and, over HTTP, for people.
//! It must not know what the venue says.

use crate::server;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::ORIGIN},
    routing::{get, post},
};
use market::VenueId;
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

/// How a simulated venue is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It answers and sends.
    Live,
    /// Sockets stay open, nothing is answered or sent, not even a pong.
    Frozen,
    /// Nothing listens; connections were dropped.
    Killed,
}

/// How long a switch over HTTP waits until it is done.
const DONE_WITHIN: Duration = Duration::from_secs(5);

/// The switch of one simulated venue. Every copy switches the same venue.
#[derive(Debug, Clone)]
pub struct Control {
    wanted: watch::Sender<Mode>,
    reached: watch::Sender<Mode>,
}

impl Control {
    pub(crate) fn new() -> Control {
        Control { wanted: watch::Sender::new(Mode::Live), reached: watch::Sender::new(Mode::Live) }
    }

    /// Stops sending and answering; sockets stay open.
    pub fn freeze(&self) {
        self.wanted.send_replace(Mode::Frozen);
    }

    /// Closes the listener and drops every connection.
    pub fn kill(&self) {
        self.wanted.send_replace(Mode::Killed);
    }

    /// Goes on, on the same address.
    pub fn revive(&self) {
        self.wanted.send_replace(Mode::Live);
    }

    /// The mode that was last asked for.
    pub fn mode(&self) -> Mode {
        *self.wanted.borrow()
    }

    /// Waits until the mode that was last asked for is in force; `false` if that takes longer than 5 s.
    pub async fn settled(&self) -> bool {
        let mut reached = self.reached.subscribe();
        timeout(DONE_WITHIN, reached.wait_for(|mode| *mode == self.mode()))
            .await
            .is_ok_and(|mode| mode.is_ok())
    }

    /// Says that a mode is in force.
    pub(crate) fn reach(&self, mode: Mode) {
        self.reached.send_replace(mode);
    }

    /// Waits until the wanted mode is one that `wished` accepts.
    pub(crate) async fn until(&self, wished: impl Fn(Mode) -> bool) {
        // An error would mean that the switch is gone; this copy holds it.
        let _ = self.wanted.subscribe().wait_for(|mode| wished(*mode)).await;
    }

    fn switch(&self, action: &str) -> bool {
        match action {
            "freeze" => self.freeze(),
            "kill" => self.kill(),
            "revive" => self.revive(),
            _ => return false,
        }
        true
    }
}

/// What is said of a venue over HTTP.
#[derive(Debug, Serialize)]
struct Doing {
    venue: VenueId,
    mode: Mode,
}

type Venues = Arc<Vec<(VenueId, Control)>>;

/// `GET /demo` and `POST /demo/{action}` for one venue, on its own port.
pub(crate) fn own_routes<S: Clone + Send + Sync + 'static>(venue: VenueId, control: Control) -> Router<S> {
    let venues: Venues = Arc::new(vec![(venue, control)]);
    Router::new().route("/demo", get(list)).route("/demo/{action}", post(switch_own)).with_state(venues)
}

/// Serves the switches of all venues until `stop`.
pub(crate) async fn serve(listener: TcpListener, venues: Vec<(VenueId, Control)>, stop: CancellationToken) {
    let router = Router::new()
        .route("/demo", get(list))
        .route("/demo/{venue}/{action}", post(switch))
        .with_state(Arc::new(venues));
    server::serve(listener, router, stop).await;
}

async fn list(State(venues): State<Venues>) -> Json<Vec<Doing>> {
    let state = |(venue, control): &(VenueId, Control)| Doing { venue: venue.clone(), mode: control.mode() };
    Json(venues.iter().map(state).collect())
}

async fn switch_own(
    State(venues): State<Venues>,
    Path(action): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Doing>, (StatusCode, String)> {
    let Some((venue, _)) = venues.first() else { return Err(unknown(&venues)) };
    let venue = venue.to_string();
    switch(State(venues), Path((venue, action)), headers).await
}

async fn switch(
    State(venues): State<Venues>,
    Path((venue, action)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Doing>, (StatusCode, String)> {
    // A page in a browser has no business here, and only a browser sends this header.
    if headers.contains_key(ORIGIN) {
        return Err((StatusCode::FORBIDDEN, "not from a web page\n".to_owned()));
    }
    let Some((venue, control)) = venues.iter().find(|(id, _)| id.as_str() == venue) else {
        return Err(unknown(&venues));
    };
    if !control.switch(&action) {
        return Err((StatusCode::NOT_FOUND, "freeze, kill or revive\n".to_owned()));
    }
    tracing::info!(%venue, %action, "simulated venue switched");
    // On its own port a venue cannot answer after it was killed: the answer goes first.
    if control.mode() != Mode::Killed && !control.settled().await {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "not yet\n".to_owned()));
    }
    Ok(Json(Doing { venue: venue.clone(), mode: control.mode() }))
}

fn unknown(venues: &Venues) -> (StatusCode, String) {
    let names: Vec<&str> = venues.iter().map(|(id, _)| id.as_str()).collect();
    (StatusCode::NOT_FOUND, format!("one of {}\n", names.join(", ")))
}
