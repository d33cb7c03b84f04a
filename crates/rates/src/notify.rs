//! Tells the service manager (systemd, `Type=notify`) that the service is ready, alive and stopping; without one, nothing.
//! It must not know what is running.

use crate::fatal::Tasks;
use sd_notify::NotifyState;
use std::time::Duration;

/// Told more often than this, no manager learns more.
const WATCHDOG_MIN: Duration = Duration::from_millis(10);

/// Tells that the roles run, and from then on that they are alive, as often as the manager wants to hear it.
pub fn ready(tasks: &Tasks) {
    tell(&[NotifyState::Ready]);
    if let Some(within) = sd_notify::watchdog_enabled() {
        // A task like the others, on the threads that serve: if those hang, so does this.
        tasks.run(async move {
            let mut every = tokio::time::interval((within / 3).max(WATCHDOG_MIN));
            loop {
                every.tick().await;
                tell(&[NotifyState::Watchdog]);
            }
        });
    }
}

/// Tells that the service stops because it was asked to, or because it must.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A datagram on a local socket, which never waits long; a manager that does not listen changes nothing here.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
