//! An API that is told to stop under load (A11), and one that starts from what the cache kept (A14, R03).
//! It must not know how a server stops.

use crate::{
    fleet::{Fleet, Member, say},
    harness::{PATIENCE, within},
    web::{Client, Load},
};
use serde_json::Value;
use std::{sync::atomic::Ordering::SeqCst, time::Duration};
use testkit::counts;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

/// A reader of the stream: everything it was told.
async fn listen(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /api/v1/stream?pairs=F1-USD HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_stops_without_dropping_a_request_and_starts_without_lying() {
    let mut fleet =
        Fleet::start(200, &[("collector", "collector"), ("recorder", "recorder"), ("api", "api")]).await;
    fleet.is_ready().await;
    fleet.converges_within("start", PATIENCE).await;

    // A11: five hundred requests a second and a thousand readers of the stream.
    let readers = counts::count(200, 1_000);
    fleet.add("leaving", "api").await;
    fleet.is_ready().await;
    let leaving = fleet.members.remove("leaving").unwrap();
    let address = leaving.service.address;
    let mut streams = JoinSet::new();
    for _ in 0..readers {
        streams.spawn(listen(address));
    }
    within(PATIENCE, "all read the stream", async || {
        let (_, metrics) = leaving.service.get("/metrics").await;
        let count = metrics.as_str()?.lines().find_map(|line| line.strip_prefix("rates_stream_clients "))?;
        (count.parse::<f64>().ok()? as usize >= readers).then_some(())
    })
    .await;
    let load = Load::start_until_closed(address, 500, &["/api/v1/rates/F1-USD"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = Instant::now();
    assert_eq!(leaving.service.end().await, 0, "{}", leaving.service.log());
    let took = asked.elapsed();
    fleet.oracle.forget_view("leaving asked");
    fleet.oracle.forget_view("leaving streamed");
    let judged = load.end().await;
    say(&format!("A11: ended in {took:?}; {} requests, {:?}", judged.latencies.len(), judged.failures));
    judged.is_clean(50);
    // The limit of the harness lies above it: a process that was killed for being late had no code 0.
    assert!(took < Duration::from_secs(10), "{took:?}");
    for said in streams.join_all().await {
        let end = said.len().saturating_sub(200);
        assert!(said[end..].contains("event: bye\nretry: "), "no farewell: {}", &said[end..]);
    }

    starts_without_lying(&mut fleet).await;
    fleet.end().await;
}

/// A14, R03: what the cache kept is shown, flagged and with its age, and makes nobody ready.
async fn starts_without_lying(fleet: &mut Fleet) {
    let servers = fleet.apart.servers.clone();
    // A dump of now, restored later: the API that lives on must not go back to it.
    servers.redis.cli(&["SAVE"]).unwrap();
    let dump = servers.redis.folder().join("dump.rdb");
    let kept = std::fs::read(&dump).unwrap();
    let at_dump = fleet.oracle.mark();
    fleet.converges("A14, ticks go on after the dump").await;
    let collector = fleet.members.remove("collector").unwrap();
    let recorder = fleet.members.remove("recorder").unwrap();
    for member in [&collector, &recorder] {
        member.kill().await;
    }
    servers.redis.kill();
    fleet.redis_life.fetch_add(1, SeqCst);
    std::fs::write(&dump, kept).unwrap();
    servers.redis.restart_beside().await.unwrap().unwrap();
    let old = is_shown_old(fleet, "warm").await;
    let said_at = |pair: &str, number| fleet.oracle.truth.venues[0].2.said_at(pair, number);
    assert!(old["venue_time"].as_i64() <= said_at("F1-USD", at_dump["F1-USD"][0]), "not of the dump: {old}");
    // The first real price makes it ready.
    for (name, member) in [("collector", collector), ("recorder", recorder)] {
        member.service.again().await;
        fleet.members.insert(name, member);
    }
    fleet.is_ready().await;
    fleet.converges_within("A14", PATIENCE).await;
}

/// One more API starts from the cache while nobody collects.
async fn is_shown_old(fleet: &mut Fleet, name: &'static str) -> Value {
    fleet.add(name, "api").await;
    let Member { service, .. } = fleet.member(name).clone();
    let mut client = Client::connect(service.address).await.unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let mut old = Value::Null;
    while Instant::now() < until {
        let reply = client.ask("GET", "/readyz", "", "").await.unwrap();
        assert_eq!((reply.status, &reply.json()["status"]), (503, &"not_ready".into()), "{reply:?}");
        assert!(reply.head.contains("retry-after: "), "{reply:?}");
        let reply = client.ask("GET", "/api/v1/rates/F1-USD", "", "").await.unwrap();
        if reply.status == 200 {
            old = reply.json();
            let flags = old["degraded"].as_array().unwrap();
            assert!(flags.iter().any(|flag| flag == "cache_only"), "{old}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(old["state"], "stale", "{old}");
    old
}
