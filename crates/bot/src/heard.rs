//! Telegram's updates as the conversation hears them.
//! It must not know what anything means, nor how an update came.

use crate::{ChatKind, ChatRef, Said, UserRef, What};
use frankenstein::{
    types::{CallbackQuery, Chat, ChatType, MaybeInaccessibleMessage, Message, User},
    updates::{Update, UpdateContent},
};
use market::Timestamp;
use serde::Deserialize;

/// Kinds of updates that we ask for.
pub(crate) const ALLOWED: &[&str] =
    &["message", "channel_post", "callback_query", "inline_query", "my_chat_member"];

/// Reads an update: what was said, if it concerns us. `me` is the bot's own number, `now` stands in where Telegram names
/// no time.
pub(crate) fn read(raw: &str, me: i64, now: Timestamp) -> Result<Option<Said>, serde_json::Error> {
    // Of somebody's standing the library wants to know every right, and Telegram does not always say them all.
    if let Ok(update) = serde_json::from_str::<StandingUpdate>(raw) {
        return Ok(standing(&update));
    }
    serde_json::from_str::<Update>(raw).map(|update| heard(&update, me, now))
}

fn heard(update: &Update, me: i64, now: Timestamp) -> Option<Said> {
    let update_id = i64::from(update.update_id);
    match &update.content {
        UpdateContent::Message(message) | UpdateContent::ChannelPost(message) => {
            let what = message_says(message, me)?;
            let mut user = message.from.as_deref().map(person);
            if let (Some(user), Some(sender)) = (&mut user, &message.sender_chat) {
                user.speaks_for_chat = sender.id == message.chat.id;
            }
            let thread = message.message_thread_id.filter(|_| message.is_topic_message == Some(true));
            let chat = Some(chat_ref(&message.chat, thread));
            Some(Said { update_id, at: seconds(message.date), chat, user, what })
        }
        UpdateContent::CallbackQuery(query) => {
            let (chat, what) = button(query);
            Some(Said { update_id, at: now, chat, user: Some(person(&query.from)), what })
        }
        UpdateContent::InlineQuery(query) => {
            let what = What::Inline { query_id: query.id.clone(), query: query.query.clone() };
            Some(Said { update_id, at: now, chat: None, user: Some(person(&query.from)), what })
        }
        _ => None,
    }
}

fn message_says(message: &Message, me: i64) -> Option<What> {
    if let Some(to) = message.migrate_to_chat_id {
        return Some(What::Migrated { to });
    }
    // What somebody sent by our own inline mode is our own word.
    if message.via_bot.as_ref().is_some_and(|bot| number(bot) == me) {
        return None;
    }
    let text = message.text.as_ref().or(message.caption.as_ref())?.clone();
    let answered = message.reply_to_message.as_deref();
    let is_reply_to_us = answered.and_then(|to| to.from.as_deref()).is_some_and(|from| number(from) == me);
    Some(What::Text { message_id: i64::from(message.message_id), text, is_reply_to_us })
}

fn button(query: &CallbackQuery) -> (Option<ChatRef>, What) {
    let data = query.data.clone().unwrap_or_default();
    let callback_id = query.id.clone();
    let (chat, message_id) = match &query.message {
        // Telegram marks what it no longer shows with the date 0.
        Some(MaybeInaccessibleMessage::Message(message)) => {
            let thread = message.message_thread_id.filter(|_| message.is_topic_message == Some(true));
            let id = (message.date != 0).then_some(i64::from(message.message_id));
            (Some(chat_ref(&message.chat, thread)), id)
        }
        Some(MaybeInaccessibleMessage::InaccessibleMessage(message)) => {
            (Some(chat_ref(&message.chat, None)), None)
        }
        None => (None, None),
    };
    (chat, What::Button { callback_id, data, message_id })
}

/// Our standing in a chat changed.
#[derive(Deserialize)]
struct StandingUpdate {
    update_id: i64,
    my_chat_member: Change,
}

#[derive(Deserialize)]
struct Change {
    chat: Chat,
    from: User,
    date: u64,
    old_chat_member: Member,
    new_chat_member: Member,
}

#[derive(Deserialize)]
struct Member {
    status: String,
    /// Of somebody whose rights are restricted.
    #[serde(default)]
    is_member: bool,
}

impl Member {
    fn is_in(&self) -> bool {
        match self.status.as_str() {
            "creator" | "administrator" | "member" => true,
            "restricted" => self.is_member,
            _ => false,
        }
    }
}

fn standing(update: &StandingUpdate) -> Option<Said> {
    let change = &update.my_chat_member;
    let what = match (change.old_chat_member.is_in(), change.new_chat_member.is_in()) {
        (true, false) => What::Blocked,
        // A group that did not let us write may do so now.
        (true, true) if change.old_chat_member.status == "restricted" => What::Unblocked,
        (false, true) if change.chat.type_field == ChatType::Private => What::Unblocked,
        (false, true) => What::Joined,
        (true, true) | (false, false) => return None,
    };
    let (chat, user) = (Some(chat_ref(&change.chat, None)), Some(person(&change.from)));
    Some(Said { update_id: update.update_id, at: seconds(change.date), chat, user, what })
}

