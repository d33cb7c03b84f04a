//! A venue over real sockets whose behaviour the test scripts, with a log of all that happened.
//! It must not know the product: only its own wire format, which [`crate::venue_file`] describes.

use crate::wire;
use axum::http::{HeaderValue, Response, StatusCode};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
    time::Instant,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How a WebSocket handshake is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    /// As usual.
    Accept,
    /// With this status and these headers.
    Refuse(u16, Vec<(&'static str, String)>),
    /// With a reset.
    Reset,
    /// Never.
    Hang,
}

/// How an HTTP request is answered.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Headers beside the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// One byte of the body, then this wait.
    pub drip: Option<Duration>,
    /// No answer at all.
    pub hangs: bool,
    /// The version of the body; asked with it, the answer is 304.
    pub etag: Option<String>,
}

/// What the fake does.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// How handshakes are answered.
    pub handshake: Handshake,
    /// Every subscribed symbol gets a tick so often; `None` = silence.
    pub tick_every: Option<Duration>,
    /// Symbols that get no ticks.
    pub silent: BTreeSet<String>,
    /// Symbols whose subscription is refused, and with them the whole request.
    pub unknown: BTreeSet<String>,
    /// Whether a refusal names the (first) symbol that is refused.
    pub names_symbol: bool,
    /// Whether it names the request.
    pub names_request: bool,
    /// Pings of the protocol and heartbeats so often.
    pub ping_every: Option<Duration>,
    /// Connections end after this age.
    pub lifetime: Option<Duration>,
    /// A message that tells of the end, so long before it.
    pub notice: bool,
    /// How requests are answered.
    pub http: HttpAnswer,
}

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// TCP was accepted.
    Accepted,
    /// A WebSocket is open.
    Opened,
    /// It was closed, by whomever.
    Closed,
    /// The client sent this.
    Received(String),
    /// The client sent a ping or a pong.
    Control,
    /// A request came: its head.
    Request(String),
    /// A tick was sent to this connection: symbol and number.
    Sent(String, u64),
}

/// One line of the log.
#[derive(Debug, Clone)]
pub struct Logged {
    /// Since the fake started.
    pub at: Duration,
    /// The connection's number, from 1.
    pub connection: u64,
    /// What happened.
    pub what: Happened,
}

#[derive(Debug, Clone)]
enum Out {
    Tick(String, u64),
    Text(String),
    Binary(Vec<u8>),
    Close,
    Reset,
}

#[derive(Debug)]
pub(crate) struct Shared {
    started: Instant,
    behaviour: Mutex<Behaviour>,
    log: Mutex<Vec<Logged>>,
    out: broadcast::Sender<Out>,
    /// Every symbol that was ever subscribed, and the number of its last tick.
    pub(crate) symbols: Mutex<BTreeMap<String, u64>>,
}

/// A venue on a free port, WebSocket and HTTP on the same.
#[derive(Debug)]
pub struct FakeVenue {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            handshake: Handshake::Accept,
            tick_every: Some(Duration::from_millis(20)),
            silent: BTreeSet::new(),
            unknown: BTreeSet::new(),
            names_symbol: true,
            names_request: true,
            ping_every: None,
            lifetime: None,
            notice: false,
            http: HttpAnswer {
                status: 200,
                headers: Vec::new(),
                body: "[]".into(),
                drip: None,
                hangs: false,
                etag: None,
            },
        }
    }
}

impl FakeVenue {
    /// Starts on a free port.
    pub async fn start(behaviour: Behaviour) -> FakeVenue {
        FakeVenue::start_at("127.0.0.1:0", behaviour).await
    }

    /// Starts at that address.
    pub async fn start_at(address: &str, behaviour: Behaviour) -> FakeVenue {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            started: Instant::now(),
            behaviour: Mutex::new(behaviour),
            log: Mutex::default(),
            out: broadcast::channel(8_192).0,
            symbols: Mutex::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(tick(shared.clone())));
        let serving = shared.clone();
        let connections = stop.clone();
        let serve = async move {
            let mut number = 0;
            while let Ok((tcp, _)) = listener.accept().await {
                number += 1;
                serving.log(number, Happened::Accepted);
                tokio::spawn(connections.clone().run_until_cancelled_owned(accepted(
                    tcp,
                    number,
                    serving.clone(),
                )));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
        FakeVenue { address, shared, _stop: stop.drop_guard() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does.
    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour());
    }

    /// Sends a text to every open WebSocket.
    pub fn say(&self, text: &str) {
        let _ = self.shared.out.send(Out::Text(text.to_owned()));
    }

    /// Sends a binary frame to every open WebSocket.
    pub fn say_binary(&self, bytes: &[u8]) {
        let _ = self.shared.out.send(Out::Binary(bytes.to_vec()));
    }

    /// Closes every WebSocket.
    pub fn close_all(&self) {
        let _ = self.shared.out.send(Out::Close);
    }

    /// Resets every WebSocket.
    pub fn reset_all(&self) {
        let _ = self.shared.out.send(Out::Reset);
    }

    /// All that happened so far.
    pub fn log(&self) -> Vec<Logged> {
        self.shared.log.lock().expect("no test panics under it").clone()
    }

    /// How often this happened.
    pub fn count(&self, holds: impl Fn(&Happened) -> bool) -> usize {
        self.log().iter().filter(|line| holds(&line.what)).count()
    }
}

impl Shared {
    pub(crate) fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().expect("no test panics under it")
    }

