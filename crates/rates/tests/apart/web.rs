//! HTTP by hand: one request, and many of them on connections that stay, each timed and judged.
//! It must not know what is asked for.

use crate::harness::PATIENCE;
use serde_json::Value;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A connection that stays open for the next request.
pub struct Client {
    stream: TcpStream,
    address: SocketAddr,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, address })
    }

    /// Whether the server has closed it: nothing else comes between two requests.
    fn is_closed(&self) -> bool {
        !matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// One request and its answer, or why there is none.
    pub async fn ask(&mut self, method: &str, path: &str, more: &str, body: &str) -> std::io::Result<Reply> {
        let (address, length) = (self.address, body.len());
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{more}\r\n{body}"
        );
        self.stream.write_all(text.as_bytes()).await?;
        let (mut bytes, mut chunk) = (Vec::new(), vec![0; 16 << 10]);
        let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        loop {
            let read = self.stream.read(&mut chunk).await?;
            if read == 0 {
                return Err(cut());
            }
            bytes.extend_from_slice(&chunk[..read]);
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if bytes.len() < end + 4 + length {
                continue;
            }
            let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut)?;
            let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
            return Ok(Reply { status, head, body });
        }
    }
}

/// One request on a connection of its own, if anybody answers.
pub async fn try_get(address: SocketAddr, path: &str) -> Option<Reply> {
    let ask = async {
        let mut client = Client::connect(address).await.ok()?;
        client.ask("GET", path, "connection: close\r\n", "").await.ok()
    };
    tokio::time::timeout(PATIENCE, ask).await.ok().flatten()
}

/// One request that must be answered.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    try_get(address, path).await.unwrap_or_else(|| panic!("{path}: no answer"))
}

/// A row to be tracked, written with a key: what the API says, and how long it took.
pub async fn add_row(address: SocketAddr, key: &str, venue: &str, pair: &str) -> (Reply, Duration) {
    let body = format!(r#"{{"venue":"{venue}","currency_pair":"{pair}"}}"#);
    let head =
        format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\nconnection: close\r\n");
    let started = Instant::now();
    let ask = async {
        let mut client = Client::connect(address).await?;
        client.ask("POST", "/api/v1/trade-info", &head, &body).await
    };
    let reply = tokio::time::timeout(PATIENCE, ask).await.expect("an answer in time").unwrap();
    (reply, started.elapsed())
}

/// Requests that go on until they are told to stop.
pub struct Load {
    stop: CancellationToken,
    clients: JoinSet<Judged>,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Judged {
    pub latencies: Vec<Duration>,
    /// By status; 0 = none came.
    pub answers: BTreeMap<u16, usize>,
    pub failures: Vec<String>,
}

impl Load {
    /// About so many requests a second, on twenty connections.
    pub fn start(address: SocketAddr, per_second: u32, paths: &[&str]) -> Load {
        Load::start_as(address, per_second, paths, false)
    }

    /// The same at a server that is told to stop: a client whose connection it refuses, or has asked to close or
    /// closed between two requests, has nothing to complain of, and goes.
    pub fn start_until_closed(address: SocketAddr, per_second: u32, paths: &[&str]) -> Load {
        Load::start_as(address, per_second, paths, true)
    }

    fn start_as(address: SocketAddr, per_second: u32, paths: &[&str], is_leaving: bool) -> Load {
        const CLIENTS: u32 = 20;
        let stop = CancellationToken::new();
        let mut clients = JoinSet::new();
        for at in 0..CLIENTS {
            let stop = stop.clone();
            let paths = paths.iter().map(|&path| path.to_owned()).collect();
            let every = Duration::from_secs(1) * CLIENTS / per_second;
            clients.spawn(client(address, stop, paths, at as usize, every, is_leaving));
        }
        Load { stop, clients }
    }

    /// Ends it; what became of all requests.
    pub async fn end(self) -> Judged {
        self.stop.cancel();
        let mut all = Judged::default();
        for one in self.clients.join_all().await {
            all.latencies.extend(one.latencies);
            all.failures.extend(one.failures);
            for (status, count) in one.answers {
                *all.answers.entry(status).or_default() += count;
            }
        }
        all.latencies.sort_unstable();
        all
    }
}

impl Judged {
    /// The latency that so many of a hundred did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).copied().unwrap_or_default()
    }

    /// No answer of 500 and above, and no request without one.
    pub fn is_clean(&self, least: usize) {
        let bad: usize = self.answers.range(500..).map(|(_, count)| count).sum();
        assert!(bad == 0 && self.failures.is_empty(), "{:?} {:?}", self.answers, self.failures);
        let asked: usize = self.answers.values().sum();
        assert!(asked >= least, "only {asked} requests were asked");
    }
}

async fn client(
    address: SocketAddr,
    stop: CancellationToken,
    paths: Vec<String>,
    mut at: usize,
    every: Duration,
    is_leaving: bool,
) -> Judged {
    let mut judged = Judged::default();
    let mut connection: Option<Client> = None;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        at += 1;
        let started = Instant::now();
        if is_leaving && connection.as_ref().is_some_and(Client::is_closed) {
            return judged;
        }
        if connection.is_none() {
            match Client::connect(address).await {
                Ok(client) => connection = Some(client),
                Err(_) if is_leaving => return judged,
                Err(error) => {
                    judged.failures.push(format!("connecting: {error}"));
                    continue;
                }
            }
        }
        let ask = async {
            let mut client = connection.take().expect("it was made just now");
            let reply = client.ask("GET", &paths[at % paths.len()], "", "").await?;
            Ok::<_, std::io::Error>((client, reply))
        };
        match tokio::time::timeout(Duration::from_secs(10), ask).await {
            Ok(Ok((client, reply))) => {
                judged.latencies.push(started.elapsed());
                *judged.answers.entry(reply.status).or_default() += 1;
                connection = (!reply.head.contains("connection: close")).then_some(client);
            }
            Ok(Err(error)) => judged.failures.push(format!("{error}")),
            Err(_) => judged.failures.push("no answer within 10 s".to_owned()),
        }
    }
    judged
}
