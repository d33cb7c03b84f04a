//! Accepts connections, serves HTTP/1.1 on each, closes the silent ones, and stops without dropping an answer.
//! It must not know any path.

use crate::{
    error::Problem,
    fast::{Front, URI_BYTES_MAX},
    routes,
    socket::Socket,
    state::{Parts, Server, Settings},
    watch::{Limits, Watches},
};
use axum::Router;
use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The largest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long accepting pauses when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets requests in flight finish, says `bye` to streams, and returns within
/// [`Settings::stop_within`] and a little.
pub async fn serve(
    listener: TcpListener,
    parts: Parts,
    settings: Settings,
    stop: CancellationToken,
) -> io::Result<()> {
    let server = Arc::new(Server::new(parts, settings, stop.clone()));
    let router = routes::router(server.clone());
    let house = House { server, router, watches: Arc::new(Watches::new()) };
    let limits = Limits {
        head: house.server.settings.head_timeout,
        idle: house.server.settings.idle_timeout,
        stall: house.server.settings.stall_timeout,
    };
    let sweeper = CancellationToken::new();
    let _stop_sweeping = sweeper.clone().drop_guard();
    tokio::spawn(sweep(house.server.clone(), house.watches.clone(), limits, sweeper));
    let mut is_out = false;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                is_out = false;
                house.open(stream, peer);
            }
            // The client was gone before we looked.
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                house.server.meter.accept_errors.increment(1);
                if !std::mem::replace(&mut is_out, true) {
                    tracing::warn!(%error, "connections cannot be accepted for now; those that are open go on");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    house.server.is_stopping.store(true, Relaxed);
    // Whoever is in the queue already has connected, as far as it knows.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        house.open(stream, peer);
    }
    drop(listener);
    house.close().await;
    Ok(())
}

fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn sweep(server: Arc<Server>, watches: Arc<Watches>, limits: Limits, stop: CancellationToken) {
    let mut every = tokio::time::interval(Watches::SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let closed = watches.sweep(&limits);
        if closed > 0 {
            server.meter.connections_overdue.increment(closed as u64);
            tracing::debug!(closed, "silent or stalled connections closed");
        }
    }
}

/// The server and its open connections.
struct House {
    server: Arc<Server>,
    router: Router,
    watches: Arc<Watches>,
}

impl House {
    fn open(&self, stream: TcpStream, peer: SocketAddr) {
        if self.watches.len() >= self.server.settings.connections_max {
            self.server.meter.connections_refused.increment(1);
            refuse(&stream);
            return;
        }
        // Without it a small answer may wait 40 ms for the client's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let (watch, number) = (self.watches.watch(), self.watches.number());
        let front = Front {
            server: self.server.clone(),
            router: self.router.clone(),
            watch: watch.clone(),
            peer: peer.ip(),
        };
        let leave = Leave { watches: self.watches.clone(), number };
        let task = tokio::spawn(connection(stream, front, leave));
        let handle = task.abort_handle();
        self.watches.add(number, watch, handle);
    }

    /// Three steps: ask clients to close with their next answer; close what is between requests; close all.
    async fn close(&self) {
        let settings = &self.server.settings;
        let gone = async {
            while self.watches.len() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                self.watches.sweep(&Limits {
                    head: Duration::MAX,
                    idle: Duration::MAX,
                    stall: Duration::MAX,
                });
            }
        };
        tokio::pin!(gone);
        if tokio::time::timeout(settings.drain, &mut gone).await.is_ok() {
            return;
        }
        self.watches.close_gently();
        if tokio::time::timeout(settings.stop_within, &mut gone).await.is_err() {
            let aborted = self.watches.abort_all();
            tracing::warn!(aborted, "connections did not end in time and were closed");
        }
    }
}

/// Forgets a connection, however it ended.
struct Leave {
    watches: Arc<Watches>,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.watches.remove(self.number);
    }
}

async fn connection(stream: TcpStream, front: Front, leave: Leave) {
    let _leave = leave;
    let watch = front.watch.clone();
    let socket = Socket::new(stream, watch.clone(), URI_BYTES_MAX + 1_024);
    // No timer of hyper's: it would cost each request an allocation and a place in the timer wheel. The sweeper
    // keeps the same limits from outside.
    let mut serving = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false)
        .serve_connection(TokioIo::new(socket), front);
    let mut is_closing = false;
    let ended = poll_fn(|cx| {
        if !is_closing && watch.is_closing(cx.waker()) {
            is_closing = true;
            Pin::new(&mut serving).graceful_shutdown();
        }
        serving.poll_without_shutdown(cx)
    })
    .await;
    let is_bad_head = ended.is_err_and(|error| error.is_parse());
    let socket = serving.into_parts().io.into_inner();
    if is_bad_head || watch.linger.load(Relaxed) {
        socket.linger().await;
    }
}

/// Says that there are too many, in one write, and closes.
fn refuse(stream: &TcpStream) {
    let body = Problem::Overloaded.body();
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.try_write(text.as_bytes());
}
