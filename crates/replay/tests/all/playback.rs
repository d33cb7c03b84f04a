//! Recordings of our own, played back over real sockets.
//! They must not know how the server does it.

use crate::client::{Client, http};
use flate2::read::GzDecoder;
use replay::{
    Playback, Recording, play,
    recording::{Direction, Line, Transport},
};
use serde_json::json;
use std::{io::Read, net::SocketAddr, num::NonZeroU32, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

const URL: &str = "wss://venue.test/feed";

struct Venue {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), replay::Error>>,
}

impl Venue {
    async fn of(lines: &[serde_json::Value], playback: Playback) -> Venue {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let recording = Recording::read("own.jsonl", text.as_bytes()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let ended = stop.clone();
        let task = tokio::spawn(async move { play(&[recording], listener, playback, ended).await });
        Venue { address, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(crate::client::SOON, self.task).await.unwrap().unwrap().unwrap();
    }
}

fn ws(dir: &str, data: &str) -> serde_json::Value {
    json!({"dir": dir, "transport": "ws", "url": URL, "t": null, "data": data})
}

fn ws_at(t: &serde_json::Value, data: &str) -> serde_json::Value {
    json!({"dir": "in", "transport": "ws", "url": URL, "t": t, "data": data})
}

fn session() -> Vec<serde_json::Value> {
    vec![
        ws("in", r#"{"welcome":1}"#),
        ws("out", r#"{"op":"sub","args":["A"],"id":5}"#),
        ws("in", r#"{"result":null,"id":5}"#),
        ws("in", r#"{"price":"1.10"}"#),
        ws("out", r#"{"op":"ping","id":6}"#),
        ws("in", r#"{"op":"pong","id":6}"#),
        ws("in", r#"{"price":"1.20"}"#),
    ]
}

#[tokio::test]
async fn a_subscription_is_answered_as_recorded() {
    let venue = Venue::of(&session(), Playback::default()).await;
    let mut client = Client::connect(venue.address, "/feed").await;
    assert_eq!(client.text().await, r#"{"welcome":1}"#);
    assert!(client.is_silent_for(Duration::from_millis(150)).await, "the rest waits for the client");
    client.say(r#"{"op":"sub","args":["B"],"id":"mine"}"#).await;
    let rest = [r#"{"result":null,"id":"mine"}"#, r#"{"price":"1.10"}"#, r#"{"price":"1.20"}"#];
    assert_eq!(client.texts(3).await, rest);
    client.say(r#"{"op": "ping", "id": 99}"#).await;
    assert_eq!(client.text().await, r#"{"op":"pong","id":99}"#);
    venue.stop().await;
    assert!(client.next().await.is_none(), "stopping closes the connection");
}

#[tokio::test]
async fn a_repetition_leaves_out_what_answered_the_client() {
    let venue = Venue::of(&session(), Playback { repeat: true, ..Playback::default() }).await;
    let mut client = Client::connect(venue.address, "/feed").await;
    client.say(r#"{"op":"sub","id":1}"#).await;
    let texts = client.texts(8).await;
    let prices: Vec<&String> = texts.iter().filter(|t| t.contains("price")).collect();
    assert_eq!(texts.iter().filter(|t| t.contains("result")).count(), 1, "{texts:?}");
    assert_eq!(texts.iter().filter(|t| t.contains("welcome")).count(), 1, "{texts:?}");
    assert_eq!(prices[..4], [r#"{"price":"1.10"}"#, r#"{"price":"1.20"}"#].repeat(2));
    venue.stop().await;
}

#[tokio::test]
async fn one_message_may_stand_for_many_recorded_ones() {
    let lines = [
        ws("out", r#"{"op":"sub","args":["A"],"req_id":1}"#),
        ws("in", r#"{"ok":"A","req_id":1}"#),
        ws("out", r#"{"op":"sub","args":["B"],"req_id":2}"#),
        ws("in", r#"{"ok":"B","req_id":2}"#),
        ws("out", r#"{"op":"sub","args":["C"],"req_id":3}"#),
        ws("in", "42"),
    ];
    let venue = Venue::of(&lines, Playback::default()).await;
    let mut one = Client::connect(venue.address, "/feed").await;
    one.say(r#"{"op":"sub","args":["A","B","C"],"req_id":70}"#).await;
    assert_eq!(one.texts(3).await, [r#"{"ok":"A","req_id":70}"#, r#"{"ok":"B","req_id":70}"#, "42"]);
    let mut many = Client::connect(venue.address, "/feed").await;
    for id in [10, 20, 30] {
        many.say(&format!(r#"{{"op":"sub","req_id":{id}}}"#)).await;
    }
    assert_eq!(many.texts(3).await, [r#"{"ok":"A","req_id":10}"#, r#"{"ok":"B","req_id":20}"#, "42"]);
    venue.stop().await;
}

#[tokio::test]
async fn bytes_go_over_the_wire_as_they_came() {
    let lines = [
        json!({"dir":"in","transport":"ws","url":URL,"t":null,"data":"{\"a\":1}","decoded":"gzip"}),
        json!({"dir":"in","transport":"ws","url":URL,"t":null,"data":"//8A","enc":"base64","op":"binary"}),
        json!({"dir":"in","transport":"ws","url":URL,"t":null,"data":"e30=","enc":"base64"}),
    ];
    let venue = Venue::of(&lines, Playback::default()).await;
    let mut client = Client::connect(venue.address, "/feed").await;
    let first = client.next().await.unwrap();
    assert!(first.is_binary());
    let mut plain = String::new();
    GzDecoder::new(&first.into_data()[..]).read_to_string(&mut plain).unwrap();
    assert_eq!(plain, r#"{"a":1}"#);
    assert_eq!(client.next().await.unwrap().into_data()[..], [255, 255, 0]);
    assert_eq!(client.text().await, "{}");
    venue.stop().await;
}

#[tokio::test]
async fn every_connection_gets_the_next_session_of_its_path() {
    let line = |url: &str, conn: u64, data: &str| json!({"dir":"in","transport":"ws","url":url,"t":null,"data":data,"conn":conn});
    let lines = [
        line("wss://v.test/a", 0, "a0"),
        line("wss://v.test/a", 1, "a1"),
        line("wss://v.test/b?x=1&y=2", 0, "b-xy"),
        line("wss://v.test/b?x=3", 0, "b-x3"),
    ];
    let venue = Venue::of(&lines, Playback::default()).await;
    for (path, said) in [
        ("/a", "a0"),
        ("/a", "a1"),
        ("/a/", "a0"),
        ("/b?y=2&x=1", "b-xy"),
        ("/b?x=3", "b-x3"),
        ("/b?x=3", "b-x3"),
    ] {
        assert_eq!(Client::connect(venue.address, path).await.text().await, said, "{path}");
    }
    let refused = Client::try_connect(venue.address, "/c").await.err().unwrap();
    assert!(refused.contains("404"), "{refused}");
    venue.stop().await;

    let venue = Venue::of(&lines[..2], Playback::default()).await;
    assert_eq!(Client::connect(venue.address, "/any").await.text().await, "a0", "the only path there is");
    venue.stop().await;
}

#[tokio::test]
async fn recorded_time_is_kept_at_the_speed_asked_for() {
    let lines = [
        ws_at(&json!(100.0), "1"),
        ws_at(&json!(100.4), "2"),
        ws_at(&json!(null), "3"),
        ws_at(&json!(100.2), "4"),
        ws_at(&json!(101.0), "5"),
    ];
    let venue = Venue::of(&lines, Playback { speed_percent: NonZeroU32::new(200), repeat: false }).await;
    // From before the first line: this program may be slow to hear it.
    let started = Instant::now();
    let mut client = Client::connect(venue.address, "/feed").await;
    assert_eq!(client.text().await, "1");
    assert_eq!(client.texts(4).await, ["2", "3", "4", "5"]);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(450), "one second at double speed took {took:?}");
    venue.stop().await;
}

#[tokio::test]
async fn http_answers_as_recorded() {
    let pair = |method: &str, url: &str, status: u16, body: &str| {
        [
            json!({"dir":"out","transport":"http","url":url,"t":null,"data":"","method":method}),
            json!({"dir":"in","transport":"http","url":url,"t":null,"data":body,"status":status,"content_type":"text/x"}),
        ]
    };
    let lines = [
        pair("GET", "https://v.test/p?ids=a&q=b", 200, "one"),
        pair("GET", "https://v.test/p?ids=c", 429, "two"),
        pair("POST", "https://v.test/token", 200, "three"),
    ]
    .concat();
    let venue = Venue::of(&lines, Playback::default()).await;
    for (method, target, status, body) in [
        ("GET", "/p?q=b&ids=a", 200, "one"),
        ("GET", "/p?ids=c", 429, "two"),
        ("GET", "/p?ids=c", 429, "two"),
        ("POST", "/token?any=1", 200, "three"),
    ] {
        let (got, head, text) = http(venue.address, method, target).await.unwrap();
        assert_eq!((got, String::from_utf8_lossy(&text).as_ref()), (status, body), "{target}");
        assert!(head.contains("text/x"), "{head}");
    }
    let (status, _, body) = http(venue.address, "GET", "/token").await.unwrap();
    assert_eq!(status, 404, "another method");
    assert!(String::from_utf8_lossy(&body).contains("/p /token"));
    venue.stop().await;

    // A query that was not recorded gets the recorded ones in turn.
    let venue = Venue::of(&lines, Playback::default()).await;
    for body in [b"one", b"two", b"one"] {
        assert_eq!(http(venue.address, "GET", "/p?other").await.unwrap().2, body);
    }
    venue.stop().await;
}

#[tokio::test]
async fn nothing_to_play_is_said() {
    let recording = Recording::read("own.jsonl", ws("out", "hello").to_string().as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let result = play(&[recording], listener, Playback::default(), CancellationToken::new()).await;
    assert!(matches!(result, Err(replay::Error::NothingToPlay)));
}

#[tokio::test]
async fn every_recording_at_hand_is_played_whole() {
    let Some(folder) = crate::decode::shared() else {
        crate::decode::skipped("no recordings of real traffic at hand (RATES_SHARED)");
        return;
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for file in entries.filter(|path| path.extension().is_some_and(|e| e == "jsonl")) {
        let recording = Recording::open(&file).unwrap();
        let line =
            recording.lines.iter().find(|l| l.transport == Transport::Ws && l.direction == Direction::In);
        let Some(first) = line.cloned() else { continue };
        let of_session =
            |l: &&Line| (&l.url, l.connection, l.transport) == (&first.url, first.connection, Transport::Ws);
        let pongs = |l: &Line| l.data.to_ascii_lowercase().windows(4).any(|w| w == b"pong");
        let said = recording
            .lines
            .iter()
            .filter(of_session)
            .filter(|l| l.direction == Direction::In && !pongs(l))
            .count();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let ended = stop.clone();
        let task =
            tokio::spawn(async move { play(&[recording], listener, Playback::default(), ended).await });
        let target = if first.query().is_empty() {
            first.path().to_owned()
        } else {
            format!("{}?{}", first.path(), first.query())
        };
        let mut client = Client::connect(address, &target).await;
        client.say(r#"{"op":"subscribe"}"#).await;
        let mut came = 0;
        while came < said {
            let message = client.next().await.unwrap();
            came += usize::from(!message.into_data().to_ascii_lowercase().windows(4).any(|w| w == b"pong"));
        }
        stop.cancel();
        task.await.unwrap().unwrap();
    }
}
