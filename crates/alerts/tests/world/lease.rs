//! One works, the other stands by and takes over.
//! It must not know what the work is.

use crate::lab::{Place, until};
use alerts::lead;
use clock::Clock;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn one_leads_and_the_other_takes_over() {
    let place = Place::sqlite();
    let (store, clock) = (place.open().await, Clock::system());
    let working = Arc::new(AtomicU32::new(0));
    let start = |holder: &'static str| {
        let (store, working, stop) = (store.clone(), working.clone(), CancellationToken::new());
        let token = stop.clone();
        let running = tokio::spawn(async move {
            lead(&*store, clock, "bot", holder, &token, |token| {
                let working = working.clone();
                async move {
                    working.fetch_add(1, Ordering::SeqCst);
                    token.cancelled().await;
                    working.fetch_sub(1, Ordering::SeqCst);
                }
            })
            .await;
        });
        (stop, running)
    };
    let (stop_one, one) = start("one");
    let holder = async || {
        let leases = store.leases().await.unwrap();
        leases.into_iter().find(|l| !l.left.is_zero()).map(|l| l.holder)
    };
    until("one leads", async || {
        holder().await.as_deref() == Some("one") && working.load(Ordering::SeqCst) == 1
    })
    .await;
    let (stop_other, other) = start("other");
    stop_one.cancel();
    one.await.unwrap();
    until("the other leads", async || {
        holder().await.as_deref() == Some("other") && working.load(Ordering::SeqCst) == 1
    })
    .await;
    stop_other.cancel();
    other.await.unwrap();
    assert_eq!((working.load(Ordering::SeqCst), holder().await), (0, None));
}
