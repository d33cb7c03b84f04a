//! The views that the checker is shown: an API by request and by stream, Redis, and a foreign consumer on RabbitMQ.
//! It must not judge anything: that is `oracle.rs`.

use crate::{oracle::Oracle, web};
use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use redis::AsyncCommands;
use serde_json::Value;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How often what does not tell by itself is asked.
const ASK_EVERY: Duration = Duration::from_millis(60);
/// Nothing local takes longer, except for what is dead.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The type of messages that the test itself put there, and that are none of the product's.
pub const FOREIGN: &str = "text/foreign";

/// Which life a process or a server is in: whoever kills it counts on.
pub type Life = Arc<AtomicU64>;

/// Asks an API for all rates and for one after the other, for ever.
pub async fn requests(oracle: Arc<Oracle>, view: String, address: SocketAddr, life: Life) {
    let clock = clock::Clock::system();
    let pairs: Vec<String> = oracle.truth.quoted_by.keys().cloned().collect();
    for at in 0.. {
        let pair = &pairs[at % pairs.len()];
        let venue = oracle.truth.venues[at % 2].0;
        for path in [
            "/api/v1/rates".to_owned(),
            format!("/api/v1/rates/{pair}"),
            format!("/api/v1/rates/{pair}?venue={venue}"),
        ] {
            let (asked_at, living) = (clock.now().millis(), life.load(SeqCst));
            let reply = web::try_get(address, &path).await;
            // An answer of a process that was killed meanwhile is of neither life.
            let Some(reply) = reply.filter(|_| life.load(SeqCst) == living) else { continue };
            match (reply.status, path.as_str()) {
                (200, "/api/v1/rates") => {
                    for rate in reply.json()["rates"].as_array().into_iter().flatten() {
                        oracle.judge_rate(&view, living, rate, Some(asked_at));
                    }
                }
                (200, _) => oracle.judge_rate(&view, living, &reply.json(), Some(asked_at)),
                // Not seen yet, expired, or not quoted by this venue.
                (503 | 404, _) => {}
                _ => oracle.violation(format!("{view}: {path}: {reply:?}")),
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Follows an API's stream for ever, coming back with the last id.
pub async fn stream(oracle: Arc<Oracle>, view: String, address: SocketAddr, life: Life) {
    let mut last = String::new();
    loop {
        let living = life.load(SeqCst);
        let connected = TcpStream::connect(address).await;
        // Connected to the process of this life, not to the one before or after it.
        if let (Ok(stream), true) = (connected, life.load(SeqCst) == living) {
            let mut reader = Events { oracle: &oracle, view: &view, living, last: &mut last, is_new: true };
            let _ = reader.follow(stream, address).await;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

struct Events<'a> {
    oracle: &'a Oracle,
    view: &'a str,
    living: u64,
    /// The id of the last event, `<boot>-<n>`.
    last: &'a mut String,
    /// Nothing has come on this connection yet.
    is_new: bool,
}

impl Events<'_> {
    async fn follow(&mut self, mut stream: TcpStream, address: SocketAddr) -> std::io::Result<()> {
        let last = &self.last;
        let head = format!(
            "GET /api/v1/stream HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nlast-event-id: {last}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let (mut text, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            let read = stream.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            text.extend_from_slice(&chunk[..read]);
            while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                let event = String::from_utf8_lossy(&text[..end]).into_owned();
                text.drain(..end + 2);
                self.take(&event);
            }
        }
    }

    /// Lines of other kinds (the head, the sizes of chunks) begin with none of these words.
    fn take(&mut self, event: &str) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let (id, kind) = (field("id: "), field("event: ").unwrap_or_default());
        let data: Value =
            field("data: ").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        if kind == "resync" {
            self.last.clear();
        }
        if let Some(id) = id {
            let (boot, number) = id.rsplit_once('-').unwrap_or_default();
            let number: u64 = number.parse().unwrap_or_default();
            if kind != "snapshot" && !self.last.is_empty() {
                let (before, last) = self.last.rsplit_once('-').unwrap_or_default();
                let last: u64 = last.parse().unwrap_or_default();
                if boot != before || number != last + 1 {
                    let at = if self.is_new { "at first" } else { "later" };
                    self.oracle.violation(format!("{}: {at} a gap: {} and then {id}", self.view, self.last));
                }
            }
            *self.last = id.to_owned();
            self.is_new = false;
        }
        match kind {
            "rate" => self.oracle.judge_rate(self.view, self.living, &data, None),
            "snapshot" => {
                for rate in data["rates"].as_array().into_iter().flatten() {
                    self.oracle.judge_rate(self.view, self.living, rate, None);
                }
            }
            _ => {}
        }
    }
}

/// Reads what lies in Redis for ever, as anyone would.
pub async fn redis(oracle: Arc<Oracle>, view: String, url: String, prefix: String, life: Life) {
    loop {
        let client = redis::Client::open(url.as_str()).unwrap();
        let connected = tokio::time::timeout(ANSWER_MAX, client.get_multiplexed_async_connection()).await;
        if let Ok(Ok(mut connection)) = connected {
            'connected: loop {
                for (venue, _, _) in &oracle.truth.venues {
                    let living = life.load(SeqCst);
                    let key = format!("{prefix}:v1:last:{venue}");
                    let all = connection.hgetall::<_, HashMap<String, String>>(key);
                    let Ok(Ok(all)) = tokio::time::timeout(ANSWER_MAX, all).await else { break 'connected };
                    if life.load(SeqCst) != living {
                        continue;
                    }
                    for value in all.values() {
                        match serde_json::from_str(value) {
                            Ok(tick) => oracle.judge_tick(&view, living, venue, &tick, true),
                            Err(error) => oracle.violation(format!("{view}: {error}: {value}")),
                        }
                    }
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Consumes rates and ticks on RabbitMQ for ever, as anyone would.
pub async fn consumer(oracle: Arc<Oracle>, view: String, url: String, prefix: String) {
    loop {
        let properties = ConnectionProperties::default().with_connection_name("foreign".into());
        let connecting = tokio::time::timeout(ANSWER_MAX, Connection::connect(&url, properties)).await;
        if let Ok(Ok(connection)) = connecting {
            let _ = consume(&oracle, &view, &prefix, &connection).await;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn consume(
    oracle: &Oracle,
    view: &str,
    prefix: &str,
    connection: &Connection,
) -> Result<(), lapin::Error> {
    let channel = connection.create_channel().await?;
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
    for exchange in ["ticks", "rates"] {
        let exchange = format!("{prefix}.{exchange}").into();
        let options = QueueBindOptions::default();
        channel.queue_bind(queue.clone(), exchange, "#".into(), options, FieldTable::default()).await?;
    }
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut messages = channel.basic_consume(queue, "foreign".into(), options, FieldTable::default()).await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        if message.properties.content_type().as_ref().is_some_and(|kind| kind.as_str() == FOREIGN) {
            continue;
        }
        let Ok(body) = serde_json::from_slice::<Value>(&message.data) else {
            oracle.violation(format!("{view}: no JSON: {}", String::from_utf8_lossy(&message.data)));
            continue;
        };
        if message.exchange.as_str().ends_with(".rates") {
            oracle.judge_rate(view, 0, &body, None);
        } else {
            let venue = body["venue"].as_str().unwrap_or_default();
            for tick in body["ticks"].as_array().into_iter().flatten() {
                // The newest is said again after a pause: twice, and by several collectors, is no going back.
                oracle.judge_tick(view, 0, venue, tick, false);
            }
        }
    }
    Ok(())
}
