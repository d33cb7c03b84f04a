//! Simulated venues: local servers that speak real venues' wire formats, with invented prices.
//! They must not know any venue's name: all they say is made from the examples of its file.

use crate::{
    Error,
    control::{self, Control, Mode},
    quoting::Quoting,
    server,
    session::{Place, Session},
    spoken::{Spoken, merged},
    walk,
};
use axum::{
    Router,
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use clock::Clock;
use market::{Pair, VenueId};
use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use venue::Venue;

/// How a simulation runs.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// The prices' only origin: the same seed walks the same way.
    pub seed: u64,
    /// Pairs beyond the demo's own.
    pub pairs: Vec<Pair>,
    /// The walk's step. Every venue sends most of its pairs once per step.
    pub step: Duration,
    /// The time that venues stamp their frames with.
    pub clock: Clock,
}

impl Simulation {
    /// The demo's usual terms: about three ticks a second per pair and venue.
    pub fn new(seed: u64) -> Simulation {
        Simulation { seed, pairs: Vec::new(), step: Duration::from_millis(250), clock: Clock::system() }
    }
}

/// A simulated venue that listens.
#[derive(Debug, Clone)]
pub struct SimulatedVenue {
    /// Which venue it speaks like.
    pub venue: VenueId,
    /// Where it is asked by WebSocket, with the path of the real one.
    pub url_ws: Option<String>,
    /// Where it is asked over HTTP, with the path of the real one.
    pub url_http: Option<String>,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its switch.
    pub control: Control,
}

/// Serves the switches of all venues until `stop`: `GET /demo` lists them, and
/// `POST /demo/{venue}/{freeze|kill|revive}` switches one. (A killed venue no longer answers on its own port.)
pub async fn serve_controls(
    listener: TcpListener,
    venues: &[SimulatedVenue],
    stop: CancellationToken,
) -> Result<(), Error> {
    let switches = venues.iter().map(|v| (v.venue.clone(), v.control.clone())).collect();
    control::serve(listener, switches, stop).await;
    Ok(())
}

/// Starts one local server per venue, each on a free port of 127.0.0.1, until `stop`.
pub async fn simulate(
    venues: &[Arc<Venue>],
    seed: u64,
    stop: CancellationToken,
) -> Result<Vec<SimulatedVenue>, Error> {
    simulate_with(venues, Simulation::new(seed), stop).await
}

/// Whether a venue can be simulated; the error says why not.
pub fn can_simulate(venue: &Arc<Venue>) -> Result<(), Error> {
    Spoken::of(venue, &walk::pairs()).map(|_| ())
}

/// As [`simulate`], on other terms.
pub async fn simulate_with(
    venues: &[Arc<Venue>],
    simulation: Simulation,
    stop: CancellationToken,
) -> Result<Vec<SimulatedVenue>, Error> {
    let mut pairs = walk::pairs();
    let known: HashSet<Pair> = pairs.iter().cloned().collect();
    pairs.extend(simulation.pairs.iter().filter(|pair| !known.contains(pair)).cloned());
    let quoting = Arc::new(Quoting::new(simulation.seed, simulation.step, simulation.clock));
    let mut simulated = Vec::with_capacity(venues.len());
    for venue in venues {
        let spoken = Arc::new(Spoken::of(venue, &pairs)?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let control = Control::new();
        let (url_ws, url_http) = urls(&spoken, addr);
        let place = Place { spoken, quoting: Arc::clone(&quoting), control: control.clone() };
        tokio::spawn(run(place, listener, addr, stop.clone()));
        simulated.push(SimulatedVenue { venue: venue.id().clone(), url_ws, url_http, addr, control });
    }
    Ok(simulated)
}

/// The addresses for a row: the real ones with this server in the place of scheme and host.
fn urls(spoken: &Spoken, addr: SocketAddr) -> (Option<String>, Option<String>) {
    let here = |scheme: &str, real: &str| {
        // An address from a token call has no path that anybody knows before the call.
        if real.starts_with('{') {
            return format!("{scheme}://{addr}/");
        }
        let rest = real.split_once("://").map_or(real, |(_, rest)| rest);
        let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
        let slash = if path.starts_with('?') { "/" } else { "" };
        format!("{scheme}://{addr}{slash}{path}")
    };
    let venue = spoken.venue();
    let url_ws = venue.ws().and_then(|ws| ws.urls.first()).map(|url| here("ws", url));
    let request =
        || venue.http().and_then(|http| http.requests(spoken.symbols().get(..1)?, None).into_iter().next());
    let url_http = match url_ws {
        Some(_) => None,
        None => request().map(|request| here("http", request.url.split('?').next().unwrap_or_default())),
    };
    (url_ws, url_http)
}

/// Listens whenever the venue is not killed.
async fn run(place: Place, first: TcpListener, addr: SocketAddr, stop: CancellationToken) {
    let control = place.control.clone();
    let mut next = Some(first);
    while !stop.is_cancelled() {
        if control.mode() == Mode::Killed {
            next = None;
            control.reach(Mode::Killed);
            tokio::select! {
                () = stop.cancelled() => break,
                () = control.until(|mode| mode != Mode::Killed) => {}
            }
        }
        let listener = match next.take() {
            Some(listener) => listener,
            None => match TcpListener::bind(addr).await {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::warn!(%addr, %error, "a revived venue cannot listen yet");
                    tokio::time::sleep(BIND_PAUSE).await;
                    continue;
                }
            },
        };
        let life = stop.child_token();
        let own = control::own_routes(place.spoken.venue().id().clone(), control.clone());
        let router = Router::new().fallback(answer).merge(own).with_state((place.clone(), life.clone()));
        let watching = async {
            tokio::select! {
                () = follow(&control) => life.cancel(),
                () = life.cancelled() => {}
            }
        };
        tokio::join!(server::serve(listener, router, life.clone()), watching);
    }
}

/// The pause before a port that is still taken is tried again.
const BIND_PAUSE: Duration = Duration::from_millis(100);

/// Says which mode is in force, until the venue is killed.
async fn follow(control: &Control) {
    loop {
        let mode = control.mode();
        if mode == Mode::Killed {
            return;
        }
        control.reach(mode);
        control.until(|wanted| wanted != mode).await;
    }
}

async fn answer(
    State((place, life)): State<(Place, CancellationToken)>,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    place.control.until(|mode| mode != Mode::Frozen).await;
    let target = uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
    if let Ok(upgrade) = upgrade
        && place.spoken.venue().ws().is_some()
    {
        return upgrade.max_message_size(Session::MESSAGE_BYTES_MAX).on_upgrade(move |socket| async move {
            tokio::select! {
                () = life.cancelled() => {}
                () = Session::new(place, socket).run(&target) => {}
            }
        });
    }
    let symbols = place.spoken.symbols_asked(&target);
    let bodies = symbols.iter().flat_map(|number| place.quoting.frames(&place.spoken, *number));
    ([(CONTENT_TYPE, "application/json")], merged(bodies.map(|frame| frame.text))).into_response()
}
