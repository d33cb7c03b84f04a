//! Simulated venues asked over real sockets, as a collector would ask them, for every venue file there is.
//! They must not know how frames are made.

use crate::client::{Client, SOON, http, http_with};
use market::{Price, VenueId};
use replay::{Mode, SimulatedVenue, Simulation, simulate_with};
use rust_decimal::Decimal;
use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use venue::{Frame, Observation, PingFrame, Reader, Said, Symbol, Variables, Venue};

/// Every venue file that can be simulated; of the others is said once why not.
fn venues() -> Vec<Arc<Venue>> {
    static VENUES: OnceLock<Vec<Arc<Venue>>> = OnceLock::new();
    VENUES.get_or_init(read_venues).clone()
}

fn read_venues() -> Vec<Arc<Venue>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../venues");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let toml = paths.filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let names = toml.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let venues = names.filter(|name| name != "seed").map(|name| crate::decode::venue(&name));
    let can = |venue: &Arc<Venue>| match replay::can_simulate(venue) {
        Ok(()) => true,
        // Not spot, binary, or symbols that frames name by a number of the connection only.
        Err(error) => {
            crate::decode::skipped(&format!("not simulated: {error}"));
            false
        }
    };
    let venues: Vec<_> = venues.filter(can).collect();
    assert!(venues.len() >= 6);
    venues
}

struct Demo {
    venues: Vec<Arc<Venue>>,
    simulated: Vec<SimulatedVenue>,
    stop: CancellationToken,
}

impl Demo {
    async fn start() -> Demo {
        let (venues, stop) = (venues(), CancellationToken::new());
        // Ten times as fast as the demo, so that the tests are.
        let simulation = Simulation { step: Duration::from_millis(25), ..Simulation::new(7) };
        let simulated = simulate_with(&venues, simulation, stop.clone()).await.unwrap();
        assert_eq!(simulated.len(), venues.len());
        Demo { venues, simulated, stop }
    }

    fn each(&self) -> impl Iterator<Item = (&Arc<Venue>, &SimulatedVenue)> {
        self.venues.iter().zip(&self.simulated)
    }

    /// A venue that is streamed.
    fn streamed(&self) -> (&Arc<Venue>, &SimulatedVenue) {
        self.each().find(|(_, s)| s.url_ws.is_some()).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn symbols(venue: &Venue) -> Vec<Symbol> {
    [("BTC", "USD"), ("ETH", "USDT"), ("TRX", "RUB")].map(|(b, q)| venue.symbol(b, q).unwrap()).to_vec()
}

fn path(url: &str, addr: SocketAddr) -> &str {
    url.split_once(&addr.to_string()).unwrap().1
}

/// A client of one venue that reads as the collector does.
struct Follower {
    client: Client,
    reader: Reader,
    next_id: u64,
}

impl Follower {
    async fn subscribe(venue: &Arc<Venue>, simulated: &SimulatedVenue, symbols: &[Symbol]) -> Follower {
        let url = simulated.url_ws.as_deref().unwrap();
        let mut client = Client::connect(simulated.addr, path(url, simulated.addr)).await;
        let (mut reader, mut next_id) = (venue.reader(), 1);
        reader.follow(symbols);
        if venue.ws().unwrap().waits_for_welcome {
            let mut said = Vec::new();
            reader.read(Frame::Text(client.text().await.as_bytes()), &mut said).unwrap();
            assert_eq!(said, [Said::Welcome], "{}", venue.id());
        }
        for outgoing in venue.ws().unwrap().subscribe(symbols, symbols, &mut next_id) {
            client.say(&outgoing.text).await;
        }
        Follower { client, reader, next_id }
    }

    async fn said(&mut self) -> Option<Vec<Said>> {
        let message = self.client.next().await?;
        let mut said = Vec::new();
        let frame = match &message {
            Message::Binary(bytes) => Frame::Binary(bytes),
            other => Frame::Text(other.to_text().unwrap().as_bytes()),
        };
        self.reader.read(frame, &mut said).unwrap_or_else(|e| panic!("{e}: {message}"));
        Some(said)
    }

    async fn tick(&mut self) -> Observation {
        loop {
            let said = self.said().await.expect("the venue is gone");
            if let Some(seen) =
                said.into_iter().find_map(|s| if let Said::Tick(seen) = s { Some(seen) } else { None })
            {
                return seen;
            }
        }
    }
}

/// Whether a price is within a tenth of what the demo starts from.
fn is_plausible(pair: &str, price: Price) -> bool {
    let anchor = Decimal::from_str_exact(match pair {
        "BTC-USD" => "64000",
        "ETH-USDT" => "3400",
        "TRX-RUB" => "10.8",
        other => panic!("{other}"),
    })
    .unwrap();
    (price.decimal() - anchor).abs() < anchor / Decimal::TEN
}

#[tokio::test]
async fn every_streamed_venue_acknowledges_and_sends_what_was_asked_for() {
    let demo = Demo::start().await;
    let now = clock::Clock::system().now();
    for (venue, simulated) in demo.each().filter(|(_, s)| s.url_ws.is_some()) {
        let symbols = symbols(venue);
        let acks = venue.examples().iter().any(|example| example.says.as_deref() == Some("ack"));
        let mut follower = Follower::subscribe(venue, simulated, &symbols).await;
        let gives = |price: fn(&Observation) -> Option<Price>| {
            venue.examples().iter().flat_map(|example| &example.ticks).any(|tick| price(tick).is_some())
        };
        let (gives_bids, gives_asks) = (gives(|tick| tick.bid), gives(|tick| tick.ask));
        let (mut lasts, mut bids, mut asks, mut acked) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), false);
        let all = |set: &BTreeSet<String>, given: bool| !given || set.len() == symbols.len();
        while !(all(&lasts, true) && all(&bids, gives_bids) && all(&asks, gives_asks) && acked == acks) {
            for said in follower.said().await.unwrap() {
                match said {
                    Said::Tick(seen) => {
                        let pair = seen.pair.unwrap().to_string();
                        for (price, set) in
                            [(seen.last, &mut lasts), (seen.bid, &mut bids), (seen.ask, &mut asks)]
                        {
                            if let Some(price) = price {
                                assert!(is_plausible(&pair, price), "{} {pair} {price}", venue.id());
                                set.insert(pair.clone());
                            }
                        }
                        assert!(seen.bid.is_none_or(|bid| seen.ask.is_none_or(|ask| bid < ask)));
                        let time = seen.venue_time.unwrap_or(now);
                        assert!(time.millis_since(now).abs() < 60_000, "{} {time:?}", venue.id());
                        assert!(!seen.history && !seen.duplicate);
                    }
                    Said::Acknowledged { .. } => acked = true,
                    other => panic!("{}: {other:?}", venue.id()),
                }
            }
        }
    }
}

