//! A venue whose prices carry their own numbers in their digits, with a record of everything it has said: whoever
//! shows a price can be asked what it is, when it was said, and whether it was said at all.
//! It must not know the product: only a small wire format, which [`NumberedVenue::file`] describes.

use crate::scripted::Micros;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
    time::MissedTickBehavior,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What all prices begin with: far from nought, so that no step looks like a jump.
const BASE: u128 = 100;
/// Digits that one place has; a number needs fewer.
const DIGITS: u32 = 8;
/// A price in the smallest unit that a middle of two prices may have.
const UNIT: u128 = 10_u128.pow(2 * DIGITS + 1);
/// One step of a venue at the first place, and at the second, in that unit.
const FIRST: u128 = 10_u128.pow(DIGITS + 1);
const SECOND: u128 = 10;

/// Which digits of a price are the venue's: two venues at different places can be told apart in the middle of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first eight decimals.
    First,
    /// The next eight.
    Second,
}

/// A venue on a free port.
#[derive(Debug)]
pub struct NumberedVenue {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

/// What is said at one time: symbols and frames.
type Round = Arc<Vec<(String, Arc<str>)>>;

#[derive(Debug)]
struct Shared {
    place: Place,
    is_silent: AtomicBool,
    said: Mutex<BTreeMap<String, Vec<i64>>>,
    /// Of each open connection, by its number.
    subscribed: Mutex<BTreeMap<u64, usize>>,
    out: broadcast::Sender<Round>,
}

impl NumberedVenue {
    /// Every symbol gets a new price so often, whether anybody listens or not.
    pub async fn start(place: Place, symbols: &[&str], every: Duration, micros: Micros) -> NumberedVenue {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let said = symbols.iter().map(|symbol| ((*symbol).to_owned(), Vec::new())).collect();
        let shared = Arc::new(Shared {
            place,
            is_silent: AtomicBool::new(false),
            said: Mutex::new(said),
            subscribed: Mutex::default(),
            out: broadcast::channel(1_024).0,
        });
        let stop = CancellationToken::new();
        let saying = shared.clone();
        let say = async move {
            let mut rounds = tokio::time::interval(every);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                rounds.tick().await;
                if !saying.is_silent.load(Relaxed) {
                    saying.round(micros() / 1_000);
                }
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(say));
        let (serving, connections) = (shared.clone(), stop.clone());
        let serve = async move {
            let mut number = 0;
            while let Ok((tcp, _)) = listener.accept().await {
                number += 1;
                let serving = serving.clone();
                let talking = async move {
                    talk(tcp, number, &serving).await;
                    serving.subscribed().remove(&number);
                };
                tokio::spawn(connections.clone().run_until_cancelled_owned(talking));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
        NumberedVenue { address, shared, _stop: stop.drop_guard() }
    }

    /// Its venue file; `silence` is how long no data means trouble.
    pub fn file(&self, silence: Duration) -> String {
        format!(
            "format = 1\nname = \"Numbered\"\nhomepage = \"https://numbered.example\"\nfacts = \"2026-11-26, invented\"\n\
             [symbols]\nform = \"{{BASE}}-{{QUOTE}}\"\n\
             [ws]\nurl = \"ws://{}/ws\"\nsilence = \"{}ms\"\n\
             [ws.subscribe]\nsend = '{{\"op\":\"sub\",\"args\":{{items}},\"id\":{{id}}}}'\n\
             unsubscribe = '{{\"op\":\"unsub\",\"args\":{{items}},\"id\":{{id}}}}'\nitems_max = 500\n{MESSAGES}",
            self.address,
            silence.as_millis()
        )
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says nothing from now on, or speaks again.
    pub fn set_silent(&self, is_silent: bool) {
        self.shared.is_silent.store(is_silent, Relaxed);
    }

    /// How many symbols each open connection has subscribed.
    pub fn subscribed(&self) -> Vec<usize> {
        self.shared.subscribed().values().copied().collect()
    }

    /// The number of the last price of a symbol; the first is 1.
    pub fn last(&self, symbol: &str) -> u64 {
        self.shared.said().get(symbol).map_or(0, |times| times.len() as u64)
    }

    /// When a price was said, in milliseconds since the epoch; `None` if it never was.
    pub fn said_at(&self, symbol: &str, number: u64) -> Option<i64> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.shared.said().get(symbol)?.get(at).copied()
    }
}

/// The number in a price of a venue at this place; `None`: it has said no such price.
pub fn number(place: Place, price: &str) -> Option<u64> {
    let over = over(price)?;
    let (number, rest) = match place {
        Place::First => (over / FIRST, over % FIRST),
        Place::Second => (over / SECOND, over % SECOND),
    };
    (rest == 0 && number < 10_u128.pow(DIGITS)).then_some(number as u64)
}

/// The numbers of two venues, one at either place, in the exact middle of their prices.
pub fn numbers_in_middle(price: &str) -> Option<(u64, u64)> {
    let twice = 2 * over(price)?;
    (twice % SECOND == 0).then_some(((twice / FIRST) as u64, (twice % FIRST / SECOND) as u64))
}

/// What a price has beyond the common beginning, in the smallest unit.
fn over(price: &str) -> Option<u128> {
    let (whole, decimals) = price.split_once('.').unwrap_or((price, ""));
    let width = 2 * DIGITS as usize + 1;
    if decimals.len() > width {
        return None;
    }
    let units = whole.parse::<u128>().ok()?.checked_mul(UNIT)?;
    (units + format!("{decimals:0<width$}").parse::<u128>().ok()?).checked_sub(BASE * UNIT)
}

fn price(place: Place, number: u64) -> String {
    match place {
        Place::First => format!("{BASE}.{number:08}"),
        Place::Second => format!("{BASE}.{:08}{number:08}", 0),
    }
}

impl Shared {
    fn said(&self) -> MutexGuard<'_, BTreeMap<String, Vec<i64>>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribed(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next price of every symbol. It is on record before anybody can have seen it.
    fn round(&self, now: i64) {
        let mut frames = Vec::new();
        for (symbol, times) in self.said().iter_mut() {
            times.push(now);
            let number = times.len() as u64;
            let text =
                json!({"s": symbol, "p": price(self.place, number), "t": now, "n": number.to_string()});
            frames.push((symbol.clone(), text.to_string().into()));
        }
        // Nobody may be listening.
        let _ = self.out.send(Arc::new(frames));
    }
}

async fn talk(tcp: TcpStream, number: u64, shared: &Shared) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(tcp).await else { return };
    let mut rounds = shared.out.subscribe();
    let mut subscribed = BTreeSet::new();
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let Ok(said) = serde_json::from_str::<Value>(&text) else { return };
                    let symbols = said["args"].as_array().into_iter().flatten();
                    let symbols = symbols.filter_map(|symbol| symbol.as_str().map(str::to_owned));
                    if said["op"] == "sub" {
                        subscribed.extend(symbols);
                    } else {
                        symbols.for_each(|symbol| { subscribed.remove(&symbol); });
                    }
                    shared.subscribed().insert(number, subscribed.len());
                    let answer = json!({"ok": true, "id": said["id"]}).to_string();
                    if socket.send(Message::text(answer)).await.is_err() { return }
                }
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return,
            },
            round = rounds.recv() => match round {
                Ok(frames) => {
                    for (_, text) in frames.iter().filter(|(symbol, _)| subscribed.contains(symbol)) {
                        if socket.feed(Message::text(&**text)).await.is_err() { return }
                    }
                    if socket.flush().await.is_err() { return }
                }
                // A client too slow for the venue misses rounds, as elsewhere.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
        }
    }
}

