//! What a reader of the API sees while processes of the other roles come and go.
//! It must not know how rows are divided.

use crate::harness::{Installation, PATIENCE, Servers, row, within};
use testkit::{Behaviour, FakeVenue};

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_travels_through_every_server() {
    let servers = Servers::shared().await;
    let alpha = FakeVenue::start(Behaviour::default()).await;
    let apart = Installation::new(&servers, &[("alpha", &alpha)], vec![row("alpha", "BTC,ETH-USD")]).await;
    let (collector, recorder, other, api) = tokio::join!(
        apart.start("collector"),
        apart.start("recorder"),
        apart.start("recorder"),
        apart.start("api")
    );
    within(PATIENCE, "a fresh rate", async || (api.rate("BTC-USD").await["state"] == "fresh").then_some(()))
        .await;
    within(PATIENCE, "the feed is told", async || {
        (api.venue("alpha").await["state"] == "live").then_some(())
    })
    .await;
    // What the recorders keep: last ticks where anybody can read them, and candles of every interval.
    let (redis, key) = (servers.redis.clone(), format!("{}:v1:last:alpha", apart.prefix));
    let kept = move || redis.cli(&["HGET", &key, "ETH-USD"]).unwrap();
    let kept = tokio::task::spawn_blocking(kept).await.unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap_or_else(|e| panic!("{e}: {kept}"));
    assert!(kept["last"].is_string(), "{kept}");
    for interval in ["1m", "1h", "1d"] {
        for venue in ["", "&venue=alpha"] {
            within(PATIENCE, "a candle", async || {
                let (_, body) = api.get(&format!("/api/v1/history/ETH-USD?interval={interval}{venue}")).await;
                let candle = body["candles"].as_array()?.last()?.clone();
                (candle["n"].as_i64()? > 0 && candle["c"].is_string()).then_some(())
            })
            .await;
        }
    }
    let leases = apart.sql("SELECT name FROM lease WHERE holder LIKE 'recorder-%'").await;
    assert_eq!(leases.trim(), format!("{}:recorder", apart.prefix), "one of them publishes");
    for service in [&collector, &recorder, &other, &api] {
        assert_eq!(service.end().await, 0, "{}", service.log());
    }
    let leases = apart.sql("SELECT name FROM lease").await;
    assert_eq!(leases.trim(), "", "whoever ends in good order gives back what it had");
}
