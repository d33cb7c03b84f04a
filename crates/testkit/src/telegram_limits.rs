//! How much the Bot API takes in a second and a minute, measured where it arrives.
//! It must not know what is sent.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// What is taken before 429; the numbers that bots are told to keep to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages to everybody in `second`.
    pub all: usize,
    /// Messages to one chat in `second`.
    pub chat: usize,
    /// Messages to one group in `minute`.
    pub group: usize,
    /// What counts as a second.
    pub second: Duration,
    /// What counts as a minute.
    pub minute: Duration,
}

impl Limits {
    /// Those of Telegram's FAQ.
    pub const TELEGRAM: Limits = Limits {
        all: 30,
        chat: 1,
        group: 20,
        second: Duration::from_secs(1),
        minute: Duration::from_secs(60),
    };

    /// So many that no test meets them.
    pub const NONE: Limits =
        Limits { all: usize::MAX, chat: usize::MAX, group: usize::MAX, ..Limits::TELEGRAM };

    /// The same numbers in a time that is so many times shorter.
    #[must_use]
    pub fn faster(self, times: u32) -> Limits {
        Limits { second: self.second / times, minute: self.minute / times, ..self }
    }
}

/// What came lately.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    all: VecDeque<Instant>,
    chats: BTreeMap<i64, VecDeque<Instant>>,
    groups: BTreeMap<i64, VecDeque<Instant>>,
}

impl Arrivals {
    /// Counts a message, or says which limit it breaks.
    pub(crate) fn count(
        &mut self,
        limits: &Limits,
        now: Instant,
        chat: i64,
        is_group: bool,
    ) -> Result<(), String> {
        let mut broken = Vec::new();
        if is_full(&mut self.all, limits.all, limits.second, now) {
            broken.push(format!("more than {} messages in {:?}", limits.all, limits.second));
        }
        if is_full(self.chats.entry(chat).or_default(), limits.chat, limits.second, now) {
            broken.push(format!("more than {} to chat {chat} in {:?}", limits.chat, limits.second));
        }
        if is_group && is_full(self.groups.entry(chat).or_default(), limits.group, limits.minute, now) {
            broken.push(format!("more than {} to group {chat} in {:?}", limits.group, limits.minute));
        }
        if broken.is_empty() { Ok(()) } else { Err(broken.join(", ")) }
    }
}

/// Counts, and says whether that was one too many.
fn is_full(times: &mut VecDeque<Instant>, limit: usize, per: Duration, now: Instant) -> bool {
    while times.front().is_some_and(|first| now.duration_since(*first) >= per) {
        times.pop_front();
    }
    times.push_back(now);
    times.len() > limit
}
