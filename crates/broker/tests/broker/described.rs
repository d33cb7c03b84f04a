//! `docs/asyncapi.yaml` against what is written: every member is described, and everything described is written.
//! It must not know any broker. The schemas are read line by line: the file keeps one member per line.

use crate::lab::{batch, status, tick};
use market::{
    ConnectionState, ConnectionStatus, Flag, Flags, Pair, PairState, PairStatus, RowStatus, Timestamp,
};
use serde_json::Value;
use std::collections::BTreeMap;

const FILE: &str = include_str!("../../../../docs/asyncapi.yaml");

/// The members of a schema with what is said of each, and which are required.
fn schema(name: &str) -> (BTreeMap<&str, &str>, Vec<&str>) {
    let head = format!("    {name}:");
    let schemas = FILE.split_once("  schemas:\n").expect("schemas").1;
    let body: Vec<&str> = schemas
        .lines()
        .skip_while(|line| *line != head)
        .skip(1)
        .take_while(|line| line.starts_with("      "))
        .collect();
    let required = body.iter().find_map(|line| line.trim().strip_prefix("required: ["));
    let required = required.map(|r| r.trim_end_matches(']').split(", ").collect()).unwrap_or_default();
    let members = body.iter().filter_map(|line| line.strip_prefix("        ")?.split_once(": {"));
    (members.collect(), required)
}

fn check(name: &str, written: &Value) {
    let (members, required) = schema(name);
    let object = written.as_object().unwrap();
    let names: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut described: Vec<&str> = members.keys().copied().collect();
    described.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, described, "{name}");
    assert!(required.iter().all(|member| names.contains(member)), "{name}: {required:?}");
    for (member, value) in object {
        let said = members[member.as_str()];
        let kind = match value {
            Value::String(_) => "string",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            // Of a schema of its own, which is checked by its name.
            Value::Object(_) => "$ref",
            other => panic!("{name}.{member}: {other}"),
        };
        assert!(said.contains(kind), "{name}.{member} is written as {kind}, described as {said}");
        if let (Some(all), Some(text)) = (said.split_once("enum: ["), value.as_str()) {
            let all = all.1.trim_end_matches([']', '}']);
            assert!(all.split(", ").any(|one| one == text), "{name}.{member}: {text}");
        }
    }
}

#[test]
fn ticks_are_described() {
    let mut full = tick("BTC-USD", 7, "lba");
    full.flags = Flags::NONE.with(Flag::ClockSkew).with(Flag::Cached);
    let written = serde_json::to_value(batch("one", vec![full])).unwrap();
    check("TickBatch", &written);
    check("Tick", &written["ticks"][0]);
}

#[test]
fn status_is_described_in_every_state() {
    let at = Timestamp::from_millis(7);
    use ConnectionState as C;
    use PairState as P;
    let mut full = status("one", "c", 7);
    for state in [
        C::Connecting,
        C::Live,
        C::Silent,
        C::BackingOff,
        C::RateLimited,
        C::GeoBlocked,
        C::BlockedAddress,
        C::CannotRead,
        C::Stopped,
    ] {
        let (last_error, until) = (Some("no".to_owned()), Some(at));
        full.connections.push(ConnectionStatus {
            id: "1".into(),
            state,
            since: at,
            reconnects: 1,
            last_error,
            pairs: 1,
            until,
            unread: Some(market::UnreadFrame {
                frame: "x".to_owned(),
                bytes: 1,
                at,
                reason: "no".to_owned(),
                count: 1,
            }),
            every_ms: Some(60_000),
            seldom: Some("no".to_owned()),
        });
    }
    for state in
        [P::Waiting, P::Live, P::NoData, P::Stale, P::Delisted, P::Invalid, P::BlockedAddress, P::Disabled]
    {
        full.rows.push(RowStatus { id: 1, state, reason: Some("no".to_owned()) });
        let pair = Pair::parse("BTC-USD").unwrap();
        full.pairs.push(PairStatus {
            pair,
            state,
            last_data_at: Some(at),
            stale_after_ms: Some(1),
            expire_after_ms: Some(2),
        });
    }
    let written = serde_json::to_value(full).unwrap();
    check("VenueStatus", &written);
    for (name, list) in [("ConnectionStatus", "connections"), ("RowStatus", "rows"), ("PairStatus", "pairs")]
    {
        for one in written[list].as_array().unwrap() {
            check(name, one);
            if let Some(frame) = one.get("unread") {
                check("UnreadFrame", frame);
            }
        }
    }
}

#[test]
fn every_exchange_is_described() {
    for exchange in ["rates.ticks", "rates.status", "rates.rates"] {
        assert!(FILE.contains(&format!("address: {exchange}\n")), "{exchange}");
        assert!(
            FILE.contains(&format!("exchange: {{name: {exchange}, type: topic, durable: true")),
            "{exchange}"
        );
    }
}
