//! A small local HTTP/1 and WebSocket server that can be dropped with all its connections at once.
//! It must not know what is served.

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a client may take over its request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The most connections at once.
const CONNECTIONS_MAX: usize = 16_384;
/// How long an answer may still take when the server stops.
const LAST_ANSWER_WITHIN: Duration = Duration::from_millis(200);
/// How long ending tasks are waited for.
const END_WITHIN: Duration = Duration::from_secs(5);
/// The pause after a failed accept (no file handles left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; then the listener and every connection are closed. Handlers that took over a
/// connection (WebSockets) watch the same `stop`.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let tracker = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => continue,
                }
            }
        };
        // Ticks are small frames: waiting to fill a packet would only make them late.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let service = TowerToHyperService::new(router.clone());
        let stop = stop.clone();
        tracker.spawn(async move {
            let _place = place;
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => Some(ended),
                () = stop.cancelled() => {
                    // An answer that is on its way may go out; nothing else.
                    connection.as_mut().graceful_shutdown();
                    timeout(LAST_ANSWER_WITHIN, connection).await.ok()
                }
            };
            if let Some(Err(error)) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    tracker.close();
    if timeout(END_WITHIN, tracker.wait()).await.is_err() {
        tracing::warn!(left = tracker.len(), "connections did not end in time");
    }
}
