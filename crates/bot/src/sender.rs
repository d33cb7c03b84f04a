//! Messages of the outbox on their way to chats: rendered, merged where many wait, sent at Telegram's pace; and what came
//! of each, so that none is lost and none is said twice unmarked. It must not know conditions, nor how rows are kept.
//!
//! The Bot API has no idempotency key. What may have arrived (no answer came) is sent once more and says so, not before
//! Telegram answers something else; if no answer comes again, it is given up as dead, and the operator sees it there.
//! What Telegram says that it could not do (500, 502, 503) is sent again, marked, with growing waits, for a day.

use crate::{
    CallError, Keyboard, Talk, Told,
    perform::{Performer, told},
    post::Place,
    probe::Probe,
    split::{self, MESSAGE_UNITS_MAX},
    throttle::Class,
};
use again::growing;
use alerts::{Quiet, Start, Target};
use async_trait::async_trait;
use clock::Clock;
use market::Timestamp;
use std::{sync::Arc, time::Duration};
use store::{ChatRow, Message, Outcome, PRIORITY_BULK};

/// More than so many that wait for one chat become one message.
const APART_MAX: usize = 3;

/// So many alerts are told in one digest.
const DIGEST_MAX: usize = 30;

/// Words between messages that became one.
const BETWEEN: &str = "\n\n";

/// How soon what certainly did not arrive is tried again; twice as long each time.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// How soon what may have arrived is sent once more.
const REPEAT_AFTER_MS: i64 = 2_000;

/// How often it is looked whether a paused chat is active again.
const PAUSED_MS: i64 = 60_000;

/// What a paused chat was not told for so long is given up.
const PAUSED_MAX_MS: i64 = 24 * 3_600_000;

/// What Telegram could not do for so long is given up.
const NOT_DONE_MAX_MS: i64 = 24 * 3_600_000;

/// However late it is, so many attempts are made: the first one may come long after the message.
const ATTEMPTS_MIN: i64 = 5;

/// While Telegram refuses us as a whole, or the store does not say what a chat wants.
const TROUBLE_MS: i64 = 30_000;

/// Sends what is due to chats.
#[derive(Clone)]
pub struct ChatSender {
    pub(crate) performer: Performer,
    pub(crate) talk: Arc<dyn Talk>,
    pub(crate) clock: Clock,
    pub(crate) probe: Probe,
}

/// One message to Telegram, and which rows it carries.
struct Letter {
    html: String,
    keyboard: Keyboard,
    rows: Vec<usize>,
}

#[async_trait]
impl alerts::Sender for ChatSender {
    async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome> {
        let now = self.clock.now();
        let not_now = |at: Timestamp| vec![Outcome::NotNow { at }; group.len()];
        let Some(Ok(Target::Chat { chat, thread })) = group.first().map(|message| message.target.parse())
        else {
            let error = "the target is no chat".to_owned();
            return vec![Outcome::Dead { error }; group.len()];
        };
        if let Some(held) = self.performer.client.throttle().held() {
            return not_now(after(held, now));
        }
        let Ok(row) = self.performer.store.chat(chat).await else {
            return not_now(now.plus_millis(TROUBLE_MS));
        };
        if let Some(reason) = row.as_ref().and_then(|row| row.paused.as_deref()) {
            return group.iter().map(|message| paused(message, reason, now)).collect();
        }
        // What was held is due, and the quiet hours may be others by now. What is urgent does not wait with it.
        let quiet = row.as_ref().and_then(Quiet::of_chat);
        let quiet_until = quiet.and_then(|quiet| quiet.held_until(now));
        let same = group.iter().take_while(|message| message.is_held == group[0].is_held).count();
        let group = match quiet_until {
            Some(at) if group[0].is_held => return vec![Outcome::NotNow { at }; same],
            Some(_) => &group[..same],
            None => group,
        };
        let Some(letter) = self.letter(row.as_ref(), group) else {
            return vec![unsayable(); group.len()];
        };
        let thread = thread.and_then(|thread| i32::try_from(thread).ok());
        self.send_letter(chat, thread, &letter, group, start).await
    }
}

impl ChatSender {
    /// Sends a letter; what came of every message up to its last one.
    async fn send_letter(
        &self,
        chat: i64,
        thread: Option<i32>,
        letter: &Letter,
        group: &[Message],
        start: &Start,
    ) -> Vec<Outcome> {
        let carried = || letter.rows.iter().map(|row| &group[*row]);
        // Only one more try is left to what was not answered: it is not spent on an outage.
        if carried().any(|message| message.is_repeat)
            && let Some(at) = self.probe.silent_until().await
        {
            return vec![Outcome::NotNow { at }; group.len()];
        }
        let count = letter.rows.last().map_or(0, |last| last + 1);
        if !start.first(count).await {
            return Vec::new();
        }
        let is_bulk = carried().all(|message| message.priority >= PRIORITY_BULK);
        let class = if is_bulk { Class::Bulk } else { Class::Alert };
        let mut to = Place { chat, thread, class };
        let result = self.post(&mut to, letter).await;
        let now = self.clock.now();
        if let Err(error) = &result {
            tracing::warn!(chat = to.chat, messages = letter.rows.len(), "not delivered: {}", told(error));
            if error.pauses_chat() {
                self.performer.pause(to.chat, error).await;
            }
        }
        let outcome = |(at, message)| {
            if letter.rows.contains(&at) { outcome(&result, message, now) } else { unsayable() }
        };
        group[..count].iter().enumerate().map(outcome).collect()
    }

