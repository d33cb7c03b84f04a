//! One of several processes is the bot, by a lease in the store; the others stand by and one of them takes over.
//! It must not know what the bot does.
//!
//! The lease is held gently: while the store does not answer, whoever has it goes on, for nobody else can take it then,
//! and people still want rates. Only a store that answers and names another holder ends it. Should two go on for a
//! while all the same, cut off from each other, nothing is said twice: messages are taken in the store, one by one, and
//! Telegram itself lets only one of them read updates.
//!
//! Whoever was killed and is started again waits for the end of its own old lease, as anybody would. To take it at once
//! the old process would have to be known for dead, and not only out of sight: numbers of processes say nothing between
//! containers, `/proc` may be hidden, and a lock on a file needs a place that outlives the restart and is copied nowhere,
//! which a process with its store elsewhere does not have.

use again::jittered;
use std::time::Duration;
use store::Leases;
use tokio_util::sync::CancellationToken;

/// How the lease is held.
#[derive(Debug, Clone)]
pub struct Holding {
    /// Its name in the store.
    pub lease: String,
    /// Who holds it: one process and one start of it.
    pub holder: String,
    /// How long it is kept without being renewed: so long after a death, and a question later, another takes over.
    pub keep: Duration,
    /// How often it is renewed.
    pub renew_every: Duration,
    /// How often those who stand by ask, half of it by chance.
    pub ask_every: Duration,
}

impl Holding {
    /// As in the product: a dead process is replaced within some 20 seconds.
    pub fn new(lease: impl Into<String>, holder: impl Into<String>) -> Holding {
        let seconds = Duration::from_secs;
        Holding {
            lease: lease.into(),
            holder: holder.into(),
            keep: seconds(15),
            renew_every: seconds(4),
            ask_every: seconds(4),
        }
    }
}

/// A store may take so long to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Does `work` whenever this process is the one, until `stop`. `work` ends soon after the token that it is handed does.
pub async fn stand_by<Work>(
    leases: &dyn Leases,
    holding: &Holding,
    stop: &CancellationToken,
    mut work: impl FnMut(CancellationToken) -> Work,
) where
    Work: Future<Output = ()>,
{
    let mut waits = false;
    while !stop.is_cancelled() {
        match ask(leases, holding).await {
            Some(true) => {
                tracing::info!("this process is the bot");
                metrics::gauge!("rates_bot_active").set(1);
                waits = false;
                let token = stop.child_token();
                tokio::join!(hold(leases, holding, &token), async {
                    work(token.clone()).await;
                    token.cancel();
                });
                metrics::gauge!("rates_bot_active").set(0);
                // Given back, so that another takes over at once.
                let _ = tokio::time::timeout(
                    ANSWER_WITHIN,
                    leases.release_lease(&holding.lease, &holding.holder),
                )
                .await;
            }
            Some(false) if !waits => {
                waits = true;
                tracing::info!("another process is the bot; this one stands by");
            }
            Some(false) | None => {}
        }
        stop.run_until_cancelled(tokio::time::sleep(jittered(holding.ask_every))).await;
    }
}

/// Renews until the token ends; ends it when another has the lease.
async fn hold(leases: &dyn Leases, holding: &Holding, token: &CancellationToken) {
    let mut was_renewed = true;
    while token.run_until_cancelled(tokio::time::sleep(holding.renew_every)).await.is_some() {
        let asked = ask(leases, holding).await;
        match asked {
            Some(true) if !was_renewed => tracing::info!("the bot's lease is renewed again"),
            Some(false) => {
                tracing::warn!("another process is the bot now; this one stands by");
                return token.cancel();
            }
            None if was_renewed => tracing::warn!("the bot's lease waits for the store; the bot goes on"),
            Some(true) | None => {}
        }
        was_renewed = asked.is_some();
    }
}

/// Whether the lease is ours now; `None` if the store does not say.
async fn ask(leases: &dyn Leases, holding: &Holding) -> Option<bool> {
    tokio::time::timeout(ANSWER_WITHIN, leases.acquire_lease(&holding.lease, &holding.holder, holding.keep))
        .await
        .ok()?
        .ok()
}
