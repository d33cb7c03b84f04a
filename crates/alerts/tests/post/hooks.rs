//! Webhooks over real sockets: signed, at least once, told from repeats, never inwards, never aloud.
//! It must not know the loop.

use crate::lab::{Lab, Names, SECRET};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use guard::{Resolver, SystemResolver};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use store::MessageState;
use testkit::{HookReceiver, HookReply, HookRequest, LogLines};

/// What a receiver does that trusts nobody.
fn is_signed(request: &HookRequest) -> bool {
    let [id, at, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.headers[name].as_str());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}.{at}.{}", request.body).as_bytes());
    let given = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
    mac.verify_slice(&given).is_ok()
}

fn body(request: &HookRequest) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

/// Id, repeat, data of everything that came.
fn came(receiver: &HookReceiver) -> Vec<(String, bool, Value)> {
    receiver
        .requests()
        .iter()
        .map(|request| {
            assert!(is_signed(request), "{request:?}");
            let body = body(request);
            assert_eq!(body["id"], request.headers["webhook-id"]);
            (request.headers["webhook-id"].clone(), body["repeat"] == true, body["data"]["n"].clone())
        })
        .collect()
}

#[tokio::test]
async fn a_message_is_posted_once_signed_and_whole() {
    let (lab, receiver) = (Lab::new().await, HookReceiver::start([]).await);
    let target = lab.hook(&receiver.url("/in?key=1")).await;
    let running = lab.run("webhook", lab.hooks());
    lab.put(&target, &[r#"{"n":1,"price":"70012.40"}"#]).await;
    let messages = lab.settled().await;
    running.end().await;
    let request = &receiver.requests()[0];
    assert!(is_signed(request));
    assert_eq!(request.path, "/in?key=1");
    assert_eq!(request.headers["content-type"], "application/json");
    let expect = json!({
        "v": 1, "id": format!("msg_{}", messages[0].id), "kind": "fired", "repeat": false,
        "created_at": messages[0].created_at.millis(), "data": {"n": 1, "price": "70012.40"},
    });
    assert_eq!(body(request), expect);
    let at: i64 = request.headers["webhook-timestamp"].parse().unwrap();
    assert!((lab.now().millis() / 1_000 - at).abs() < 60);
    assert_eq!((messages[0].state, receiver.connects()), (MessageState::Sent, 1));
}

/// G04, for webhooks: the receiver has it and does not say so.
#[tokio::test]
async fn what_may_have_arrived_is_posted_again_marked_with_the_same_id() {
    for reply in [HookReply::Silence, HookReply::Reset] {
        let (lab, receiver) = (Lab::new().await, HookReceiver::start([reply]).await);
        let target = lab.hook(&receiver.url("/")).await;
        let running = lab.run("webhook", lab.hooks());
        lab.put(&target, &[r#"{"n":1}"#, r#"{"n":2}"#]).await;
        lab.settled().await;
        running.end().await;
        let came = came(&receiver);
        let short: Vec<_> = came.iter().map(|(_, repeat, n)| (*repeat, n.clone())).collect();
        assert_eq!(short, [(false, json!(1)), (true, json!(1)), (false, json!(2))], "in order, marked");
        assert_eq!(came[0].0, came[1].0, "a receiver that remembers the id hears it once");
        assert_ne!(came[0].0, came[2].0);
    }
}

#[tokio::test]
async fn what_was_refused_is_tried_again_in_order_and_is_no_repeat() {
    let replies = [
        HookReply::Status(500, ""),
        HookReply::Status(302, "location: /elsewhere\r\n"),
        HookReply::Status(404, ""),
    ];
    let (lab, receiver) = (Lab::new().await, HookReceiver::start(replies).await);
    let target = lab.hook(&receiver.url("/a")).await;
    let running = lab.run("webhook", lab.hooks());
    lab.put(&target, &[r#"{"n":1}"#, r#"{"n":2}"#]).await;
    let messages = lab.settled().await;
    running.end().await;
    let came: Vec<_> = came(&receiver).into_iter().map(|(_, repeat, n)| (repeat, n)).collect();
    let [one, two] = [(false, json!(1)), (false, json!(2))];
    assert_eq!(came, [one.clone(), one.clone(), one.clone(), one, two]);
    assert!(receiver.requests().iter().all(|request| request.path == "/a"), "no redirect is followed");
    assert_eq!((messages[0].attempts, messages[1].attempts), (4, 1));
}

#[tokio::test]
async fn a_receiver_is_left_alone_when_it_says_so() {
    let replies = [HookReply::Status(429, "retry-after: 3600\r\n")];
    let (lab, busy, gone) = (
        Lab::new().await,
        HookReceiver::start(replies).await,
        HookReceiver::start([HookReply::Status(410, "")]).await,
    );
    let (to_busy, to_gone) = (lab.hook(&busy.url("/")).await, lab.hook(&gone.url("/")).await);
    let running = lab.run("webhook", lab.hooks());
    lab.put(&to_busy, &[r#"{"n":1}"#]).await;
    let waits = async {
        while lab.all().await[0].last_error.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::lab::PATIENCE, waits).await.unwrap();
    let message = &lab.all().await[0];
    let wait_ms = message.not_before.millis_since(lab.now());
    assert!((3_500_000..=3_600_000).contains(&wait_ms), "{message:?}");
    assert_eq!(message.last_error.as_deref(), Some("HTTP 429"));
    lab.put(&to_gone, &[r#"{"n":2}"#]).await;
    let is_dead = async {
        while lab.all().await[1].state != MessageState::Dead {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::lab::PATIENCE, is_dead).await.unwrap();
    running.end().await;
    assert_eq!((busy.requests().len(), gone.requests().len()), (1, 1));
}

/// A name that leads to each of these in turn, and then to the last.
struct Turns(Mutex<Vec<&'static str>>);

#[async_trait]
impl Resolver for Turns {
    async fn addresses(&self, _host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let mut turns = self.0.lock();
        let ip = if turns.len() > 1 { turns.remove(0) } else { turns[0] };
        Ok(vec![SocketAddr::new(ip.parse().unwrap(), port)])
    }
}

/// T01, for webhooks: a name that leads inwards is not followed, and one wrong answer of a name service ends nothing.
#[tokio::test]
async fn a_name_that_leads_inwards_is_asked_again() {
    let (lab, inner) = (Lab::new().await, HookReceiver::start([]).await);
    let port = inner.address.port();
    let names = Names(vec![
        ("inner.example", "127.0.0.1"),
        ("mixed.example", "8.8.8.8"),
        ("mixed.example", "127.0.0.1"),
        ("mapped.example", "::ffff:127.0.0.1"),
    ]);
    let running = lab.run("webhook", lab.hooks_with(&[], Arc::new(names)));
    for name in ["inner", "mixed", "mapped"] {
        let target = lab.hook(&format!("http://{name}.example:{port}/")).await;
        lab.put(&target, &["{}"]).await;
    }
    let tried_often = async {
        while !lab.all().await.iter().all(|message| message.attempts > 2 && message.last_error.is_some()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::lab::PATIENCE, tried_often).await.unwrap();
    running.end().await;
    let all = lab.all().await;
    assert!(all.iter().all(|message| message.state != MessageState::Dead && !message.is_repeat), "{all:?}");
    assert_eq!(inner.connects(), 0);

    let lab = Lab::new().await;
    let turns = Turns(Mutex::new(vec!["10.0.0.1", "127.0.0.1"]));
    let running = lab.run("webhook", lab.hooks_with(&["127.0.0.0/8"], Arc::new(turns)));
    let target = lab.hook(&format!("http://turns.example:{port}/")).await;
    lab.put(&target, &["{}"]).await;
    let messages = lab.settled().await;
    running.end().await;
    assert_eq!((messages[0].state, messages[0].attempts, inner.connects()), (MessageState::Sent, 2, 1));
}

/// T01, for webhooks: however it is written or redirected to.
#[tokio::test]
async fn no_webhook_leads_inwards() {
    let (lab, inner) = (Lab::new().await, HookReceiver::start([]).await);
    let port = inner.address.port();
    let running = lab.run("webhook", lab.hooks_with(&[], Arc::new(Names(Vec::new()))));
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://localhost.:{port}/"),
        format!("http://user:pass@8.8.8.8:{port}/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://8.8.8.8/".to_owned(),
        "no address".to_owned(),
    ];
    for url in &urls {
        let target = lab.hook(url).await;
        lab.put(&target, &["{}"]).await;
    }
    let messages = lab.settled().await;
    running.end().await;
    assert_eq!(messages.len(), urls.len());
    for (message, url) in messages.iter().zip(&urls) {
        assert_eq!(message.state, MessageState::Dead, "{url}: {message:?}");
        assert!(message.last_error.is_some(), "{url}: the reason is shown");
    }
    assert_eq!(inner.connects(), 0);
    // A network that the operator has opened is another thing.
    let running = lab.run("webhook", lab.hooks_with(&["127.0.0.0/8"], Arc::new(SystemResolver)));
    let target = lab.hook(&inner.url("/allowed")).await;
    lab.put(&target, &["{}"]).await;
    lab.settled().await;
    running.end().await;
    assert_eq!(inner.connects(), 1);
}

/// G17: neither the secret nor what an address may hold is in an error that people are shown, nor in a log at its most
/// talkative, whatever other tests do meanwhile.
#[tokio::test]
async fn errors_and_logs_show_neither_secret_nor_address() {
    let lines = LogLines::of_everything();
    let lab = Lab::new().await;
    let silent = HookReceiver::start([
        HookReply::Silence,
        HookReply::Reset,
        HookReply::Status(500, ""),
        HookReply::Status(410, ""),
    ]);
    let silent = silent.await;
    let refused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let urls = [
        silent.url("/canary-path?token=canary-token"),
        format!("http://{refused}/canary-path?token=canary-token"),
        "http://canary-user:canary-pass@127.0.0.1/".to_owned(),
        "http://nowhere.example/canary-path".to_owned(),
        "http://10.0.0.1/canary-path".to_owned(),
        "canary no address".to_owned(),
    ];
    let running = lab.run("webhook", lab.hooks_with(&["127.0.0.0/8"], Arc::new(Names(Vec::new()))));
    for url in &urls {
        let target = lab.hook(url).await;
        lab.put(&target, &["{}"]).await;
    }
    let mut seen = Vec::new();
    let told = async {
        while seen.len() < urls.len() + 3 {
            for message in lab.all().await {
                let error = (message.id, message.last_error);
                if error.1.is_some() && !seen.contains(&error) {
                    seen.push(error);
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(20), told).await;
    running.end().await;
    assert!(seen.len() >= urls.len(), "every one has failed: {seen:?}");
    for (_, error) in &seen {
        assert!(!error.as_deref().unwrap().contains("canary"), "{error:?}");
    }
    let log = lines.text();
    assert!(log.contains("hyper"), "the log is talkative");
    let told: Vec<_> = log.lines().filter(|line| line.contains("canary")).collect();
    assert!(told.is_empty(), "{told:#?}");
}
