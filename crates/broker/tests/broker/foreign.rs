//! Others on the same exchanges: older and newer producers, mistaken ones, and a customary client of another
//! language. What cannot be read is put aside once, and the rest goes on.

use crate::lab::{batch, broker_named, channel, prefix, shared, soon, status, tick};
use broker::{Delivery, Subscription};
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use market::{Newest, Pair, Tick};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

pub async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8]) {
    let options = BasicPublishOptions::default();
    let confirm =
        channel.basic_publish(exchange.into(), key.into(), options, body, BasicProperties::default());
    confirm.await.unwrap().await.unwrap();
}

async fn next_ticks(reader: &mut dyn Subscription) -> Vec<Tick> {
    match soon(reader.next()).await.expect("the subscription goes on") {
        Delivery::Ticks(batch) => batch.ticks.clone(),
        Delivery::Status(status) => panic!("{status:?}"),
    }
}

/// B07: each is counted, put aside once with its reason, and the next one is read as if nothing had been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_put_aside_once() {
    let (server, prefix) = (shared(), prefix());
    let broker = broker_named(&server, &prefix).await;
    let mut reader = broker.subscribe().await.unwrap();
    let (_connection, channel) = channel(&server).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let good = serde_json::to_string(&batch("one", vec![tick("BTC-USD", 1, "l")])).unwrap();
    let big = format!("{{\"v\":1,\"x\":\"{}\"}}", "x".repeat(10 << 20));
    let bodies = [
        (&b""[..], "bad_json"),
        (b"{", "bad_json"),
        (b"\xff\xfe\x00", "bad_json"),
        (b"[]", "bad_shape"),
        (b"{}", "bad_shape"),
        (b"{\"v\":2,\"something\":\"else\"}", "bad_version"),
        (&good.replace("\"v\":1", "\"v\":2").into_bytes(), "bad_version"),
        (&good.replace("\"v\":1", "\"v\":\"1\"").into_bytes(), "bad_shape"),
        (&good.replace("BTC-USD", "nothing").into_bytes(), "bad_shape"),
        (&good.replace("\"last\":\"1\"", "\"last\":\"-\"").into_bytes(), "bad_shape"),
        (big.as_bytes(), "too_big"),
    ]
    .map(|(body, reason)| (body.to_vec(), reason));
    let (ticks, statuses) = (format!("{prefix}.ticks"), format!("{prefix}.status"));
    for (body, _) in &bodies {
        publish(&channel, &ticks, "one", body).await;
        publish(&channel, &ticks, "one", good.as_bytes()).await;
    }
    publish(&channel, &statuses, "one", good.as_bytes()).await;
    for _ in &bodies {
        assert_eq!(next_ticks(&mut *reader).await, [tick("BTC-USD", 1, "l")]);
    }
    let options = BasicConsumeOptions::default();
    let mut dead = channel
        .basic_consume(format!("{prefix}.dead").into(), "t".into(), options, FieldTable::default())
        .await
        .unwrap();
    let expect = bodies.iter().map(|(body, reason)| (body, *reason, &ticks));
    for (body, reason, exchange) in expect.chain([(&good.clone().into_bytes(), "bad_shape", &statuses)]) {
        let delivery = soon(dead.next()).await.unwrap().unwrap();
        let headers = delivery.properties.headers().as_ref().unwrap().inner();
        let header = |name: &str| match &headers[name] {
            lapin::types::AMQPValue::LongString(text) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        assert!(
            header("reason") == reason,
            "{} {}",
            header("reason"),
            String::from_utf8_lossy(&body[..body.len().min(80)])
        );
        assert!(header("exchange").contains(&**exchange));
        assert_eq!(
            (&delivery.data[..], delivery.routing_key.as_str()),
            (&body[..body.len().min(64 << 10)], "one")
        );
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    let more = tokio::time::timeout(Duration::from_millis(300), dead.next()).await;
    assert!(more.is_err(), "put aside once: {more:?}");
    broker.close().await;
}

/// Messages come faster than they can be read, for long: what the reader needs for that does not grow with them, as is
/// seen with less of a stack than is customary.
#[test]
fn a_reader_that_never_catches_up_goes_on() {
    const STACK: usize = 256 << 10;
    const FLOOD: usize = 20_000;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().worker_threads(2).thread_stack_size(STACK).build().unwrap();
    let flooded = runtime.spawn(async {
        let (server, prefix) = (shared(), prefix());
        let broker = broker_named(&server, &prefix).await;
        let mut reader = broker.subscribe().await.unwrap();
        let (_connection, channel) = channel(&server).await;
        let said = |pair: &str, of: i64| {
            let ticks = (1..=of).map(|at| tick(pair, at, "lba")).collect();
            serde_json::to_vec(&batch("one", ticks)).unwrap()
        };
        let exchange = format!("{prefix}.ticks");
        let body = said("MANY-USD", 40);
        for _ in 0..FLOOD {
            let options = BasicPublishOptions::default();
            let (to, key) = (exchange.as_str().into(), "one".into());
            channel.basic_publish(to, key, options, &body, BasicProperties::default()).await.unwrap();
        }
        publish(&channel, &exchange, "one", &said("LAST-USD", 1)).await;
        let last = tick("LAST-USD", 1, "lba");
        let heard = async {
            loop {
                let delivery = reader.next().await.expect("the subscription goes on");
                if matches!(delivery, Delivery::Ticks(batch) if batch.ticks.contains(&last)) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), heard).await.expect("it has read everything");
        broker.close().await;
    });
    runtime.block_on(flooded).unwrap();
}

/// B08: a newer producer says more, an older one says less.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_and_older_producers_are_understood() {
    let (server, prefix) = (shared(), prefix());
    let broker = broker_named(&server, &prefix).await;
    let mut reader = broker.subscribe().await.unwrap();
    let (_connection, channel) = channel(&server).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for (body, sides) in [
        (
            r#"{"v":1,"venue":"one","sent_at":1,"new":{"a":[1]},"ticks":[{"pair":"BTC-USD","symbol":"BTC-USD","last":"1","bid":null,"ask":null,"venue_time":1,"received_at":1,"sequence":"1","flags":[],"volume":"7","depth":[]}]}"#,
            "l",
        ),
        (
            r#"{"ticks":[{"received_at":1,"venue_time":1,"sequence":"1","flags":["of_tomorrow"],"ask":"1","symbol":"BTC-USD","pair":"BTC-USD"}],"sent_at":1,"venue":"one","v":1}"#,
            "a",
        ),
        (
            r#"{"v":1,"venue":"one","sent_at":1,"ticks":[{"pair":"BTC-USD","symbol":"BTC-USD","bid":"1","venue_time":1,"received_at":1,"sequence":"1"}]}"#,
            "b",
        ),
    ] {
        publish(&channel, &format!("{prefix}.ticks"), "one", body.as_bytes()).await;
        assert_eq!(next_ticks(&mut *reader).await, [tick("BTC-USD", 1, sides)], "{body}");
    }
    broker.close().await;
}

