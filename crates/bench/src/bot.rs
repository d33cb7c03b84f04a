//! The bot on a local Bot API: how soon it answers words, inline queries, charts and `/stop`; then what the other files
//! measure. It must not know how an answer is made.

use crate::{
    bot_alerts::Ladder,
    bot_broadcast,
    bot_world::{World, steady},
    figures::{Table, Target, Times},
    machine::Machine,
};
use anyhow::Context;
use std::time::Duration;
use store::{Seed, Store};
use tokio::time::Instant;

/// What asks for a rate, and digits that its answer holds.
const RATES: [(&str, &str); 8] = [
    ("/rate BTC USDT", "50000"),
    ("btc", "50000"),
    ("/r ETH", "50000"),
    ("btc usd", "50000"),
    ("/convert 2 BTC USDT", "100000"),
    ("биток", "50000"),
    ("сколько стоит эфир", "50000"),
    ("3 eth usdt", "150000"),
];
/// What asks for something else; some of it is written down first.
const OTHERS: [&str; 13] = [
    "/start",
    "/help",
    "/rates",
    "/pairs",
    "/alert BTC above 90000",
    "/alerts",
    "/sub BTC 9:00",
    "/subs",
    "/status",
    "/sources",
    "/settings",
    "/settings language ru",
    "/id",
];
const QUERIES: [&str; 5] = ["btc", "", "2 eth usdt", "биток", "et"];
const CHARTS: [&str; 4] = ["/chart BTC", "/chart ETH 7d", "/chart BTC USDT 1h", "график эфира"];

const REPLIES: usize = 240;
const COMMANDS: usize = 208;
const INLINE: usize = 200;
const PICTURES: usize = 60;
const STOPS: usize = 60;
/// Two thirds of what Telegram takes from one bot: the pace that it asks for is not what is measured.
const EVERY: Duration = Duration::from_millis(50);
/// How often it is looked whether a chat is forgotten.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Measures.
pub async fn run(machine: &Machine, table: &mut Table) -> anyhow::Result<()> {
    let mut world = Box::pin(World::start(machine)).await?;
    let aim = |table: &mut Table, what: &str, most: f64, percent: f64, times: &Times| {
        println!("{what:<44} {times}");
        let which = if percent < 100.0 { format!("p{percent:.0}") } else { "worst".to_owned() };
        table.aim(
            &format!("{what}, {which}"),
            Target::AtMost(most),
            "ms",
            times.ms(percent),
            times.to_string(),
        );
    };
    let times = rates(&mut world).await?;
    aim(table, "bot: a rate asked for to its answer", 300.0, 95.0, &times);
    let times = others(&mut world).await?;
    aim(table, "bot: any other command to its answer", 300.0, 95.0, &times);
    let times = inline(&mut world).await?;
    aim(table, "bot: inline query to its answer", 500.0, 95.0, &times);
    let (times, kb) = charts(&mut world).await?;
    aim(table, "bot: chart", 1_500.0, 95.0, &times);
    table.aim("bot: the biggest picture", Target::AtMost(200.0), "kB", kb, String::new());
    let store = Box::pin(store::open(world.product.store_url(), Seed::default())).await?;
    let stopped = stops(&mut world, &*store).await;
    store.close().await;
    aim(table, "bot: /stop to nothing left of the chat", 1_000.0, 100.0, &stopped?);
    let mut ladder = Ladder::set(&mut world).await?;
    let times = ladder.climb(&world).await?;
    aim(table, "bot: frame with a crossing to its message", 250.0, 100.0, &times);
    let during = bot_broadcast::run(&mut world, &mut ladder).await?;
    aim(table, "bot: reply during a broadcast to 100,000", 2_000.0, 95.0, &during.replies);
    aim(table, "bot: crossing to message during it", 2_000.0, 95.0, &during.crossings);
    println!("{during}");

    let violations = world.telegram.violations();
    let refused = world.telegram.calls().iter().filter(|call| call.code == 429).count();
    let first = violations.first().cloned().unwrap_or_default();
    let what = "bot: limits broken, and 429 answered, in all of this";
    table.ratio(what, Target::AtMost(0.0), (violations.len() + refused) as f64, first);
    Ok(())
}

