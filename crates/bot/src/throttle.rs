//! Telegram's pace: so many messages a second to everybody, to one chat, so many a minute to a group; and the order to
//! wait, which holds for every call. It must not know what is sent.
//!
//! A place is taken before a message leaves and becomes free a second after its answer came. Two messages that used the
//! same place are therefore more than a second apart where they arrive, however long each was on its way: no second at
//! the server sees more messages than there are places.

use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// How many messages in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// To everybody in `second`.
    pub all: usize,
    /// To one chat in `second`.
    pub chat: usize,
    /// To one group or channel in `minute`.
    pub group: usize,
    /// A second, but in tests.
    pub second: Duration,
    /// A minute, but in tests.
    pub minute: Duration,
}

impl Pace {
    /// What Telegram's FAQ names.
    pub const TELEGRAM: Pace =
        Pace { all: 30, chat: 1, group: 20, second: Duration::from_secs(1), minute: Duration::from_secs(60) };

    /// The same numbers in a time that is so many times shorter: for tests.
    #[must_use]
    pub fn faster(self, times: u32) -> Pace {
        Pace { second: self.second / times, minute: self.minute / times, ..self }
    }

    /// How many of `all` places a class may fill: the rest is kept for those before it.
    fn places(&self, class: Class) -> usize {
        match class {
            Class::Reply => self.all,
            Class::Alert => self.all.saturating_sub(self.all / 6).max(1),
            Class::Bulk => self.all.saturating_sub(self.all / 3).max(1),
        }
    }
}

/// Who goes first when there is little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody waits for an answer.
    Reply,
    /// An alert, a subscription.
    Alert,
    /// A broadcast.
    Bulk,
}

/// Chats are forgotten once they have been quiet for a minute; looked for when there are more than so many.
const CHATS_MANY: usize = 1_024;

/// The pace of one bot, shared by everything that calls.
#[derive(Debug)]
pub struct Throttle {
    pace: Pace,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    held_until: Option<Instant>,
    all: Places,
    chats: HashMap<i64, Places>,
    groups: HashMap<i64, Places>,
    chats_swept: usize,
}

/// Places in one window.
#[derive(Debug, Default)]
struct Places {
    /// Taken by messages on their way.
    busy: usize,
    /// Taken by messages that arrived at these times.
    done: VecDeque<Instant>,
}

/// When there may be room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Now,
    At(Instant),
    /// When somebody's message has arrived.
    Later,
}

impl Places {
    fn room(&mut self, limit: usize, per: Duration, now: Instant) -> Room {
        while self.done.front().is_some_and(|first| *first + per <= now) {
            self.done.pop_front();
        }
        if self.busy + self.done.len() < limit {
            return Room::Now;
        }
        // So many have to become free; those on their way become free at a time nobody knows yet.
        let needed = (self.busy + self.done.len()).saturating_sub(limit);
        self.done.get(needed).map_or(Room::Later, |at| Room::At(*at + per))
    }

    fn is_quiet(&mut self, per: Duration, now: Instant) -> bool {
        self.room(usize::MAX, per, now);
        self.busy == 0 && self.done.is_empty()
    }
}

impl State {
    /// Takes a place everywhere, or says when to ask again.
    fn take(&mut self, pace: &Pace, chat: i64, class: Class, now: Instant) -> Room {
        if let Some(until) = self.held_until.filter(|until| *until > now) {
            return Room::At(until);
        }
        if self.chats.len() > self.chats_swept.max(CHATS_MANY) * 2 {
            self.chats.retain(|_, places| !places.is_quiet(pace.second, now));
            self.groups.retain(|_, places| !places.is_quiet(pace.minute, now));
            self.chats_swept = self.chats.len();
        }
        let mut rooms = vec![
            self.all.room(pace.places(class), pace.second, now),
            self.chats.entry(chat).or_default().room(pace.chat, pace.second, now),
        ];
        if chat < 0 {
            rooms.push(self.groups.entry(chat).or_default().room(pace.group, pace.minute, now));
        }
        if rooms.contains(&Room::Later) {
            return Room::Later;
        }
        let at = rooms.iter().filter_map(|room| match room {
            Room::At(at) => Some(*at),
            Room::Now | Room::Later => None,
        });
        if let Some(at) = at.max() {
            return Room::At(at);
        }
        self.each(chat, |places| places.busy += 1);
        Room::Now
    }

    fn each(&mut self, chat: i64, change: impl Fn(&mut Places)) {
        change(&mut self.all);
        change(self.chats.entry(chat).or_default());
        if chat < 0 {
            change(self.groups.entry(chat).or_default());
        }
    }
}

/// Room for one message; keep it until the answer has come.
#[derive(Debug)]
pub struct Permit {
    throttle: Arc<Throttle>,
    chat: i64,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = Instant::now();
        self.throttle.state.lock().each(self.chat, |places| {
            places.busy = places.busy.saturating_sub(1);
            places.done.push_back(now);
        });
        self.throttle.freed.notify_waiters();
    }
}

