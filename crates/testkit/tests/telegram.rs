//! The fake Bot API is as strict as the real one: it must be able to fail a bot. Calls here are raw HTTP.
//! It must not know the bot.

use serde_json::{Value, json};
use std::time::Duration;
use testkit::{FakeTelegram, Fault, Limits, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const TOKEN: &str = "4242:abcdefghijklmnopqrstuvwxyz";

async fn post(fake: &FakeTelegram, path: &str, kind: &str, body: &[u8]) -> std::io::Result<Value> {
    let url = fake.url();
    let mut tcp = TcpStream::connect(url.trim_start_matches("http://")).await?;
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    tcp.write_all(head.as_bytes()).await?;
    tcp.write_all(body).await?;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).map_err(std::io::Error::other)
}

async fn call(fake: &FakeTelegram, method: &str, params: Value) -> Value {
    let path = format!("bot{TOKEN}/{method}");
    post(fake, &path, "application/json", params.to_string().as_bytes()).await.unwrap()
}

async fn fake() -> FakeTelegram {
    let fake = FakeTelegram::start(TOKEN).await;
    fake.add_person(7, "Ann", Some("en"));
    fake.add_group(-500, "Old", &[], &[(7, "creator")]);
    fake
}

#[tokio::test]
async fn texts_are_judged_as_telegram_judges_them() {
    let fake = fake().await;
    fake.set_limits(Limits::NONE);
    let at_limit = "😀".repeat(2048);
    let keys = |data: &str| json!({"inline_keyboard": [[{"text": "A", "callback_data": data}]]});
    for (params, said) in [
        (json!({"chat_id": 7, "text": "<b>x</b> &amp; y", "parse_mode": "HTML"}), ""),
        (json!({"chat_id": 7, "text": at_limit}), ""),
        (json!({"chat_id": 7, "text": format!("{at_limit}a")}), "Bad Request: message is too long"),
        (json!({"chat_id": 7, "text": " "}), "Bad Request: message text is empty"),
        (json!({"chat_id": 7}), "Bad Request: text is empty"),
        (json!({"text": "x"}), "Bad Request: chat_id is empty"),
        (json!({"chat_id": 8, "text": "x"}), "Bad Request: chat not found"),
        (
            json!({"chat_id": 7, "text": "1 < 2", "parse_mode": "HTML"}),
            "Bad Request: can't parse entities: Unclosed start tag at byte offset 2",
        ),
        (json!({"chat_id": 7, "text": "1 < 2"}), ""),
        (json!({"chat_id": 7, "text": "x", "reply_markup": keys("a")}), ""),
        (
            json!({"chat_id": 7, "text": "x", "reply_markup": keys(&"a".repeat(65))}),
            "Bad Request: BUTTON_DATA_INVALID",
        ),
        (
            json!({"chat_id": -500, "text": "x", "message_thread_id": 3}),
            "Bad Request: message thread not found",
        ),
    ] {
        let answer = call(&fake, "sendMessage", params.clone()).await;
        assert_eq!(answer["description"].as_str().unwrap_or_default(), said, "{params}");
        assert_eq!(answer["ok"], json!(said.is_empty()));
    }
    assert_eq!(fake.violations(), [""; 0]);
    call(&fake, "sendMessage", json!({"chat_id": 7, "text": "x", "paresd_mode": "HTML"})).await;
    assert_eq!(fake.violations(), ["sendMessage has no parameter paresd_mode"]);
    assert_eq!(call(&fake, "sendMesage", json!({})).await["error_code"], 404);
    let wrong = post(&fake, "bot1:x/getMe", "application/json", b"{}").await.unwrap();
    assert_eq!((&wrong["error_code"], &wrong["description"]), (&json!(401), &json!("Unauthorized")));
}

#[tokio::test]
async fn edits_and_pictures_are_judged() {
    let fake = fake().await;
    let sent =
        call(&fake, "sendMessage", json!({"chat_id": 7, "text": "<b>1</b>", "parse_mode": "HTML"})).await;
    let edit = |text: &str| json!({"chat_id": 7, "message_id": sent["result"]["message_id"], "text": text, "parse_mode": "HTML"});
    let same = call(&fake, "editMessageText", edit("<b>1</b>")).await;
    assert!(same["description"].as_str().unwrap().starts_with("Bad Request: message is not modified"));
    assert_eq!(call(&fake, "editMessageText", edit("2")).await["result"]["text"], "2");
    let path = format!("bot{TOKEN}/sendPhoto");
    for (picture, caption, said) in [
        ("\u{89}PNG", "x".to_owned(), "Bad Request: IMAGE_PROCESS_FAILED"),
        ("PNG", "x".repeat(1025), "Bad Request: message caption is too long"),
    ] {
        let part = |name: &str, rest: &str, value: &str| {
            format!("--B\r\ncontent-disposition: form-data; name=\"{name}\"{rest}\r\n\r\n{value}\r\n")
        };
        let body = [
            part("chat_id", "", "7"),
            part("caption", "", &caption),
            part("photo", "; filename=\"a.png\"", picture),
            "--B--\r\n".to_owned(),
        ];
        let answer =
            post(&fake, &path, "multipart/form-data; boundary=B", body.concat().as_bytes()).await.unwrap();
        assert_eq!(answer["description"], said);
    }
}

