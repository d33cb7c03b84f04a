//! How a service is told to stop: the first signal asks, the second does not.
//! It must not know what is running.

use crate::exit::{Exit, Failure};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A service that has not ended by then is left behind.
pub const STOP_WITHIN: Duration = Duration::from_millis(9_500);

/// Cancels `stop` at the first SIGTERM or SIGINT, and ends the process at the second.
pub fn listen(stop: CancellationToken) -> Result<(), Failure> {
    let unable = |error| Failure::from(anyhow::Error::new(error).context("signals cannot be received"));
    let mut end = signal(SignalKind::terminate()).map_err(unable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unable)?;
    tokio::spawn(async move {
        for is_second in [false, true] {
            tokio::select! {
                _ = end.recv() => {}
                _ = interrupt.recv() => {}
            }
            if is_second {
                tracing::warn!("stopping at once, as asked twice");
                std::process::exit(Exit::Interrupted.code().into());
            }
            tracing::info!("stopping; a second signal stops at once");
            stop.cancel();
        }
    });
    Ok(())
}