/// Words that ask for a rate, from chats that the store knows and the bot has not met.
async fn rates(world: &mut World) -> anyhow::Result<Times> {
    let asked = world.say_each(&RATES.map(|(text, _)| text), REPLIES, EVERY).await;
    let times = world.answered(&asked, "sendMessage").await?;
    for (one, (text, digits)) in asked.iter().zip(RATES.iter().cycle()) {
        let messages = world.telegram.messages(one.chat);
        let answer = messages.first().context("the answer")?;
        let shown: String = answer.text.chars().filter(char::is_ascii_digit).collect();
        anyhow::ensure!(shown.contains(digits), "'{text}' was answered: {}", answer.text);
    }
    Ok(times)
}

async fn others(world: &mut World) -> anyhow::Result<Times> {
    let asked = world.say_each(&OTHERS, COMMANDS, EVERY).await;
    world.answered(&asked, "sendMessage").await
}

/// Inline queries, each by somebody else.
async fn inline(world: &mut World) -> anyhow::Result<Times> {
    let mut beat = steady(EVERY);
    let mut asked = Vec::new();
    for query in QUERIES.iter().cycle().take(INLINE) {
        beat.tick().await;
        let user = world.somebody();
        let at = world.telegram.elapsed();
        asked.push((world.telegram.ask_inline(user, query), at));
    }
    let all = || {
        let calls = world.telegram.calls_of("answerInlineQuery");
        let took = |(id, at): &(String, Duration)| {
            let call =
                calls.iter().find(|call| call.code == 200 && call.params["inline_query_id"] == **id)?;
            Some(call.at - *at)
        };
        asked.iter().map(took).collect::<Option<Vec<Duration>>>()
    };
    let times = world.until("an answer to every inline query", all).await?;
    let found_nothing = |call: &&testkit::Call| call.params["results"].to_string().contains("\"nothing\"");
    let calls = world.telegram.calls_of("answerInlineQuery");
    if let Some(call) = calls.iter().find(found_nothing) {
        anyhow::bail!("an inline query was answered with nothing: {}", call.params["results"]);
    }
    Ok(Times::of(times))
}

/// Charts, one after the other; how long each took, and the size of the biggest in kB.
async fn charts(world: &mut World) -> anyhow::Result<(Times, f64)> {
    let (mut asked, mut biggest) = (Vec::new(), 0);
    for text in CHARTS.iter().cycle().take(PICTURES) {
        let one = world.say(text);
        world.answered(&[one], "sendPhoto").await?;
        let message = world.telegram.messages(one.chat).pop().context("the picture")?;
        let photo = message.photo.with_context(|| format!("no picture, but: {}", message.text))?;
        biggest = photo.len().max(biggest);
        asked.push(one);
    }
    let times = world.answered(&asked, "sendPhoto").await?;
    Ok((times, biggest as f64 / 1e3))
}

/// Chats that have an alert and a subscription, and want to be forgotten: until nothing of one is in the store, and
/// it has been told so, whichever comes later.
async fn stops(world: &mut World, store: &dyn Store) -> anyhow::Result<Times> {
    let mut chats = Vec::new();
    for text in ["/alert BTC above 90000", "/sub BTC 9:00"] {
        let mut asked = Vec::new();
        let mut beat = steady(EVERY);
        for at in 0..STOPS {
            beat.tick().await;
            if at == chats.len() {
                chats.push(world.somebody());
            }
            asked.push(world.say_in(chats[at], text));
        }
        world.answered(&asked, "sendMessage").await?;
    }
    let mut times = Vec::new();
    for chat in chats {
        anyhow::ensure!(has_anything(store, chat).await? == [true; 3], "chat {chat} has nothing to forget");
        let (asked, started) = (world.say_in(chat, "/stop"), Instant::now());
        while has_anything(store, chat).await? != [false; 3] {
            anyhow::ensure!(started.elapsed() < Duration::from_secs(30), "chat {chat} is not forgotten");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let gone = started.elapsed();
        let told = world.answered(&[asked], "sendMessage").await?;
        times.push(gone.max(Duration::from_secs_f64(told.ms(100.0) / 1e3)));
    }
    Ok(Times::of(times))
}

/// Whether the chat is known, has alerts, has subscriptions.
async fn has_anything(store: &dyn Store, chat: i64) -> anyhow::Result<[bool; 3]> {
    let alerts = store.alerts_of(&format!("chat:{chat}")).await?;
    let subscriptions = store.subscriptions_of(chat).await?;
    Ok([store.chat(chat).await?.is_some(), !alerts.is_empty(), !subscriptions.is_empty()])
}