#[tokio::test]
async fn every_polled_venue_answers_a_request_for_many_symbols() {
    let demo = Demo::start().await;
    let mut polled = 0;
    for (venue, simulated) in demo.each().filter(|(_, s)| s.url_http.is_some()) {
        polled += 1;
        let symbols = symbols(venue);
        let mut reader = venue.reader();
        reader.follow(&symbols);
        for request in venue.http().unwrap().requests(&symbols, simulated.url_http.as_deref()) {
            let (status, head, body) =
                http(simulated.addr, "GET", path(&request.url, simulated.addr)).await.unwrap();
            assert_eq!(status, 200);
            assert!(head.contains("application/json"));
            let mut said = Vec::new();
            reader.read(Frame::Text(&body), &mut said).unwrap();
            for symbol in &request.symbols {
                let seen = said.iter().find_map(|s| match s {
                    Said::Tick(seen) if seen.symbol == *symbol => Some(seen),
                    _ => None,
                });
                let seen = seen.unwrap_or_else(|| panic!("{symbol}: {}", String::from_utf8_lossy(&body)));
                assert!(is_plausible(&seen.pair.clone().unwrap().to_string(), seen.last.unwrap()));
            }
        }
        let (_, _, body) = http(simulated.addr, "GET", "/any?ids=nobody").await.unwrap();
        assert_eq!(body, b"{}");
    }
    assert!(polled > 0);
}

#[tokio::test]
async fn an_unsubscribed_symbol_falls_silent_and_the_price_moves() {
    let demo = Demo::start().await;
    for (venue, simulated) in demo.each().filter(|(_, s)| s.url_ws.is_some()) {
        let symbols = symbols(venue);
        let mut follower = Follower::subscribe(venue, simulated, &symbols[..2]).await;
        let (mut lasts, mut next_id) = (BTreeSet::new(), follower.next_id);
        while lasts.len() < 3 {
            lasts.extend(follower.tick().await.last);
        }
        for outgoing in venue.ws().unwrap().unsubscribe(&symbols[..1], &symbols[1..2], &mut next_id) {
            follower.client.say(&outgoing.text).await;
        }
        // What was on its way may still come; then ten ticks of the other symbol in a row.
        let (mut in_a_row, deadline) = (0, Instant::now() + SOON);
        while in_a_row < 10 {
            let of_other = follower.tick().await.symbol == symbols[1].name;
            in_a_row = if of_other { in_a_row + 1 } else { 0 };
            assert!(Instant::now() < deadline, "{} goes on with what was unsubscribed", venue.id());
        }
    }
}

