//! From what people type to a pair.

use crate::lab::*;
use board::{Found, Policy};
use market::{ConnectionState, PairState};

fn say(found: &Found) -> String {
    match found {
        Found::Pair(pair) => pair.to_string(),
        Found::Unknown(near) => {
            format!("unknown: {}", near.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        }
        Found::Malformed => "malformed".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn usual_spellings_and_near_matches() {
    let lab = Lab::new();
    for name in ["BTC-USDT", "BTC-USD", "ETH-USDT", "DOGE-USDT", "DOT-USDT", "USDC-RUB", "AB-CD", "ABC-D"] {
        lab.say("v1", name, "2");
    }
    lab.status("v1", ConnectionState::Live, &[("LTC-XMR", PairState::NoData)]);
    for (text, expect) in [
        ("BTC-USDT", "BTC-USDT"),
        ("btc/usdt", "BTC-USDT"),
        ("bitcoin-tether", "BTC-USDT"),
        ("btcusdt", "BTC-USDT"),
        (" BtcUsd ", "BTC-USD"),
        ("usd-coin-rub", "USDC-RUB"),
        // Named by a collector, though nothing came yet; and run together.
        ("LTC-XMR", "LTC-XMR"),
        ("ltcxmr", "LTC-XMR"),
        ("LTC-XRM", "unknown: LTC-XMR"),
        // Nobody quotes it, but it can be crossed, whether its legs are fresh or not.
        ("USDT-BTC", "USDT-BTC"),
        ("DOGE-ETH", "DOGE-ETH"),
        // Two pairs are written so.
        ("abcd", "unknown: AB-CD ABC-D"),
        ("DOGX-USDT", "unknown: DOGE-USDT DOT-USDT"),
        ("BTC-USDD", "unknown: BTC-USD BTC-USDT"),
        ("BTC-RUB", "unknown: BTC-USD BTC-USDT"),
        ("btcusdx", "unknown: BTC-USD BTC-USDT"),
        ("QQQQ-WWWW", "unknown: "),
        ("qqqqwwww", "malformed"),
        ("", "malformed"),
        ("BTC-BTC", "malformed"),
        ("BTC'--", "malformed"),
        ("../etc", "unknown: "),
        ("%00", "malformed"),
        ("𝔹TC-USD", "malformed"),
        (&"A".repeat(10_000), "malformed"),
        (&format!("{}-USD", "A".repeat(10_000)), "malformed"),
    ] {
        let short: String = text.chars().take(20).collect();
        assert_eq!(say(&lab.board.find(text)), expect, "{short}");
    }
    lab.pass(31_000).await;
    assert_eq!(say(&lab.board.find("DOGE-ETH")), "DOGE-ETH");
}

#[tokio::test(start_paused = true)]
async fn a_policy_says_who_takes_part() {
    let lab = Lab::new();
    for (from, value) in [("v1", "100"), ("v2", "102"), ("v3", "104")] {
        lab.say(from, "BTC-USD", value);
    }
    let policy = |allowed: &[&str], excluded: &[&str], sources_min| Policy {
        venues_allowed: allowed.iter().map(|v| venue(v)).collect(),
        venues_excluded: excluded.iter().map(|v| venue(v)).collect(),
        sources_min,
    };
    for (policy, expect) in [
        (policy(&[], &[], 1), "Fresh 102 []"),
        (policy(&["v1", "v2"], &[], 1), "Fresh 101 []"),
        (policy(&["v1", "v2"], &["v1"], 1), "Fresh 102 []"),
        (policy(&[], &["v1"], 3), "Fresh 103 [\"few_sources\"]"),
        (policy(&["v9"], &[], 1), "Expired - []"),
    ] {
        lab.board.set_policies([(pair("BTC-USD"), policy)]);
        assert_eq!(lab.read("BTC-USD"), expect);
    }
    lab.board.set_policies([]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 102 []");
}
