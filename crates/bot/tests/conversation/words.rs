//! Promises about words that need more than one dialogue: what fired, digests, exact replies, speed, pictures, strangers.
//! It must not repeat what the dialogues show.

use crate::{
    harness::{ANN, BOSS, GROUP, IVAN, MEMBER, stage, stage_on},
    market::{self, BASE},
};
use ::market::{Price, RateState, Timestamp};
use alerts::{Condition, Direction, Firing, Offline, Side};
use async_trait::async_trait;
use bot::{
    Act, ChatKind, ChatRef, Conversation, ConversationParts, House, HouseError, Said, Talk, UserRef, What,
    html,
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::{sync::Arc, time::Duration};
use store::{ChatRow, Message, MessageState, Seed, Store};
use testkit::parse_html;
use tokio::time::Instant;

/// A process that knows nothing.
struct Nobody;

#[async_trait]
impl House for Nobody {
    async fn rules_chat(&self, _chat: i64, _user: i64) -> Result<bool, HouseError> {
        Err(HouseError::Unavailable("telegram is away".to_owned()))
    }
    async fn broadcast(&self, _html: &str) -> Result<u64, HouseError> {
        Err(HouseError::Unsupported)
    }
    async fn log_lines(&self, _count: usize) -> Vec<String> {
        Vec::new()
    }
    async fn reload(&self) -> Result<(), HouseError> {
        Err(HouseError::Unsupported)
    }
}

fn parts(store: Arc<dyn Store>) -> ConversationParts {
    let board = market::board(false);
    ConversationParts {
        clock: board.clock(),
        board,
        store,
        admins: vec![BOSS],
        bot_name: "rates_test_bot".to_owned(),
        venue_name: Arc::new(crate::harness::venue_name),
        house: Arc::new(Nobody),
    }
}

async fn memory() -> Arc<dyn Store> {
    store::open("sqlite::memory:", Seed::default()).await.unwrap()
}

fn said(user: i64, text: &str) -> Said {
    Said {
        update_id: 1,
        at: BASE,
        chat: Some(ChatRef { id: user, kind: ChatKind::Private, thread: None }),
        user: Some(UserRef {
            id: user,
            name: "Somebody".to_owned(),
            language_code: Some(if user == IVAN { "ru" } else { "en" }.to_owned()),
            speaks_for_chat: false,
        }),
        what: What::Text { message_id: 1, text: text.to_owned(), is_reply_to_us: false },
    }
}

fn first_html(acts: &[Act]) -> String {
    match acts.first() {
        Some(Act::Send { html, .. } | Act::Edit { html, .. }) => html.clone(),
        other => format!("{other:?}"),
    }
}

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
    let down = Condition::SourceDown { venue: "htx".parse_venue(), for_ms: 180_000 };
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

fn pressed(user: i64, data: &str, message_id: Option<i64>) -> Said {
    let what = What::Button { callback_id: "c".to_owned(), data: data.to_owned(), message_id };
    Said { what, ..said(user, "") }
}

/// G12: what is gone, too old or not ours gets a polite answer, and its buttons go.
#[tokio::test]
async fn buttons_of_what_is_gone_are_answered_politely() {
    let talk = Conversation::new(parts(memory().await));
    talk.hear(said(ANN, "/alert BTC above 70k")).await;
    let toast =
        |text: &str| Act::Toast { callback_id: "c".to_owned(), text: Some(text.to_owned()), is_alert: false };
    let none = Act::EditKeyboard { message_id: 5, keyboard: Vec::new() };
    // Somebody else's alert is none of his.
    for (user, text) in [(MEMBER, "This alert is no longer there"), (IVAN, "Этого алерта уже нет")]
    {
        assert_eq!(talk.hear(pressed(user, "x:1:f", Some(5))).await, [toast(text), none.clone()]);
        assert_eq!(talk.hear(pressed(user, "w:1:m", None)).await, [toast(text)]);
    }
    // What fired stays to be read when its alert is deleted.
    assert_eq!(talk.hear(pressed(ANN, "w:1:f", Some(5))).await, [toast("It is armed")]);
    assert_eq!(talk.hear(pressed(ANN, "x:1:f", Some(5))).await, [toast("Deleted"), none.clone()]);
    assert_eq!(
        talk.hear(pressed(ANN, "x:1:f", Some(5))).await,
        [toast("This alert is no longer there"), none]
    );
    let old = toast("This button is too old. Ask again.");
    for data in [
        "",
        ":",
        "zzz",
        "x:",
        "x:one:m",
        "r:",
        "r:BTC",
        "c:x:y:z",
        "i:BTC-USDT:a",
        "k:BTC-USDT:a:0:",
        "y:",
        "s:zone:Nowhere",
    ] {
        assert_eq!(talk.hear(pressed(ANN, data, Some(5))).await, std::slice::from_ref(&old), "{data:?}");
    }
}

/// Every press is answered, once.
#[tokio::test]
async fn every_button_ends_its_waiting() {
    let talk = Conversation::new(parts(memory().await));
    talk.hear(said(ANN, "/alert BTC above 70k")).await;
    talk.hear(said(ANN, "/sub BTC 9:00")).await;
    for data in [
        "r:BTC-USDT",
        "q:BTC-USDT",
        "c:BTC-USDT",
        "C:BTC-USDT:7d",
        "n:",
        "n:BTC-USDT",
        "t:btc",
        "t:/alert BTC 80000",
        "A:0",
        "A:7",
        "d:1:l",
        "p:1:m",
        "e:1:m",
        "u:1:m",
        "z:1:l:0",
        "w:1:f",
        "y:1:l",
        "s:",
        "s:zone",
        "s:quiet",
        "s:quote",
        "s:lang:ru",
        "s:lang:en",
        "s:quiet:off",
        "s:quote:EUR",
        "s:zone:Asia/Dubai",
        "l:ru",
        "l:en",
        "R:",
        "P:0",
        "P:99",
        "i:BTC-USDT:a:60000:ru",
        "k:BTC-USDT:b:70000:",
        "x:1:l:0",
    ] {
        for message_id in [Some(5), None] {
            let acts = talk.hear(pressed(ANN, data, message_id)).await;
            let toasts = acts.iter().filter(|act| matches!(act, Act::Toast { .. })).count();
            assert_eq!(toasts, 1, "{data}: {acts:?}");
        }
    }
}

/// Whoever ends his quiet hours is told at once what waited for their end.
#[tokio::test]
async fn the_end_of_quiet_hours_releases_what_waited() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    talk.hear(said(ANN, "/settings quiet 14:00-16:00")).await;
    let held = store::NewMessage {
        is_held: true,
        not_before: Some(BASE.plus_millis(3_600_000)),
        ..store::NewMessage::new("chat:1", Firing::KIND, firing(cross()).to_json())
    };
    store.put_messages(&[held], None, BASE).await.unwrap();
    let waiting = || async { store.take_messages("chat", 10, BASE.plus_millis(60_000)).await.unwrap().len() };
    // Still quiet by the new hours.
    talk.hear(said(ANN, "/settings quiet 13:00-15:00")).await;
    assert_eq!(waiting().await, 0);
    talk.hear(said(ANN, "/settings quiet off")).await;
    assert_eq!(waiting().await, 1);
}

