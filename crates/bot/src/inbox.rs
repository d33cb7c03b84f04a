//! Updates between Telegram and the conversation: each heard once, those of one chat in their order, chats beside each
//! other; what is not done yet is remembered before Telegram may forget it. It must not know how updates come.

use crate::{Said, Talk, What, heard, perform::Performer};
use clock::Clock;
use market::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Older requests are not answered after an outage: nobody waits for them.
const STALE_AFTER: Duration = Duration::from_secs(5 * 60);

/// How long a batch may take before the next one is fetched; what is not done then is written down.
const BATCH_PATIENCE: Duration = Duration::from_millis(250);

/// The longest that one answer may take to be made; sending it has its own limits.
const HEAR_TIMEOUT: Duration = Duration::from_secs(30);

/// What is being done at the end may take so long still.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// So many chats are answered at once.
const CHATS_AT_ONCE: usize = 32;

/// Updates that may wait; beyond, no more are fetched.
const WAITING_MAX: usize = 1_000;

/// Updates that may wait in one chat; more are passed over.
const WAITING_IN_CHAT_MAX: usize = 100;

/// Numbers of updates that are remembered, so that none is heard twice.
const SEEN_MAX: usize = 500;

/// A number that is older means nothing: after a week of silence Telegram counts from anywhere.
const OFFSET_AGE_MAX_MS: i64 = 6 * 24 * 3_600_000;

/// Where the state lies among the bot's values.
const STATE: &str = "updates";

/// What must survive.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// The next update.
    offset: i64,
    /// When that was so, in milliseconds.
    at: i64,
    /// Updates that were fetched and not done.
    left: Vec<Box<RawValue>>,
    /// The numbers of the newest updates.
    seen: VecDeque<i64>,
}

/// Takes updates in.
pub(crate) struct Inbox {
    performer: Performer,
    talk: Arc<dyn Talk>,
    clock: Clock,
    me: i64,
    stop: CancellationToken,
    tasks: TaskTracker,
    at_once: Semaphore,
    settled: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    offset: i64,
    seen: VecDeque<i64>,
    seen_set: HashSet<i64>,
    left: BTreeMap<i64, Box<RawValue>>,
    /// Of each chat that is being answered, what comes next.
    chats: HashMap<i64, VecDeque<Job>>,
    is_saved: bool,
}

/// What is to be done for a chat.
enum Job {
    Hear(Said),
    /// Requests that are too old, the newest of them, and how long ago the oldest was said.
    Skip {
        last: Said,
        away: Duration,
        count: usize,
        updates: Vec<i64>,
    },
}

impl Inbox {
    pub(crate) fn new(
        performer: Performer,
        talk: Arc<dyn Talk>,
        clock: Clock,
        me: i64,
        stop: CancellationToken,
    ) -> Arc<Inbox> {
        Arc::new(Inbox {
            performer,
            talk,
            clock,
            me,
            stop,
            tasks: TaskTracker::new(),
            at_once: Semaphore::new(CHATS_AT_ONCE),
            settled: Notify::new(),
            state: Mutex::new(State { is_saved: true, ..State::default() }),
        })
    }

    /// The next update to ask Telegram for.
    pub(crate) fn offset(&self) -> Option<i64> {
        Some(self.state.lock().offset).filter(|offset| *offset > 0)
    }

    /// Goes on where the last process stopped; waits for nothing but the store's answer.
    pub(crate) async fn resume(self: &Arc<Self>) {
        let kept = match self.performer.store.bot_value(STATE).await {
            Ok(value) => value.and_then(|text| serde_json::from_str::<Kept>(&text).ok()).unwrap_or_default(),
            Err(error) => {
                tracing::warn!("which updates were heard before is not known: {error}");
                Kept::default()
            }
        };
        {
            let mut state = self.state.lock();
            if self.clock.now().millis() - kept.at < OFFSET_AGE_MAX_MS {
                state.offset = kept.offset;
            }
            state.seen_set = kept.seen.iter().copied().collect();
            state.seen = kept.seen;
            // They are to be heard, though they were seen.
            for number in kept.left.iter().filter_map(|raw| number(raw)) {
                state.seen_set.remove(&number);
            }
        }
        if !kept.left.is_empty() {
            tracing::info!(
                count = kept.left.len(),
                "updates that the last process did not finish are heard now"
            );
            self.take_in(kept.left, true).await;
        }
    }

