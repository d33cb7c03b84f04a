//! The part of the contract about chats, subscriptions and webhooks: what is kept, what is forgotten, what moves along.
//! It must not know any backend.

use crate::alerts::{MAX, add, alert};
use crate::{Place, at, open};
use store::{
    ChatCount, ChatRow, MessageFilter, NewAlert, NewMessage, NewSubscription, Store, SubscriptionRow,
};

fn chat(id: i64) -> ChatRow {
    ChatRow {
        id,
        kind: "private".into(),
        language: "ru".into(),
        time_zone: "Europe/Moscow".into(),
        quiet: Some((1_380, 420)),
        settings: "{}".into(),
        paused: None,
        created_at: at(1),
        seen_at: at(1),
    }
}

fn daily(chat_id: i64) -> NewSubscription {
    NewSubscription {
        chat_id,
        thread: None,
        pair: "BTC-USDT".into(),
        minute_of_day: 540,
        days: 127,
        next_at: at(100),
    }
}

pub(crate) async fn chats_are_kept_paused_resumed_and_paged(place: &dyn Place) {
    let store = open(place).await;
    assert_eq!(store.chat(5).await.unwrap(), None);
    store.put_chat(&chat(5)).await.unwrap();
    assert_eq!(store.chat(5).await.unwrap(), Some(chat(5)));
    assert!(store.pause_chat(5, "blocked").await.unwrap());
    assert!(!store.pause_chat(6, "blocked").await.unwrap());
    // Settings of a paused chat may change; that alone does not resume it.
    let new = ChatRow { quiet: None, language: "en".into(), seen_at: at(9), created_at: at(9), ..chat(5) };
    store.put_chat(&new).await.unwrap();
    let expect = ChatRow { paused: Some("blocked".into()), created_at: at(1), ..new };
    assert_eq!(store.chat(5).await.unwrap(), Some(expect));
    for id in [-100, 7, 8] {
        store.put_chat(&chat(id)).await.unwrap();
    }
    let page = async |after, only_active| {
        let page = store.chats_page(after, only_active, 2).await.unwrap();
        page.into_iter().map(|chat| chat.id).collect::<Vec<_>>()
    };
    assert_eq!(page(i64::MIN, true).await, [-100, 7]);
    assert_eq!(page(7, true).await, [8]);
    assert_eq!(page(i64::MIN, false).await, [-100, 5]);
    assert_eq!(store.chat_count().await.unwrap(), ChatCount { active: 3, paused: 1 });
    assert!(store.resume_chat(5, at(9)).await.unwrap());
    assert!(!store.resume_chat(5, at(9)).await.unwrap());
    assert_eq!(store.chat_count().await.unwrap(), ChatCount { active: 4, paused: 0 });
}

pub(crate) async fn what_waited_for_a_paused_chat_is_due_when_it_is_resumed(place: &dyn Place) {
    let store = open(place).await;
    store.put_chat(&chat(5)).await.unwrap();
    let waits = |target: &str, is_held| NewMessage {
        not_before: Some(at(1_000)),
        is_held,
        ..NewMessage::new(target, "test", target)
    };
    // A chat whose number begins alike is another one.
    let targets = ["chat:5", "chat:5/7", "chat:50", "chat:50/7", "chat:-5"];
    store.put_messages(&targets.map(|target| waits(target, false)), None, at(1)).await.unwrap();
    store.put_messages(&[waits("chat:5/8", true)], None, at(1)).await.unwrap();
    let due = async |now| {
        let taken = store.take_messages("chat", 10, at(now)).await.unwrap();
        taken.into_iter().map(|message| message.target).collect::<Vec<_>>()
    };
    assert!(!store.resume_chat(5, at(10)).await.unwrap());
    assert_eq!(due(10).await, [""; 0], "it was not paused");
    store.pause_chat(5, "blocked").await.unwrap();
    assert!(store.resume_chat(5, at(20)).await.unwrap());
    assert_eq!(due(20).await, ["chat:5", "chat:5/7", "chat:5/8"]);
    assert_eq!(due(1_000).await, ["chat:50", "chat:50/7", "chat:-5"]);
}

/// Everything that a chat can have; the topics of one whose number begins alike must not be taken for its own.
async fn furnish(store: &dyn Store, id: i64) {
    store.put_chat(&chat(id)).await.unwrap();
    add(store, &format!("chat:{id}")).await;
    let topic = format!("chat:{id}/7");
    let in_topic = NewAlert { target: topic.clone(), ..alert(&format!("chat:{id}")) };
    store.add_alert(&in_topic, MAX, at(1)).await.unwrap().unwrap();
    store.add_subscription(&daily(id), 10, at(1)).await.unwrap().unwrap();
    let messages = [format!("chat:{id}"), topic].map(|target| NewMessage::new(target, "notice", "x"));
    store.put_messages(&messages, None, at(1)).await.unwrap();
}

