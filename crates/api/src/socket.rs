//! A client's socket, watched: it notes when reading begins and when writing is stuck, and it ends a request line
//! that never ends with 414 before anybody buffers it. It must not know what the requests are.

use crate::watch::{Phase, Watch};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};

/// A socket and its watch.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    watch: Arc<Watch>,
    line_bytes_max: usize,
    /// Bytes of the request line so far; `None` once its end was seen.
    line_bytes: Option<usize>,
}

/// Written by hand since no request has been understood yet.
const URI_TOO_LONG: &str = concat!(
    "HTTP/1.1 414 URI Too Long\r\ncontent-type: application/problem+json\r\nconnection: close\r\n",
    "content-length: 166\r\n\r\n",
    r#"{"code":"uri_too_long","detail":"path and query together may have 16384 bytes","status":414,"#,
    r#""title":"The address is too long","type":"urn:rates:problem:uri_too_long"}"#
);

impl Socket {
    pub(crate) fn new(stream: TcpStream, watch: Arc<Watch>, line_bytes_max: usize) -> Socket {
        Socket { stream, watch, line_bytes_max, line_bytes: Some(0) }
    }

    /// Looks at what has just been read; whether the request line is still bearable.
    fn look(&mut self, bytes: &[u8]) -> bool {
        if self.watch.is_between() {
            self.watch.enter(Phase::Head);
            self.line_bytes = Some(0);
        } else if !self.watch.is_reading_head() {
            return true;
        }
        if let Some(before) = self.line_bytes {
            if bytes.contains(&b'\n') {
                self.line_bytes = None;
            } else {
                self.line_bytes = Some(before + bytes.len());
                return before + bytes.len() <= self.line_bytes_max;
            }
        }
        true
    }

    /// Closes the writing side, then reads on for a moment: closing with unread bytes would reset the connection,
    /// and the client would lose the answer that tells it what was wrong.
    pub(crate) async fn linger(mut self) {
        const BYTES_MAX: usize = 4 << 20;
        let drain = async {
            let _ = self.stream.shutdown().await;
            let (mut buffer, mut bytes) = (vec![0; 16 << 10], 0);
            while let Ok(n @ 1..) = self.stream.read(&mut buffer).await {
                bytes += n;
                if bytes > BYTES_MAX {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if !read.is_empty() && !self.look(read) {
            let _ = self.stream.try_write(URI_TOO_LONG.as_bytes());
            self.watch.linger.store(true, std::sync::atomic::Ordering::Relaxed);
            return Poll::Ready(Err(io::Error::other("the request line is too long")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch.stuck(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch.stuck(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::URI_TOO_LONG;

    #[test]
    fn the_canned_answer_is_the_problem_it_stands_for() {
        let (head, body) = URI_TOO_LONG.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        let said: serde_json::Value = serde_json::from_str(body).unwrap();
        let meant: serde_json::Value =
            serde_json::from_str(&crate::error::Problem::UriTooLong.body()).unwrap();
        assert_eq!(said, meant);
    }
}