fn chat_ref(chat: &Chat, thread: Option<i32>) -> ChatRef {
    let kind = match chat.type_field {
        ChatType::Private => ChatKind::Private,
        ChatType::Group | ChatType::Supergroup => ChatKind::Group,
        ChatType::Channel => ChatKind::Channel,
    };
    ChatRef { id: chat.id, kind, thread }
}

fn person(user: &User) -> UserRef {
    let name = match &user.last_name {
        Some(last) => format!("{} {last}", user.first_name),
        None => user.first_name.clone(),
    };
    UserRef { id: number(user), name, language_code: user.language_code.clone(), speaks_for_chat: false }
}

fn number(user: &User) -> i64 {
    i64::try_from(user.id).unwrap_or(i64::MAX)
}

fn seconds(date: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(date).unwrap_or(i64::MAX / 1_000_000).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(update: Value) -> Option<Said> {
        let Value::Object(update) = update else { panic!("{update} is no object") };
        read(&Value::Object(update).to_string(), 4242, Timestamp::from_millis(5)).unwrap()
    }

    fn message(rest: Value) -> Value {
        let mut message = json!({
            "message_id": 9, "date": 1_700_000_000, "chat": {"id": -100, "type": "supergroup", "title": "G"},
            "from": {"id": 7, "is_bot": false, "first_name": "Ann", "last_name": "B", "language_code": "ru"},
        });
        let Value::Object(rest) = rest else { panic!("{rest} is no object") };
        message.as_object_mut().unwrap().extend(rest);
        json!({"update_id": 1, "message": message})
    }

    #[test]
    fn messages_are_heard_with_their_place() {
        let first = said(message(json!({"text": "/rate", "message_thread_id": 3, "is_topic_message": true})))
            .unwrap();
        assert_eq!(first.chat.unwrap(), ChatRef { id: -100, kind: ChatKind::Group, thread: Some(3) });
        assert_eq!((first.at.millis(), first.user.unwrap().name.as_str()), (1_700_000_000_000, "Ann B"));
        // Answers in a group without topics name a thread that nobody may write to.
        assert_eq!(
            said(message(json!({"text": "x", "message_thread_id": 3}))).unwrap().chat.unwrap().thread,
            None
        );
        let us = json!({"message_id": 1, "date": 1, "chat": {"id": -100, "type": "supergroup"},
            "from": {"id": 4242, "is_bot": true, "first_name": "R"}});
        let answer = said(message(json!({"text": "x", "reply_to_message": us}))).unwrap();
        assert!(matches!(answer.what, What::Text { is_reply_to_us: true, .. }));
        assert!(matches!(
            said(message(json!({"migrate_to_chat_id": -5}))).unwrap().what,
            What::Migrated { to: -5 }
        ));
        let anonymous = json!({"text": "x", "sender_chat": {"id": -100, "type": "supergroup"}});
        assert!(said(message(anonymous)).unwrap().user.unwrap().speaks_for_chat);
        let via = json!({"text": "x", "via_bot": {"id": 4242, "is_bot": true, "first_name": "R"}});
        assert_eq!(said(message(via)), None);
        assert_eq!(said(message(json!({"new_chat_title": "x"}))), None);
    }

    #[test]
    fn buttons_blocks_and_joins_are_heard() {
        let from = json!({"id": 7, "is_bot": false, "first_name": "Ann"});
        let gone = json!({"chat": {"id": 7, "type": "private"}, "message_id": 4, "date": 0});
        let press = json!({"id": "c", "from": from, "chat_instance": "1", "data": "d", "message": gone});
        let pressed = said(json!({"update_id": 1, "callback_query": press})).unwrap();
        assert_eq!(pressed.chat.unwrap().id, 7);
        assert!(matches!(pressed.what, What::Button { message_id: None, .. }));
        let bot = json!({"id": 4242, "is_bot": true, "first_name": "R"});
        for (kind, old, new, expected) in [
            ("private", "member", "kicked", Some(What::Blocked)),
            ("private", "kicked", "member", Some(What::Unblocked)),
            ("group", "left", "member", Some(What::Joined)),
            ("group", "member", "left", Some(What::Blocked)),
            ("group", "left", "kicked", None),
            ("supergroup", "restricted", "administrator", Some(What::Unblocked)),
        ] {
            let member =
                |status: &str| json!({"status": status, "user": bot, "is_member": status == "restricted"});
            let change = json!({"chat": {"id": 7, "type": kind}, "from": from, "date": 1,
                "old_chat_member": member(old), "new_chat_member": member(new)});
            let what = said(json!({"update_id": 1, "my_chat_member": change})).map(|said| said.what);
            assert_eq!(what, expected, "{kind} {old} {new}");
        }
    }
}