#[tokio::test]
async fn pings_are_answered() {
    let demo = Demo::start().await;
    for (venue, simulated) in demo.each() {
        let Some(ping) = venue.ws().and_then(|ws| ws.ping_for(&Variables::new())) else { continue };
        if ping.frame != PingFrame::Text || ping.answer_within_ms.is_none() {
            continue;
        }
        let mut follower = Follower::subscribe(venue, simulated, &[]).await;
        let text = venue.ws().unwrap().ping_text(&mut 9, 1_790_000_000_000);
        follower.client.say(&text).await;
        let said = follower.said().await.unwrap();
        assert!(matches!(said[..], [Said::Heartbeat]), "{}: {said:?}", venue.id());
    }
}

#[tokio::test]
async fn a_frozen_venue_keeps_its_sockets_and_says_nothing() {
    let demo = Demo::start().await;
    let (venue, simulated) = demo.streamed();
    let mut follower = Follower::subscribe(venue, simulated, &symbols(venue)).await;
    follower.tick().await;
    simulated.control.freeze();
    assert!(simulated.control.settled().await);
    // What was sent before may still be on its way; then silence.
    let deadline = Instant::now() + SOON;
    while !follower.client.is_silent_for(Duration::from_millis(900)).await {
        assert!(Instant::now() < deadline, "it does not fall silent");
    }
    let asking = http(simulated.addr, "GET", "/any");
    assert!(
        tokio::time::timeout(Duration::from_millis(300), asking).await.is_err(),
        "it accepts and never answers"
    );
    simulated.control.revive();
    follower.tick().await;
}

async fn until_refused(addr: SocketAddr) {
    let deadline = Instant::now() + SOON;
    while TcpStream::connect(addr).await.is_ok() {
        assert!(Instant::now() < deadline, "still listening");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_killed_venue_is_gone_and_comes_back_at_the_same_address() {
    let demo = Demo::start().await;
    let (venue, simulated) = demo.streamed();
    for frozen_first in [false, true] {
        let mut follower = Follower::subscribe(venue, simulated, &symbols(venue)).await;
        follower.tick().await;
        if frozen_first {
            simulated.control.freeze();
        }
        simulated.control.kill();
        while follower.said().await.is_some() {}
        assert!(simulated.control.settled().await);
        until_refused(simulated.addr).await;
        assert_eq!(simulated.control.mode(), Mode::Killed);
        simulated.control.revive();
        assert!(simulated.control.settled().await);
        Follower::subscribe(venue, simulated, &symbols(venue)).await.tick().await;
    }
}

#[tokio::test]
async fn people_switch_over_http() {
    let demo = Demo::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control = listener.local_addr().unwrap();
    let (simulated, stop) = (demo.simulated.clone(), demo.stop.clone());
    tokio::spawn(async move { replay::serve_controls(listener, &simulated, stop).await });
    let (venue, first) = (&demo.venues[0], &demo.simulated[0]);
    let name: &VenueId = venue.id();
    let switch = async |address, target: String| http(address, "POST", &target).await.unwrap();

    let (status, _, body) = switch(first.addr, "/demo/freeze".to_owned()).await;
    assert_eq!(
        (status, String::from_utf8_lossy(&body)),
        (200, format!(r#"{{"venue":"{name}","mode":"frozen"}}"#).into())
    );
    let (status, _, body) = switch(first.addr, "/demo/kill".to_owned()).await;
    assert_eq!(
        (status, String::from_utf8_lossy(&body)),
        (200, format!(r#"{{"venue":"{name}","mode":"killed"}}"#).into())
    );
    until_refused(first.addr).await;
    let (status, _, _) = switch(control, format!("/demo/{name}/revive")).await;
    assert_eq!(status, 200);
    assert_eq!(http(first.addr, "GET", "/demo").await.unwrap().0, 200);
    let (_, _, body) = http(control, "GET", "/demo").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&body).matches(r#""mode":"live""#).count(), demo.venues.len());

    assert_eq!(switch(control, "/demo/nobody/kill".to_owned()).await.0, 404);
    assert_eq!(switch(control, format!("/demo/{name}/dance")).await.0, 404);
    let from_a_page =
        http_with(control, "POST", &format!("/demo/{name}/kill"), "Origin: http://evil.test\r\n").await;
    assert_eq!(from_a_page.unwrap().0, 403);
    assert_eq!(first.control.mode(), Mode::Live);
}

#[tokio::test]
async fn stopping_ends_everything() {
    let demo = Demo::start().await;
    let (venue, simulated) = demo.streamed();
    let mut follower = Follower::subscribe(venue, simulated, &symbols(venue)).await;
    follower.tick().await;
    demo.stop.cancel();
    while follower.said().await.is_some() {}
    until_refused(simulated.addr).await;
}
