//! A WebSocket and an HTTP client for the tests, every step with a deadline.
//! They must not know what is served.

use futures_util::{SinkExt, StreamExt};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

pub const SOON: Duration = Duration::from_secs(10);

pub struct Client(pub WebSocketStream<TcpStream>);

impl Client {
    pub async fn connect(address: SocketAddr, path: &str) -> Client {
        Client::try_connect(address, path).await.unwrap()
    }

    pub async fn try_connect(address: SocketAddr, path: &str) -> Result<Client, String> {
        let dial = async {
            let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
            let (socket, _) =
                client_async(format!("ws://{address}{path}"), stream).await.map_err(|e| e.to_string())?;
            Ok(Client(socket))
        };
        timeout(SOON, dial).await.map_err(|_| "timed out".to_owned())?
    }

    pub async fn say(&mut self, text: &str) {
        timeout(SOON, self.0.send(Message::text(text))).await.unwrap().unwrap();
    }

    /// The next text or binary message; `None` = the other side is gone.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match timeout(SOON, self.0.next()).await.expect("nothing came") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(message)) => return Some(message),
            }
        }
    }

    pub async fn text(&mut self) -> String {
        self.next().await.expect("the other side is gone").into_text().unwrap().to_string()
    }

    pub async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            texts.push(self.text().await);
        }
        texts
    }

    /// Whether nothing comes within `quiet`.
    pub async fn is_silent_for(&mut self, quiet: Duration) -> bool {
        timeout(quiet, self.0.next()).await.is_err()
    }
}

/// Status, head and body of one request.
pub async fn http(address: SocketAddr, method: &str, target: &str) -> Result<(u16, String, Vec<u8>), String> {
    http_with(address, method, target, "").await
}

pub async fn http_with(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
) -> Result<(u16, String, Vec<u8>), String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(SOON, ask).await.map_err(|_| "timed out".to_owned())?.map_err(|e| e.to_string())?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or("no head")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_string();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or("no status")?;
    Ok((status, head, answer[end + 4..].to_vec()))
}
