//! Assets that the operator takes for one another: only then, only in crosses, and said in the answer.

use crate::lab::*;
use board::{Board, Found, Options};
use clock::Clock;
use market::{Asset, Basis, Price, RateState};

fn assuming(same_as: &[(&str, &str)]) -> Lab {
    let asset = |text: &str| Asset::parse(text).unwrap();
    let same_as = same_as.iter().map(|(one, other)| (asset(one), asset(other))).collect();
    let board = Board::new(Clock::at(start()), Options { same_as, ..options() });
    let (changes, _) = board.changes();
    Lab { board, changes }
}

#[tokio::test(start_paused = true)]
async fn usdt_is_never_usd_unless_the_operator_says_so() {
    let lab = assuming(&[]);
    lab.say("v1", "BTC-USDT", "64000.5");
    lab.say("v2", "USD-RUB", "80");
    for name in ["BTC-USD", "BTC-RUB", "USDT-USD"] {
        assert_eq!(lab.read(name), "none", "{name}");
    }

    let mut lab = assuming(&[("USDT", "USD")]);
    lab.say("v1", "BTC-USDT", "64000.5");
    lab.pass(5_000).await;
    lab.say("v2", "USD-RUB", "80");
    assert_eq!(lab.board.find("BTC-USD"), Found::Pair(pair("BTC-USD")));
    assert_eq!(lab.read("BTC-USD"), r#"Fresh 64000.5 ["assumed:USDT=USD"]"#);
    assert_eq!(lab.read("BTC-RUB"), r#"Fresh 5120040 ["assumed:USDT=USD"]"#);
    assert_eq!(lab.read("USD-USDT"), r#"Fresh 1 ["assumed:USDT=USD"]"#);
    let rate = &lab.answer("BTC-RUB").rate;
    let legs: Vec<_> =
        rate.legs.iter().map(|l| format!("{} {} {}", l.pair, l.value, l.sources.len())).collect();
    assert_eq!(legs, ["BTC-USDT 64000.5 1", "USDT-USD 1 0", "USD-RUB 80 1"]);
    assert_eq!((rate.basis, rate.sources_used), (Basis::Cross, 2));
    assert_eq!(lab.answer("BTC-RUB").age_ms(lab.now()), Some(5_000), "as old as its oldest observation");
    assert!(rate.legs.iter().all(|leg| leg.at <= lab.now()));
    let converted = lab.board.convert(Price::parse("2").unwrap(), &pair("BTC-USD")).unwrap();
    assert_eq!(converted.result.to_string(), "128001");
    // Nothing happens, so nothing is told.
    lab.events().await;
    lab.pass(3_000).await;
    lab.answer("BTC-RUB");
    lab.events().await;
    lab.pass(3_000).await;
    assert!(lab.events().await.iter().all(|event| !event.starts_with("BTC-RUB")));
    // No leg, no answer: an assumption alone keeps nothing alive.
    lab.pass(30_000).await;
    assert_eq!(lab.read("BTC-RUB"), "none");
}

#[tokio::test(start_paused = true)]
async fn what_is_quoted_comes_before_what_is_assumed() {
    let lab = assuming(&[("USDT", "USD")]);
    lab.say("v1", "BTC-USDT", "64000");
    lab.say("v2", "USDT-EUR", "0.9");
    lab.say("v2", "EUR-USD", "1.1");
    assert_eq!(lab.read("BTC-USD"), "Fresh 63360 []", "three quoted legs rather than one assumption");
    lab.say("v3", "USDT-USD", "0.999");
    assert_eq!(lab.read("BTC-USD"), "Fresh 63936 []");
    assert_eq!(lab.read("USDT-USD"), "Fresh 0.999 []");
    lab.say("v4", "BTC-USD", "64010");
    assert_eq!(lab.read("BTC-USD"), "Fresh 64010 []");
}

/// BTC-RUB directly from a polled venue; when that is silent, over BTC-USDT, USDT-USD and the central bank.
#[tokio::test(start_paused = true)]
async fn roubles_come_directly_and_then_over_the_central_bank() {
    let lab = Lab::new();
    lab.say("aggregator", "BTC-RUB", "5130000");
    lab.pass(20_000).await;
    lab.say("exchange", "BTC-USDT", "64000");
    lab.say("other", "USDT-USD", "0.9995");
    lab.say("bank", "USD-RUB", "80.25");
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5130000 []");
    assert_eq!(lab.answer("BTC-RUB").rate.basis, Basis::Last);
    lab.pass(10_100).await;
    // 64000 x 0.9995 x 80.25
    assert_eq!(lab.read("BTC-RUB"), r#"Fresh 5133432 ["venue_down:aggregator"]"#);
    let rate = &lab.answer("BTC-RUB").rate;
    let legs: Vec<_> = rate.legs.iter().map(|leg| leg.pair.to_string()).collect();
    assert_eq!(legs, ["BTC-USDT", "USDT-USD", "USD-RUB"]);
    assert_eq!(rate.state, RateState::Fresh);
    lab.say("aggregator", "BTC-RUB", "5131000");
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5131000 []");
}