#[tokio::test]
async fn limits_are_measured_where_messages_arrive() {
    let fake = fake().await;
    let send = |chat: i64| call(&fake, "sendMessage", json!({"chat_id": chat, "text": "x"}));
    assert_eq!(send(7).await["ok"], true);
    let answer = send(7).await;
    assert_eq!((&answer["error_code"], &answer["parameters"]["retry_after"]), (&json!(429), &json!(1)));
    assert_eq!(fake.violations(), ["more than 1 to chat 7 in 1s"]);

    fake.set_limits(Limits { chat: 100, all: 100, group: 2, ..Limits::TELEGRAM });
    let mut refused = 0;
    for _ in 0..3 {
        refused += usize::from(send(-500).await["ok"] == false);
    }
    assert_eq!(refused, 1);
    assert!(fake.violations()[1].contains("more than 2 to group -500"), "{:?}", fake.violations());
}

#[tokio::test]
async fn a_wait_holds_every_call_and_early_ones_are_noted() {
    let fake = fake().await;
    fake.fail_next("sendMessage", None, Fault::TooMany(35));
    let first = call(&fake, "sendMessage", json!({"chat_id": 7, "text": "x"})).await;
    assert_eq!(first["parameters"]["retry_after"], 35);
    let waited = tokio::time::Instant::now();
    until("an early call to be noted", Duration::from_secs(30), || {
        waited.elapsed() > Duration::from_millis(400)
    })
    .await;
    assert_eq!(call(&fake, "getMe", json!({})).await["error_code"], 429);
    assert!(
        fake.violations()[0].starts_with("getMe was called while told to wait"),
        "{:?}",
        fake.violations()
    );
    assert_eq!(fake.messages_count(), 0);
}

#[tokio::test]
async fn updates_wait_until_confirmed_and_a_newer_poll_ends_an_older() {
    let fake = fake().await;
    let first = fake.say(7, 7, "/start");
    let got = call(&fake, "getUpdates", json!({"timeout": 0})).await;
    assert_eq!(got["result"][0]["update_id"], first);
    assert_eq!(got["result"][0]["message"]["entities"][0]["type"], "bot_command");
    assert_eq!(call(&fake, "getUpdates", json!({"timeout": 0})).await["result"].as_array().unwrap().len(), 1);
    let waiting = call(&fake, "getUpdates", json!({"offset": first + 1, "timeout": 50}));
    let newer = async {
        until("the first poll", Duration::from_secs(30), || fake.calls_of("getUpdates").len() == 3).await;
        let newer = call(&fake, "getUpdates", json!({"offset": first + 1, "timeout": 50}));
        let said = async {
            until("the second poll", Duration::from_secs(30), || fake.calls_of("getUpdates").len() == 4)
                .await;
            fake.say(7, 7, "btc")
        };
        tokio::join!(newer, said)
    };
    let (ended, (got, second)) = tokio::join!(waiting, newer);
    assert_eq!(ended["error_code"], 409);
    assert_eq!(got["result"][0]["update_id"], second);
}

#[tokio::test]
async fn chats_move_and_faults_come_as_told() {
    let fake = fake().await;
    fake.migrate(-500, -1_000_000_000_500, false);
    let moved = call(&fake, "sendMessage", json!({"chat_id": -500, "text": "x"})).await;
    assert_eq!(moved["parameters"]["migrate_to_chat_id"], -1_000_000_000_500i64);
    fake.set_standing(7, 7, "member", "kicked");
    let blocked = call(&fake, "sendMessage", json!({"chat_id": 7, "text": "x"})).await;
    assert_eq!(blocked["description"], "Forbidden: bot was blocked by the user");
    fake.refuse(7, None);
    fake.fail_next("sendMessage", Some(7), Fault::AcceptThenDrop);
    let path = format!("bot{TOKEN}/sendMessage");
    let body = json!({"chat_id": 7, "text": "done"}).to_string();
    assert!(post(&fake, &path, "application/json", body.as_bytes()).await.is_err());
    assert_eq!(fake.messages(7)[0].text, "done");
    fake.fail_next("getMe", None, Fault::Hang);
    assert!(timeout(Duration::from_millis(300), call(&fake, "getMe", json!({}))).await.is_err());
    assert_eq!(call(&fake, "getMe", json!({})).await["result"]["is_bot"], true);
}
