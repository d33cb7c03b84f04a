//! One request, one answer, one connection.
//! It must not know who answers.

use anyhow::Context;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names (lower case) and values, as they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks and reads to the end.
pub async fn get(address: SocketAddr, target: &str) -> anyhow::Result<Answer> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await?;
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").context("a head")?;
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("a status")?;
        let header = |line: &str| {
            line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        };
        let headers = head.lines().skip(1).filter_map(header).collect();
        Ok(Answer { status, headers, body: all.split_off(end + 4) })
    };
    tokio::time::timeout(Duration::from_secs(10), asking)
        .await
        .with_context(|| format!("no answer to {target}"))?
}

/// Asks until the answer is 200, at most for that long.
pub async fn get_until_ok(address: SocketAddr, target: &str, patience: Duration) -> anyhow::Result<Answer> {
    let until = Instant::now() + patience;
    loop {
        let answer = get(address, target).await;
        match answer {
            Ok(answer) if answer.status == 200 => return Ok(answer),
            answer if Instant::now() >= until => {
                anyhow::bail!("{target} was not answered with 200 in {patience:?}; at last {answer:?}")
            }
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
