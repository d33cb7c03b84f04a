//! The product as a bot: a Bot API in this process that keeps Telegram's limits, a store with many chats, a venue whose
//! prices flow; people who say something, and when each was answered. It must not know what is measured.

use crate::{
    bot_fill::{CHATS, fill},
    figures::Times,
    local_venue::LocalVenue,
    machine::Machine,
    product::Product,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use testkit::{Call, FakeTelegram};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};

/// It opens nothing.
const TOKEN: &str = "4242:benchmark_benchmark_benchmark_0000";
/// The user who may broadcast: no chat of those that are there already.
pub const OPERATOR: i64 = CHATS + 1;
/// Whose prices flow, and have a past.
const FLOWING: [&str; 3] = ["BTC-USDT", "ETH-USDT", "BTC-USD"];
/// Whose price moves when it is told to.
pub const STEPPED: &str = "SOL-USDT";
const TICKS_PER_SECOND: u32 = 200;
/// How long anything may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is to be answered: to whom, and since when, by the Bot API's clock.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The chat.
    pub chat: i64,
    /// When it was said, or happened.
    pub at: Duration,
}

/// Everything there is.
pub struct World {
    /// The Bot API.
    pub telegram: FakeTelegram,
    /// The venue.
    pub venue: Arc<LocalVenue>,
    /// The product.
    pub product: Product,
    /// The chat that spoke last: each speaks once, from the last one down.
    chat: i64,
    flowing: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.flowing.abort();
    }
}

impl World {
    /// Starts all of it, and waits until the bot asks for what is said.
    pub async fn start(machine: &Machine) -> anyhow::Result<World> {
        let telegram = FakeTelegram::start(TOKEN).await;
        telegram.add_person(OPERATOR, "Operator", Some("en"));
        for chat in 1..=CHATS {
            telegram.add_person(chat, "Somebody", Some(if chat % 2 == 0 { "en" } else { "ru" }));
        }
        let venue = Arc::new(LocalVenue::start().await?);
        let flowing: Vec<String> = FLOWING.map(str::to_owned).into();
        let pairs = [flowing.clone(), vec![STEPPED.to_owned()]].concat();
        let files = [("local-venue".to_owned(), venue.file("", 100))];
        let variables = [
            format!("TELEGRAM_BOT_TOKEN={TOKEN}"),
            format!("TELEGRAM_API_URL={}", telegram.url()),
            format!("RATES_BOT__ADMINS={OPERATOR}"),
        ];
        let words = |program: &str| {
            let mut words = machine.server("env");
            words.extend(variables.iter().cloned());
            words.push(program.to_owned());
            words
        };
        let fill = async |url: &str| fill(url, &FLOWING).await;
        let product = Box::pin(Product::start_filled(words, &files, &pairs, &[], fill)).await?;
        venue.until_subscribed(pairs.len(), PATIENCE).await?;
        let source = venue.clone();
        let flowing = tokio::spawn(async move {
            let mut number = 0;
            loop {
                source.flow(&flowing, TICKS_PER_SECOND, Duration::from_secs(60), &mut number, |_| {}).await;
            }
        });
        let world = World { telegram, venue, product, chat: CHATS + 1, flowing };
        for pair in FLOWING {
            world.product.until_answers(&format!("/api/v1/rates/{pair}")).await?;
        }
        let asks = || (!world.telegram.calls_of("getUpdates").is_empty()).then_some(());
        world.until("the bot to ask for updates", asks).await?;
        Ok(world)
    }

    /// A chat that has said nothing yet: Telegram takes one message a second to each, and that is not what is measured.
    pub fn somebody(&mut self) -> i64 {
        self.chat -= 1;
        self.chat
    }

    /// Somebody who has said nothing yet says something.
    pub fn say(&mut self, text: &str) -> Asked {
        let chat = self.somebody();
        self.say_in(chat, text)
    }

    /// Somebody says something.
    pub fn say_in(&self, chat: i64, text: &str) -> Asked {
        let at = self.telegram.elapsed();
        self.telegram.say(chat, chat, text);
        Asked { chat, at }
    }

    /// Says these in turn, so many in all, evenly spaced, each by somebody else, whatever is answered meanwhile.
    pub async fn say_each(&mut self, texts: &[&str], count: usize, every: Duration) -> Vec<Asked> {
        let mut beat = steady(every);
        let mut asked = Vec::with_capacity(count);
        for text in texts.iter().cycle().take(count) {
            beat.tick().await;
            asked.push(self.say(text));
        }
        asked
    }

    /// Waits until each got a message (a photo where `method` says so); how long each waited.
    pub async fn answered(&self, asked: &[Asked], method: &str) -> anyhow::Result<Times> {
        let all = || {
            let sent = sent(self.telegram.calls_of(method));
            let took = |one: &Asked| {
                let at = sent.get(&one.chat)?.iter().find(|at| **at >= one.at)?;
                Some(*at - one.at)
            };
            asked.iter().map(took).collect::<Option<Vec<Duration>>>()
        };
        self.until(&format!("{} answers by {method}", asked.len()), all).await.map(Times::of)
    }

    /// Waits until `find` finds.
    pub async fn until<T>(&self, what: &str, mut find: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find() {
                return Ok(found);
            }
            anyhow::ensure!(
                Instant::now() < until,
                "waited {PATIENCE:?} for {what}; the product said: {}",
                self.product.process.said()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A beat that keeps its rate: what came late is made up for.
pub fn steady(every: Duration) -> tokio::time::Interval {
    let mut beat = tokio::time::interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    beat
}

/// When each chat was sent something, in order.
fn sent(calls: Vec<Call>) -> HashMap<i64, Vec<Duration>> {
    let mut sent: HashMap<i64, Vec<Duration>> = HashMap::new();
    for call in calls.into_iter().filter(|call| call.code == 200) {
        if let Some(chat) = call.chat {
            sent.entry(chat).or_default().push(call.at);
        }
    }
    sent
}
