//! Where messages arrive: a real socket that answers what it has heard, and remembers it.
//! It must not know who sends.

use clock::Clock;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// One message that arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Received {
    pub alert_id: i64,
    pub fire_seq: i64,
    pub is_repeat: bool,
}

pub struct Receiver {
    pub clock: Clock,
    address: String,
    heard: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ours = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(hear(stream, ours.clone()));
            }
        });
        Receiver { clock: Clock::system(), address, heard }
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    pub fn received(&self) -> Vec<Received> {
        self.heard.lock().expect("what was heard").clone()
    }
}

async fn hear(mut stream: TcpStream, heard: Arc<Mutex<Vec<Received>>>) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(received) = serde_json::from_str(&line) {
            heard.lock().expect("what was heard").push(received);
        }
        if write.write_all(b"ok\n").await.is_err() {
            return;
        }
    }
}

/// Sends one message and waits until it was heard.
pub async fn send(address: &str, message: &Received) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    if answer == "ok\n" { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}