    pub(crate) fn log(&self, connection: u64, what: Happened) {
        let line = Logged { at: self.started.elapsed(), connection, what };
        self.log.lock().expect("no test panics under it").push(line);
    }
}

/// Numbers ticks: the same number goes to every connection that subscribed the symbol.
async fn tick(shared: Arc<Shared>) {
    loop {
        let every = shared.behaviour().tick_every;
        tokio::time::sleep(every.unwrap_or(Duration::from_millis(10))).await;
        if every.is_none() || shared.behaviour().tick_every.is_none() {
            continue;
        }
        let mut symbols = shared.symbols.lock().expect("no test panics under it");
        for (symbol, number) in symbols.iter_mut() {
            *number += 1;
            let _ = shared.out.send(Out::Tick(symbol.clone(), *number));
        }
    }
}

async fn accepted(tcp: TcpStream, number: u64, shared: Arc<Shared>) {
    let mut head = [0u8; 2_048];
    let Ok(count) = tcp.peek(&mut head).await else { return };
    let is_websocket =
        String::from_utf8_lossy(&head[..count]).to_ascii_lowercase().contains("upgrade: websocket");
    if !is_websocket {
        return crate::fake_http::serve(tcp, number, shared).await;
    }
    let handshake = shared.behaviour().handshake.clone();
    match handshake {
        Handshake::Reset => drop(tcp.set_zero_linger()),
        Handshake::Hang => std::future::pending().await,
        Handshake::Refuse(status, headers) => {
            #[expect(clippy::result_large_err, reason = "the signature is the handshake's")]
            let refuse = |_: &_, _: Response<()>| Err(refusal(status, &headers));
            drop(tokio_tungstenite::accept_hdr_async(tcp, refuse).await);
        }
        Handshake::Accept => {
            let Ok(socket) = tokio_tungstenite::accept_async(tcp).await else { return };
            shared.log(number, Happened::Opened);
            talk(socket, number, &shared).await;
            shared.log(number, Happened::Closed);
        }
    }
}

fn refusal(status: u16, headers: &[(&'static str, String)]) -> Response<Option<String>> {
    let mut response = Response::new(None);
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        response.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header"));
    }
    response
}

async fn talk(mut socket: WebSocketStream<TcpStream>, number: u64, shared: &Shared) {
    let mut out = shared.out.subscribe();
    let mut subscribed = BTreeSet::new();
    let opened = Instant::now();
    let mut noticed = false;
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    let mut pinged = Instant::now();
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    shared.log(number, Happened::Received(text.to_string()));
                    for reply in wire::answer(&text, &mut subscribed, shared) {
                        if socket.send(Message::text(reply)).await.is_err() { return }
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => shared.log(number, Happened::Control),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return,
            },
            Ok(what) = out.recv() => {
                let sent = match what {
                    Out::Tick(symbol, n) => {
                        if !subscribed.contains(&symbol) || shared.behaviour().silent.contains(&symbol) { continue }
                        let text = json!({"s": symbol, "p": format!("{n}.50"), "n": n.to_string()}).to_string();
                        let sent = socket.send(Message::text(text)).await;
                        if sent.is_ok() { shared.log(number, Happened::Sent(symbol, n)) }
                        sent
                    }
                    Out::Text(text) => socket.send(Message::text(text)).await,
                    Out::Binary(bytes) => socket.send(Message::binary(bytes)).await,
                    Out::Close => socket.close(None).await,
                    Out::Reset => return drop(socket.get_ref().set_zero_linger()),
                };
                if sent.is_err() { return }
            }
            _ = beat.tick() => {
                let behaviour = shared.behaviour().clone();
                if behaviour.ping_every.is_some_and(|every| pinged.elapsed() >= every) {
                    pinged = Instant::now();
                    let both = [Message::Ping("x".into()), Message::text(r#"{"beat":1}"#)];
                    for message in both {
                        if socket.send(message).await.is_err() { return }
                    }
                }
                if let Some(lifetime) = behaviour.lifetime {
                    if behaviour.notice && !noticed && opened.elapsed() >= lifetime / 2 {
                        noticed = true;
                        if socket.send(Message::text(r#"{"bye":1}"#)).await.is_err() { return }
                    }
                    if opened.elapsed() >= lifetime { return drop(socket.get_ref().set_zero_linger()) }
                }
            }
        }
    }
}
