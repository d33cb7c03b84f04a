//! Messages of the outbox on their way to chats: rendered, merged where many wait, sent at Telegram's pace; and what came
//! of each, so that none is lost and none is said twice unmarked. It must not know conditions, nor how rows are kept.
//!
//! The Bot API has no idempotency key. What may have arrived (no answer came) is sent once more and says so; if no
//! answer comes again, it is given up as dead, and the operator sees it there.

use crate::{
    CallError, Keyboard, Talk, Told,
    perform::{Performer, told},
    post::Place,
    split::{self, MESSAGE_UNITS_MAX},
    throttle::Class,
};
use alerts::{Quiet, Target};
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
const RETRY_FIRST_MS: i64 = 1_000;
const RETRY_MAX_MS: i64 = 5 * 60_000;

/// How soon what may have arrived is sent once more.
const REPEAT_AFTER_MS: i64 = 2_000;

/// How often it is looked whether a paused chat is active again.
const PAUSED_MS: i64 = 60_000;

/// What a paused chat was not told for so long is given up.
const PAUSED_MAX_MS: i64 = 24 * 3_600_000;

/// While Telegram refuses us as a whole, or the store does not say what a chat wants.
const TROUBLE_MS: i64 = 30_000;

/// Sends what is due to chats.
#[derive(Clone)]
pub struct ChatSender {
    pub(crate) performer: Performer,
    pub(crate) talk: Arc<dyn Talk>,
    pub(crate) clock: Clock,
}

/// One message to Telegram, and which rows it carries.
struct Letter {
    html: String,
    keyboard: Keyboard,
    rows: Vec<usize>,
}

#[async_trait]
impl alerts::Sender for ChatSender {
    async fn send(&self, group: &[Message]) -> Vec<Outcome> {
        let now = self.clock.now();
        let not_now = |ms: i64| vec![Outcome::NotNow { at: now.plus_millis(ms) }; group.len()];
        let Some(Ok(Target::Chat { chat, thread })) = group.first().map(|message| message.target.parse())
        else {
            let error = "the target is no chat".to_owned();
            return vec![Outcome::Dead { error }; group.len()];
        };
        if let Some(held) = self.performer.client.throttle().held() {
            return not_now(millis(held));
        }
        let Ok(row) = self.performer.store.chat(chat).await else { return not_now(TROUBLE_MS) };
        if let Some(reason) = row.as_ref().and_then(|row| row.paused.as_deref()) {
            return group.iter().map(|message| paused(message, reason, now)).collect();
        }
        // What was held is due, and the quiet hours may be others by now.
        let quiet = row.as_ref().and_then(Quiet::of_chat);
        let held_until = quiet.and_then(|quiet| quiet.held_until(now));
        let thread = thread.and_then(|thread| i32::try_from(thread).ok());
        let is_bulk = group.iter().all(|message| message.priority >= PRIORITY_BULK);
        let class = if is_bulk { Class::Bulk } else { Class::Alert };
        let to = Place { chat, thread, class };
        let Some(at) = held_until.filter(|_| group.iter().any(|message| message.is_held)) else {
            return self.send_all(to, row.as_ref(), group).await;
        };
        // What is urgent, or of before the quiet hours, does not wait with them.
        let going: Vec<Message> = group.iter().filter(|message| !message.is_held).cloned().collect();
        let mut went = self.send_all(to, row.as_ref(), &going).await.into_iter();
        let outcome = |message: &Message| {
            let held = message.is_held.then_some(Outcome::NotNow { at });
            held.or_else(|| went.next()).unwrap_or(Outcome::NotNow { at })
        };
        group.iter().map(outcome).collect()
    }
}