    /// Takes updates; comes back once they are done, or written down. `after_outage`: some may have waited for long.
    pub(crate) async fn take(self: &Arc<Self>, updates: Vec<Box<RawValue>>, after_outage: bool) {
        if let Some(last) = updates.iter().filter_map(|raw| number(raw)).max() {
            self.state.lock().offset = last + 1;
        }
        self.take_in(updates, after_outage).await;
    }

    async fn take_in(self: &Arc<Self>, updates: Vec<Box<RawValue>>, after_outage: bool) {
        let now = self.clock.now();
        let mut numbers = Vec::new();
        let mut skipped = BTreeMap::<i64, Job>::new();
        for raw in updates {
            let Some(number) = number(&raw) else {
                metrics::counter!("rates_telegram_updates_total", "result" => "unreadable").increment(1);
                continue;
            };
            if !self.state.lock().is_new(number) {
                metrics::counter!("rates_telegram_updates_total", "result" => "repeated").increment(1);
                continue;
            }
            let said = match heard::read(raw.get(), self.me, now) {
                Ok(said) => said,
                Err(_) => {
                    metrics::counter!("rates_telegram_updates_total", "result" => "unreadable").increment(1);
                    tracing::debug!(update = number, "an update of an unknown form is passed over");
                    None
                }
            };
            let Some(said) = said else { continue };
            numbers.push(number);
            self.state.lock().left.insert(number, raw);
            if after_outage && self.is_stale(&said, now) {
                skip(&mut skipped, said, now);
            } else {
                self.put(Job::Hear(said));
            }
        }
        for job in skipped.into_values() {
            self.put(job);
        }
        self.wait_for(&numbers).await;
        self.save().await;
        self.wait_for_room().await;
    }