/// B12: nothing of a chat is left, within a second.
#[tokio::test]
async fn stop_leaves_nothing() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    for text in ["/start", "/alert BTC above 70k", "/sub BTC 9:00", "/settings zone Moscow"] {
        talk.hear(said(ANN, text)).await;
    }
    assert_eq!(store.alerts_of("chat:1").await.unwrap().len(), 1);
    let begun = Instant::now();
    let answer = first_html(&talk.hear(said(ANN, "/stop")).await);
    assert!(answer.starts_with("✅ Done"), "{answer}");
    // A second of an idle machine; tests share two cores.
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(store.chat(ANN).await.unwrap(), None);
    assert!(store.alerts_of("chat:1").await.unwrap().is_empty());
    assert!(store.subscriptions_of(ANN).await.unwrap().is_empty());
    // What is asked afterwards is answered, and kept nowhere.
    let answer = first_html(&talk.hear(said(ANN, "btc")).await);
    assert!(answer.contains("67,245.10"), "{answer}");
    assert_eq!(store.chat(ANN).await.unwrap(), None);
}

/// D02: a store that is away is said to be away; rates go on.
#[tokio::test]
async fn without_a_store_rates_go_on_and_nothing_is_said_to_be_saved() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    store.close().await;
    for (user, text, answer) in [
        (ANN, "/alert BTC above 70k", "Not saved: my database is down. Rates still work. Try in a minute."),
        (
            IVAN,
            "/alert BTC выше 70к",
            "Не сохранил: база недоступна. Курсы работают. Повторите через минуту.",
        ),
        (ANN, "/sub BTC 9:00", "Not saved: my database is down. Rates still work. Try in a minute."),
        (ANN, "/alerts", "I can't look that up: my database is down. Rates still work. Try in a minute."),
        (ANN, "/settings ru", "Not saved: my database is down. Rates still work. Try in a minute."),
        (ANN, "/stop", "Not saved: my database is down. Rates still work. Try in a minute."),
    ] {
        assert_eq!(first_html(&talk.hear(said(user, text)).await), answer, "{text}");
    }
    assert!(first_html(&talk.hear(said(ANN, "btc")).await).starts_with("<b>BTC/USDT  67,245.10</b>"));
}

