//! Somebody who reads the stream of one pair, every change of it, and remembers what was said when.
//! It must not know which process is behind it.

use crate::harness::{PATIENCE, Service, within};
use serde_json::Value;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// When each value was said.
type Seen = Arc<std::sync::Mutex<Vec<(Instant, u64)>>>;

/// What was said when: the fakes count, so every value is higher than the one before.
#[derive(Clone)]
pub struct Watch {
    pair: String,
    seen: Seen,
    _stop: Arc<DropGuard>,
}

impl Watch {
    /// Begins to read.
    pub fn start(api: &Service, pair: &str) -> Watch {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let (address, name, sees) = (api.address, pair.to_owned(), seen.clone());
        let reading = async move {
            loop {
                // An API that is gone is asked again; what it says then is held against what was said before.
                let _ = read(address, &name, &sees).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(reading));
        Watch { pair: pair.to_owned(), seen, _stop: Arc::new(stop.drop_guard()) }
    }

    /// Waits until a value newer than what is there now is said; how long that took.
    pub async fn moves(&self) -> Duration {
        let last = || self.seen.lock().unwrap().last().map_or(0, |(_, count)| *count);
        let (began, before) = (Instant::now(), last());
        within(PATIENCE, &format!("{} moves", self.pair), async || (last() > before).then_some(())).await;
        began.elapsed()
    }

    /// No older value was ever said after a newer one.
    pub fn assert_forward(&self) {
        let seen = self.seen.lock().unwrap();
        for two in seen.windows(2) {
            assert!(two[0].1 <= two[1].1, "{}: {} after {}", self.pair, two[1].1, two[0].1);
        }
    }

    /// The longest time between two values since then.
    pub fn longest_pause_since(&self, since: Instant) -> Duration {
        let seen = self.seen.lock().unwrap();
        let (mut longest, mut moved_at, mut last) = (Duration::ZERO, since, 0);
        for (at, count) in seen.iter().filter(|(at, _)| *at >= since) {
            if *count > last {
                longest = longest.max(at.duration_since(moved_at));
                (moved_at, last) = (*at, *count);
            }
        }
        longest.max(moved_at.elapsed())
    }
}

/// Reads one stream until it ends.
async fn read(address: SocketAddr, pair: &str, seen: &Seen) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET /api/v1/stream?pairs={pair} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        let data = line.strip_prefix("data: ").and_then(|data| serde_json::from_str::<Value>(data).ok());
        let Some(data) = data else { continue };
        // A change is one rate; a snapshot is a list of them.
        let rates = data["rates"].as_array().cloned().unwrap_or_else(|| vec![data]);
        for value in
            rates.iter().filter(|rate| rate["pair"] == pair).filter_map(|rate| rate["value"].as_str())
        {
            let count = value.split('.').next().unwrap_or_default().parse().expect("the fakes count");
            seen.lock().unwrap().push((Instant::now(), count));
        }
    }
    Ok(())
}
