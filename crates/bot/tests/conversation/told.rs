//! What is told without being asked at that moment: alerts that fired, digests, subscriptions, that we were away.
//! It must not test when an alert fires.

use crate::{
    harness::{ANN, BOSS, GROUP, IVAN, stage, stage_on},
    market::{self, BASE},
    parts::{first_html, memory, parts, said},
};
use ::market::{Price, RateState, Timestamp, VenueId};
use alerts::{Condition, Direction, Firing, Offline, Side};
use bot::{Act, ChatKind, ChatRef, Conversation, Said, Talk};
use rust_decimal::Decimal;
use std::time::Duration;
use store::{ChatRow, Message, MessageState, NewMessage};
use testkit::parse_html;

fn chat(language: &str, zone: &str) -> ChatRow {
    ChatRow {
        id: 1,
        kind: "private".to_owned(),
        language: language.to_owned(),
        time_zone: zone.to_owned(),
        quiet: None,
        settings: "{}".to_owned(),
        paused: None,
        created_at: BASE,
        seen_at: BASE,
    }
}

fn price(text: &str) -> Option<Price> {
    Some(Price::parse(text).unwrap())
}

fn firing(condition: Condition) -> Firing {
    Firing {
        v: 1,
        alert_id: 12,
        fire_seq: 1,
        pair: Some(market::pair("BTC-USDT")),
        condition,
        side: Side::Above,
        value: price("70012.40"),
        state: Some(RateState::Fresh),
        sources_used: 7,
        sources_total: 8,
        at: BASE.plus_millis(-2_000),
        set_value: price("67240.10"),
        change_pct: Some(Decimal::new(412, 2)),
        measured_pct: None,
        down_since: None,
        offline: None,
        repeat: false,
        is_urgent: false,
        demo: false,
    }
}

fn cross() -> Condition {
    Condition::Cross { side: Side::Above, threshold: Price::parse("70000").unwrap() }
}

fn message(kind: &str, body: String) -> Message {
    Message {
        id: 1,
        alert_id: Some(12),
        fire_seq: Some(1),
        target: "chat:1".to_owned(),
        kind: kind.to_owned(),
        body,
        priority: 0,
        state: MessageState::Sending,
        attempts: 1,
        is_repeat: false,
        not_before: BASE,
        is_held: false,
        created_at: BASE,
        sent_at: None,
        last_error: None,
    }
}

#[tokio::test]
async fn what_fired_reads_as_promised() {
    let talk = Conversation::new(parts(memory().await));
    let (en, ru) = (chat("en", "UTC"), chat("ru", "Europe/Moscow"));
    let told = |chat: &ChatRow, firing: &Firing| {
        talk.told(Some(chat), &message(Firing::KIND, firing.to_json())).unwrap()
    };
    assert_eq!(
        told(&en, &firing(cross())).html,
        "🔔 <b>BTC/USDT above 70,000.00</b>\n70,012.40 ▲ +4.12% since you set it · 7 of 8 venues · 14:05:12 UTC"
    );
    assert_eq!(
        told(&ru, &firing(cross())).html.replace('\u{a0}', " "),
        "🔔 <b>BTC/USDT выше 70 000,00</b>\n70 012,40 ▲ +4,12 % с момента установки · 7 из 8 площадок · 17:05:12 МСК"
    );
    let labels: Vec<String> =
        told(&en, &firing(cross())).keyboard.into_iter().flatten().map(|key| key.label).collect();
    assert_eq!(labels, ["📈 Chart", "🔁 Re-arm", "💤 1 h", "✖️"]);
    // 13:40 and 13:58 UTC.
    let offline = Offline { from: BASE.plus_millis(-1_514_000), to: BASE.plus_millis(-434_000) };
    let late = Firing { offline: Some(offline), ..firing(cross()) };
    assert!(told(&en, &late).html.ends_with("\n(crossed while I was offline, between 13:40 and 13:58 UTC)"));
    assert!(told(&ru, &late).html.ends_with("\n(пересечено, пока я был не в сети: между 16:40 и 16:58 МСК)"));
    let again = Message { is_repeat: true, ..message(Firing::KIND, firing(cross()).to_json()) };
    assert!(talk.told(Some(&en), &again).unwrap().html.ends_with("\n(you may have seen this already)"));
    assert!(talk.told(Some(&ru), &again).unwrap().html.ends_with("\n(возможно, повтор)"));
    assert_eq!(talk.told(None, &message("nonsense", "{}".to_owned())), None);
    assert_eq!(talk.told(None, &message(Firing::KIND, "{".to_owned())), None);
}

