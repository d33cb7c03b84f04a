//! The HTTP side of the fake venue: one scripted answer per request, on a socket of its own.
//! It must not know WebSockets.

use crate::fake_venue::{Happened, HttpAnswer, Shared};
use std::{fmt::Write as _, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Answers requests until the client goes away.
pub(crate) async fn serve(mut tcp: TcpStream, connection: u64, shared: Arc<Shared>) {
    while let Some(head) = read_head(&mut tcp).await {
        shared.log(connection, Happened::Request(head.clone()));
        let answer = shared.behaviour().http.clone();
        if answer.hangs {
            std::future::pending::<()>().await;
        }
        if !write(&mut tcp, &head, &answer).await {
            return;
        }
    }
}

async fn read_head(tcp: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn write(tcp: &mut TcpStream, head: &str, answer: &HttpAnswer) -> bool {
    let known = answer
        .etag
        .as_ref()
        .is_some_and(|etag| head.to_ascii_lowercase().contains(&format!("if-none-match: {etag}")));
    let (status, body) = if known { (304, "") } else { (answer.status, answer.body.as_str()) };
    let mut text = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in &answer.headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if let Some(etag) = &answer.etag {
        let _ = write!(text, "etag: {etag}\r\n");
    }
    text.push_str("\r\n");
    if tcp.write_all(text.as_bytes()).await.is_err() {
        return false;
    }
    let Some(wait) = answer.drip else { return tcp.write_all(body.as_bytes()).await.is_ok() };
    for byte in body.bytes() {
        tokio::time::sleep(wait).await;
        if tcp.write_all(&[byte]).await.is_err() {
            return false;
        }
    }
    true
}
