//! F16: the host's clock steps by an hour, there and back, under a running service; ages go on as if nothing had been.
//! The service is the real one, with `libfaketime` between it and the host's clock; its monotonic clock is left alone.
//! It must not know how the product reads the time.

use crate::harness::{Service, run, within};
use serde_json::Value;
use std::{path::PathBuf, time::Duration};
use testkit::{Behaviour, FakeVenue};

const PATIENCE: Duration = Duration::from_secs(60);

/// The library, where Debian and its kin keep it.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// What the service says of the pair: its state, its age, and its time of receipt.
async fn rate(service: &Service) -> Option<(String, i64, i64)> {
    let (_, answer): (u16, Value) = service.get("/api/v1/rates/BTC-USD").await;
    Some((answer["state"].as_str()?.to_owned(), answer["age_ms"].as_i64()?, answer["received_at"].as_i64()?))
}

#[tokio::test]
async fn a_step_of_the_host_s_clock_makes_nothing_old_and_nothing_young() {
    let Some(library) = library() else {
        skip();
        return;
    };
    let (dir, fake) = (tempfile::tempdir().unwrap(), FakeVenue::start(Behaviour::default()).await);
    let dir = dir.path();
    let ws = format!("url = \"ws://{}\"\nsilence = \"10m\"", fake.address());
    let file = testkit::venue_file(&ws, "").replace("[symbols]", "stale_after = \"5m\"\n[symbols]");
    std::fs::write(dir.join("a.toml"), file).unwrap();
    for arguments in [vec!["venues", "add", "a.toml"], vec!["pairs", "add", "BTC-USD", "--venue", "a"]] {
        let (code, _, said) = run(dir, &arguments).await;
        assert_eq!(code, 0, "{said}");
    }
    let host = dir.join("host-clock");
    let step = |by: &str| std::fs::write(&host, by).unwrap();
    step("+0");
    let library = library.display().to_string();
    let variables = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", host.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    let service = Service::start_with(dir, &variables).await;
    let fresh = async || rate(&service).await.filter(|(state, ..)| state == "fresh");
    within(PATIENCE, "a fresh rate", fresh).await;

    // The venue falls silent; from now on only time passes.
    fake.set(|b| b.tick_every = None);
    let mut last =
        within(PATIENCE, "no more ticks", async || fresh().await.filter(|(_, age, _)| *age > 1_500)).await;
    for by in ["+1h", "-1h", "+0"] {
        step(by);
        let aged = within(PATIENCE, by, async || {
            let now = rate(&service).await.expect("an answer with an age");
            assert_eq!((now.0.as_str(), now.2), ("fresh", last.2), "after {by}: {now:?}");
            assert!(
                (last.1..last.1 + 120_000).contains(&now.1),
                "after {by}: from {} to {} ms",
                last.1,
                now.1
            );
            (now.1 > last.1 + 1_000).then_some(now)
        });
        last = aged.await;
    }

    // And what comes after a step is as new as it is.
    for by in ["-1h", "+1h"] {
        step(by);
        fake.set(|b| b.tick_every = Some(Duration::from_millis(50)));
        let newer = async || fresh().await.filter(|(_, age, at)| *at > last.2 && *age < 10_000);
        last = within(PATIENCE, "a newer tick", newer).await;
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says so aloud")]
fn skip() {
    eprintln!("skipped: no libfaketime on this machine; apt-get install faketime");
}