impl ChatSender {
    async fn send_all(&self, mut to: Place, row: Option<&ChatRow>, group: &[Message]) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> =
            vec![Outcome::Dead { error: "nothing can be said of it".to_owned() }; group.len()];
        let letters = self.letters(row, group);
        for (at, letter) in letters.iter().enumerate() {
            let result = self.letter(&mut to, letter).await;
            let now = self.clock.now();
            let stops = result.as_ref().err().and_then(|error| stops_for(error, now));
            for row in &letter.rows {
                outcomes[*row] = outcome(&result, &group[*row], now);
            }
            if let Err(error) = &result {
                tracing::warn!(
                    chat = to.chat,
                    messages = letter.rows.len(),
                    "not delivered: {}",
                    told(error)
                );
                if error.pauses_chat() {
                    self.performer.pause(to.chat, error).await;
                }
            }
            // What follows keeps its order: it waits for what did not arrive.
            if let Some(until) = stops {
                for row in letters[at + 1..].iter().flat_map(|letter| &letter.rows) {
                    outcomes[*row] = Outcome::NotNow { at: until };
                }
                break;
            }
        }
        outcomes
    }

    /// Sends one letter, in parts if it is long; follows a group to its new number.
    async fn letter(&self, to: &mut Place, letter: &Letter) -> Result<(), CallError> {
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
                Err(error) if at > 0 && error.is_transient() => {
                    return Err(CallError::Unsure {
                        reason: format!("after part {at}: {error}"),
                        source: None,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Messages apart, or as few as hold them where many wait or all were held over quiet hours; of each, its rows.
    fn letters(&self, chat: Option<&ChatRow>, group: &[Message]) -> Vec<Letter> {
        let all_held = group.len() > 1 && group.iter().all(|message| message.is_held);
        let merges = group.len() > APART_MAX || all_held;
        let mut letters = Vec::new();
        for (at, part) in group.chunks(if merges { DIGEST_MAX } else { 1 }).enumerate() {
            let first = at * DIGEST_MAX;
            match self.talk.digest(chat, part).filter(|told| all_held && is_something(told)) {
                Some(Told { html, keyboard }) => {
                    letters.push(Letter { html, keyboard, rows: (first..first + part.len()).collect() });
                }
                None => self.write(chat, part, if merges { first } else { at }, merges, &mut letters),
            }
        }
        letters
    }

    /// Each message as it is told alone, joined with the one before it if they are to be few.
    fn write(
        &self,
        chat: Option<&ChatRow>,
        part: &[Message],
        first: usize,
        merges: bool,
        letters: &mut Vec<Letter>,
    ) {
        for (at, message) in part.iter().enumerate() {
            let Some(told) = self.talk.told(chat, message).filter(is_something) else { continue };
            let last = letters.last_mut().filter(|_| merges);
            let joined = last.as_ref().map(|last| format!("{}{BETWEEN}{}", last.html, told.html));
            match (last, joined) {
                (Some(last), Some(html)) if split::parts(&html, MESSAGE_UNITS_MAX).len() == 1 => {
                    last.html = html;
                    last.keyboard.clear();
                    last.rows.push(first + at);
                }
                _ => {
                    let Told { html, keyboard } = told;
                    letters.push(Letter { html, keyboard, rows: vec![first + at] });
                }
            }
        }
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
        CallError::TooMany(wait) => Outcome::NotNow { at: now.plus_millis(millis(*wait)) },
        CallError::NotReached(_) => Outcome::Retry { at: retry_at(message, now), error: said },
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

/// Whether what follows for this chat has to wait, and until when.
fn stops_for(error: &CallError, now: Timestamp) -> Option<Timestamp> {
    match error {
        CallError::TooMany(wait) => Some(now.plus_millis(millis(*wait))),
        CallError::NotReached(_) => Some(now.plus_millis(RETRY_FIRST_MS)),
        CallError::Unsure { .. } => Some(now.plus_millis(REPEAT_AFTER_MS)),
        CallError::BadToken(_) | CallError::Conflict(_) | CallError::Migrated(_) => {
            Some(now.plus_millis(TROUBLE_MS))
        }
        error if error.pauses_chat() => Some(now.plus_millis(PAUSED_MS)),
        _ => None,
    }
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
    let tries = u32::try_from(message.attempts.clamp(1, 16) - 1).unwrap_or(0);
    let ms = RETRY_FIRST_MS.saturating_mul(2i64.saturating_pow(tries)).min(RETRY_MAX_MS);
    let jitter = i64::from(fastrand::u32(0..=u32::try_from(ms / 2).unwrap_or(0)));
    now.plus_millis(ms - jitter)
}

fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).saturating_add(50)
}
