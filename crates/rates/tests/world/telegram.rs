//! The product on Telegram: `rates run` with a token, a strict Bot API, and a venue whose price the test says.
//! It must not know how the bot works.

use crate::harness::{PATIENCE, Service, within};
use market::VenueId;
use std::{path::Path, time::Duration};
use store::{NewTradeRow, Seed};
use testkit::{Behaviour, FakeTelegram, FakeVenue, Fault, Limits, Message, venue_file};

const SECRET: &str = "CANARY_of_the_token_0123456789";
const ANN: i64 = 7;

struct World {
    telegram: FakeTelegram,
    venue: FakeVenue,
    dir: tempfile::TempDir,
    said: std::cell::Cell<u64>,
}

impl World {
    async fn start() -> World {
        let telegram = FakeTelegram::start(&format!("4242:{SECRET}")).await;
        telegram.set_limits(Limits::TELEGRAM);
        telegram.add_person(ANN, "Ann", Some("en"));
        let venue = FakeVenue::start(Behaviour { tick_every: None, ..Behaviour::default() }).await;
        let url = format!("ws://{}", venue.address());
        let row = NewTradeRow {
            venue: "fake".into(),
            currency_pair: "BTC-USD".into(),
            url: Some(url),
            ..NewTradeRow::default()
        };
        let file = venue_file("url = \"wss://fake.example\"\nsilence = \"60s\"", "");
        let seed = Seed { rows: vec![row], venues: vec![(VenueId::parse("fake").unwrap(), file)] };
        let dir = tempfile::tempdir().unwrap();
        let store = store::open(&store_url(dir.path()), seed).await.unwrap();
        store.close().await;
        World { telegram, venue, dir, said: std::cell::Cell::new(0) }
    }

    async fn run(&self, more: &[(&str, &str)]) -> Service {
        let (token, url) = (format!("4242:{SECRET}"), self.telegram.url());
        let mut variables = vec![("TELEGRAM_BOT_TOKEN", token.as_str()), ("TELEGRAM_API_URL", url.as_str())];
        variables.extend(more);
        Service::start_with(self.dir.path(), &variables).await
    }