#[tokio::test]
async fn every_kind_of_alert_is_told_in_both_languages() {
    let talk = Conversation::new(parts(memory().await));
    let percent = Decimal::from(5);
    let measured = Some(Decimal::new(521, 2));
    let moved = |condition| Firing { measured_pct: measured, ..firing(condition) };
    let down = Condition::SourceDown { venue: VenueId::parse("htx").unwrap(), for_ms: 180_000 };
    let direction = Direction::Either;
    for (firing, en, ru) in [
        (
            moved(Condition::Move { direction, pct: percent, within_ms: 3_600_000 }),
            "🔔 <b>BTC/USDT +5.21% within 1 h</b>",
            "🔔 <b>BTC/USDT +5,21 % за 1 ч</b>",
        ),
        (
            moved(Condition::MoveFromNow { direction, pct: percent }),
            "🔔 <b>BTC/USDT +5.21%</b>, you asked for 5%",
            "🔔 <b>BTC/USDT +5,21 %</b>, вы просили 5 %",
        ),
        (
            moved(Condition::Change24h { direction, pct: percent }),
            "🔔 <b>BTC/USDT +5.21% in 24 h</b>",
            "🔔 <b>BTC/USDT +5,21 % за сутки</b>",
        ),
        (
            moved(Condition::Spread { pct: percent }),
            "🔔 <b>BTC/USDT: venues 5.21% apart</b>",
            "🔔 <b>BTC/USDT: площадки расходятся на 5,21 %</b>",
        ),
        (
            Firing {
                pair: None,
                value: None,
                sources_total: 0,
                down_since: Some(BASE.plus_millis(-242_000)),
                ..moved(down)
            },
            "🔴 <b>HTX has been silent for 4 min</b>",
            "🔴 <b>HTX молчит уже 4 мин</b>",
        ),
        (
            Firing {
                side: Side::Below,
                ..firing(Condition::Is { side: Side::Below, threshold: Price::parse("0.00000123").unwrap() })
            },
            "🔔 <b>BTC/USDT below 0.0₅123</b>",
            "🔔 <b>BTC/USDT ниже 0,0₅123</b>",
        ),
    ] {
        let row = message(Firing::KIND, firing.to_json());
        let head = |language| {
            let told = talk.told(Some(&chat(language, "UTC")), &row).unwrap();
            parse_html(&told.html).unwrap();
            told.html.lines().next().unwrap_or_default().replace('\u{a0}', " ")
        };
        assert_eq!((head("en").as_str(), head("ru").as_str()), (en, ru));
    }
}

#[tokio::test]
async fn quiet_hours_end_in_one_digest() {
    let talk = Conversation::new(parts(memory().await));
    let moved = Condition::Move { direction: Direction::Down, pct: Decimal::from(5), within_ms: 3_600_000 };
    let down = Firing { measured_pct: Some(Decimal::new(-521, 2)), side: Side::Below, ..firing(moved) };
    let held: Vec<Message> = [firing(cross()), down]
        .iter()
        .map(|firing| Message { is_held: true, ..message(Firing::KIND, firing.to_json()) })
        .collect();
    let digest =
        |language, zone| talk.digest(Some(&chat(language, zone)), &held).unwrap().html.replace('\u{a0}', " ");
    assert_eq!(
        digest("en", "UTC"),
        "🌙 During quiet hours: 2 alerts\n14:05 UTC BTC/USDT ▲ 70,000 — 70,012.40\n\
         14:05 UTC BTC/USDT ▼ −5.21% — 70,012.40"
    );
    assert_eq!(
        digest("ru", "Europe/Moscow"),
        "🌙 За тихие часы: 2 алерта\n17:05 МСК BTC/USDT ▲ 70 000 — 70 012,40\n\
         17:05 МСК BTC/USDT ▼ −5,21 % — 70 012,40"
    );
    let alone = talk.digest(Some(&chat("en", "UTC")), &held[..1]).unwrap();
    assert!(alone.html.starts_with("🔔 <b>BTC/USDT above 70,000.00</b>"));
}