/// Of a chat: whether it is known, and how many alerts, subscriptions and messages it has.
async fn furniture(store: &dyn Store, id: i64) -> (bool, usize, usize, usize) {
    let name = format!("chat:{id}");
    let alerts = store.alerts_page(0, false, 100).await.unwrap();
    let is_its = |target: &str| target == name || target.starts_with(&format!("{name}/"));
    let messages = store.messages(&MessageFilter::default(), 100).await.unwrap();
    (
        store.chat(id).await.unwrap().is_some(),
        alerts.iter().filter(|alert| alert.owner == name && is_its(&alert.target)).count(),
        store.subscriptions_of(id).await.unwrap().len(),
        messages.iter().filter(|message| is_its(&message.target)).count(),
    )
}

const ALL: (bool, usize, usize, usize) = (true, 2, 1, 2);
const NONE: (bool, usize, usize, usize) = (false, 0, 0, 0);

pub(crate) async fn a_chat_that_is_forgotten_leaves_nothing(place: &dyn Place) {
    let store = open(place).await;
    for id in [5, 50, -5] {
        furnish(&*store, id).await;
    }
    store.forget_chat(5).await.unwrap();
    assert_eq!(furniture(&*store, 5).await, NONE);
    assert_eq!(furniture(&*store, 50).await, ALL);
    assert_eq!(furniture(&*store, -5).await, ALL);
    store.forget_chat(5).await.unwrap();
}

pub(crate) async fn a_chat_with_a_new_number_keeps_everything(place: &dyn Place) {
    let store = open(place).await;
    for id in [5, 50] {
        furnish(&*store, id).await;
    }
    assert!(store.migrate_chat(5, -1005).await.unwrap());
    assert!(!store.migrate_chat(5, -1005).await.unwrap(), "nothing is known of it any more");
    assert_eq!(furniture(&*store, 5).await, NONE);
    assert_eq!(furniture(&*store, -1005).await, ALL);
    assert_eq!(furniture(&*store, 50).await, ALL);
    // The new one is known already: it takes what the old one has, and stays as it is.
    furnish(&*store, 6).await;
    store.put_chat(&ChatRow { language: "en".into(), ..chat(-1005) }).await.unwrap();
    assert!(store.migrate_chat(6, -1005).await.unwrap());
    assert_eq!(furniture(&*store, 6).await, NONE);
    assert_eq!(furniture(&*store, -1005).await, (true, 4, 2, 4));
    assert_eq!(store.chat(-1005).await.unwrap().unwrap().language, "en");
    let targets: Vec<_> =
        store.alerts_of("chat:-1005").await.unwrap().into_iter().map(|alert| alert.target).collect();
    assert_eq!(targets, ["chat:-1005", "chat:-1005/7", "chat:-1005", "chat:-1005/7"]);
    // What is taken after that goes to the new one.
    let taken = store.take_messages("chat", 100, at(10)).await.unwrap();
    assert!(taken.iter().all(|message| !message.target.starts_with("chat:6")), "{taken:?}");
}

