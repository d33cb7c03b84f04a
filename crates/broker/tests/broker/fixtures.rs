//! B08: messages as the first version wrote them, and as a later one may, kept as files. Whoever reads today reads
//! both, and whoever read the first version reads what is written today. It must not know why a version differs.

use crate::{
    foreign::publish,
    lab::{batch, broker_named, channel, prefix, shared, soon, status, tick},
};
use broker::Delivery;
use lapin::options::ConfirmSelectOptions;
use market::{ConnectionState, ConnectionStatus, Flag, Flags, PairState, PairStatus, RowStatus, Timestamp};
use serde_json::Value;

const TICKS: [&str; 2] = [include_str!("fixtures/ticks-1.json"), include_str!("fixtures/ticks-later.json")];
const STATUS: [&str; 2] =
    [include_str!("fixtures/status-1.json"), include_str!("fixtures/status-later.json")];

/// What the parts of a message that both versions know come to.
fn in_short(delivery: &Delivery) -> Vec<String> {
    match delivery {
        Delivery::Ticks(batch) => batch
            .ticks
            .iter()
            .map(|t| {
                let sides = [&t.last, &t.bid, &t.ask].map(|p| p.as_ref().map(ToString::to_string));
                format!("{} {sides:?} {:?} {}", t.pair, t.event_time().millis(), t.sequence.as_str())
            })
            .collect(),
        Delivery::Status(status) => {
            let mut all = vec![format!("{} {}", status.collector, status.sent_at.millis())];
            all.extend(status.connections.iter().map(|c| format!("{} {:?} {}", c.id, c.state, c.reconnects)));
            all.extend(status.rows.iter().map(|row| format!("{} {:?}", row.id, row.state)));
            all.extend(status.pairs.iter().map(|pair| format!("{} {:?}", pair.pair, pair.state)));
            all
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_the_first_and_of_a_later_version_are_read() {
    let (server, prefix) = (shared(), prefix());
    let broker = broker_named(&server, &prefix).await;
    let mut reader = broker.subscribe().await.unwrap();
    let (_connection, channel) = channel(&server).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let ticks = [
        r#"BTC-USDT [Some("64348.95000000"), Some("64348.94"), Some("64348.96")] 1795663572462 7001"#,
        r#"ETH-USDT [None, Some("3210.01"), Some("3210.02")] 1795663572481 1795663572481000"#,
    ];
    let first = ["collector-1 1795663572484", "ws-1 Live 2", "1 Live", "2 Invalid", "BTC-USDT Live"];
    // A state that is not known is none to rely on: it is not live.
    let later = [
        "collector-1 1795663572484",
        "ws-1 Live 2",
        "ws-2 Connecting 0",
        "1 Live",
        "2 Waiting",
        "BTC-USDT Live",
        "ETH-USDT Waiting",
    ];
    for (exchange, body, expect) in [
        ("ticks", TICKS[0], &ticks[..]),
        ("ticks", TICKS[1], &ticks),
        ("status", STATUS[0], &first),
        ("status", STATUS[1], &later),
    ] {
        publish(&channel, &format!("{prefix}.{exchange}"), "binance", body.as_bytes()).await;
        let delivery = soon(reader.next()).await.expect("the subscription goes on");
        assert_eq!(in_short(&delivery), expect, "{body}");
    }
    broker.close().await;
}

/// Every member of `old` is in `new`, and of the same kind; null is of any.
fn has_all(path: &str, old: &Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                let path = format!("{path}.{name}");
                has_all(&path, value, new.get(name).unwrap_or_else(|| panic!("{path} is written no more")));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            if let (Some(old), Some(new)) = (old.first(), new.first()) {
                has_all(&format!("{path}[]"), old, new);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        _ => assert_eq!(std::mem::discriminant(old), std::mem::discriminant(new), "{path}: {old} and {new}"),
    }
}

#[test]
fn who_read_the_first_version_reads_what_is_written_today() {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    // Written only where there are any, and optional from the first.
    let told = market::Tick { flags: Flags::NONE.with(Flag::ClockSkew), ..tick("BTC-USD", 7, "lba") };
    let ticks = serde_json::to_value(batch("one", vec![told])).unwrap();
    has_all("ticks", &json(TICKS[0]), &ticks);
    let mut status = status("one", "c", 7);
    status.connections = vec![ConnectionStatus {
        id: "ws-1".into(),
        state: ConnectionState::Live,
        since: Timestamp::from_millis(1),
        reconnects: 0,
        last_error: Some("x".into()),
        pairs: 1,
        until: None,
        unread: None,
        every_ms: None,
        seldom: None,
    }];
    status.rows = vec![RowStatus { id: 1, state: PairState::Live, reason: Some("x".into()) }];
    status.pairs = vec![PairStatus {
        pair: market::Pair::parse("BTC-USD").unwrap(),
        state: PairState::Live,
        last_data_at: Some(Timestamp::from_millis(1)),
        stale_after_ms: None,
        expire_after_ms: None,
    }];
    has_all("status", &json(STATUS[0]), &serde_json::to_value(status).unwrap());
}