/// A subscription that is due is written once, is told with the rate of the moment, and is due again tomorrow.
#[tokio::test]
async fn a_subscription_is_told_at_its_time() {
    let store = memory().await;
    market::fill(&*store).await;
    let talk = Conversation::new(parts(store.clone()));
    let answer = first_html(&talk.hear(said(ANN, "/sub BTC 14:06")).await);
    assert_eq!(answer, "🗓 Every day 14:06 UTC: BTC/USDT. First: today.");
    let due = BASE.plus_millis(61_000);
    assert_eq!(bot::deliver_due(&*store, BASE).await.unwrap(), 0);
    assert_eq!(bot::deliver_due(&*store, due).await.unwrap(), 1);
    assert_eq!(bot::deliver_due(&*store, due).await.unwrap(), 0);
    let rows = store.subscriptions_of(ANN).await.unwrap();
    assert_eq!(rows[0].next_at, Timestamp::from_millis(1_795_701_960_000 + 86_400_000));
    let taken = store.take_messages("chat", 10, due.plus_millis(1_000)).await.unwrap();
    assert_eq!(taken[0].target, format!("chat:{ANN}"));
    let told = talk.told(None, &taken[0]).unwrap().html;
    assert!(told.starts_with("🗓 <b>BTC/USDT  67,245.10</b>  ▲ +2.31% (24 h)\n"), "{told}");
}

#[tokio::test]
async fn a_change_of_the_zone_moves_subscriptions() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    talk.hear(said(ANN, "/sub BTC 9:00")).await;
    talk.hear(said(ANN, "/settings zone Moscow")).await;
    let rows = store.subscriptions_of(ANN).await.unwrap();
    // 09:00 in Moscow is 06:00 UTC, tomorrow.
    assert_eq!(rows[0].next_at, Timestamp::from_millis(1_795_672_800_000 + 86_400_000));
}

#[tokio::test]
async fn old_requests_get_one_line() {
    let talk = Conversation::new(parts(memory().await));
    let away = Duration::from_secs(64 * 60);
    let html = |acts: Vec<Act>| first_html(&acts);
    assert_eq!(
        html(talk.skipped(&said(ANN, "btc"), away, 3).await),
        "I was away 1 h 04 min and skipped 3 old requests. Ask again."
    );
    assert_eq!(
        html(talk.skipped(&said(IVAN, "btc"), away, 3).await),
        "Меня не было 1 ч 04 мин, пропустил 3 старых запроса. Спросите ещё раз."
    );
    for (text, is_lasting) in [("/stop", true), ("/settings ru", true), ("/rate btc", false), ("btc", false)]
    {
        assert_eq!(talk.is_lasting(&said(ANN, text)), is_lasting, "{text}");
    }
}

/// Whoever changes his quiet hours has what waited for their end looked at again: whoever sends it sees whether it is
/// still quiet (`transport`, G18).
#[tokio::test]
async fn the_end_of_quiet_hours_releases_what_waited() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    talk.hear(said(ANN, "/settings quiet 14:00-16:00")).await;
    let held = NewMessage {
        is_held: true,
        not_before: Some(BASE.plus_millis(3_600_000)),
        ..NewMessage::new("chat:1", Firing::KIND, firing(cross()).to_json())
    };
    store.put_messages(&[held], None, BASE).await.unwrap();
    let waiting = || async { store.take_messages("chat", 10, BASE.plus_millis(60_000)).await.unwrap().len() };
    assert_eq!(waiting().await, 0);
    talk.hear(said(ANN, "/settings quiet off")).await;
    assert_eq!(waiting().await, 1);
}

fn in_topic(text: &str) -> Said {
    let chat = Some(ChatRef { id: GROUP, kind: ChatKind::Group, thread: Some(7) });
    Said { chat, ..said(BOSS, text) }
}