    /// The venue says a price until the service has it.
    async fn price(&self, service: &Service, price: &str) {
        within(PATIENCE, price, async || {
            self.said.set(self.said.get() + 1);
            self.venue.say(&format!(r#"{{"s":"BTC-USD","p":"{price}","n":"{}"}}"#, self.said.get()));
            let (status, rate) = service.get("/api/v1/rates/BTC-USD").await;
            (status == 200 && rate["value"] == price).then_some(())
        })
        .await;
    }

    /// Ann says something; the message that answers.
    async fn say(&self, text: &str) -> Message {
        let before = self.telegram.messages(ANN).len();
        self.telegram.say(ANN, ANN, text);
        self.telegram.messages_at_least(ANN, before + 1).await[before].clone()
    }
}

fn store_url(dir: &Path) -> String {
    format!("sqlite://{}", dir.join("rates.db").display())
}

/// Rates are told, an alert fires once, `/stop` leaves nothing; and G17: the token is in no log line, metric or answer,
/// whatever fails meanwhile.
#[tokio::test]
async fn g17_people_are_told_rates_and_alerts_and_nobody_the_token() {
    let world = World::start().await;
    world.telegram.fail_next("getMe", None, Fault::AcceptThenDrop);
    world.telegram.fail_next("setMyCommands", None, Fault::BadGateway);
    world.telegram.fail_next("getUpdates", None, Fault::Refuse(401, "Unauthorized"));
    let trace = [("RATES_LOG__FILTER", "trace"), ("RATES_BOT__ADMINS", "7")];
    let service = world.run(&trace).await;
    world.price(&service, "69000").await;
    let answer = world.say("btc usd").await;
    assert!(answer.text.contains("BTC/USD") && answer.text.contains("69,000.00"), "{}", answer.text);
    let answer = world.say("/alert BTC USD above 70k").await;
    assert!(answer.text.contains("above 70,000.00"), "{}", answer.text);

    let before = world.telegram.messages(ANN).len();
    world.telegram.fail_next(
        "sendMessage",
        Some(ANN),
        Fault::Refuse(429, "Too Many Requests: retry after 1"),
    );
    world.price(&service, "70012.40").await;
    let fired = world.telegram.messages_at_least(ANN, before + 1).await[before].clone();
    assert!(fired.text.contains("above 70,000.00") && fired.text.contains("70,012.40"), "{}", fired.text);
    // Once: it does not fire again on its way down and up.
    world.price(&service, "69500").await;
    world.price(&service, "70500").await;
    let answer = world.say("/logs").await;
    assert!(answer.text.contains("DEBUG"), "{}", answer.text);
    assert_eq!(world.telegram.messages(ANN).len(), before + 2);

    let stopped = world.say("/stop").await;
    assert!(!stopped.text.is_empty());
    let shown = [
        service.ask("GET", "/metrics", &[], "").await.1,
        service.ask("GET", "/readyz", &[], "").await.1,
        service.ask("GET", &format!("/bot4242:{SECRET}/getMe"), &[], "").await.1,
        world.telegram.messages(ANN).iter().map(|message| message.text.clone()).collect(),
        service.log.lock().unwrap().clone(),
    ];
    assert!(shown[0].contains("rates_telegram_calls_total"), "{}", shown[0]);
    assert!(shown[4].contains("TRACE"), "the log is talkative");
    for text in &shown {
        if let Some(line) = text.lines().find(|line| line.contains(SECRET)) {
            panic!("the token is shown: {line}");
        }
    }
    drop(service);
    let store = store::open(&store_url(world.dir.path()), Seed::default()).await.unwrap();
    assert_eq!(store.chat(ANN).await.unwrap(), None);
    assert_eq!(store.alerts_of(&format!("chat:{ANN}")).await.unwrap(), []);
    assert_eq!(world.telegram.violations(), [""; 0]);
}

/// Updates that Telegram brings come in where HTTP is served, with the secret alone.
#[tokio::test]
async fn a_webhook_is_served_beside_the_interface() {
    let world = World::start().await;
    let hook = [
        ("RATES_BOT__WEBHOOK_URL", "http://rates.invalid/telegram"),
        ("RATES_BOT__WEBHOOK_SECRET", "door-key"),
    ];
    let service = world.run(&hook).await;
    world.price(&service, "69000").await;
    within(PATIENCE, "the webhook is set", async || world.telegram.webhook().filter(|hook| hook.1.is_some()))
        .await;
    let update = r#"{"update_id":5,"message":{"message_id":1,"date":DATE,"chat":{"id":7,"type":"private","first_name":"Ann"},
        "from":{"id":7,"is_bot":false,"first_name":"Ann","language_code":"en"},"text":"btc usd"}}"#;
    let update = update.replace("DATE", &(clock::Clock::system().now().millis() / 1_000).to_string());
    let header = |secret| [("x-telegram-bot-api-secret-token", secret), ("content-type", "application/json")];
    assert_eq!(service.ask("POST", "/telegram", &header("door-kex"), &update).await.0, 401);
    assert_eq!(service.ask("GET", "/telegram", &[], "").await.0, 405);
    assert_eq!(service.ask("POST", "/telegraph", &[], "").await.0, 404);
    assert_eq!(service.ask("POST", "/telegram", &header("door-key"), &update).await.0, 200);
    let answer = world.telegram.messages_at_least(ANN, 1).await;
    assert!(answer[0].text.contains("69,000.00"), "{}", answer[0].text);
    // A stop is told to nobody but the store: another process may go on at once.
    let mut service = service;
    let id = service.child.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, service.child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", service.log.lock().unwrap());
    let store = store::open(&store_url(world.dir.path()), Seed::default()).await.unwrap();
    let lease = store.leases().await.unwrap().into_iter().find(|lease| lease.name == "rates:bot");
    assert!(lease.is_none_or(|lease| lease.left == Duration::ZERO), "the lease is given back");
}
