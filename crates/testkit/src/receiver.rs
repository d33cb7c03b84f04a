//! A receiver of webhooks on a port of its own: keeps what came, answers as it is told, one connection per request.
//! It must not know what is sent to it, nor how it is signed.

use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What it does with one request.
#[derive(Debug, Clone)]
pub enum HookReply {
    /// Answers with a status and headers.
    Status(u16, &'static str),
    /// Has read all of it and says nothing.
    Silence,
    /// Has read all of it and resets the connection.
    Reset,
}

/// What came.
#[derive(Debug, Clone)]
pub struct HookRequest {
    /// With its query.
    pub path: String,
    /// By their names in small letters.
    pub headers: HashMap<String, String>,
    /// As it came.
    pub body: String,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<VecDeque<HookReply>>,
    requests: Mutex<Vec<HookRequest>>,
    connects: Mutex<usize>,
}

/// A receiver of webhooks.
pub struct HookReceiver {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl HookReceiver {
    /// Answers with these, one after the other, and then with 200.
    pub async fn start(replies: impl IntoIterator<Item = HookReply>) -> HookReceiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        shared.replies.lock().extend(replies);
        let serving = shared.clone();
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                *serving.connects.lock() += 1;
                let shared = serving.clone();
                tokio::spawn(async move { answer(stream, &shared).await });
            }
        };
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve));
        HookReceiver { address, shared, _stop: stop.drop_guard() }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that came.
    pub fn requests(&self) -> Vec<HookRequest> {
        self.shared.requests.lock().clone()
    }

    /// How often somebody connected.
    pub fn connects(&self) -> usize {
        *self.shared.connects.lock()
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) {
    let Some(request) = read(&mut stream).await else { return };
    shared.requests.lock().push(request);
    let reply = shared.replies.lock().pop_front().unwrap_or(HookReply::Status(200, ""));
    match reply {
        HookReply::Status(status, headers) => {
            let text =
                format!("HTTP/1.1 {status} So\r\n{headers}connection: close\r\ncontent-length: 2\r\n\r\nok");
            let _ = stream.write_all(text.as_bytes()).await;
        }
        HookReply::Silence => std::future::pending().await,
        HookReply::Reset => drop(stream.set_zero_linger()),
    }
}

async fn read(stream: &mut TcpStream) -> Option<HookRequest> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let headers: HashMap<String, String> = lines.map_while(header).collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(HookRequest { path, headers, body: String::from_utf8(body).ok()? })
}
