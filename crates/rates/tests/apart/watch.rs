//! Somebody who asks an API for one pair all the time, and remembers what was said when.
//! It must not know which process is behind it.

use crate::harness::{PATIENCE, Service, within};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

const ASK_EVERY: Duration = Duration::from_millis(25);

/// What was said when: the fakes count, so every value is higher than the one before.
#[derive(Clone)]
pub struct Watch {
    pair: String,
    seen: Arc<std::sync::Mutex<Vec<(Instant, u64)>>>,
    _stop: Arc<DropGuard>,
}

impl Watch {
    /// Begins to ask.
    pub fn start(api: &Service, pair: &str) -> Watch {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let (api, name, sees) = (api.clone(), pair.to_owned(), seen.clone());
        let asking = async move {
            let path = format!("/api/v1/rates/{name}");
            loop {
                if let Some((_, rate)) = api.try_get(&path).await
                    && let Some(value) = rate["value"].as_str()
                {
                    let count = value.split('.').next().unwrap_or_default().parse().unwrap();
                    sees.lock().unwrap().push((Instant::now(), count));
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(asking));
        Watch { pair: pair.to_owned(), seen, _stop: Arc::new(stop.drop_guard()) }
    }

    /// Waits until a value newer than what is there now is said; how long that took.
    pub async fn moves(&self) -> Duration {
        let last = || self.seen.lock().unwrap().last().map_or(0, |(_, count)| *count);
        let (began, before) = (Instant::now(), last());
        within(PATIENCE, &format!("{} moves", self.pair), async || (last() > before).then_some(())).await;
        began.elapsed()
    }

    /// No older value was ever said after a newer one.
    pub fn assert_forward(&self) {
        let seen = self.seen.lock().unwrap();
        for two in seen.windows(2) {
            assert!(two[0].1 <= two[1].1, "{}: {} after {}", self.pair, two[1].1, two[0].1);
        }
    }

    /// The longest time between two values since then.
    pub fn longest_pause_since(&self, since: Instant) -> Duration {
        let seen = self.seen.lock().unwrap();
        let (mut longest, mut moved_at, mut last) = (Duration::ZERO, since, 0);
        for (at, count) in seen.iter().filter(|(at, _)| *at >= since) {
            if *count > last {
                longest = longest.max(at.duration_since(moved_at));
                (moved_at, last) = (*at, *count);
            }
        }
        longest.max(moved_at.elapsed())
    }
}
