//! `/api/v1/stream`: a snapshot, then every change, as server-sent events; resumed where possible, and never with
//! a silent gap. It must not know how a change is made; stalled readers are closed from outside (`watch.rs`).

use crate::{
    error::{Answer, Problem},
    query::Query,
    say,
    state::Server,
};
use axum::{
    body::Body,
    extract::{RawQuery, State},
    response::IntoResponse,
};
use board::{Change, Changes, Next};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use hyper::{HeaderMap, header};
use market::Pair;
use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::time::{Interval, MissedTickBehavior};

/// How many names a filter may have.
const PAIRS_MAX: usize = 1_000;
/// At most so many bytes of changes are written at once.
const BATCH_BYTES_MAX: usize = 32 << 10;

/// `GET /api/v1/stream?pairs=BTC-USDT,ETH-USDT`.
pub(crate) async fn stream(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let query = Query::parse(query.as_deref(), &["pairs"])?;
    let pairs = match query.text("pairs") {
        None => None,
        Some(text) if text.split(',').count() > PAIRS_MAX => {
            return Err(Problem::BadRequest(format!("pairs lists more than {PAIRS_MAX} names")));
        }
        Some(text) => {
            Some(text.split(',').map(|name| server.pair(name)).collect::<Result<HashSet<Pair>, _>>()?)
        }
    };
    let client = Client::enter(&server)?;
    let mut reader = Reader::new(server.clone(), pairs, client);
    reader.begin(headers.get("last-event-id").and_then(|id| id.to_str().ok()));
    let body = Body::from_stream(stream::unfold(reader, |mut reader| async move {
        reader.next().await.map(|bytes| (Ok::<Bytes, Infallible>(bytes), reader))
    }));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that collect an answer before passing it on would make a stream of silence.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// A place among the readers.
struct Client(Arc<Server>);

impl Client {
    fn enter(server: &Arc<Server>) -> Result<Client, Problem> {
        let before = server.streams.fetch_add(1, Relaxed);
        server.meter.stream_clients.increment(1);
        let client = Client(server.clone());
        if before >= server.settings.streams_max { Err(Problem::Overloaded) } else { Ok(client) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
        self.0.meter.stream_clients.decrement(1);
    }
}

/// One reader of the stream.
struct Reader {
    server: Arc<Server>,
    pairs: Option<HashSet<Pair>>,
    changes: Changes,
    /// Changes up to this one have been said, if not in person then by a snapshot.
    said: u64,
    /// What is to be written next.
    ready: Vec<u8>,
    /// Changes were missed.
    is_behind: bool,
    is_over: bool,
    heartbeat: Interval,
    _client: Client,
}

impl Reader {
    fn new(server: Arc<Server>, pairs: Option<HashSet<Pair>>, client: Client) -> Reader {
        let (changes, said) = server.board().changes();
        let mut heartbeat = tokio::time::interval(server.settings.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        Reader {
            server,
            pairs,
            changes,
            said,
            ready: b"retry: 2000\n\n".to_vec(),
            is_behind: false,
            is_over: false,
            heartbeat,
            _client: client,
        }
    }

    /// The beginning: what was missed since the id, or a snapshot.
    fn begin(&mut self, last_event_id: Option<&str>) {
        let Some(id) = last_event_id.filter(|id| !id.is_empty()) else { return self.snapshot() };
        let number = id.rsplit_once('-').filter(|(boot, _)| *boot == self.server.board().boot());
        let number = number.and_then(|(_, number)| number.parse::<u64>().ok());
        // A number that has not been given yet is none of this life's.
        let number = number.filter(|number| *number <= self.said);
        match number.and_then(|number| self.server.board().changes_since(number)) {
            Some(missed) => missed.iter().for_each(|change| self.add(change)),
            None => self.resync("unknown_id"),
        }
    }

    /// Says that there is a gap, then everything as it is now.
    fn resync(&mut self, reason: &str) {
        let text = format!("event: resync\ndata: {{\"reason\":\"{reason}\"}}\n\n");
        self.ready.extend_from_slice(text.as_bytes());
        self.snapshot();
    }

    fn snapshot(&mut self) {
        let board = self.server.board();
        let now = board.clock().now();
        let mut answers = board.answers();
        if let Some(pairs) = &self.pairs {
            answers.retain(|answer| pairs.contains(&answer.rate.pair));
            // A cross is nobody's quote, so it is not among the answers.
            let quoted: HashSet<Pair> = answers.iter().map(|answer| answer.rate.pair.clone()).collect();
            answers.extend(pairs.difference(&quoted).filter_map(|pair| board.answer(pair)));
        }
        let mut data = say::all(&answers, now);
        data.pop();
        let head = format!("id: {}-{}\nevent: snapshot\ndata: ", board.boot(), self.said);
        self.ready.extend_from_slice(head.as_bytes());
        self.ready.extend_from_slice(&data);
        self.ready.extend_from_slice(format!(",\"now\":{}}}\n\n", now.millis()).as_bytes());
    }

    fn concerns(&self, change: &Change) -> bool {
        match (&self.pairs, &change.pair) {
            (Some(wanted), Some(pair)) => wanted.contains(pair),
            _ => true,
        }
    }

    fn add(&mut self, change: &Change) {
        if change.number > self.said {
            self.said = change.number;
        }
        if self.concerns(change) {
            self.ready.extend_from_slice(&change.event);
        }
    }

    /// The next bytes to write; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.ready.is_empty() {
                return Some(std::mem::take(&mut self.ready).into());
            }
            if self.is_over {
                return None;
            }
            if std::mem::take(&mut self.is_behind) {
                self.server.meter.stream_lagged.increment(1);
                (self.changes, self.said) = self.server.board().changes();
                self.resync("lagged");
                continue;
            }
            tokio::select! {
                biased;
                () = self.server.stop.cancelled() => self.bye(),
                next = self.changes.next() => {
                    if let Some(single) = self.take(next) {
                        return Some(single);
                    }
                }
                _ = self.heartbeat.tick() => {
                    self.ready.extend_from_slice(b": still here\n\n");
                    self.ask_again();
                }
            }
        }
    }

    /// The board follows a cross only while somebody asks for it; a reader of the stream asks by being there.
    fn ask_again(&self) {
        for pair in self.pairs.iter().flatten() {
            let _ = self.server.board().answer(pair);
        }
    }

    /// Takes a change and all that wait behind it, so that a burst is one write. A single one is passed on as it
    /// is: the same bytes for every reader.
    fn take(&mut self, first: Next) -> Option<Bytes> {
        let mut single: Option<Arc<Change>> = None;
        let mut next = first;
        loop {
            match next {
                Next::Change(change) if change.number <= self.said => {}
                Next::Change(change) => {
                    self.said = change.number;
                    if self.concerns(&change) {
                        match single.take() {
                            None if self.ready.is_empty() => single = Some(change),
                            before => {
                                if let Some(before) = before {
                                    self.ready.extend_from_slice(&before.event);
                                }
                                self.ready.extend_from_slice(&change.event);
                            }
                        }
                    }
                }
                Next::Missed => {
                    self.is_behind = true;
                    break;
                }
                Next::Closed => {
                    self.bye();
                    break;
                }
            }
            if self.ready.len() >= BATCH_BYTES_MAX {
                break;
            }
            match self.changes.next().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
        let single = single?.event.clone();
        if self.ready.is_empty() {
            return Some(single);
        }
        // Something else (a farewell) came after it.
        let after = std::mem::replace(&mut self.ready, single.to_vec());
        self.ready.extend_from_slice(&after);
        None
    }

    /// The farewell: come back in a while, not all at once.
    fn bye(&mut self) {
        self.is_over = true;
        let retry_ms = fastrand::u32(1_000..5_000);
        self.ready.extend_from_slice(format!("event: bye\nretry: {retry_ms}\ndata: {{}}\n\n").as_bytes());
    }
}
