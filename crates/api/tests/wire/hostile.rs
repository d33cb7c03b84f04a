//! What a hostile or broken client can send: each gets a clear refusal, fast, and nobody else notices.
//! It must not be kind: requests are written byte by byte.

use crate::house::{House, LONG};
use api::{RateLimit, Settings};
use std::{io::ErrorKind, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

#[tokio::test]
async fn texts_that_are_no_pair_are_400_or_404_and_never_echoed() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "1.5", 0);
    let long = format!("{}-B", "A".repeat(10_000));
    for (text, status, code) in [
        ("BTC'--", 400, "bad_pair"),
        ("%00", 400, "bad_pair"),
        ("BTC%00-USD", 400, "bad_pair"),
        ("../", 400, "bad_pair"),
        ("..%2f..%2fetc-passwd", 400, "bad_pair"),
        ("%F0%9D%94%B9TC-USD", 400, "bad_pair"),
        ("%E2%80%AEDSU-CTB", 400, "bad_pair"),
        ("BTC%0d%0aX-Evil:%20yes-USD", 400, "bad_pair"),
        ("%3Cscript%3E-USD", 400, "bad_pair"),
        ("%ff-USD", 400, "bad_pair"),
        ("%zz-USD", 400, "bad_pair"),
        ("BTC-BTC", 400, "bad_pair"),
        ("-", 400, "bad_pair"),
        ("BTC", 404, "unknown_pair"),
        ("BTC-USX", 404, "unknown_pair"),
        (long.as_str(), 400, "bad_pair"),
    ] {
        for target in [format!("/api/v1/rates/{text}"), format!("/api/v1/currency_pair?currency_pair={text}")]
        {
            let reply = house.get(&target).await;
            let what = &target[..target.len().min(80)];
            assert!(reply.headers["content-type"] == "application/problem+json", "{what}: {reply:?}");
            assert!(matches!(reply.status, 400 | 404), "{what}: {reply:?}");
            for part in ["BTC'", "passwd", "script", "Evil", "AAAA", "\u{1d539}", "USX"] {
                assert!(!reply.body.contains(part), "{what} echoed: {}", reply.body);
            }
            if target.starts_with("/api/v1/rates/") && !(text == "BTC" && reply.status == 400) {
                reply.is_problem(status, code, what);
            }
        }
    }
    let reply = house.get("/api/v1/rates/BTC-USD").await;
    reply.is_problem(404, "unknown_pair", "BTC-USD");
    assert_eq!(reply.json()["near"][0], "BTC-USDT");
    house.end().await;
}