    /// Sends one letter, in parts if it is long; follows a group to its new number.
    async fn post(&self, to: &mut Place, letter: &Letter) -> Result<(), CallError> {
        let client = &self.performer.client;
        let parts = split::parts(&letter.html, MESSAGE_UNITS_MAX);
        let none = Keyboard::new();
        for (at, part) in parts.iter().enumerate() {
            let keyboard = if at + 1 == parts.len() { &letter.keyboard } else { &none };
            let mut result = client.send(*to, part, keyboard).await;
            if let Err(CallError::Migrated(new)) = result {
                if let Err(error) = self.performer.store.migrate_chat(to.chat, new).await {
                    tracing::warn!(old = to.chat, new, "the chat's number is not rewritten: {error}");
                    return Err(CallError::Migrated(new));
                }
                to.chat = new;
                result = client.send(*to, part, keyboard).await;
            }
            match result {
                Ok(()) => {}
                // A part has arrived: whoever sends the rest again says the first part twice.
                Err(error) if at > 0 && error.is_undone() => {
                    return Err(CallError::NotDone { reason: format!("after part {at}: {error}") });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The first message, or the first several as one where many wait or all were held over quiet hours; `None` if there
    /// is nothing to be said at all. What is passed over means nothing to us.
    fn letter(&self, chat: Option<&ChatRow>, group: &[Message]) -> Option<Letter> {
        let all_held = group.len() > 1 && group.iter().all(|message| message.is_held);
        let merges = group.len() > APART_MAX || all_held;
        let part = &group[..group.len().min(DIGEST_MAX)];
        if all_held && let Some(Told { html, keyboard }) = self.talk.digest(chat, part).filter(is_something) {
            return Some(Letter { html, keyboard, rows: (0..part.len()).collect() });
        }
        let mut letter: Option<Letter> = None;
        for (at, message) in group.iter().enumerate() {
            let Some(Told { html, keyboard }) = self.talk.told(chat, message).filter(is_something) else {
                continue;
            };
            let Some(so_far) = &mut letter else {
                letter = Some(Letter { html, keyboard, rows: vec![at] });
                if merges {
                    continue;
                }
                break;
            };
            let joined = format!("{}{BETWEEN}{html}", so_far.html);
            if so_far.rows.len() == DIGEST_MAX || split::parts(&joined, MESSAGE_UNITS_MAX).len() > 1 {
                break;
            }
            so_far.html = joined;
            so_far.keyboard.clear();
            so_far.rows.push(at);
        }
        letter
    }
}

fn is_something(told: &Told) -> bool {
    !split::parts(&told.html, MESSAGE_UNITS_MAX).is_empty()
}

/// What came of a message by what came of its letter.
fn outcome(result: &Result<(), CallError>, message: &Message, now: Timestamp) -> Outcome {
    let Err(error) = result else { return Outcome::Sent };
    let said = told(error);
    match error {
        CallError::TooMany(wait) => Outcome::NotNow { at: after(*wait, now) },
        CallError::NotReached(_) => Outcome::Retry { at: retry_at(message, now), error: said },
        CallError::NotDone { .. } => {
            let is_late = now.millis_since(message.created_at) > NOT_DONE_MAX_MS;
            if is_late && message.attempts >= ATTEMPTS_MIN {
                return Outcome::Dead {
                    error: format!("given up after {} attempts: {said}", message.attempts),
                };
            }
            Outcome::Ambiguous { at: retry_at(message, now), error: said }
        }
        CallError::Unsure { .. } if message.is_repeat => {
            Outcome::Dead { error: format!("sent twice, answered never: {said}") }
        }
        CallError::Unsure { .. } => Outcome::Ambiguous { at: now.plus_millis(REPEAT_AFTER_MS), error: said },
        error if error.pauses_chat() => paused(message, &said, now),
        CallError::BadToken(_) | CallError::Conflict(_) | CallError::Migrated(_) => {
            Outcome::Retry { at: now.plus_millis(TROUBLE_MS), error: said }
        }
        _ => Outcome::Dead { error: said },
    }
}

/// Of a kind, or with a body, that means nothing to us.
fn unsayable() -> Outcome {
    Outcome::Dead { error: "nothing can be said of it".to_owned() }
}

/// It waits for the chat to come back, for a day.
fn paused(message: &Message, reason: &str, now: Timestamp) -> Outcome {
    if now.millis_since(message.created_at) > PAUSED_MAX_MS {
        Outcome::Dead { error: format!("the chat is paused: {reason}") }
    } else {
        Outcome::NotNow { at: now.plus_millis(PAUSED_MS) }
    }
}

fn retry_at(message: &Message, now: Timestamp) -> Timestamp {
    let attempts = u32::try_from(message.attempts).unwrap_or(u32::MAX);
    let wait = growing(RETRY_FIRST, RETRY_MAX, attempts);
    now.plus(wait)
}

/// When Telegram's order to wait is over, and a moment later.
fn after(wait: Duration, now: Timestamp) -> Timestamp {
    now.plus(wait).plus_millis(50)
}
