//! `amqps://`: a private authority is believed when it is named, and nobody else's word counts.
//! It must not know how a message looks.

use crate::lab::{batch, encrypted, prefix, soon, tick};
use broker::{Broker, BrokerHealth, Delivery, Options};
use std::sync::Arc;
use std::time::Duration;
use testkit::servers::TestCa;
use testkit::until;

async fn open(host: &str, roots: Option<&str>) -> Arc<dyn Broker> {
    let url = format!("amqps://guest:guest@{host}:{}/%2f", encrypted().port);
    let options = Options { prefix: prefix(), trusted_roots: roots.map(str::to_owned) };
    broker::open_with(&url, &options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_travel_encrypted_where_the_authority_is_known() {
    let broker = open("localhost", Some(encrypted().ca.pem())).await;
    let mut reader = broker.subscribe().await.unwrap();
    until("encrypted and up", Duration::from_secs(20), || broker.health() == BrokerHealth::Up).await;
    broker.publish_ticks(batch("one", vec![tick("BTC-USD", 1, "l")]));
    let Delivery::Ticks(came) = soon(reader.next()).await.unwrap() else { panic!("status") };
    assert_eq!(came.ticks, [tick("BTC-USD", 1, "l")]);
    broker.close().await;
}

/// Nobody named, somebody else named, another name than the certificate's: each stays down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_vouches_for_gets_no_password() {
    let stranger = TestCa::new().unwrap();
    let known = encrypted().ca.pem();
    let refused = async |host: &str, roots: Option<&str>| {
        let broker = open(host, roots).await;
        // It returns once it is served, or after some seconds of trying.
        let _reader = broker.subscribe().await.unwrap();
        assert_eq!(broker.health(), BrokerHealth::Down, "{host} {roots:?}");
    };
    tokio::join!(
        refused("localhost", None),
        refused("localhost", Some(stranger.pem())),
        refused("127.0.0.1", Some(known)),
    );
}