const MESSAGES: &str = r#"
[[message]]
is = "tick"
when = { s = { exists = true }, p = { exists = true } }
symbol = "s"
last = "p"
time = "t"
sequence = "n"
[[message]]
is = "ack"
when = { ok = true }
id = "id"
[[example]]
frame = '{"s":"BTC-USD","p":"100.00000007","t":1795349592520,"n":"7"}'
ticks = [{ symbol = "BTC-USD", pair = "BTC-USD", last = "100.00000007", time = 1795349592520 }]
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_says_its_number_alone_and_in_the_middle_of_two() {
        for at in [1, 7, 10, 99_999_999] {
            assert_eq!(number(Place::First, &price(Place::First, at)), Some(at));
            assert_eq!(number(Place::Second, &price(Place::Second, at)), Some(at));
            assert_eq!(number(Place::First, &price(Place::Second, at)), None);
        }
        assert_eq!(number(Place::First, "100.0000001"), Some(10));
        for invented in ["99.9", "invented", "", "100.000000000000000005", "-1", "101.0"] {
            assert_eq!(number(Place::First, invented), None, "{invented}");
        }
        for (middle, expect) in [
            ("100.0000000350000006", Some((7, 12))),
            ("100.00000000500000005", Some((1, 1))),
            ("100.00000004000000065", Some((8, 13))),
            ("100.000000040000000065", None),
        ] {
            assert_eq!(numbers_in_middle(middle), expect, "{middle}");
        }
    }
}
