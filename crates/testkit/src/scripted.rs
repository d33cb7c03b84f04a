//! A venue over real sockets that lives by a script: strict about what it is sent, honest about what it answers.
//! It must not know the product; what differs from the script is kept as a violation.

use crate::{
    fill::{Fill, last_cents},
    form::{self, Named},
    script::{Script, duration, limit},
    scripted_http, scripted_talk,
};
use axum::http::{Response, StatusCode};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    time::Instant,
};
use tokio_tungstenite::tungstenite::{handshake::server::Request, protocol::WebSocketConfig};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How much faster than life a scripted venue lives.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    /// Intervals of pings and silences are so many times shorter.
    pub times: u32,
    /// Lifetimes of connections are so many times shorter.
    pub lifetimes: u32,
    /// Every subscribed channel says something so often.
    pub round: Duration,
    /// Time that a machine under load may take from a deadline.
    pub slack: Duration,
    /// How often a connection looks at what is due.
    pub look: Duration,
}

/// A stream of bytes to a client, over a socket or in memory.
pub trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// The time in microseconds since the epoch.
pub type Micros = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A venue that lives by a script.
#[derive(Debug)]
pub struct ScriptedVenue {
    address: SocketAddr,
    shared: Arc<Stage>,
    stop: CancellationToken,
    _stop: DropGuard,
}

/// What is said to every open connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cue {
    Round(u64, i64),
    Notice,
    Close,
}

/// What all connections share.
pub(crate) struct Stage {
    pub script: Script,
    pub speed: Speed,
    pub cues: broadcast::Sender<Cue>,
    micros: Micros,
    state: Mutex<State>,
    numbers: AtomicU64,
    /// Told of every connection of requests that is over.
    pub served: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(crate) struct State {
    violations: Vec<String>,
    connects: Vec<Instant>,
    attempts: VecDeque<Instant>,
    pub requests: VecDeque<Instant>,
    pub answered: usize,
    /// Open connections: what each has subscribed, as channel and symbol.
    pub open: BTreeMap<u64, BTreeSet<(usize, usize)>>,
    pub tokens: BTreeSet<String>,
    pub tokens_given: usize,
    /// The time of each round.
    rounds: Vec<i64>,
    pub is_down: bool,
    pub not_before: Option<Instant>,
    pub pings: usize,
    pub pongs: usize,
    /// Requests that came while they were to wait.
    pub throttled: usize,
}

impl ScriptedVenue {
    /// Starts on a free port.
    pub async fn start(script: Script, speed: Speed, micros: Micros) -> ScriptedVenue {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Stage {
            script,
            speed,
            cues: broadcast::channel(1_024).0,
            micros,
            state: Mutex::default(),
            numbers: AtomicU64::new(0),
            served: Mutex::default(),
        });
        shared.new_round();
        let stop = CancellationToken::new();
        let rounds = shared.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(rounds.speed.round).await;
                let (round, at) = rounds.new_round();
                let _ = rounds.cues.send(Cue::Round(round, at));
            }
        }));
        let (serving, connections) = (shared.clone(), stop.clone());
        let serve = async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let accepted = accepted(tcp, serving.clone());
                tokio::spawn(connections.clone().run_until_cancelled_owned(accepted));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
        ScriptedVenue { address, shared, stop: stop.clone(), _stop: stop.drop_guard() }
    }

    /// A client comes by another way than the socket; `false`: nobody listens now.
    pub fn join(&self, bytes: impl Bytes + 'static) -> bool {
        if self.shared.state().is_down {
            return false;
        }
        let talk = talk(Box::new(bytes), self.shared.clone());
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(talk));
        true
    }

    /// Calls this after every connection of requests, once the client has closed it; each carries one request.
    pub fn on_served(&self, served: impl Fn() + Send + Sync + 'static) {
        *self.shared.served.lock().expect("no test panics under it") = Some(Arc::new(served));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was not as the script wants it.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    /// When connections were opened.
    pub fn connects(&self) -> Vec<Instant> {
        self.shared.state().connects.clone()
    }

    /// How many pings came from the client, and how many answers to ours.
    pub fn pings(&self) -> (usize, usize) {
        let state = self.shared.state();
        (state.pings, state.pongs)
    }

    /// How many requests were answered with prices.
    pub fn answered(&self) -> usize {
        self.shared.state().answered
    }

    /// How many requests were answered 429.
    pub fn throttled(&self) -> usize {
        self.shared.state().throttled
    }

    /// Open connections, and on how many of them every known pair is subscribed.
    pub fn open(&self) -> (usize, usize) {
        let state = self.shared.state();
        let whole = |items: &&BTreeSet<(usize, usize)>| {
            (0..self.shared.script.symbols.len()).all(|symbol| items.iter().any(|(_, one)| *one == symbol))
        };
        (state.open.len(), state.open.values().filter(whole).count())
    }

    /// How many symbols are subscribed on any connection.
    pub fn subscribed(&self) -> usize {
        let state = self.shared.state();
        state.open.values().flatten().map(|(_, symbol)| *symbol).collect::<BTreeSet<_>>().len()
    }

    /// The number of the latest round, from 1.
    pub fn round(&self) -> u64 {
        self.shared.state().rounds.len() as u64
    }

    /// The time of a round in microseconds.
    pub fn time_of(&self, round: u64) -> Option<i64> {
        let at = usize::try_from(round).ok()?.checked_sub(1)?;
        self.shared.state().rounds.get(at).copied()
    }

    /// Closes every connection.
    pub fn close_all(&self) {
        let _ = self.shared.cues.send(Cue::Close);
    }

    /// Tells every connection to reconnect, and closes them a little later.
    pub fn notice(&self) {
        let _ = self.shared.cues.send(Cue::Notice);
    }

    /// Nobody gets in any more, or everybody again.
    pub fn set_down(&self, is_down: bool) {
        self.shared.state().is_down = is_down;
        if is_down {
            self.close_all();
        }
    }

    /// Requests are answered 429 for so long.
    pub fn throttle(&self, wait: Duration) {
        self.shared.state().not_before = Some(Instant::now() + wait);
    }
}