#[tokio::test]
async fn paths_methods_and_parameters_that_do_not_exist() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "1.5", 0);
    for (method, target, status, code) in [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v2/rates", 404, "not_found"),
        ("POST", "/api/v1/rates", 405, "method_not_allowed"),
        ("PUT", "/api/v1/rates/BTC-USDT", 405, "method_not_allowed"),
        ("DELETE", "/", 405, "method_not_allowed"),
        ("BREW", "/api/v1/rates/BTC-USDT", 405, "method_not_allowed"),
        ("GET", "/api/v1/rates/BTC-USDT?max_ages=5", 400, "bad_request"),
        ("GET", "/api/v1/rates/BTC-USDT?max_age=soon", 400, "bad_request"),
        ("GET", "/api/v1/rates/BTC-USDT?max_age=1&max_age=2", 400, "bad_request"),
        ("GET", "/api/v1/rates/BTC-USDT?strict=perhaps", 400, "bad_request"),
        ("GET", "/api/v1/rates/BTC-USDT?venue=A'--", 400, "bad_request"),
        ("GET", "/api/v1/rates?x=%F", 400, "bad_request"),
        ("GET", "/api/v1/rates?api_key=s3cret", 400, "bad_request"),
        ("GET", "/api/v1/stream?pairs=BTC-USDT,XXX-YYY", 404, "unknown_pair"),
        ("GET", "/api/v1/trade-info", 503, "store_unavailable"),
    ] {
        let reply = house.ask(method, target, &[], "").await;
        reply.is_problem(status, code, target);
        assert!(!reply.body.contains("s3cret"));
        if status == 405 {
            assert!(reply.headers["allow"].contains("GET"), "{target}: {reply:?}");
        }
    }
    let head = house.ask("HEAD", "/api/v1/rates/BTC-USDT", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    house.end().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_at_once() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "1.5", 0);
    let long = "x".repeat(1 << 20);
    let some = "x".repeat(20_000);
    let headers: String = (0..1_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let huge = "x".repeat(64 << 10);
    let chunk = format!("{:x}\r\n{}\r\n", 32 << 10, "x".repeat(32 << 10)).repeat(64);
    for (what, request, status) in [
        ("1 MB of query", format!("GET /api/v1/rates?{long} HTTP/1.1\r\nhost: t\r\n\r\n"), 414),
        ("20 kB of query", format!("GET /api/v1/rates?{some} HTTP/1.1\r\nhost: t\r\n\r\n"), 414),
        ("64 kB of header", format!("GET /api/v1/rates HTTP/1.1\r\nhost: t\r\nx: {huge}\r\n\r\n"), 431),
        ("1,000 headers", format!("GET /api/v1/rates HTTP/1.1\r\nhost: t\r\n{headers}\r\n"), 431),
        (
            "a large body, announced",
            format!(
                "POST /api/v1/trade-info HTTP/1.1\r\nhost: t\r\ncontent-length: 1000000000\r\n\r\n{long}"
            ),
            413,
        ),
        (
            "a large body in chunks",
            format!(
                "POST /api/v1/trade-info HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"
            ),
            413,
        ),
        (
            "a large body where none belongs",
            format!(
                "GET /api/v1/rates/BTC-USDT HTTP/1.1\r\nhost: t\r\ncontent-length: 1000000\r\n\r\n{long}"
            ),
            413,
        ),
        ("no HTTP at all", "hello there\r\n\r\n".into(), 400),
    ] {
        let began = tokio::time::Instant::now();
        let reply = house.raw(request.as_bytes()).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{what} took {:?}", began.elapsed());
        assert_eq!(reply.status, status, "{what}: {:?}", reply.headers);
        if matches!(status, 413 | 414) {
            assert_eq!(reply.headers["content-type"], "application/problem+json", "{what}");
            assert_eq!(reply.json()["status"], status, "{what}");
        }
        assert_eq!(house.get("/api/v1/rates/BTC-USDT").await.status, 200, "after {what}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_long_line_is_refused_on_a_connection_that_was_used_before() {
    let house = House::start().await;
    let mut stream = house.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 4_096];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    let _ = stream.write_all(format!("GET /{}", "x".repeat(30_000)).as_bytes()).await;
    let mut text = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut text)).await.unwrap();
    assert_eq!(crate::house::parse(&text).status, 414);
    house.end().await;
}

/// Reads to the end; whether the server closed the connection in time.
async fn is_closed(stream: &mut tokio::net::TcpStream) -> bool {
    timeout(LONG, stream.read_to_end(&mut Vec::new())).await.is_ok()
}

