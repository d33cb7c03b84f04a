//! A bot with a parrot for a conversation, a store in memory, and the fake Bot API around it.
//! It must not know what is tested.

use async_trait::async_trait;
use board::{Board, Options};
use bot::{
    Act, Client, Conversation, ConversationParts, Holding, Household, Keyboard, Pace, Polling, Said, Talk,
    Throttle, Token, Told, Transport, Updates, What,
};
use clock::Clock;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{ChatRow, Message, NewMessage, Seed, Store};
use testkit::{FakeTelegram, Limits};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const TOKEN: &str = "4242:canary_CANARY_canary_CANARY_0123456";

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Says what it hears; notes what it heard.
pub struct Parrot {
    pub heard: Mutex<Vec<Said>>,
    pub store: Arc<dyn Store>,
    product: Conversation,
}

impl Parrot {
    pub fn texts(&self) -> Vec<String> {
        let text = |said: &Said| match &said.what {
            What::Text { text, .. } => Some(text.clone()),
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(text).collect()
    }
}

#[async_trait]
impl Talk for Parrot {
    async fn hear(&self, said: Said) -> Vec<Act> {
        self.heard.lock().unwrap().push(said.clone());
        let chat = said.chat.map_or(0, |chat| chat.id);
        match said.what {
            What::Text { text, .. } if text == "break" => panic!("the parrot breaks"),
            What::Text { text, .. } => vec![Act::Send { html: text, keyboard: Keyboard::new() }],
            What::Button { callback_id, data, message_id } => {
                let toast = Act::Toast { callback_id, text: Some(data.clone()), is_alert: false };
                let edit = message_id.map(|message_id| Act::Edit {
                    message_id,
                    html: data,
                    keyboard: Keyboard::new(),
                });
                std::iter::once(toast).chain(edit).collect()
            }
            What::Blocked => {
                self.store.pause_chat(chat, "blocked").await.unwrap();
                Vec::new()
            }
            What::Unblocked => {
                self.store.resume_chat(chat, said.at).await.unwrap();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn is_lasting(&self, said: &Said) -> bool {
        matches!(&said.what, What::Text { text, .. } if text == "/stop")
    }

    async fn skipped(&self, _last: &Said, away: Duration, count: usize) -> Vec<Act> {
        let html = format!("away {} min, skipped {count}", away.as_secs() / 60);
        vec![Act::Send { html, keyboard: Keyboard::new() }]
    }

    fn told(&self, chat: Option<&ChatRow>, message: &Message) -> Option<Told> {
        // What is not a test's own is told as the product tells it.
        if message.kind != "test" {
            return self.product.told(chat, message);
        }
        let mark = if message.is_repeat { " (repeat)" } else { "" };
        Some(Told { html: format!("{}{mark}", message.body), keyboard: Keyboard::new() })
    }

    fn commands(&self) -> Vec<(Option<&'static str>, Vec<(&'static str, &'static str)>)> {
        vec![(None, vec![("rate", "A rate")]), (Some("ru"), vec![("rate", "Курс")])]
    }
}

/// What a test holds.
pub struct World {
    pub fake: FakeTelegram,
    pub store: Arc<dyn Store>,
    pub talk: Arc<Parrot>,
    pub parts: Transport,
}

pub fn client(url: &str, pace: Pace, timeout: Duration) -> Client {
    Client::new(url, &Token::parse(TOKEN).unwrap(), timeout, Throttle::new(pace)).unwrap()
}

/// Limits and pace so many times faster than Telegram's; calls end after the time given.
pub async fn world(faster: u32, timeout: Duration) -> World {
    let store = store::open("sqlite::memory:", Seed::default()).await.unwrap();
    world_on(store, faster, timeout).await
}

pub async fn world_on(store: Arc<dyn Store>, faster: u32, timeout: Duration) -> World {
    let fake = FakeTelegram::start(TOKEN).await;
    fake.set_limits(Limits::TELEGRAM.faster(faster));
    let client = client(&fake.url(), Pace::TELEGRAM.faster(faster), timeout);
    let clock = Clock::system();
    let household = Household::new(client.clone(), store.clone(), clock, Arc::new(|_| Vec::new()));
    let options =
        Options { stale_after_ms: 60_000, expire_after_ms: 600_000, demo: false, same_as: Vec::new() };
    let product = Conversation::new(ConversationParts {
        board: Board::new(clock, options),
        store: store.clone(),
        clock,
        admins: Vec::new(),
        bot_name: "rates_test_bot".to_owned(),
        venue_name: Arc::new(|_| None),
        house: household.clone(),
        past_within: PATIENCE,
    });
    let talk = Arc::new(Parrot { heard: Mutex::default(), store: store.clone(), product });
    let parts = Transport { client, store: store.clone(), talk: talk.clone(), household, clock };
    World { fake, store, talk, parts }
}

pub fn polling() -> Updates {
    Updates::Polled(Polling { wait: Duration::from_secs(5), stand_by: Duration::from_millis(500) })
}

impl World {
    /// A person with a chat in the store.
    pub async fn person(&self, id: i64) {
        self.fake.add_person(id, "Ann", Some("en"));
        self.know(id).await;
    }

    /// The store knows the chat.
    pub async fn know(&self, id: i64) {
        let now = self.parts.clock.now();
        let kind = if id < 0 { "group" } else { "private" };
        let row = ChatRow {
            id,
            kind: kind.to_owned(),
            language: "en".to_owned(),
            time_zone: "UTC".to_owned(),
            quiet: None,
            settings: "{}".to_owned(),
            paused: None,
            created_at: now,
            seen_at: now,
        };
        self.store.put_chat(&row).await.unwrap();
    }

    /// The same parts, but for where Telegram is thought to be.
    pub fn parts_at(&self, url: &str) -> Transport {
        let client = client(url, Pace::TELEGRAM.faster(20), Duration::from_secs(5));
        Transport { client, ..self.parts.clone() }
    }

    /// Starts talking; ends with the world, or by the token.
    pub fn talk(&self, updates: Updates) -> (JoinHandle<()>, CancellationToken) {
        let stop = CancellationToken::new();
        let (parts, token) = (self.parts.clone(), stop.clone());
        (tokio::spawn(talk(parts, updates, token)), stop)
    }

    /// Starts sending what is in the outbox.
    pub fn send(&self) -> JoinHandle<()> {
        let sending = alerts::Sending::new("chat");
        let (store, sender, stop) =
            (self.store.clone(), Arc::new(self.parts.sender()), CancellationToken::new());
        tokio::spawn(alerts::send_outbox(store, sender, self.parts.clock, sending, stop))
    }

    /// Writes messages to a target.
    pub async fn put(&self, messages: &[(String, String)]) {
        let new: Vec<_> =
            messages.iter().map(|(target, body)| NewMessage::new(target, "test", body)).collect();
        for part in new.chunks(1_000) {
            self.store.put_messages(part, None, self.parts.clock.now()).await.unwrap();
        }
    }

    /// The texts that stand in a chat.
    pub fn texts(&self, chat: i64) -> Vec<String> {
        self.fake.messages(chat).into_iter().map(|message| message.text).collect()
    }
}

/// The bot from its name to its end.
pub async fn talk(parts: Transport, updates: Updates, stop: CancellationToken) {
    if let Some(me) = bot::introduce(&parts.client, &stop).await {
        bot::run(parts, me, updates, stop).await;
    }
}

pub fn quick(holder: &str) -> Holding {
    let ms = Duration::from_millis;
    Holding { keep: ms(1_500), renew_every: ms(300), ask_every: ms(300), ..Holding::new("bot", holder) }
}
