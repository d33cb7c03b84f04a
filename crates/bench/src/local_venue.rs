//! A venue on this machine: a real WebSocket that takes subscriptions and sends ticks when it is told to.
//! It must not know the product; its format is what its venue file says.

use futures_util::{SinkExt, StreamExt};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// So many frames may wait for a connection; a venue that gets no further waits.
const WAITING_MAX: usize = 4_096;

/// The venue.
#[derive(Debug)]
pub struct LocalVenue {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By symbol, where its ticks go.
    subscribed: Mutex<HashMap<String, mpsc::Sender<Message>>>,
    changed: Notify,
}

impl LocalVenue {
    /// Starts on a free port.
    pub async fn start() -> anyhow::Result<LocalVenue> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let house = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let house = house.clone();
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                        talk(socket, &house).await;
                    }
                });
            }
        });
        Ok(LocalVenue { address, shared, accepting })
    }

    /// How many symbols are subscribed.
    pub fn subscribed(&self) -> usize {
        self.shared.subscribed().len()
    }

    /// Waits until so many symbols are subscribed.
    pub async fn until_subscribed(&self, count: usize, patience: Duration) -> anyhow::Result<()> {
        let all = async {
            while self.subscribed() < count {
                self.shared.changed.notified().await;
            }
        };
        let in_time = tokio::time::timeout(patience, all).await;
        anyhow::ensure!(
            in_time.is_ok(),
            "{} of {count} symbols subscribed in {patience:?}",
            self.subscribed()
        );
        Ok(())
    }

    /// Sends one frame to whoever subscribed the symbol.
    pub async fn send(&self, symbol: &str, frame: String) {
        let to = self.shared.subscribed().get(symbol).cloned();
        if let Some(to) = to {
            let _ = to.send(Message::text(frame)).await;
        }
    }

    /// Sends ticks of these symbols in turn, at that rate, evenly spaced, for that long; how many. `number` goes
    /// into the digits of the price and counts up; `sent` is told of each just before it is written.
    pub async fn flow(
        &self,
        symbols: &[String],
        per_second: u32,
        how_long: Duration,
        number: &mut u64,
        mut sent: impl FnMut(u64),
    ) -> u64 {
        let clock = clock::Clock::system();
        let (first, until) = (*number, Instant::now() + how_long);
        let mut beat = tokio::time::interval(Duration::from_secs(1) / per_second);
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut turn = symbols.iter().cycle();
        while beat.tick().await < until {
            let Some(symbol) = turn.next() else { break };
            *number += 1;
            let frame = frame(symbol, *number, clock.now().millis());
            sent(*number);
            self.send(symbol, frame).await;
        }
        *number - first
    }

    /// The text of the venue file; `limits` are lines of its `[ws]`, `items_max` symbols go into one request.
    pub fn file(&self, limits: &str, items_max: usize) -> String {
        FILE.replace("ADDRESS", &self.address.to_string())
            .replace("LIMITS", limits)
            .replace("ITEMS", &items_max.to_string())
    }
}

impl Drop for LocalVenue {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn subscribed(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Message>>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digits before the point of every price; those after it are the number of the tick.
pub const WHOLE: &str = "50000.";
/// How many digits the number has.
pub const NUMBER_DIGITS: usize = 9;

/// A tick whose price carries its number.
pub fn frame(symbol: &str, number: u64, now_ms: i64) -> String {
    frame_at(&format!("{WHOLE}{number:0NUMBER_DIGITS$}"), symbol, number, now_ms)
}

/// A tick with this price.
pub fn frame_at(price: &str, symbol: &str, number: u64, now_ms: i64) -> String {
    format!(
        r#"{{"e":"tick","s":"{symbol}","t":{now_ms},"n":{number},"p":"{price}","b":"49999.75","B":"1.25000000","a":"50001.25","A":"0.75000000","v":"21034.55000000"}}"#
    )
}

async fn talk(mut socket: WebSocketStream<TcpStream>, house: &Shared) {
    let (to, mut waiting) = mpsc::channel(WAITING_MAX);
    let mut ours: Vec<String> = Vec::new();
    loop {
        let sent = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let Ok(asked) = serde_json::from_str::<serde_json::Value>(&text) else { break };
                    let symbols = asked["args"].as_array().into_iter().flatten().filter_map(|one| one.as_str());
                    let before = ours.len();
                    ours.extend(symbols.map(str::to_owned));
                    house.subscribed().extend(ours[before..].iter().map(|one| (one.clone(), to.clone())));
                    house.changed.notify_waiters();
                    house.changed.notify_one();
                    socket.send(Message::text(format!(r#"{{"ok":true,"id":{}}}"#, asked["id"]))).await
                }
                Some(Ok(_)) => Ok(()),
                None | Some(Err(_)) => break,
            },
            Some(frame) = waiting.recv() => socket.send(frame).await,
        };
        if sent.is_err() {
            break;
        }
    }
    let mut subscribed = house.subscribed();
    for symbol in ours {
        if subscribed.get(&symbol).is_some_and(|other| other.same_channel(&to)) {
            subscribed.remove(&symbol);
        }
    }
}

const FILE: &str = r#"
format = 1
name = "A venue on this machine"
homepage = "https://venue.example"
facts = "2026-11-22, invented"
stale_after = "5m"
[symbols]
form = "{BASE}-{QUOTE}"
[ws]
url = "ws://ADDRESS/"
silence = "5m"
LIMITS
[ws.subscribe]
send = '{"op":"sub","args":{items},"id":{id}}'
unsubscribe = '{"op":"unsub","args":{items},"id":{id}}'
items_max = ITEMS
bytes_max = 65536
[[message]]
is = "tick"
when = { e = "tick" }
symbol = "s"
last = "p"
bid = "b"
ask = "a"
time = "t"
sequence = "n"
[[message]]
is = "ack"
when = { ok = true }
id = "id"
[[example]]
frame = '{"e":"tick","s":"BTC-USD","t":1790000000123,"n":7,"p":"1.50","b":"1.25","a":"1.75"}'
ticks = [{ symbol = "BTC-USD", pair = "BTC-USD", last = "1.50", bid = "1.25", ask = "1.75" }]
"#;
