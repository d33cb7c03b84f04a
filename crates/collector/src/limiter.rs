//! Keeps within "at most N in any T": a sliding window, and the hosts whose limits many connections share.
//! It must not know what is counted.

use clock::Clock;
use market::Timestamp;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use store::Hold;
use tokio::sync::watch;
use venue::Limit;

/// When things were done lately. Pure.
#[derive(Debug, Default)]
pub struct Window {
    done: VecDeque<Timestamp>,
}

impl Window {
    /// The most that is remembered, whatever a venue file says.
    const REMEMBERED_MAX: usize = 10_000;

    /// How long until one more is allowed; zero = now. The period is taken 5 % longer than it is, because
    /// the venue counts arrivals and the network bunches them.
    pub fn wait(&self, limit: Limit, now: Timestamp) -> Duration {
        let count = (limit.count.max(1) as usize).min(Self::REMEMBERED_MAX);
        let Some(at) = self.done.len().checked_sub(count) else { return Duration::ZERO };
        let period = i64::try_from(limit.per_ms.saturating_mul(1_050)).unwrap_or(i64::MAX);
        let free_at = self.done[at].micros().saturating_add(period);
        Duration::from_micros(u64::try_from(free_at.saturating_sub(now.micros())).unwrap_or(0))
    }

    /// One more is done now.
    pub fn add(&mut self, now: Timestamp) {
        if self.done.len() >= Self::REMEMBERED_MAX {
            self.done.pop_front();
        }
        self.done.push_back(now);
    }

    /// Forgets what no limit of this size asks for any more.
    pub fn forget_beyond(&mut self, count: u32) {
        while self.done.len() > count.max(1) as usize {
            self.done.pop_front();
        }
    }
}

/// What a host is asked for; each has limits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A WebSocket connection.
    Connect,
    /// An HTTP request.
    Request,
}

/// One host, shared by everything that talks to it.
#[derive(Debug, Default)]
pub struct Host {
    state: Mutex<HostState>,
    /// Told of every hold.
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct HostState {
    connects: Window,
    requests: Window,
    not_before: Option<Timestamp>,
}

impl Host {
    /// Waits for a turn within the limit and past any `Retry-After`, and takes it. Cancel-safe.
    pub async fn turn(&self, kind: Kind, limit: Option<Limit>, clock: &Clock) {
        loop {
            let wait = self.try_turn(kind, limit, clock.now());
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }

    /// Counts turns that somebody else may have taken until now.
    pub fn assume(&self, kind: Kind, count: u32, now: Timestamp) {
        let mut state = self.state.lock();
        let window = match kind {
            Kind::Connect => &mut state.connects,
            Kind::Request => &mut state.requests,
        };
        (0..count).for_each(|_| window.add(now));
    }

    /// Takes a turn if there is one now; else how long to wait.
    fn try_turn(&self, kind: Kind, limit: Option<Limit>, now: Timestamp) -> Duration {
        let mut state = self.state.lock();
        let held = state.not_before.map_or(0, |until| until.micros().saturating_sub(now.micros()));
        if held > 0 {
            return Duration::from_micros(held.unsigned_abs());
        }
        state.not_before = None;
        let window = match kind {
            Kind::Connect => &mut state.connects,
            Kind::Request => &mut state.requests,
        };
        let Some(limit) = limit else { return Duration::ZERO };
        let wait = window.wait(limit, now);
        if wait.is_zero() {
            window.add(now);
        }
        wait
    }

    /// Until when it must not be asked, if so.
    pub fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.state.lock().not_before.filter(|until| *until > now)
    }

    /// Nobody asks this host for anything before `until`.
    pub fn hold_until(&self, until: Timestamp) {
        let mut state = self.state.lock();
        state.not_before = Some(state.not_before.map_or(until, |now| now.max(until)));
        drop(state);
        self.told.send_modify(|count| *count += 1);
    }
}

/// Every host that is talked to, by `host:port`.
#[derive(Debug, Default)]
pub struct Hosts {
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    told: watch::Sender<u64>,
}

impl Hosts {
    /// More hosts than any table of rows means. Beyond it, those that nobody uses are forgotten.
    const HOSTS_MAX: usize = 4_096;

    /// The host of that name.
    pub fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock();
        if let Some(host) = hosts.get(name) {
            return host.clone();
        }
        if hosts.len() >= Self::HOSTS_MAX {
            hosts.retain(|_, host| Arc::strong_count(host) > 1 || host.state.lock().not_before.is_some());
        }
        let new = || Arc::new(Host { state: Mutex::default(), told: self.told.clone() });
        hosts.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Changes its value with every hold of any host.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// The hosts that must not be asked now.
    pub fn held(&self, now: Timestamp) -> Vec<Hold> {
        let hosts = self.hosts.lock();
        let hold = |(name, host): (&String, &Arc<Host>)| {
            // Kept in whole milliseconds, rounded up: a moment early is too early.
            let until = host.held_until(now)?.micros().saturating_add(999).div_euclid(1_000);
            Some(Hold { host: name.clone(), until: Timestamp::from_millis(until) })
        };
        hosts.iter().filter_map(hold).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_period_ever_holds_more_than_allowed(count in 1u32..20, per_ms in 1u64..5_000, steps in prop::collection::vec(0i64..500, 1..300)) {
            let limit = Limit { count, per_ms };
            let (mut window, mut now, mut done) = (Window::default(), Timestamp::from_millis(1_000), Vec::new());
            for step in steps {
                now = now.plus_millis(step);
                if window.wait(limit, now).is_zero() {
                    window.add(now);
                    window.forget_beyond(count);
                    done.push(now);
                }
            }
            for (at, first) in done.iter().enumerate() {
                let within = done[at..].iter().take_while(|t| t.millis_since(*first) < per_ms as i64).count();
                prop_assert!(within <= count as usize, "{within} in {per_ms} ms");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_waits_for_the_limit_and_for_a_held_host() {
        let clock = Clock::at(Timestamp::from_millis(0));
        let host = Hosts::default().host("h:1");
        let limit = Some(Limit { count: 2, per_ms: 1_000 });
        for _ in 0..4 {
            host.turn(Kind::Request, limit, &clock).await;
        }
        let waited = clock.now().millis();
        assert!((1_050..1_100).contains(&waited), "{waited}");
        host.hold_until(clock.now().plus_millis(30_000));
        host.hold_until(clock.now().plus_millis(10));
        host.turn(Kind::Connect, None, &clock).await;
        assert!(clock.now().millis() >= waited + 30_000, "a shorter hold does not cut a longer one");
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_may_have_done_counts() {
        let clock = Clock::at(Timestamp::from_millis(0));
        let host = Hosts::default().host("h:1");
        let limit = Some(Limit { count: 3, per_ms: 1_000 });
        host.assume(Kind::Request, 2, clock.now());
        host.turn(Kind::Request, limit, &clock).await;
        assert_eq!(clock.now().millis(), 0, "there is room for one");
        host.turn(Kind::Request, limit, &clock).await;
        assert!(clock.now().millis() >= 1_050, "and not for two");
    }

    #[test]
    fn a_host_is_shared_by_name() {
        let hosts = Hosts::default();
        assert!(Arc::ptr_eq(&hosts.host("a:1"), &hosts.host("a:1")));
        assert!(!Arc::ptr_eq(&hosts.host("a:1"), &hosts.host("a:2")));
    }
}