#[tokio::test]
async fn what_is_asked_for_in_a_topic_is_told_there() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    talk.hear(in_topic("/alert BTC above 70k")).await;
    let row = store.alert(1).await.unwrap().unwrap();
    assert_eq!((row.owner.as_str(), row.target.as_str()), ("chat:-100", "chat:-100/7"));
    talk.hear(in_topic("/sub BTC 14:06")).await;
    let due = BASE.plus_millis(61_000);
    assert_eq!(bot::deliver_due(&*store, due).await.unwrap(), 1);
    assert_eq!(store.take_messages("chat", 1, due).await.unwrap()[0].target, "chat:-100/7");
}

/// Quiet hours are the whole group's: changed in one topic, they release what others hold as well.
#[tokio::test]
async fn the_end_of_quiet_hours_releases_every_topic() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    talk.hear(in_topic("/settings quiet 14:00-16:00")).await;
    let targets = ["", "/7", "/9"].map(|topic| format!("chat:{GROUP}{topic}"));
    let held = targets.clone().map(|target| NewMessage {
        is_held: true,
        not_before: Some(BASE.plus_millis(3_600_000)),
        ..NewMessage::new(target, Firing::KIND, firing(cross()).to_json())
    });
    store.put_messages(&held, None, BASE).await.unwrap();
    talk.hear(in_topic("/settings quiet off")).await;
    let taken = store.take_messages("chat", 10, BASE.plus_millis(60_000)).await.unwrap();
    assert_eq!(taken.iter().map(|message| message.target.clone()).collect::<Vec<_>>(), targets);
}

/// What the operator says to all stands in every chat, as it was written, once.
#[tokio::test]
async fn a_broadcast_reaches_every_chat() {
    let stage = stage(false).await;
    for who in [ANN, IVAN, BOSS] {
        stage.fake.say(who, who, "/start");
        stage.fake.messages_at_least(who, 1).await;
    }
    stage.fake.say(GROUP, ANN, "/alert BTC above 70k");
    stage.fake.messages_at_least(GROUP, 1).await;
    stage.fake.say(BOSS, BOSS, "/broadcast We move at <5 o'clock> & are back at 6");
    let text = "We move at <5 o'clock> & are back at 6";
    for chat in [ANN, IVAN, BOSS, GROUP] {
        let all = stage.fake.messages_at_least(chat, if chat == BOSS { 3 } else { 2 }).await;
        assert_eq!(all.iter().filter(|message| message.text == text).count(), 1, "chat {chat}: {all:?}");
    }
    assert_eq!(stage.fake.violations(), [""; 0]);
}

/// A pause ends where an answer arrives, though nobody told us of it: rights given back in a group, a link that leads here.
/// One that does not arrive ends nothing.
#[tokio::test]
async fn what_is_answered_in_a_paused_chat_ends_its_pause() {
    let store = memory().await;
    market::fill(&*store).await;
    let stage = stage_on(store.clone(), false).await;
    stage.fake.say(ANN, ANN, "/start");
    stage.fake.messages_at_least(ANN, 1).await;
    stage.fake.say(GROUP, ANN, "/alert BTC above 70k");
    stage.fake.messages_at_least(GROUP, 1).await;
    for chat in [GROUP, ANN] {
        assert!(store.pause_chat(chat, "by somebody else").await.unwrap());
    }
    let until_paused = async |chat: i64, reason: Option<&str>| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let paused = store.chat(chat).await.unwrap().unwrap().paused;
            if paused.is_some() == reason.is_some() && paused.iter().all(|p| p.contains(reason.unwrap_or("")))
            {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "chat {chat} is paused: {paused:?}, not {reason:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    stage.fake.refuse(GROUP, Some((400, "Bad Request: not enough rights to send text messages to the chat")));
    stage.fake.say(GROUP, ANN, "/rate BTC");
    until_paused(GROUP, Some("not enough rights")).await;
    stage.fake.refuse(GROUP, None);
    stage.fake.say(GROUP, ANN, "/rate BTC");
    until_paused(GROUP, None).await;
    stage.fake.say(ANN, ANN, "/start alert_BTC_USDT");
    until_paused(ANN, None).await;
    assert_eq!(stage.fake.violations(), [""; 0]);
}
