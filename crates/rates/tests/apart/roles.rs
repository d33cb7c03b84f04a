//! What a reader of the API sees while processes of the other roles come and go.
//! It must not know how rows are divided.

use crate::harness::{Installation, PATIENCE, Servers, row, within};
use testkit::{Behaviour, FakeVenue};

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_travels_through_every_server() {
    let servers = Servers::shared().await;
    let alpha = FakeVenue::start(Behaviour::default()).await;
    let apart = Installation::new(&servers, &[("alpha", &alpha)], vec![row("alpha", "BTC,ETH-USD")]).await;
    let (collector, recorder, api) =
        tokio::join!(apart.start("collector"), apart.start("recorder"), apart.start("api"));
    within(PATIENCE, "a fresh rate", async || (api.rate("BTC-USD").await["state"] == "fresh").then_some(()))
        .await;
    within(PATIENCE, "the feed is told", async || {
        (api.venue("alpha").await["state"] == "live").then_some(())
    })
    .await;
    for service in [&collector, &recorder, &api] {
        assert_eq!(service.end().await, 0, "{}", service.log());
    }
}