impl Stage {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics under it")
    }

    pub fn violation(&self, what: impl Into<String>) {
        let what = what.into();
        let mut state = self.state();
        if state.violations.len() < 20 {
            state.violations.push(what);
        }
    }

    fn new_round(&self) -> (u64, i64) {
        let now = (self.micros)();
        let mut state = self.state();
        state.rounds.push(now);
        (state.rounds.len() as u64, now)
    }

    /// The latest round.
    pub fn now(&self) -> (u64, i64) {
        let state = self.state();
        (state.rounds.len() as u64, state.rounds.last().copied().unwrap_or_default())
    }

    pub fn scaled(&self, text: &str) -> Duration {
        duration(text) / self.speed.times
    }

    /// What fills the templates about one symbol.
    pub fn fill(&self, symbol: usize, round: (u64, i64), mut words: Vec<(&'static str, String)>) -> Fill {
        let spelled = &self.script.symbols[symbol];
        words.extend([
            ("symbol", spelled.asked.clone()),
            ("told", spelled.told.clone()),
            ("base", spelled.base.clone()),
            ("quote", spelled.quote.clone()),
        ]);
        Fill { words, cents: last_cents(symbol, round.0), round }
    }

    /// Judges a handshake.
    fn admits(&self, path: &str) -> bool {
        let fits = self.script.paths.iter().find_map(|form| {
            let mut named = Named::default();
            form::words(form, path, &[], &mut named).is_ok().then_some(named)
        });
        let Some(named) = fits else {
            self.violation(format!("the path {path} is none of {:?}", self.script.paths));
            return false;
        };
        if let Some(token) = named.values.get("token") {
            let token = scripted_http::decoded(token);
            if !self.state().tokens.remove(&token) {
                self.violation(format!("the token {token} was not given, or was used before"));
                return false;
            }
        }
        if let Some(connects) = &self.script.limits.connects {
            let mut state = self.state();
            if is_beyond(&mut state.attempts, limit(connects), self.speed.slack) {
                drop(state);
                self.violation(format!("more than {connects} connects"));
                return false;
            }
        }
        true
    }
}

/// Adds one to a window; whether that is more than `count` in `per`. What was sent apart may be read together
/// when this machine is busy, so the window is as much wider as `slack` says: a client at twice the limit is
/// found out, one that is a little above it may not be.
pub(crate) fn is_beyond(
    window: &mut VecDeque<Instant>,
    (count, per): (usize, Duration),
    slack: Duration,
) -> bool {
    let now = Instant::now();
    window.push_back(now);
    while window.front().is_some_and(|at| now - *at >= per) {
        window.pop_front();
    }
    let bunched = count as u128 * slack.as_millis() / per.as_millis().max(1);
    window.len() as u128 > count as u128 + bunched.min(count as u128)
}

/// Tells that a connection is over, however it ended.
struct Served(Option<Arc<dyn Fn() + Send + Sync>>);

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(served) = &self.0 {
            served();
        }
    }
}

async fn accepted(tcp: TcpStream, stage: Arc<Stage>) {
    let served = Served(stage.served.lock().expect("no test panics under it").clone());
    if stage.state().is_down {
        return drop(tcp.set_zero_linger());
    }
    let mut head = [0u8; 2_048];
    let Ok(count) = tcp.peek(&mut head).await else { return };
    let head = String::from_utf8_lossy(&head[..count]).to_ascii_lowercase();
    if !head.contains("upgrade: websocket") {
        return scripted_http::serve(tcp, stage, served.0.is_some()).await;
    }
    talk(Box::new(tcp), stage).await;
}

async fn talk(bytes: Box<dyn Bytes>, stage: Arc<Stage>) {
    let number = stage.numbers.fetch_add(1, Relaxed) + 1;
    #[expect(clippy::result_large_err, reason = "the signature is the handshake's")]
    let judge = |request: &Request, response: Response<()>| {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if stage.admits(path) {
            return Ok(response);
        }
        let mut refused = Response::new(None);
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        Err(refused)
    };
    let config = Some(WebSocketConfig::default());
    let Ok(socket) = tokio_tungstenite::accept_hdr_async_with_config(bytes, judge, config).await else {
        return;
    };
    {
        let mut state = stage.state();
        state.connects.push(Instant::now());
        state.open.insert(number, BTreeSet::new());
    }
    scripted_talk::Talk::new(socket, number, stage.clone()).run().await;
    stage.state().open.remove(&number);
}
