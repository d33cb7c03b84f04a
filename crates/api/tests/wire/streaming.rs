//! The stream over a real socket: snapshot, changes, filter, resume, resync, heartbeat.
//! It must not know how changes are kept.

use crate::house::{House, LONG, until};
use api::Settings;
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// One event, or a comment.
#[derive(Debug, Default, Clone)]
struct Event {
    name: String,
    id: String,
    data: String,
    comment: String,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

struct Reader {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
}

impl Reader {
    async fn open(house: &House, target: &str, last_event_id: &str) -> Reader {
        let mut stream = house.connect().await;
        let id = if last_event_id.is_empty() {
            String::new()
        } else {
            format!("last-event-id: {last_event_id}\r\n")
        };
        stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: t\r\n{id}\r\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut head = Vec::new();
        while let Some(line) =
            timeout(LONG, lines.next_line()).await.unwrap().unwrap().filter(|l| !l.is_empty())
        {
            head.push(line.to_ascii_lowercase());
        }
        assert!(head[0].contains("200") && head.iter().any(|l| l.contains("text/event-stream")), "{head:?}");
        Reader { lines }
    }

    /// The next event; comments only if asked for.
    async fn next(&mut self, with_comments: bool) -> Event {
        let reading = async {
            let mut event = Event::default();
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the stream goes on");
                let (name, value) = line.split_once(": ").unwrap_or((line.as_str(), ""));
                match name {
                    "event" => event.name = value.into(),
                    "id" => event.id = value.into(),
                    "data" => event.data = value.into(),
                    "" if !value.is_empty() && with_comments => event.comment = value.into(),
                    _ => {}
                }
                // Chunk sizes and blank lines stand between; an event is whole at its data, a comment at once.
                if line.starts_with("data:") || !event.comment.is_empty() {
                    return event;
                }
            }
        };
        timeout(LONG, reading).await.expect("an event in time")
    }
}

#[tokio::test]
async fn a_snapshot_comes_first_and_then_every_change_in_order() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "1.0", 0);
    house.tick("venue-a", "ETH-USDT", "5.0", 0);
    let mut reader = Reader::open(&house, "/api/v1/stream", "").await;
    let snapshot = reader.next(false).await;
    assert_eq!(snapshot.name, "snapshot");
    assert!(snapshot.id.starts_with(&format!("{}-", house.board.boot())), "{snapshot:?}");
    let rates = snapshot.json()["rates"].as_array().unwrap().clone();
    assert_eq!(rates.len(), 2);
    assert!(rates[0]["age_ms"].is_i64() && snapshot.json()["now"].is_i64());
    for n in 1..=200 {
        house.tick("venue-a", "BTC-USDT", &format!("1.{n:03}"), 0);
    }
    let (mut last, mut number) = (String::new(), 0);
    while last != "1.200" {
        let event = reader.next(false).await;
        assert_eq!(event.name, "rate", "{event:?}");
        let this: u64 = event.id.rsplit_once('-').unwrap().1.parse().unwrap();
        assert!(this > number, "ids go up");
        number = this;
        last = event.json()["value"].as_str().unwrap().to_owned();
    }
    house.end().await;
}

#[tokio::test]
async fn a_filter_passes_only_its_pairs() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "1.0", 0);
    house.tick("venue-a", "ETH-USDT", "5.0", 0);
    let mut reader = Reader::open(&house, "/api/v1/stream?pairs=eth/usdt", "").await;
    let rates = reader.next(false).await.json()["rates"].as_array().unwrap().clone();
    assert!(rates.len() == 1 && rates[0]["pair"] == "ETH-USDT", "{rates:?}");
    house.tick("venue-a", "BTC-USDT", "2.0", 0);
    house.tick("venue-a", "ETH-USDT", "6.0", 0);
    let event = reader.next(false).await.json();
    assert_eq!((&event["pair"], &event["value"]), (&"ETH-USDT".into(), &"6.0".into()));
    house.end().await;
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_just_what_it_missed() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "1.0", 0);
    let id = Reader::open(&house, "/api/v1/stream", "").await.next(false).await.id;
    for value in ["2.0", "3.0"] {
        house.tick("venue-a", "BTC-USDT", value, 0);
    }
    let mut back = Reader::open(&house, "/api/v1/stream", &id).await;
    let mut values = Vec::new();
    for _ in 0..2 {
        let event = back.next(false).await;
        assert_eq!(event.name, "rate", "no snapshot: {event:?}");
        values.push(event.json()["value"].as_str().unwrap().to_owned());
    }
    house.tick("venue-a", "BTC-USDT", "4.0", 0);
    values.push(back.next(false).await.json()["value"].as_str().unwrap().to_owned());
    assert_eq!(values, ["2.0", "3.0", "4.0"], "nothing twice, nothing left out");
    house.end().await;
}