pub(crate) async fn subscriptions_are_due_and_advance_with_their_message(place: &dyn Place) {
    let store = open(place).await;
    let id = store.add_subscription(&daily(5), 2, at(1)).await.unwrap().unwrap();
    let topic = NewSubscription { thread: Some(7), next_at: at(90), ..daily(5) };
    let second = store.add_subscription(&topic, 2, at(1)).await.unwrap().unwrap();
    assert_eq!(store.add_subscription(&daily(5), 2, at(1)).await.unwrap(), None, "as many as it may have");
    let row = SubscriptionRow {
        id,
        chat_id: 5,
        thread: None,
        pair: "BTC-USDT".into(),
        minute_of_day: 540,
        days: 127,
        next_at: at(100),
        created_at: at(1),
    };
    assert_eq!(store.subscriptions_of(5).await.unwrap()[0], row);
    let due = async |now| {
        let due = store.subscriptions_due(at(now), 10).await.unwrap();
        due.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(due(89).await, [0; 0]);
    assert_eq!(due(100).await, [second, id]);
    store.put_chat(&chat(5)).await.unwrap();
    store.pause_chat(5, "blocked").await.unwrap();
    assert_eq!(due(100).await, [0; 0], "a paused chat is told nothing");
    store.resume_chat(5, at(9)).await.unwrap();

    let message = NewMessage::new("chat:5", "subscription", "{}");
    let advance =
        async |message| store.advance_subscription(id, at(100), at(200), message, at(100)).await.unwrap();
    let other = open(place).await;
    let (a, b) = tokio::join!(
        advance(Some(&message)),
        other.advance_subscription(id, at(100), at(200), Some(&message), at(100))
    );
    assert_ne!(a, b.unwrap(), "of two who see it due, one tells it");
    assert_eq!(store.messages(&MessageFilter::default(), 10).await.unwrap().len(), 1);
    assert_eq!(due(199).await, [second]);
    assert!(store.advance_subscription(id, at(200), at(150), None, at(100)).await.unwrap());
    assert_eq!(store.messages(&MessageFilter::default(), 10).await.unwrap().len(), 1);
    assert_eq!(due(150).await, [second, id]);
    assert!(!store.remove_subscription(6, id).await.unwrap());
    assert!(store.remove_subscription(5, id).await.unwrap());
    assert!(!store.advance_subscription(id, at(150), at(250), Some(&message), at(100)).await.unwrap());
}

pub(crate) async fn small_values_are_kept_by_name(place: &dyn Place) {
    let store = open(place).await;
    assert_eq!(store.bot_value("update").await.unwrap(), None);
    for value in ["1", "2"] {
        store.put_bot_value("update", Some(value)).await.unwrap();
    }
    store.close().await;
    let store = open(place).await;
    assert_eq!(store.bot_value("update").await.unwrap().as_deref(), Some("2"));
    store.put_bot_value("update", None).await.unwrap();
    assert_eq!(store.bot_value("update").await.unwrap(), None);
}

pub(crate) async fn webhooks_are_one_per_owner_and_address_and_keep_their_secret(place: &dyn Place) {
    let store = open(place).await;
    let put = async |owner: &str, url: &str, secret: Option<&str>, new: &str| {
        store.put_webhook(owner, url, secret, new, 2, at(10)).await.unwrap()
    };
    let first = put("key:1", "https://a.example/x", None, "made").await.unwrap();
    assert_eq!((first.secret.as_str(), first.created_at), ("made", at(10)));
    assert_eq!(put("key:1", "https://a.example/x", None, "again").await.unwrap(), first);
    let changed = put("key:1", "https://a.example/x", Some("given"), "again").await.unwrap();
    assert_eq!((changed.id, changed.secret.as_str()), (first.id, "given"));
    assert_eq!(store.webhook(first.id).await.unwrap(), Some(changed));
    let others = put("key:2", "https://a.example/x", None, "theirs").await.unwrap();
    assert_ne!(others.id, first.id);
    let second = put("key:1", "https://b.example/", None, "b").await.unwrap();
    assert_eq!(put("key:1", "https://c.example/", None, "c").await, None, "as many as it may have");
    let of = store.webhooks_of("key:1").await.unwrap();
    assert_eq!(of.iter().map(|hook| hook.id).collect::<Vec<_>>(), [first.id, second.id]);
    assert!(!format!("{of:?}").contains("example"), "an address may be a secret: {of:?}");

    // What an alert or a message names stays.
    let target = format!("webhook:{}", first.id);
    store.add_alert(&NewAlert { target, ..alert("key:1") }, MAX, at(1)).await.unwrap().unwrap();
    let message = NewMessage::new(format!("webhook:{}", second.id), "fired", "{}");
    store.put_messages(&[message], None, at(1)).await.unwrap();
    assert_eq!(store.prune_webhooks(at(10)).await.unwrap(), 0);
    assert_eq!(store.prune_webhooks(at(11)).await.unwrap(), 1);
    assert_eq!(store.webhook(others.id).await.unwrap(), None);
    assert_eq!(store.webhooks_of("key:1").await.unwrap().len(), 2);

    // From then on, however old it is, it is kept for a while: whoever comes back finds the same secret.
    let id = store.alerts_of("key:1").await.unwrap()[0].id;
    assert!(store.remove_alert("key:1", id).await.unwrap());
    assert_eq!(store.prune_webhooks(at(1_000)).await.unwrap(), 0);
    assert_eq!(store.webhook(first.id).await.unwrap().map(|hook| hook.secret).as_deref(), Some("given"));
    let far = at(4_000_000_000_000);
    assert_eq!(store.prune_webhooks(far).await.unwrap(), 1);
    assert_eq!(store.webhook(first.id).await.unwrap(), None);
}

/// Who asks for an alert again is given the webhook that is there: it does not go in the moment before it is named.
pub(crate) async fn a_webhook_that_was_asked_for_again_is_kept(place: &dyn Place) {
    let store = open(place).await;
    let put = async |ms| store.put_webhook("key:1", "https://a.example/", None, "made", 2, at(ms)).await;
    let first = put(10).await.unwrap().unwrap();
    assert_eq!(put(50).await.unwrap().unwrap(), first);
    assert_eq!(store.prune_webhooks(at(50)).await.unwrap(), 0);
    assert_eq!(store.prune_webhooks(at(51)).await.unwrap(), 1);
}