#[tokio::test]
async fn the_fifty_first_alert_is_one_too_many() {
    let talk = Conversation::new(parts(memory().await));
    for _ in 0..50 {
        talk.hear(said(ANN, "/alert BTC above 70k")).await;
    }
    assert_eq!(
        first_html(&talk.hear(said(ANN, "/alert BTC above 70k")).await),
        "You have 50 alerts, the limit. Delete one: /alerts"
    );
    assert_eq!(
        first_html(&talk.hear(said(IVAN, "/alert BTC above 70k")).await).lines().next().unwrap(),
        "🔔 Алерт №51 сохранён: BTC/USDT пересечёт <b>70\u{a0}000,00 вверх</b>"
    );
}

/// In a group of whose administrators nothing is known nobody changes anything.
#[tokio::test]
async fn who_cannot_be_checked_changes_nothing() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    let chat = Some(ChatRef { id: GROUP, kind: ChatKind::Group, thread: None });
    let answer = talk.hear(Said { chat, ..said(MEMBER, "/alert BTC above 70k") }).await;
    assert_eq!(
        first_html(&answer),
        "I can't check right now whether you are an admin here. Try in a minute."
    );
    assert!(store.alerts_of(&format!("chat:{GROUP}")).await.unwrap().is_empty());
    // Whoever speaks as the group is one.
    let mut anonymous = Said { chat, ..said(MEMBER, "/alert BTC above 70k") };
    anonymous.user.as_mut().unwrap().speaks_for_chat = true;
    talk.hear(anonymous).await;
    assert_eq!(store.alerts_of(&format!("chat:{GROUP}")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn word_of_chats_is_kept() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    let now = |what| Said { what, ..said(ANN, "") };
    talk.hear(said(ANN, "/start")).await;
    talk.hear(now(What::Blocked)).await;
    assert_eq!(store.chat(ANN).await.unwrap().unwrap().paused.as_deref(), Some("blocked"));
    talk.hear(now(What::Unblocked)).await;
    assert_eq!(store.chat(ANN).await.unwrap().unwrap().paused, None);
    talk.hear(now(What::Blocked)).await;
    talk.hear(said(ANN, "/start")).await;
    assert_eq!(store.chat(ANN).await.unwrap().unwrap().paused, None);
    talk.hear(now(What::Migrated { to: 77 })).await;
    assert_eq!(store.chat(ANN).await.unwrap(), None);
    assert!(store.chat(77).await.unwrap().is_some());
}

/// B14: a picture of at most 200 KB with a caption that says what it shows.
#[tokio::test]
async fn a_chart_is_small_and_said_in_words() {
    let store = memory().await;
    market::walk(&*store).await;
    let talk = Conversation::new(parts(store));
    for (user, name) in [(ANN, "en"), (IVAN, "ru")] {
        for span in ["1h", "24h", "7d"] {
            let acts = talk.hear(said(user, &format!("/chart ETH {span}"))).await;
            let Some(Act::Photo { png, caption_html, .. }) = acts.first() else { panic!("{acts:?}") };
            assert!(png.len() <= 200_000 && png.starts_with(b"\x89PNG"), "{} bytes", png.len());
            assert!(html::length(caption_html) <= 1_024);
            let words: &[&str] = if user == ANN {
                &["First", "last", "Min", "max"]
            } else {
                &["Первая", "последняя", "Мин.", "макс."]
            };
            assert!(words.iter().all(|word| caption_html.contains(word)), "{caption_html}");
            // To be looked at.
            if let Some(folder) = std::env::var_os("CHARTS_INTO") {
                std::fs::write(std::path::Path::new(&folder).join(format!("{name}-{span}.png")), png)
                    .unwrap();
            }
        }
    }
}

/// B13: a price of 28 digits fits; B10: an inline answer of many pairs does, too.
#[tokio::test]
async fn enormous_prices_fit_into_a_message() {
    let parts = parts(memory().await);
    let huge = "1234567890123456789012345678";
    market::say(&parts.board, "binance", "HUGE-USDT", huge, 1_000);
    market::say(&parts.board, "binance", "TINY-USDT", "0.0000000000000000000000000123", 1_000);
    let talk = Conversation::new(parts);
    for user in [ANN, IVAN] {
        for text in [
            "huge",
            "tiny",
            "huge tiny btc",
            "5 huge",
            "1 tiny huge",
            "/alert huge above 5k",
            "/sources huge",
        ] {
            let html = first_html(&talk.hear(said(user, text)).await);
            assert!(parse_html(&html).is_ok() && html::length(&html) <= 4_096, "{text}: {html}");
            assert!(!html.contains(['e', 'E']) || !html.contains("e-"), "{text}: {html}");
        }
    }
}

/// B1 and B10, loosely: the machine is shared. The benchmark measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_quickly() {
    let store = memory().await;
    market::fill(&*store).await;
    let stage = stage_on(store, false).await;
    for text in ["btc", "/alerts", "100 usd rub", "/status", "/chart btc"] {
        let before = stage.fake.messages(ANN).len();
        let begun = Instant::now();
        stage.fake.say(ANN, ANN, text);
        stage.fake.messages_at_least(ANN, before + 1).await;
        eprintln!("{text}: {:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let id = stage.fake.ask_inline(ANN, "btc");
    let answer = stage.fake.answer_to(&id).await;
    eprintln!("inline: {:?}", begun.elapsed());
    assert!(answer.get("cache_time").and_then(|t| t.as_i64()).is_some_and(|t| t <= 5), "{answer:?}");
    assert_eq!(stage.fake.violations(), Vec::<String>::new());
}

/// A demo says so wherever a price is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_says_that_it_is_one() {
    let stage = stage(true).await;
    for text in ["btc", "btc eth sol", "100 usd rub", "/chart btc", "/rates"] {
        let before = stage.fake.messages(ANN).len();
        stage.fake.say(ANN, ANN, text);
        let all = stage.fake.messages_at_least(ANN, before + 1).await;
        assert!(all.last().unwrap().html.contains("🧪 A demo: these prices are invented."), "{text}");
    }
}

trait ParseVenue {
    fn parse_venue(&self) -> ::market::VenueId;
}

impl ParseVenue for str {
    fn parse_venue(&self) -> ::market::VenueId {
        ::market::VenueId::parse(self).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// B8 and G09: whatever is said, and by whom, the answer is HTML that Telegram takes.
    #[test]
    fn no_text_makes_html_that_telegram_refuses(text in "(/(alert|rate|convert|sub|chart|settings|start|foo)[@a-z]{0,3} )?\\PC{0,80}") {
        thread_local! {
            static TALK: (tokio::runtime::Runtime, Conversation) = {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let talk = runtime.block_on(async { Conversation::new(parts(memory().await)) });
                (runtime, talk)
            };
        }
        TALK.with(|(runtime, talk)| {
            for user in [ANN, IVAN] {
                for act in runtime.block_on(talk.hear(said(user, &text))) {
                    let (html, keyboard) = match act {
                        Act::Send { html, keyboard } => (html, keyboard),
                        Act::Photo { caption_html, keyboard, .. } => (caption_html, keyboard),
                        other => return Err(TestCaseError::fail(format!("{other:?}"))),
                    };
                    let parsed = parse_html(&html).map_err(|e| TestCaseError::fail(format!("{text:?}: {e}: {html}")))?;
                    prop_assert!(!parsed.text.trim().is_empty() && parsed.text.encode_utf16().count() <= 4_096);
                    prop_assert!(keyboard.iter().flatten().all(|key| !key.label.trim().is_empty()));
                }
            }
            Ok(())
        })?;
    }
}
