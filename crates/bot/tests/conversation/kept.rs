//! What is kept of a chat, who may change it, and what is said when it cannot be kept.
//! It must not repeat what the dialogues show.

use crate::{
    harness::{ANN, BOSS, GROUP, IVAN, MEMBER},
    market::BASE,
    parts::{first_html, memory, parts, pressed, said},
};
use bot::{Act, ChatKind, ChatRef, Conversation, ConversationParts, Said, Talk, What};
use std::time::Duration;
use store::{Fire, NewMessage, Outcome, Settlement};
use tokio::time::Instant;

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
    assert_eq!(talk.hear(pressed(ANN, "w:1:f", Some(5))).await, [toast("It is armed already")]);
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
        "D:1",
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

/// An alert is saved and said to be, whatever candles tell and whenever they do.
#[tokio::test]
async fn what_candles_do_not_tell_at_once_is_left_out() {
    let store = memory().await;
    crate::market::fill(&*store).await;
    let lines = async |within| {
        let talk = Conversation::new(ConversationParts { past_within: within, ..parts(store.clone()) });
        let answer = first_html(&talk.hear(said(ANN, "/alert SOL above 190")).await);
        answer.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let told = lines(Duration::from_secs(60)).await;
    assert_eq!(told[2..], ["Would have fired 5 times in the last 7 days."]);
    let late = lines(Duration::ZERO).await;
    assert_eq!((late.len(), &late[1]), (2, &told[1]));
    assert_eq!(store.alerts_of("chat:1").await.unwrap().len(), 2);
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

/// `SUN` is a coin and a day: where both make sense it is asked, else what makes sense is meant.
#[tokio::test]
async fn a_coin_that_is_called_like_a_day_is_asked_about() {
    let store = memory().await;
    let whole = parts(store.clone());
    crate::market::say(&whole.board, "binance", "SUN-USDT", "0.0201", 2_000);
    let talk = Conversation::new(whole);
    let question = talk.hear(said(ANN, "/sub SUN USDT 9:00")).await;
    assert_eq!(first_html(&question), "SUN is an asset and a day of the week. Which is meant?");
    let Some(Act::Send { keyboard, .. }) = question.first() else { panic!("{question:?}") };
    let keys: Vec<(String, String)> =
        keyboard.iter().flatten().map(|key| (key.label.clone(), key.says.clone())).collect();
    let expect = [
        ("SUN/USDT · Every day", "t:/sub SUN-USDT 09:00 daily"),
        ("USDT/BTC · On Sun", "t:/sub USDT-BTC 09:00 sunday"),
    ];
    let expect = expect.map(|(label, data)| (label.to_owned(), data.to_owned()));
    assert_eq!(keys, expect);
    assert!(store.subscriptions_of(ANN).await.unwrap().is_empty());
    for ((_, data), (pair, days)) in keys.iter().zip([("SUN-USDT", 0b111_1111), ("USDT-BTC", 0b100_0000)]) {
        talk.hear(pressed(ANN, data, None)).await;
        let last = store.subscriptions_of(ANN).await.unwrap().pop().unwrap();
        assert_eq!((last.pair.as_str(), last.days), (pair, days), "{data}");
    }
    // Only one reading leads anywhere.
    for (text, answer) in [
        ("/sub SUN 9:00", "🗓 Every day 09:00 UTC: SUN/USDT. First: tomorrow."),
        ("/sub BTC sunday 9:00", "🗓 On Sun 09:00 UTC: BTC/USDT. First: 29 Nov."),
        ("/sub BTC USDT sun 9:00", "🗓 On Sun 09:00 UTC: BTC/USDT. First: 29 Nov."),
        ("/sub SUN sunday 9:00", "🗓 On Sun 09:00 UTC: SUN/USDT. First: 29 Nov."),
    ] {
        assert_eq!(first_html(&talk.hear(said(ANN, text)).await), answer, "{text}");
    }
}

/// "Все 21 пара" is no Russian.
#[tokio::test]
async fn all_pairs_are_counted_in_russian() {
    for (more, all) in [(9, "Все пары (21): /pairs"), (10, "Все 22 пары: /pairs"), (0, "Все 12 пар: /pairs")]
    {
        let whole = parts(memory().await);
        for name in ["AA", "BB", "CC", "DD", "EE", "FF", "GG", "HH", "II", "JJ"].into_iter().take(more) {
            crate::market::say(&whole.board, "binance", &format!("{name}X-USDT"), "2", 2_000);
        }
        let answer = first_html(&Conversation::new(whole).hear(said(IVAN, "/rate BTCC")).await);
        assert!(answer.replace('\u{a0}', " ").ends_with(all), "{answer}");
    }
}

/// `/alert #12 ETH 75000` is not about an alert on BTC.
#[tokio::test]
async fn an_alert_is_not_changed_in_the_name_of_another_pair() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    let hear = async |text| first_html(&talk.hear(said(ANN, text)).await);
    hear("/alert BTC above 70k").await;
    let before = store.alert(1).await.unwrap();
    for text in ["/alert #1 ETH 75000", "/alert #1 BTC USD 75000", "/alert #1 ETH +5%"] {
        assert_eq!(hear(text).await, "Alert #1 is on BTC/USDT, so nothing was changed.", "{text}");
    }
    assert_eq!(store.alert(1).await.unwrap(), before);
    for (text, threshold) in [
        ("/alert #1 BTC 75000", "75,000"),
        ("/alert #1 BTC USDT 76000", "76,000"),
        ("/alert #1 BTC +5% 24h", "24 h change of BTC/USDT"),
        ("/alert #1 spread 2%", "more than 2% apart"),
        ("/alert #1 -3% 1h", "falls <b>3% within 1 h"),
        ("/alert #1 BTC 77000", "77,000"),
    ] {
        assert!(hear(text).await.contains(threshold), "{text}");
    }
}

/// What was given up is said to its owner and to operators, and an operator has it sent once more.
#[tokio::test]
async fn what_was_given_up_is_shown_and_can_be_sent_again() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    let html = async |said: Said| first_html(&talk.hear(said).await);
    assert!(!html(said(BOSS, "/admin")).await.contains("Given up"));
    talk.hear(said(ANN, "/alert BTC above 70k")).await;
    let row = store.alert(1).await.unwrap().unwrap();
    let fire = Fire {
        alert_id: 1,
        revision: row.revision,
        fire_seq: 0,
        progress: row.progress,
        is_open: false,
        message: NewMessage::new("chat:1", "fired", "{}"),
    };
    store.fire(&[fire], BASE).await.unwrap();
    let taken = store.take_messages("chat", 1, BASE).await.unwrap();
    let outcome = Outcome::Dead { error: "no <such> chat".to_owned() };
    store.settle_messages(&[Settlement { id: taken[0].id, attempts: 1, outcome }], BASE).await.unwrap();

    let line = "⚠️ Not delivered: 1, the newest of #1, 14:05 UTC";
    assert_eq!(html(said(ANN, "/alerts")).await.lines().nth(1), Some(line));
    assert!(!html(said(MEMBER, "/alerts")).await.contains("Not delivered"));
    let shown = html(said(BOSS, "/admin")).await;
    let given_up = "☠️ Given up: 1, the newest:\n1 · chat:1 · 14:05 UTC: no &lt;such&gt; chat";
    assert!(shown.ends_with(given_up), "{shown}");

    let toast =
        |text: &str| Act::Toast { callback_id: "c".to_owned(), text: Some(text.to_owned()), is_alert: false };
    let refused = talk.hear(pressed(ANN, "D:1", Some(5))).await;
    assert_eq!(refused, [toast("This command is for the operator of the bot.")]);
    assert_eq!(store.undelivered("chat:1").await.unwrap().len(), 1);
    let acts = talk.hear(pressed(BOSS, "D:1", Some(5))).await;
    assert_eq!(acts[0], toast("On its way once more"));
    assert!(matches!(&acts[1], Act::Edit { html, .. } if !html.contains("Given up")), "{acts:?}");
    let again = store.take_messages("chat", 1, BASE.plus_millis(60_000)).await.unwrap();
    assert!(again[0].is_repeat, "nobody knows whether it arrived: it says so");
    assert_eq!(talk.hear(pressed(BOSS, "D:1", None)).await, [toast("It was sent, or is forgotten")]);
    assert!(!html(said(ANN, "/alerts")).await.contains("Not delivered"));
}

/// `/reload`: whoever follows the rows reads them again, though nobody told of a change; an operator's alone.
#[tokio::test]
async fn reload_makes_everybody_read_the_rows_again() {
    let store = memory().await;
    let talk = Conversation::new(parts(store.clone()));
    let mut changes = store.changes();
    let refused = first_html(&talk.hear(said(ANN, "/reload")).await);
    assert_eq!(refused, "This command is for the operator of the bot.");
    let unasked = tokio::time::timeout(Duration::from_millis(600), changes.changed()).await;
    assert!(unasked.is_err(), "nobody was asked to read anything");
    let answer = first_html(&talk.hear(said(BOSS, "/reload")).await);
    assert_eq!(answer, "🔄 Reading again: 0 rows of trade_info, venue files, policies.");
    tokio::time::timeout(Duration::from_secs(60), changes.changed()).await.expect("a word of it").unwrap();
}