    /// Waits for what is being done, and keeps what is not.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.state.lock().is_saved = false;
        self.save().await;
    }

    fn is_stale(&self, said: &Said, now: Timestamp) -> bool {
        let age_ms = now.millis_since(said.at);
        let is_old = u128::try_from(age_ms).is_ok_and(|age| age > STALE_AFTER.as_millis());
        is_old && matches!(said.what, What::Text { .. }) && !self.talk.is_lasting(said)
    }

    /// Puts a job behind those of its chat.
    fn put(self: &Arc<Self>, job: Job) {
        let key = job.key();
        let mut state = self.state.lock();
        if let Some(waiting) = state.chats.get_mut(&key) {
            if waiting.len() < WAITING_IN_CHAT_MAX {
                waiting.push_back(job);
            } else {
                metrics::counter!("rates_telegram_updates_total", "result" => "too_many").increment(1);
                state.done(&job.numbers());
            }
            return;
        }
        state.chats.insert(key, VecDeque::from([job]));
        drop(state);
        let inbox = self.clone();
        self.tasks.spawn(inbox.work(key));
    }

    /// Does the jobs of one chat until there are no more, or the end has come.
    async fn work(self: Arc<Self>, key: i64) {
        while !self.stop.is_cancelled() {
            let job = {
                let mut state = self.state.lock();
                let Some(job) = state.chats.get_mut(&key).and_then(VecDeque::pop_front) else {
                    state.chats.remove(&key);
                    return;
                };
                job
            };
            let Ok(_room) = self.at_once.acquire().await else { return };
            let (inbox, numbers) = (self.clone(), job.numbers());
            // A task of its own: a panic ends this answer, not the chat.
            let mut answer = tokio::spawn(async move { inbox.job(&job).await });
            tokio::select! {
                ended = &mut answer => {
                    if let Err(error) = ended {
                        tracing::error!("an answer broke off: {error}");
                    }
                    self.state.lock().done(&numbers);
                    self.settled.notify_waiters();
                }
                () = self.end() => answer.abort(),
            }
        }
    }

    /// A while after the order to stop: what is being said may be said to its end.
    async fn end(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    }

    async fn job(&self, job: &Job) {
        let started = tokio::time::Instant::now();
        let (said, acts) = match job {
            Job::Hear(said) => (said, self.talk.hear(said.clone())),
            Job::Skip { last, away, count, .. } => (last, self.talk.skipped(last, *away, *count)),
        };
        match tokio::time::timeout(HEAR_TIMEOUT, acts).await {
            Ok(acts) => self.performer.perform(said, acts).await,
            Err(_) => tracing::warn!(update = said.update_id, "no answer was made in time"),
        }
        metrics::counter!("rates_telegram_updates_total", "result" => "heard").increment(1);
        metrics::histogram!("rates_telegram_reply_seconds").record(started.elapsed());
    }

    /// Waits a moment for all of these to be done.
    async fn wait_for(&self, numbers: &[i64]) {
        let all_done = async {
            loop {
                let settled = self.settled.notified();
                if numbers.iter().all(|number| !self.state.lock().left.contains_key(number)) {
                    return;
                }
                settled.await;
            }
        };
        let _ = tokio::time::timeout(BATCH_PATIENCE, all_done).await;
    }

    async fn wait_for_room(&self) {
        loop {
            let settled = self.settled.notified();
            if self.state.lock().left.len() < WAITING_MAX {
                return;
            }
            tokio::select! {
                () = settled => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Writes down what must survive. Without a store it is kept in memory, and said once.
    async fn save(&self) {
        let kept = {
            let state = self.state.lock();
            Kept {
                offset: state.offset,
                at: self.clock.now().millis(),
                left: state.left.values().cloned().collect(),
                seen: state.seen.clone(),
            }
        };
        let Ok(text) = serde_json::to_string(&kept) else { return };
        let result = self.performer.store.put_bot_value(STATE, Some(&text)).await;
        let was_saved = std::mem::replace(&mut self.state.lock().is_saved, result.is_ok());
        if let Err(error) = result
            && was_saved
        {
            tracing::warn!("which updates were heard is not kept for now: {error}");
        }
    }
}

impl State {
    /// Notes the number; whether it was not heard before.
    fn is_new(&mut self, number: i64) -> bool {
        if !self.seen_set.insert(number) {
            return false;
        }
        if !self.seen.contains(&number) {
            self.seen.push_back(number);
        }
        while self.seen.len() > SEEN_MAX {
            if let Some(oldest) = self.seen.pop_front() {
                self.seen_set.remove(&oldest);
            }
        }
        true
    }

    fn done(&mut self, numbers: &[i64]) {
        numbers.iter().for_each(|number| drop(self.left.remove(number)));
    }
}

impl Job {
    /// What must stay in order: a chat; an inline query has none, its writer's chat stands in.
    fn key(&self) -> i64 {
        let (Job::Hear(said) | Job::Skip { last: said, .. }) = self;
        key(said)
    }

    /// The updates that it does.
    fn numbers(&self) -> Vec<i64> {
        match self {
            Job::Hear(said) => vec![said.update_id],
            Job::Skip { updates, .. } => updates.clone(),
        }
    }
}

fn key(said: &Said) -> i64 {
    said.chat.map(|chat| chat.id).or(said.user.as_ref().map(|user| user.id)).unwrap_or_default()
}

fn skip(skipped: &mut BTreeMap<i64, Job>, said: Said, now: Timestamp) {
    let ago = Duration::from_millis(u64::try_from(now.millis_since(said.at)).unwrap_or(0));
    let number = said.update_id;
    match skipped.get_mut(&key(&said)) {
        Some(Job::Skip { last, away, count, updates }) => {
            (*last, *away, *count) = (said, (*away).max(ago), *count + 1);
            updates.push(number);
        }
        _ => {
            let job = Job::Skip { last: said, away: ago, count: 1, updates: vec![number] };
            skipped.insert(job.key(), job);
        }
    }
    metrics::counter!("rates_telegram_updates_total", "result" => "stale").increment(1);
}

fn number(raw: &RawValue) -> Option<i64> {
    #[derive(Deserialize)]
    struct Numbered {
        update_id: i64,
    }
    serde_json::from_str::<Numbered>(raw.get()).ok().map(|update| update.update_id)
}