#[tokio::test]
async fn an_unknown_id_gets_a_resync_and_a_snapshot() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "1.0", 0);
    let boot = house.board.boot().to_owned();
    for id in ["other-1", &format!("{boot}-99999"), &format!("{boot}-x"), "nonsense", &format!("{boot}--1")] {
        let mut reader = Reader::open(&house, "/api/v1/stream", id).await;
        assert_eq!(reader.next(false).await.name, "resync", "{id}");
        assert_eq!(reader.next(false).await.name, "snapshot", "{id}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_reader_that_lags_is_told_and_then_sees_the_present() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "1.0", 0);
    let mut reader = Reader::open(&house, "/api/v1/stream", "").await;
    assert_eq!(reader.next(false).await.name, "snapshot");
    // More changes than are kept, while this one runtime thread gives the reader's task no turn.
    let many = 40_000;
    for n in 1..=many {
        house.tick("venue-a", "BTC-USDT", &format!("2.{n:06}"), 0);
    }
    let mut names = Vec::new();
    loop {
        let event = reader.next(false).await;
        if event.name == "snapshot" {
            assert_eq!(event.json()["rates"][0]["value"], format!("2.{many:06}"));
            break;
        }
        names.push(event.name);
    }
    assert_eq!(names.last().map(String::as_str), Some("resync"), "{} events before", names.len());
    house.end().await;
}

#[tokio::test]
async fn a_quiet_stream_has_a_heartbeat_and_a_full_house_is_503() {
    let settings = Settings { heartbeat: Duration::from_millis(50), streams_max: 1, ..Settings::default() };
    let house = House::with(settings, None).await;
    let mut reader = Reader::open(&house, "/api/v1/stream", "").await;
    assert_eq!(reader.next(false).await.name, "snapshot");
    for _ in 0..2 {
        let comment = reader.next(true).await.comment;
        assert!(!comment.is_empty());
    }
    house.get("/api/v1/stream").await.is_problem(503, "overloaded", "the second");
    drop(reader);
    until("the place is free again", async || {
        let mut stream = house.connect().await;
        stream.write_all(b"GET /api/v1/stream HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
        let line = BufReader::new(stream).lines().next_line().await.unwrap();
        line.is_some_and(|line| line.contains("200"))
    })
    .await;
    house.end().await;
}

#[tokio::test]
async fn a_cross_that_a_reader_waits_for_is_told() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "100", 0);
    house.tick("venue-a", "ETH-USDT", "10", 0);
    let mut reader = Reader::open(&house, "/api/v1/stream?pairs=BTC-ETH", "").await;
    let rates = reader.next(false).await.json()["rates"].as_array().unwrap().clone();
    assert!(rates.len() == 1 && rates[0]["basis"] == "cross", "{rates:?}");
    house.tick("venue-a", "ETH-USDT", "9", 1);
    house.tick("venue-a", "ETH-USDT", "8", 0);
    // The board looks after crosses in its timer's turns.
    let board = house.board.clone();
    let timer = tokio::spawn(async move {
        loop {
            board.tick_clock();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let event = reader.next(false).await.json();
    timer.abort();
    assert_eq!((&event["pair"], &event["basis"]), (&"BTC-ETH".into(), &"cross".into()), "{event}");
    house.end().await;
}
