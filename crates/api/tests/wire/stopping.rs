//! Stopping with requests in flight and streams open: answers arrive, streams say farewell, it is over in time.
//! It must not depend on luck: requests are held in the server by a store that waits.

use crate::house::{House, LONG, until};
use api::Settings;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

#[tokio::test]
async fn a_request_in_flight_is_answered() {
    let house = House::with(Settings { drain: Duration::ZERO, ..Settings::default() }, None).await;
    let mut stream = house.connect().await;
    // In flight: the head is read and the body awaited when the stop comes.
    let head =
        "POST /api/v1/trade-info HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4_096];
    let n = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
    assert!(buffer[..n].starts_with(b"HTTP/1.1 100"), "{:?}", String::from_utf8_lossy(&buffer[..n]));
    house.stop.cancel();
    until("nobody new is let in", async || TcpStream::connect(house.address).await.is_err()).await;
    stream.write_all(b"{}").await.unwrap();
    let mut text = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut text)).await.unwrap();
    let reply = crate::house::parse(&text);
    reply.is_problem(401, "unauthorized", "without a key, but answered");
    assert_eq!(reply.headers["connection"], "close");
    house.end().await;
}

#[tokio::test]
async fn streams_say_farewell_and_idle_connections_are_closed() {
    let house = House::start().await;
    let mut idle = house.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let mut stream = house.connect().await;
    stream.write_all(b"GET /api/v1/stream HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let mut first = vec![0; 4_096];
    let n = timeout(LONG, stream.read(&mut first)).await.unwrap().unwrap();
    assert!(first[..n].starts_with(b"HTTP/1.1 200"));
    let silent = house.connect().await;
    house.stop.cancel();
    let mut rest = Vec::new();
    timeout(LONG, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.contains("event: bye\nretry: "), "{rest}");
    timeout(LONG, idle.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    house.end().await;
    drop(silent);
}

#[tokio::test]
async fn what_does_not_end_by_itself_is_ended() {
    let settings = Settings { stop_within: Duration::from_millis(300), ..Settings::default() };
    let house = House::with(settings, None).await;
    let mut stuck = house.connect().await;
    stuck
        .write_all(b"POST /api/v1/trade-info HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\n")
        .await
        .unwrap();
    house.end().await;
    let _ = timeout(LONG, stuck.read_to_end(&mut Vec::new())).await.expect("closed");
}
