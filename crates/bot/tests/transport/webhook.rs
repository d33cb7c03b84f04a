//! Updates that Telegram brings: only with the secret, only once, only of a sensible size.
//! It must not know how HTTP is served in the product.

use crate::harness::{PATIENCE, TOKEN, world};
use bot::{Token, Updates, Webhook};
use std::time::Duration;
use testkit::until;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const SECRET: &str = "s3cret-of_the-door";

async fn post(address: std::net::SocketAddr, secret: &str, body: &[u8], length: usize) -> u16 {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /telegram HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-telegram-bot-api-secret-token: {secret}\r\n\
         content-length: {length}\r\n\r\n"
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    let _ = tcp.write_all(body).await;
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// G11: a wrong secret is refused before the body is read; a repeated update is heard once; a huge one is refused.
#[tokio::test]
async fn g11_only_the_secret_opens_and_nothing_is_heard_twice() {
    let world = world(50, Duration::from_secs(5)).await;
    world.person(1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/telegram");
    let webhook = Webhook::new(&url, Some(SECRET), &Token::parse(TOKEN).unwrap()).unwrap();
    let routes = webhook.routes();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    assert_eq!(post(address, SECRET, b"{}", 2).await, 503, "nobody is behind the door yet");

    let (_talk, stop) = world.talk(Updates::Brought(webhook));
    until("the webhook is set", PATIENCE, || world.fake.webhook().is_some()).await;
    assert_eq!(world.fake.webhook().unwrap(), (url, Some(SECRET.to_owned())));
    world.fake.say(1, 1, "hello");
    world.fake.messages_at_least(1, 1).await;
    until("it was delivered", PATIENCE, || {
        world.fake.delivered().last().is_some_and(|(_, code)| *code == 200)
    })
    .await;

    let update = |id: i64, text: &str| {
        format!(
            r#"{{"update_id":{id},"message":{{"message_id":5,"date":{},"chat":{{"id":1,"type":"private"}},
               "from":{{"id":1,"is_bot":false,"first_name":"Ann"}},"text":"{text}"}}}}"#,
            world.parts.clock.now().millis() / 1_000
        )
    };
    let fresh = update(99_001, "by hand");
    for wrong in ["", "x", "s3cret-of_the-doo", "S3cret-of_the-door", &SECRET.repeat(20)] {
        assert_eq!(post(address, wrong, fresh.as_bytes(), fresh.len()).await, 401, "{wrong}");
    }
    // The length alone is told; the answer comes without the body.
    assert_eq!(post(address, "wrong", b"", 1 << 20).await, 401);
    assert_eq!(post(address, SECRET, &vec![b' '; 1 << 20], 1 << 20).await, 413);
    assert_eq!(post(address, SECRET, b"not json", 8).await, 400);
    for _ in 0..3 {
        assert_eq!(post(address, SECRET, fresh.as_bytes(), fresh.len()).await, 200);
    }
    world.fake.say(1, 1, "last");
    until("the last", PATIENCE, || world.texts(1).last().is_some_and(|text| text == "last")).await;
    assert_eq!(world.texts(1), ["hello", "by hand", "last"]);
    stop.cancel();
    let door = async || post(address, SECRET, b"{}", 2).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while door().await != 503 {
        assert!(tokio::time::Instant::now() < deadline, "the door stays open");
    }
}

#[test]
fn addresses_and_secrets_are_judged() {
    let token = Token::parse(TOKEN).unwrap();
    for (url, secret, good) in [
        ("https://rates.example.org/telegram", None, true),
        ("https://rates.example.org/a/b", Some("A-b_9"), true),
        ("https://rates.example.org", None, false),
        ("rates.example.org/telegram", None, false),
        ("https://rates.example.org/t", Some("with space"), false),
        ("https://rates.example.org/t", Some(""), false),
    ] {
        assert_eq!(Webhook::new(url, secret, &token).is_ok(), good, "{url} {secret:?}");
    }
    let one = format!("{:?}", Webhook::new("https://rates.example.org/t", Some("hunter2"), &token).unwrap());
    assert!(!one.contains("hunter2"), "{one}");
}