/// B06: any order, any repetition, redelivered or not: the same is known in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disorder_and_repetition_change_nothing() {
    let (server, prefix) = (shared(), prefix());
    let broker = broker_named(&server, &prefix).await;
    let mut reader = broker.subscribe().await.unwrap();
    let (_connection, channel) = channel(&server).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let ticks: Vec<Tick> =
        (1..=60).map(|at| tick("BTC-USD", at, ["l", "ba", "lb", "a"][at as usize % 4])).collect();
    let mut straight = Newest::new();
    for tick in &ticks {
        straight.apply(tick);
    }
    let mut random = fastrand::Rng::with_seed(7);
    let mut said = [ticks.clone(), ticks].concat();
    random.shuffle(&mut said);
    for tick in &said {
        let body = serde_json::to_vec(&batch("one", vec![tick.clone()])).unwrap();
        publish(&channel, &format!("{prefix}.ticks"), "one", &body).await;
    }
    let mut known = Newest::new();
    for _ in &said {
        for tick in next_ticks(&mut *reader).await {
            known.apply(&tick);
        }
    }
    assert_eq!(known, straight);
    broker.close().await;
}

/// A consumer as someone else would write it, with the client that is customary in Python.
const CONSUMER: &str = r##"
import json, sys, pika
url, prefix = sys.argv[1], sys.argv[2]
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, prefix + ".ticks", "one")
channel.queue_bind(queue, prefix + ".rates", "BTC-USD")
channel.queue_bind(queue, prefix + ".status", "#")
print("ready", flush=True)
for method, properties, body in channel.consume(queue, auto_ack=True):
    message = json.loads(body)
    print(json.dumps([method.exchange, method.routing_key, properties.content_type, message]), flush=True)
"##;

/// The Python with the client in it; made once, under the build folder.
async fn python() -> Option<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = folder.join("bin/python");
    let has = |python: std::path::PathBuf| async move {
        Command::new(python)
            .args(["-c", "import pika"])
            .stderr(Stdio::null())
            .status()
            .await
            .is_ok_and(|s| s.success())
    };
    if !has(python.clone()).await {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status().await;
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "pika==1.3.2"];
        if !made.is_ok_and(|s| s.success())
            || !Command::new(&python).args(pip).status().await.is_ok_and(|s| s.success())
        {
            return None;
        }
    }
    Some(python)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_language_reads_ticks_and_rates() {
    let Some(python) = python().await else {
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: python3 with pip is not at hand, or pika cannot be installed"
        );
        return;
    };
    let (server, prefix) = (shared(), prefix());
    let broker = broker_named(&server, &prefix).await;
    drop(broker.subscribe().await.unwrap());
    let mut consumer = Command::new(python)
        .args(["-c", CONSUMER, &server.url(), &prefix])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.unwrap().unwrap().unwrap(),
        "ready"
    );
    let (published, status) = (batch("one", vec![tick("BTC-USD", 5, "lba")]), status("two", "c", 7));
    let rate = r#"{"pair":"BTC-USD","value":"64348.95","state":"fresh"}"#;
    broker.publish_ticks(published.clone());
    let until = Instant::now() + Duration::from_secs(60);
    broker.publish_rate(&Pair::parse("ETH-USD").unwrap(), "{\"not\":\"asked for\"}".into(), until);
    broker.publish_rate(&Pair::parse("BTC-USD").unwrap(), rate.into(), until);
    broker.publish_status(status.clone());
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let mut expect = vec![
        (format!("{prefix}.ticks"), "one", serde_json::to_value(&published).unwrap()),
        (format!("{prefix}.rates"), "BTC-USD", json(rate)),
        (format!("{prefix}.status"), "two", serde_json::to_value(&status).unwrap()),
    ];
    while !expect.is_empty() {
        let line = soon(lines.next_line()).await.unwrap().expect("the consumer goes on");
        let got = json(&line);
        let found = expect.iter().position(|(exchange, key, body)| {
            got == serde_json::json!([exchange, key, "application/json", body])
        });
        expect.remove(found.unwrap_or_else(|| panic!("not published: {line}")));
    }
    broker.close().await;
}