impl Throttle {
    /// A throttle with nothing on its way.
    pub fn new(pace: Pace) -> Arc<Throttle> {
        Arc::new(Throttle { pace, state: Mutex::default(), freed: Notify::new() })
    }

    /// Waits until a message may go to the chat.
    pub async fn permit(self: &Arc<Self>, chat: i64, class: Class) -> Permit {
        loop {
            match self.permit_unless_held(chat, class).await {
                Ok(permit) => return permit,
                Err(left) => tokio::time::sleep(left).await,
            }
        }
    }

    /// Likewise, but does not sit through an order to wait: how long that is, for whoever can come back.
    pub async fn permit_unless_held(self: &Arc<Self>, chat: i64, class: Class) -> Result<Permit, Duration> {
        loop {
            let freed = self.freed.notified();
            if let Some(left) = self.held() {
                return Err(left);
            }
            let room = self.state.lock().take(&self.pace, chat, class, Instant::now());
            match room {
                Room::Now => return Ok(Permit { throttle: self.clone(), chat }),
                Room::At(at) => tokio::time::sleep_until(at).await,
                Room::Later => freed.await,
            }
        }
    }

    /// Waits until calls of any kind are allowed.
    pub async fn open(&self) {
        while let Some(left) = self.held() {
            tokio::time::sleep(left).await;
        }
    }

    /// No call of any kind for so long; a longer wait that holds already stays.
    pub fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.state.lock();
        state.held_until = Some(state.held_until.map_or(until, |held| held.max(until)));
    }

    /// How long calls have to wait still, if they have to.
    pub fn held(&self) -> Option<Duration> {
        let until = self.state.lock().held_until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    }

    /// The most events in any window of that length.
    fn most_within(times: &mut [Duration], per: Duration) -> usize {
        times.sort_unstable();
        let within =
            |first: &Duration| times.iter().filter(|at| **at >= *first && **at < *first + per).count();
        times.iter().map(within).max().unwrap_or(0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// G02: whatever is queued and however long each message travels, no second at the server sees more than
        /// 30 of them, no chat more than one, no group more than 20 in a minute.
        #[test]
        fn g02_no_window_at_the_server_sees_too_many(
            messages in prop::collection::vec((0usize..12, 0u64..900, 0u64..900), 1..300),
        ) {
            let chats = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -11, -12];
            let arrived = runtime().block_on(async {
                let throttle = Throttle::new(Pace::TELEGRAM);
                let started = Instant::now();
                let arrived = Arc::new(Mutex::new(Vec::new()));
                let mut tasks = Vec::new();
                for (chat, there_ms, back_ms) in messages {
                    let (throttle, arrived, chat) = (throttle.clone(), arrived.clone(), chats[chat]);
                    tasks.push(tokio::spawn(async move {
                        let _permit = throttle.permit(chat, Class::Reply).await;
                        tokio::time::sleep(Duration::from_millis(there_ms)).await;
                        arrived.lock().push((chat, started.elapsed()));
                        tokio::time::sleep(Duration::from_millis(back_ms)).await;
                    }));
                }
                for task in tasks {
                    task.await.unwrap();
                }
                arrived.lock().clone()
            });
            let mut all: Vec<_> = arrived.iter().map(|(_, at)| *at).collect();
            prop_assert!(most_within(&mut all, Duration::from_secs(1)) <= 30);
            for chat in chats {
                let mut times: Vec<_> = arrived.iter().filter(|(to, _)| *to == chat).map(|(_, at)| *at).collect();
                prop_assert!(most_within(&mut times, Duration::from_secs(1)) <= 1);
                prop_assert!(chat > 0 || most_within(&mut times, Duration::from_secs(60)) <= 20);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_person_finds_room_among_broadcasts() {
        let throttle = Throttle::new(Pace::TELEGRAM);
        let mut kept = Vec::new();
        for chat in 1..=20 {
            kept.push(throttle.permit(chat, Class::Bulk).await);
        }
        let bulk = tokio::time::timeout(Duration::from_secs(5), throttle.permit(21, Class::Bulk));
        assert!(bulk.await.is_err(), "a third is kept free");
        let started = Instant::now();
        kept.push(throttle.permit(22, Class::Reply).await);
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_order_to_wait_holds_for_everything() {
        let throttle = Throttle::new(Pace::TELEGRAM);
        let started = Instant::now();
        throttle.hold(Duration::from_secs(35));
        throttle.hold(Duration::from_secs(3));
        assert!(throttle.held() > Some(Duration::from_secs(34)));
        throttle.open().await;
        throttle.hold(Duration::from_secs(1));
        assert!(throttle.permit_unless_held(1, Class::Alert).await.is_err());
        drop(throttle.permit(1, Class::Reply).await);
        assert!(started.elapsed() >= Duration::from_secs(35));
        assert_eq!(throttle.held(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_chats_are_forgotten() {
        let throttle = Throttle::new(Pace { all: usize::MAX, ..Pace::TELEGRAM });
        for chat in 0..20_000 {
            drop(throttle.permit(chat, Class::Reply).await);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert!(throttle.state.lock().chats.len() < 3_000, "{}", throttle.state.lock().chats.len());
    }
}
