//! One of several processes does a thing, by a lease in the store; the others stand by, and one of them takes over.
//! It must not know what is done.

use clock::Clock;
use market::Timestamp;
use std::time::Duration;
use store::Leases;
use tokio_util::sync::CancellationToken;

/// How long a lease is kept without being renewed.
const KEEP: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// So long before it runs out the work is stopped, if it could not be renewed.
const MARGIN_MS: i64 = 4_000;
/// How often those who stand by ask, half of it by chance: who dies is replaced within 19 s.
const ASK_EVERY_MS: u64 = 4_000;

/// Does `work` whenever this process has the lease `name`, until `stop`. `work` is handed a token that ends when `stop`
/// does, or when the lease is lost, and must end soon after it. `holder` names one process and one start of it.
pub async fn lead<Work>(
    leases: &dyn Leases,
    clock: Clock,
    name: &str,
    holder: &str,
    stop: &CancellationToken,
    mut work: impl FnMut(CancellationToken) -> Work,
) where
    Work: Future<Output = ()>,
{
    let mut stands_by = false;
    while !stop.is_cancelled() {
        let asked_at = clock.now();
        match leases.acquire_lease(name, holder, KEEP).await {
            Ok(true) => {
                tracing::info!(lease = name, "this process has the lease");
                stands_by = false;
                let token = stop.child_token();
                tokio::join!(hold(leases, clock, name, holder, asked_at, &token), async {
                    work(token.clone()).await;
                    token.cancel();
                });
                // Given back, so that another takes over at once.
                let _ = leases.release_lease(name, holder).await;
            }
            Ok(false) => {
                if !std::mem::replace(&mut stands_by, true) {
                    tracing::info!(lease = name, "another process has the lease; this one stands by");
                }
            }
            Err(error) => tracing::debug!(lease = name, %error, "the lease waits for the store"),
        }
        let wait = Duration::from_millis(ASK_EVERY_MS / 2 + fastrand::u64(0..=ASK_EVERY_MS / 2));
        stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
}

/// Renews until the token ends; ends it when the lease is lost, or may soon be another's.
async fn hold(
    leases: &dyn Leases,
    clock: Clock,
    name: &str,
    holder: &str,
    mut renewed_at: Timestamp,
    token: &CancellationToken,
) {
    while token.run_until_cancelled(tokio::time::sleep(RENEW_EVERY)).await.is_some() {
        let asked_at = clock.now();
        // Counted from before the call; a call that takes longer than what is left is as good as refused.
        let left_ms = KEEP.as_millis() as i64 - MARGIN_MS - asked_at.millis_since(renewed_at);
        let within = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        match tokio::time::timeout(within, leases.acquire_lease(name, holder, KEEP)).await {
            Ok(Ok(true)) => renewed_at = asked_at,
            Ok(Ok(false)) => {
                tracing::warn!(lease = name, "the lease is another's; this process stands by");
                return token.cancel();
            }
            Ok(Err(error)) => tracing::debug!(lease = name, %error, "the lease could not be renewed"),
            Err(_) => {}
        }
        if clock.now().millis_since(renewed_at) >= KEEP.as_millis() as i64 - MARGIN_MS {
            tracing::warn!(
                lease = name,
                "the lease could not be renewed in time; this process stops meanwhile"
            );
            return token.cancel();
        }
    }
}
