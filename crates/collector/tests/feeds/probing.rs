//! One pair tried at a fake venue, once: the ticks and their frames, or the reason why there are none.
//! It must not know how a trial is made.

use crate::harness::{settings, venue};
use clock::Clock;
use collector::{Probe, ProbeVerdict, Settings, probe};
use std::{collections::BTreeSet, time::Duration};
use testkit::{Behaviour, FakeVenue, Handshake, Happened, venue_file};

fn stream(url: &str) -> String {
    venue_file(&format!("url = \"{url}\"\nsilence = \"5s\"\nfirst_data = \"400ms\""), "")
}

async fn tried(file: &str, pair: &str, url: Option<&str>, settings: Settings) -> Probe {
    let venue = venue("a", file);
    probe(&venue, pair, url, Clock::system(), settings).await.unwrap()
}

#[tokio::test]
async fn ticks_are_shown_with_the_frames_they_came_in() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let file = stream(&format!("ws://{}/ws", fake.address()));
    let probe = tried(&file, "BTC-USD", None, settings()).await;
    assert_eq!(probe.verdict, ProbeVerdict::Ticks);
    assert_eq!(probe.frames.len(), 3);
    for frame in &probe.frames {
        let text = std::str::from_utf8(&frame.bytes).unwrap();
        let [tick] = frame.ticks.as_slice() else { panic!("{frame:?}") };
        assert!(text.contains(&tick.last.unwrap().to_string()), "{text} gave {tick:?}");
        assert_eq!((tick.pair.to_string().as_str(), frame.length), ("BTC-USD", text.len()));
    }
    assert_eq!(fake.count(|what| *what == Happened::Opened), 1, "once");
}

#[tokio::test]
async fn an_answer_is_shown_with_its_ticks() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    fake.set(|b| b.http.body = r#"[{"s":"BTC-USD","p":"2.50"},{"s":"ETH-USD","p":"1"}]"#.to_owned());
    let file =
        venue_file("", &format!("url = \"http://{}/x?s={{symbols}}\"\ninterval = \"60s\"", fake.address()));
    let probe = tried(&file, "BTC-USD", None, settings()).await;
    assert_eq!(probe.verdict, ProbeVerdict::Ticks);
    assert_eq!(probe.frames.len(), 1);
    assert_eq!(probe.frames[0].ticks.len(), 1, "only what was asked for");

    fake.set(|b| (b.http.status, b.http.body) = (500, "down".to_owned()));
    let ProbeVerdict::Failed(why) = tried(&file, "BTC-USD", None, settings()).await.verdict else {
        panic!("an error of the venue")
    };
    assert!(why.contains("500"), "{why}");
    fake.set(|b| (b.http.status, b.http.body) = (200, r#"{"error":"unknown symbol"}"#.to_owned()));
    let verdict = tried(&file, "BTC-USD", None, settings()).await.verdict;
    assert!(matches!(verdict, ProbeVerdict::UnknownSymbol(_)), "{verdict:?}");
    fake.set(|b| b.http.body = r#"[{"s":"ETH-USD","p":"1"}]"#.to_owned());
    assert_eq!(tried(&file, "BTC-USD", None, settings()).await.verdict, ProbeVerdict::NoData(None));
}

#[tokio::test]
async fn why_nothing_came_is_said() {
    let fake = FakeVenue::start(Behaviour {
        silent: BTreeSet::from(["SILENT-USD".to_owned()]),
        unknown: BTreeSet::from(["NOPE-USD".to_owned()]),
        ..Behaviour::default()
    })
    .await;
    let here = format!("ws://{}/ws", fake.address());
    let nobody = FakeVenue::start(Behaviour { handshake: Handshake::Reset, ..Behaviour::default() }).await;
    let strict = || Settings { allow_private: Vec::new(), ..settings() };
    let verdict = async |pair: &str, url: &str, settings: Settings| {
        tried(&stream(&here), pair, Some(url), settings).await.verdict
    };
    let got = verdict("NOPE-USD", &here, settings()).await;
    assert!(matches!(&got, ProbeVerdict::UnknownSymbol(why) if why.contains("unknown symbol")), "{got:?}");
    assert_eq!(verdict("SILENT-USD", &here, settings()).await, ProbeVerdict::NoData(None));
    let got = verdict("BTC-USD", &here, strict()).await;
    assert!(matches!(&got, ProbeVerdict::Blocked(why) if why.contains("127.0.0.1")), "{got:?}");
    let got = verdict("BTC-USD", &format!("ws://{}/ws", nobody.address()), settings()).await;
    assert!(matches!(got, ProbeVerdict::Unreachable(_)), "{got:?}");
    let got = verdict("BTCUSD", &here, settings()).await;
    assert!(matches!(&got, ProbeVerdict::Invalid(why) if why.contains("currency_pair")), "{got:?}");
    fake.set(|b| b.handshake = Handshake::Refuse(451, Vec::new()));
    let got = verdict("BTC-USD", &here, settings()).await;
    assert!(matches!(&got, ProbeVerdict::Unreachable(why) if why.contains("451")), "{got:?}");
}

#[tokio::test]
async fn a_venue_that_says_what_its_file_does_not_describe_cannot_be_read() {
    let fake = FakeVenue::start(Behaviour { tick_every: None, ..Behaviour::default() }).await;
    let url = format!("ws://{}/ws", fake.address());
    let file = venue_file(&format!("url = \"{url}\"\nsilence = \"300ms\"\nfirst_data = \"5s\""), "");
    let trial = tokio::spawn(async move { tried(&file, "BTC-USD", None, settings()).await });
    testkit::until("it is open", Duration::from_secs(5), || {
        fake.count(|what| matches!(what, Happened::Received(_))) > 0
    })
    .await;
    fake.say(r#"{"price":"1.5"}"#);
    let probe = trial.await.unwrap();
    assert!(matches!(&probe.verdict, ProbeVerdict::Failed(why) if why.contains("describe")), "{probe:?}");
    assert!(probe.frames.iter().any(|frame| frame.bytes == br#"{"price":"1.5"}"#), "{probe:?}");
}
