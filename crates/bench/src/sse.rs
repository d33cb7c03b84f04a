//! Reads a byte stream and notes when each numbered price came.
//! It must not know what else the stream says.

use crate::local_venue::{NUMBER_DIGITS, WHOLE};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

/// A reader of prices.
#[derive(Debug)]
pub struct Prices {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are not read yet: the tail that may hold half a price.
    kept: usize,
}

impl Prices {
    /// Opens the product's stream of changes.
    pub async fn stream(address: SocketAddr) -> anyhow::Result<Prices> {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET /api/v1/stream HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        Ok(Prices::of(stream))
    }

    /// Of any stream.
    pub fn of(stream: TcpStream) -> Prices {
        Prices { stream, buffer: vec![0; 256 << 10], kept: 0 }
    }

    /// Reads until then: each number that came, and when.
    pub async fn until(&mut self, until: Instant) -> anyhow::Result<Vec<(u64, Instant)>> {
        let mut came = Vec::new();
        while let Ok(read) =
            tokio::time::timeout_at(until, self.stream.read(&mut self.buffer[self.kept..])).await
        {
            let (count, now) = (read?, Instant::now());
            anyhow::ensure!(count > 0, "the stream ended");
            let have = self.kept + count;
            came.extend(numbers(&self.buffer[..have]).map(|number| (number, now)));
            // Less than a price stays; a price that was whole is not among it.
            self.kept = have.min(WHOLE.len() + NUMBER_DIGITS + 1);
            self.buffer.copy_within(have - self.kept..have, 0);
        }
        Ok(came)
    }
}

/// The numbers of all prices in there that are whole: `"50000.000000123"`.
pub fn numbers(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let length = WHOLE.len() + NUMBER_DIGITS + 2;
    bytes.windows(length).filter_map(|part| {
        let digits = part.strip_prefix(b"\"")?.strip_prefix(WHOLE.as_bytes())?.strip_suffix(b"\"")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_found_whole_and_once() {
        for (text, found) in [
            (r#"data: {"value":"50000.000000123","bid":"49999.75"}"#, vec![123]),
            (r#"{"value":"50000.000000001"}x{"value":"50000.999999999"}"#, vec![1, 999_999_999]),
            (r#"{"value":"50000.00000012"#, vec![]),
            (r#"{"value":"50000.0000000012"}"#, vec![]),
            (r#""#, vec![]),
        ] {
            assert_eq!(numbers(text.as_bytes()).collect::<Vec<_>>(), found, "{text}");
        }
    }

    #[tokio::test]
    async fn a_price_cut_in_two_is_found_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut to = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut prices = Prices::of(listener.accept().await.unwrap().0);
        to.set_nodelay(true).unwrap();
        let mut all = Vec::new();
        for part in ["\"50000.0000", "00007\"", "\"50000.000000008", "\""] {
            to.write_all(part.as_bytes()).await.unwrap();
            let until = Instant::now() + std::time::Duration::from_millis(50);
            all.extend(prices.until(until).await.unwrap().into_iter().map(|(number, _)| number));
        }
        assert_eq!(all, [7, 8]);
    }
}
