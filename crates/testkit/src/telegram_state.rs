//! What the fake Bot API knows: chats, messages, updates that wait, faults to come, and all that was called.
//! It must not know HTTP, nor what a method asks for.

use crate::{
    telegram_limits::{Arrivals, Limits},
    telegram_markup::Button,
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 429, and every call of any method gets the same until that many seconds are over; one that comes is a violation.
    TooMany(u64),
    /// Refused with this code and description.
    Refuse(u16, &'static str),
    /// Done as asked, but the answer never comes.
    AcceptThenHang,
    /// Not done, and the answer never comes.
    Hang,
    /// Done as asked, but the connection ends instead of an answer.
    AcceptThenDrop,
    /// A proxy's page instead of an answer.
    BadGateway,
}

/// A call as it came, and how it ended.
#[derive(Debug, Clone)]
pub struct Call {
    /// Since the fake started.
    pub at: Duration,
    /// The method.
    pub method: String,
    /// Its parameters.
    pub params: Map<String, Value>,
    /// The chat it concerns.
    pub chat: Option<i64>,
    /// The code of the answer: 200, or the error's; 0 if none was given.
    pub code: u16,
    /// The description of the error.
    pub description: String,
}

/// A message that the bot sent and Telegram kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The chat.
    pub chat: i64,
    /// Its number in the chat.
    pub id: i64,
    /// The topic.
    pub thread: Option<i64>,
    /// Text or caption as it was sent.
    pub html: String,
    /// What a reader sees.
    pub text: String,
    /// Buttons.
    pub keyboard: Vec<Vec<Button>>,
    /// A picture.
    pub photo: Option<Vec<u8>>,
    /// How often it was changed.
    pub edits: usize,
    /// Since the fake started, when it was sent.
    pub at: Duration,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Chat {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) language: Option<String>,
    pub(crate) is_forum: bool,
    pub(crate) threads: BTreeSet<i64>,
    /// Status by user: creator, administrator, member, left.
    pub(crate) members: BTreeMap<i64, String>,
    /// How a message to it is refused, if it is.
    pub(crate) refuses: Option<(u16, String)>,
    pub(crate) migrated_to: Option<i64>,
    pub(crate) messages: BTreeMap<i64, Message>,
}

/// A query or a pressed button that waits for its answer.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) answer: Option<Map<String, Value>>,
    pub(crate) is_too_old: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) secret: Option<String>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) started: Instant,
    pub(crate) limits: Limits,
    pub(crate) arrivals: Arrivals,
    pub(crate) chats: BTreeMap<i64, Chat>,
    pub(crate) message_last: i64,
    pub(crate) update_last: i64,
    pub(crate) updates: VecDeque<Value>,
    pub(crate) allowed: Option<Vec<String>>,
    /// The number of the newest long poll: an older one that still waits is ended.
    pub(crate) poll: u64,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) faults: Vec<(String, Option<i64>, Fault)>,
    pub(crate) held_until: Option<Instant>,
    pub(crate) held_since: Instant,
    pub(crate) is_down: bool,
    pub(crate) asked: BTreeMap<String, Asked>,
    pub(crate) commands: BTreeMap<String, Value>,
    /// Updates brought to the webhook, and the status of each answer.
    pub(crate) delivered: Vec<(i64, u16)>,
    pub(crate) calls: Vec<Call>,
    pub(crate) violations: Vec<String>,
}

/// An update that is not delivered unless asked for by name.
const SHY: &[&str] = &["chat_member", "message_reaction", "message_reaction_count"];

impl State {
    pub(crate) fn new() -> State {
        State {
            started: Instant::now(),
            limits: Limits::TELEGRAM,
            arrivals: Arrivals::default(),
            chats: BTreeMap::new(),
            message_last: 100,
            update_last: 70_000,
            updates: VecDeque::new(),
            allowed: None,
            poll: 0,
            webhook: None,
            faults: Vec::new(),
            held_until: None,
            held_since: Instant::now(),
            is_down: false,
            asked: BTreeMap::new(),
            commands: BTreeMap::new(),
            delivered: Vec::new(),
            calls: Vec::new(),
            violations: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Puts an update where the bot will find it; its number.
    pub(crate) fn add_update(&mut self, kind: &str, content: &Value) -> i64 {
        self.update_last += 1;
        let is_wanted = match &self.allowed {
            Some(allowed) if !allowed.is_empty() => allowed.iter().any(|name| name == kind),
            _ => !SHY.contains(&kind),
        };
        if is_wanted {
            self.updates.push_back(json!({"update_id": self.update_last, kind: content}));
        }
        self.update_last
    }

    /// Drops the updates before this number, as the bot says that it has them.
    pub(crate) fn confirm(&mut self, offset: i64) {
        self.updates.retain(|update| update["update_id"].as_i64() >= Some(offset));
    }

    /// A person as Telegram shows them.
    pub(crate) fn user_json(&self, user: i64) -> Value {
        let chat = self.chats.get(&user);
        let mut shown = json!({
            "id": user,
            "is_bot": false,
            "first_name": chat.map_or("Somebody", |chat| chat.name.as_str()),
        });
        if let Some(language) = chat.and_then(|chat| chat.language.clone()) {
            shown["language_code"] = json!(language);
        }
        shown
    }

    /// A chat as Telegram shows it.
    pub(crate) fn chat_json(&self, id: i64) -> Value {
        let Some(chat) = self.chats.get(&id) else { return json!({"id": id, "type": "private"}) };
        let mut shown = json!({"id": id, "type": chat.kind});
        shown[if chat.kind == "private" { "first_name" } else { "title" }] = json!(chat.name);
        if chat.is_forum {
            shown["is_forum"] = json!(true);
        }
        shown
    }

    /// A message of ours as Telegram shows it.
    pub(crate) fn message_json(&self, message: &Message) -> Value {
        let mut shown = json!({
            "message_id": message.id,
            "date": 1_700_000_000 + message.at.as_secs(),
            "chat": self.chat_json(message.chat),
            "from": crate::telegram::me(),
        });
        if let Some(thread) = message.thread {
            shown["message_thread_id"] = json!(thread);
            shown["is_topic_message"] = json!(true);
        }
        let parsed = crate::telegram_html::parse_html(&message.html).unwrap_or_default();
        if message.photo.is_some() {
            shown["caption"] = json!(message.text);
            shown["photo"] =
                json!([{"file_id": "photo", "file_unique_id": "p", "width": 800, "height": 400}]);
        } else {
            shown["text"] = json!(message.text);
            shown["entities"] = parsed.entities_json();
        }
        shown
    }
}
