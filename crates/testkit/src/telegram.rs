//! A Bot API server on a free port, as strict as Telegram's: what people say to the bot, what goes wrong, what was sent.
//! It must not know the product; the rules are those of <https://core.telegram.org/bots/api>.

use crate::{
    telegram_http,
    telegram_limits::Limits,
    telegram_state::{Asked, Call, Chat, Fault, Message, State},
    wait::until_some,
};
use serde_json::{Map, Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a test waits for the bot before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A moment that counts as long ago for nobody: the date of what is said unless the test says otherwise.
const NOW: Option<u64> = None;

/// The bot, as `getMe` shows it.
pub(crate) fn me() -> Value {
    json!({
        "id": 4242,
        "is_bot": true,
        "first_name": "Rates",
        "username": "rates_test_bot",
        "can_join_groups": true,
        "can_read_all_group_messages": false,
        "supports_inline_queries": true,
    })
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) token: String,
    state: Mutex<State>,
    pub(crate) changed: Notify,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeTelegram {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl FakeTelegram {
    /// Starts one that knows this token.
    pub async fn start(token: &str) -> FakeTelegram {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            token: token.to_owned(),
            state: Mutex::new(State::new()),
            changed: Notify::new(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(telegram_http::serve(listener, shared.clone())));
        tokio::spawn(stop.clone().run_until_cancelled_owned(telegram_http::deliver(shared.clone())));
        FakeTelegram { address, shared, _stop: stop.drop_guard() }
    }

    /// What `TELEGRAM_API_URL` has to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Other limits than Telegram's: faster ones for tests of limits, none for tests of something else.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.state().limits = limits;
    }

    /// A person, whom the bot may write to.
    pub fn add_person(&self, id: i64, name: &str, language: Option<&str>) {
        let language = language.map(str::to_owned);
        let chat = Chat { kind: "private", name: name.to_owned(), language, ..Chat::default() };
        self.shared.state().chats.insert(id, chat);
    }

    /// A group with these topics and members (and their status: creator, administrator, member).
    pub fn add_group(&self, id: i64, title: &str, threads: &[i64], members: &[(i64, &str)]) {
        let chat = Chat {
            kind: if id < -1_000_000_000_000 { "supergroup" } else { "group" },
            name: title.to_owned(),
            is_forum: !threads.is_empty(),
            threads: threads.iter().copied().collect(),
            members: members.iter().map(|(user, status)| (*user, (*status).to_owned())).collect(),
            ..Chat::default()
        };
        self.shared.state().chats.insert(id, chat);
    }

    /// Somebody says something in a chat; the number of the update.
    pub fn say(&self, chat: i64, user: i64, text: &str) -> i64 {
        self.say_in(chat, user, None, text, NOW)
    }

    /// Likewise in a topic, or at another time (seconds since the epoch).
    pub fn say_in(&self, chat: i64, user: i64, thread: Option<i64>, text: &str, date: Option<u64>) -> i64 {
        let mut state = self.shared.state();
        state.message_last += 1;
        let mut message = json!({
            "message_id": state.message_last,
            "date": date.unwrap_or_else(epoch_seconds),
            "chat": state.chat_json(chat),
            "from": state.user_json(user),
            "text": text,
        });
        if let Some(thread) = thread {
            message["message_thread_id"] = json!(thread);
            message["is_topic_message"] = json!(true);
        }
        if text.starts_with('/') {
            let length = text.split_whitespace().next().unwrap_or_default().encode_utf16().count();
            message["entities"] = json!([{"type": "bot_command", "offset": 0, "length": length}]);
        }
        let id = state.add_update("message", &message);
        self.changed(state);
        id
    }

    /// Somebody presses a button with this data; the id of the callback.
    pub fn press(&self, chat: i64, user: i64, message: i64, data: &str) -> String {
        let mut state = self.shared.state();
        let id = format!("callback-{}", state.update_last + 1);
        let shown = state.chats.get(&chat).and_then(|chat| chat.messages.get(&message));
        let shown = match shown {
            Some(message) => state.message_json(message),
            // What is gone or older than 48 hours is shown without content and date.
            None => json!({"message_id": message, "date": 0, "chat": state.chat_json(chat)}),
        };
        let query = json!({
            "id": id,
            "from": state.user_json(user),
            "message": shown,
            "chat_instance": "1",
            "data": data,
        });
        state.asked.insert(id.clone(), Asked { answer: None, is_too_old: false });
        state.add_update("callback_query", &query);
        self.changed(state);
        id
    }

    /// Presses the button with this label under the newest message of the chat that has it.
    pub fn press_label(&self, chat: i64, user: i64, label: &str) -> String {
        let found = self.messages(chat).into_iter().rev().find_map(|message| {
            let button = message.keyboard.iter().flatten().find(|button| button.text.contains(label))?;
            (button.kind == "callback_data").then(|| (message.id, button.value.clone()))
        });
        let (message, data) = found.unwrap_or_else(|| panic!("no button '{label}' in chat {chat}"));
        self.press(chat, user, message, &data)
    }

    /// Somebody types `@bot query` in any chat; the id of the query.
    pub fn ask_inline(&self, user: i64, query: &str) -> String {
        let mut state = self.shared.state();
        let id = format!("inline-{}", state.update_last + 1);
        let content = json!({"id": id, "from": state.user_json(user), "query": query, "offset": ""});
        state.asked.insert(id.clone(), Asked { answer: None, is_too_old: false });
        state.add_update("inline_query", &content);
        self.changed(state);
        id
    }

    /// Any update at all; its number.
    pub fn update(&self, kind: &str, content: &Value) -> i64 {
        let mut state = self.shared.state();
        let id = state.add_update(kind, content);
        self.changed(state);
        id
    }

    /// The bot's standing in a chat changes, as when a person blocks it ("kicked") or takes it back ("member").
    pub fn set_standing(&self, chat: i64, user: i64, old: &str, new: &str) {
        let mut state = self.shared.state();
        let member = |status: &str| {
            let mut member = json!({"status": status, "user": me()});
            if status == "kicked" {
                member["until_date"] = json!(0);
            }
            member
        };
        let content = json!({
            "chat": state.chat_json(chat),
            "from": state.user_json(user),
            "date": epoch_seconds(),
            "old_chat_member": member(old),
            "new_chat_member": member(new),
        });
        state.add_update("my_chat_member", &content);
        if let Some(chat) = state.chats.get_mut(&chat) {
            chat.refuses =
                (new == "kicked").then(|| (403, "Forbidden: bot was blocked by the user".to_owned()));
        }
        self.changed(state);
    }

    /// From now on messages to the chat are refused like this; `None` = no longer.
    pub fn refuse(&self, chat: i64, refusal: Option<(u16, &str)>) {
        if let Some(chat) = self.shared.state().chats.get_mut(&chat) {
            chat.refuses = refusal.map(|(code, description)| (code, description.to_owned()));
        }
    }

    /// A group becomes a supergroup with another number. `tells` = the bot hears of it by an update, too.
    pub fn migrate(&self, from: i64, to: i64, tells: bool) {
        let mut state = self.shared.state();
        let old = state.chats.get(&from).cloned().unwrap_or_default();
        state.chats.insert(to, Chat { kind: "supergroup", messages: Default::default(), ..old });
        if tells {
            state.message_last += 1;
            let content = json!({
                "message_id": state.message_last,
                "date": epoch_seconds(),
                "chat": state.chat_json(from),
                "migrate_to_chat_id": to,
            });
            state.add_update("message", &content);
        }
        if let Some(chat) = state.chats.get_mut(&from) {
            chat.migrated_to = Some(to);
        }
        self.changed(state);
    }

    /// The next call of this method (`*` = any) to this chat (`None` = any) goes wrong like this. Faults queue up.
    pub fn fail_next(&self, method: &str, chat: Option<i64>, fault: Fault) {
        self.shared.state().faults.push((method.to_owned(), chat, fault));
    }

    /// Whether connections are dropped as they come.
    pub fn set_down(&self, is_down: bool) {
        let mut state = self.shared.state();
        state.is_down = is_down;
        self.changed(state);
    }

    /// Pressed buttons and queries that wait can no longer be answered.
    pub fn let_queries_grow_old(&self) {
        self.shared.state().asked.values_mut().for_each(|asked| asked.is_too_old = true);
    }

    /// Since the fake started: the clock that calls and messages are stamped by.
    pub fn elapsed(&self) -> Duration {
        self.shared.state().now()
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// The calls of one method.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.shared.state().calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    /// What stands in a chat, oldest first.
    pub fn messages(&self, chat: i64) -> Vec<Message> {
        let state = self.shared.state();
        state.chats.get(&chat).map(|chat| chat.messages.values().cloned().collect()).unwrap_or_default()
    }

    /// How many messages stand in all chats.
    pub fn messages_count(&self) -> usize {
        self.shared.state().chats.values().map(|chat| chat.messages.len()).sum()
    }

    /// Waits until the chat holds so many messages.
    pub async fn messages_at_least(&self, chat: i64, count: usize) -> Vec<Message> {
        until_some(&format!("{count} messages in chat {chat}"), PATIENCE, || {
            Some(self.messages(chat)).filter(|all| all.len() >= count)
        })
        .await
    }

    /// Waits for the answer to a pressed button or an inline query: its parameters.
    pub async fn answer_to(&self, id: &str) -> Map<String, Value> {
        until_some(&format!("an answer to {id}"), PATIENCE, || {
            self.shared.state().asked.get(id).and_then(|asked| asked.answer.clone())
        })
        .await
    }

    /// The menu of commands for a scope and language, `default/ru`.
    pub fn commands(&self, key: &str) -> Option<Value> {
        self.shared.state().commands.get(key).cloned()
    }

    /// Updates that the bot has not confirmed.
    pub fn updates_pending(&self) -> usize {
        self.shared.state().updates.len()
    }

    /// Updates brought to the webhook and the status of each answer.
    pub fn delivered(&self) -> Vec<(i64, u16)> {
        self.shared.state().delivered.clone()
    }

    /// Address and secret of the webhook, if one is set.
    pub fn webhook(&self) -> Option<(String, Option<String>)> {
        self.shared.state().webhook.clone().map(|hook| (hook.url, hook.secret))
    }

    /// What the bot did that Telegram would punish, or that no bot should do.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    fn changed(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.shared.changed.notify_waiters();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what people say is dated by the host's clock, as by Telegram's"
)]
fn epoch_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
