//! A server on a port of its own over a board that the test fills, and a client that says what really came.
//! It must not hide anything of the wire: every test here is about the wire.

use api::{Parts, Settings};
use board::{Board, Options};
use clock::Clock;
use market::{Pair, Price, Sequence, Tick, Timestamp, VenueId};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::Value;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use store::Store;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// The clock of every test shows this when it begins.
pub const BEGINNING: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// Nothing here takes this long.
pub const LONG: Duration = Duration::from_secs(20);

pub struct House {
    pub address: SocketAddr,
    pub board: Arc<Board>,
    pub stop: CancellationToken,
    pub task: JoinHandle<std::io::Result<()>>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// That it is a problem of this code, in the form of the contract.
    pub fn is_problem(&self, status: u16, code: &str, what: &str) {
        assert_eq!(self.status, status, "{what}: {self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{what}");
        let body = self.json();
        assert_eq!(body["code"], code, "{what}: {body}");
        assert_eq!(body["status"], status, "{what}");
        assert!(["type", "title", "detail"].iter().all(|m| body[m].is_string()), "{what}: {body}");
    }
}

/// The one recorder of this process; all tests count into it.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

pub fn new_board(demo: bool) -> Arc<Board> {
    let options = Options { stale_after_ms: 30_000, expire_after_ms: 300_000, demo, same_as: Vec::new() };
    Board::new(Clock::at(BEGINNING), options)
}

impl House {
    pub async fn start() -> House {
        House::with(Settings::default(), None).await
    }

    pub async fn with(settings: Settings, store: Option<Arc<dyn Store>>) -> House {
        let board = new_board(settings.demo);
        House::on(board, settings, store, Arc::new(|| vec![("broker".into(), "ok"), ("store".into(), "off")]))
            .await
    }

    pub async fn on(
        board: Arc<Board>,
        settings: Settings,
        store: Option<Arc<dyn Store>>,
        checks: Arc<dyn Fn() -> Vec<api::Check> + Send + Sync>,
    ) -> House {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        recorder();
        let known = |venue: &VenueId| {
            if venue.as_str().starts_with("venue-") { Ok(()) } else { Err("no file of this name".to_owned()) }
        };
        let parts = Parts {
            board: board.clone(),
            store,
            metrics: Arc::new(|| recorder().render()),
            checks,
            venue_known: Arc::new(known),
            venue_check: Arc::new(|_, text| match text.lines().position(|line| line.contains("wrong")) {
                None => Ok(text.lines().count()),
                Some(at) => Err(api::VenueMistake {
                    line: at + 1,
                    key: "ws.url".into(),
                    reason: "must begin with wss://".into(),
                }),
            }),
            webhook_check: Arc::new(|url| {
                if url.contains("internal") { Err("it leads inwards".to_owned()) } else { Ok(()) }
            }),
            venue_text: Arc::new(|venue| (venue.as_str() == "venue-a").then(|| "built in".to_owned())),
        };
        let task = tokio::spawn(api::serve(listener, parts, settings, stop.clone()));
        House { address, board, stop, task }
    }

    /// A tick of a venue, this old.
    pub fn tick(&self, venue: &str, pair: &str, last: &str, age_ms: i64) {
        tick(&self.board, venue, pair, last, age_ms);
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, &[], "").await
    }

    pub async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut text = format!("{method} {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.raw(text.as_bytes()).await
    }

    /// Writes these bytes and reads one answer.
    pub async fn raw(&self, bytes: &[u8]) -> Reply {
        let stream = self.connect().await;
        let (mut read, mut write) = stream.into_split();
        let bytes = bytes.to_vec();
        // The server may answer and close before it has read everything: then writing fails, reading does not.
        let writing = tokio::spawn(async move {
            let _ = write.write_all(&bytes).await;
            write
        });
        let mut text = Vec::new();
        let _ = timeout(LONG, read.read_to_end(&mut text)).await.expect("an answer in time");
        writing.abort();
        parse(&text)
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Stops the server and waits for its end.
    pub async fn end(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(10), self.task).await.expect("stops within 10 s").unwrap().unwrap();
    }
}

pub fn tick(board: &Board, venue: &str, pair: &str, last: &str, age_ms: i64) {
    let at = board.clock().now().plus_millis(-age_ms);
    let tick = Tick {
        pair: Pair::parse(pair).unwrap(),
        symbol: pair.into(),
        last: Some(Price::parse(last).unwrap()),
        bid: None,
        ask: None,
        venue_time: Some(at),
        received_at: at,
        sequence: Sequence::from_receipt(at),
        flags: Default::default(),
    };
    board.apply(&VenueId::parse(venue).unwrap(), &[tick]);
}

/// One whole answer.
pub fn parse(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    Reply { status, headers: lines.map(header).collect(), body: body.to_owned() }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("never so: {what}"));
}