#[tokio::test]
async fn silent_slow_and_idle_connections_are_closed() {
    let short = Duration::from_millis(400);
    let settings = Settings { head_timeout: short, idle_timeout: short, ..Settings::default() };
    let house = House::with(settings, None).await;
    let mut silent = house.connect().await;
    assert!(is_closed(&mut silent).await, "silent");
    let mut idle = house.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    assert!(is_closed(&mut idle).await, "idle after an answer");
    let slow = house.connect().await;
    let (mut read, mut write) = slow.into_split();
    let dripping = tokio::spawn(async move {
        for byte in b"GET /livez HTTP/1.1\r\n".iter().chain(b"x: y\r\n".iter().cycle()) {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(timeout(LONG, read.read_to_end(&mut Vec::new())).await.is_ok(), "one byte at a time");
    dripping.abort();
    house.end().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let house =
        House::with(Settings { body_timeout: Duration::from_millis(200), ..Settings::default() }, None).await;
    let request = "POST /api/v1/trade-info HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\n{";
    house.raw(request.as_bytes()).await.is_problem(408, "body_timeout", "half a body");
    house.end().await;
}

/// Opens a stream that nobody reads, and floods it; whether it is closed within the time.
async fn is_stalled_reader_closed(stall_timeout: Duration, within: Duration) -> bool {
    let house = House::with(Settings { stall_timeout, ..Settings::default() }, None).await;
    let mut stalled = house.connect().await;
    stalled.write_all(b"GET /api/v1/stream HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let mut n = 0;
    let flood = async {
        // The socket's buffers fill up, then the server's write is stuck. Its closing is seen by writing.
        while !matches!(stalled.try_write(b"x"), Err(e) if e.kind() != ErrorKind::WouldBlock) {
            for _ in 0..500 {
                n += 1;
                house.tick("venue-a", "BTC-USDT", &format!("{n}.5"), 0);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let is_closed = timeout(within, flood).await.is_ok();
    drop(stalled);
    house.end().await;
    is_closed
}

#[tokio::test]
async fn a_stalled_reader_is_closed_from_outside() {
    assert!(is_stalled_reader_closed(Duration::from_millis(500), LONG).await);
}

#[tokio::test]
async fn nothing_but_its_own_limit_closes_a_stalled_reader() {
    assert!(!is_stalled_reader_closed(Duration::from_secs(3_600), Duration::from_secs(3)).await);
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let board = crate::house::new_board(false);
    crate::house::tick(&board, "venue-a", "BTC-USDT", "1.5", 0);
    let checks = Arc::new(|| -> Vec<api::Check> { panic!("on purpose") });
    let house = House::on(board, Settings::default(), None, checks).await;
    let mut stream = house.connect().await;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 8_192];
    let n = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
    crate::house::parse(&buffer[..n]).is_problem(500, "internal", "the request that panicked");
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let n = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(crate::house::parse(&buffer[..n]).status, 200, "the same connection goes on");
    house.end().await;
}

#[tokio::test]
async fn a_limit_is_kept_and_cannot_be_talked_round() {
    let limit = RateLimit { per_second: 1, burst: 3 };
    let house = House::with(Settings { rate_limit: Some(limit), ..Settings::default() }, None).await;
    house.tick("venue-a", "BTC-USDT", "1.5", 0);
    let mut statuses = Vec::new();
    for n in 0..5 {
        let claimed = format!("203.0.113.{n}");
        let headers = [("x-forwarded-for", claimed.as_str())];
        let reply = house.ask("GET", "/api/v1/rates/BTC-USDT", &headers, "").await;
        assert_eq!(reply.headers["ratelimit-limit"], "3");
        if reply.status == 429 {
            reply.is_problem(429, "rate_limited", "over the limit");
            assert!(reply.headers["retry-after"].parse::<u64>().unwrap() >= 1);
        }
        statuses.push(reply.status);
    }
    assert_eq!(&statuses[..3], [200; 3]);
    assert!(statuses[3..].contains(&429), "{statuses:?}");
    assert_eq!(house.get("/livez").await.status, 200, "probes are never limited");
    house.end().await;
}

#[tokio::test]
async fn too_many_connections_get_503() {
    let house = House::with(Settings { connections_max: 2, ..Settings::default() }, None).await;
    let (_one, _two) = (house.connect().await, house.connect().await);
    let mut third = house.connect().await;
    let mut text = Vec::new();
    let _ = timeout(LONG, third.read_to_end(&mut text)).await.unwrap();
    let reply = crate::house::parse(&text);
    reply.is_problem(503, "overloaded", "the third");
    assert!(reply.headers.contains_key("retry-after"));
    house.end().await;
}
