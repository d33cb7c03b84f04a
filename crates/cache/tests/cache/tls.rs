//! `rediss://`: a private authority is believed when it is named, and nobody else's word counts.
//! It must not know what is kept.

use crate::lab::{known, prefix, tick, venue};
use cache::{Cache, Options};
use std::sync::Arc;
use std::time::Duration;
use testkit::Port;
use testkit::servers::{Redis, TestCa};

async fn open(url: &str, roots: Option<&str>) -> Arc<dyn Cache> {
    let trusted_roots = roots.map(str::to_owned);
    let options = Options { prefix: prefix(), timeout: Duration::from_secs(5), trusted_roots };
    cache::open_with(url, &options).await.unwrap()
}

#[tokio::test]
async fn a_server_is_used_if_somebody_known_vouches_for_it() {
    let (port, ca, stranger) = (Port::free().unwrap(), TestCa::new().unwrap(), TestCa::new().unwrap());
    let files = [ca.certificate_file(), ca.key_file(), ca.ca_file()].map(|file| file.display().to_string());
    let [certificate, key, authority] = &files;
    let number = port.number.to_string();
    let _server = Redis::start_with(&[
        "--tls-port",
        &number,
        "--tls-cert-file",
        certificate,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        authority,
        "--tls-auth-clients",
        "no",
    ])
    .unwrap();
    let (named, numbered) =
        (format!("rediss://localhost:{number}/0"), format!("rediss://127.0.0.1:{number}/0"));

    let cache = open(&named, Some(ca.pem())).await;
    assert!(cache.is_up());
    cache.put(&venue("one"), &[tick("BTC-USD", 1, "l")]).await.unwrap();
    assert_eq!(known(&*cache).await.len(), 1);

    for (url, roots) in [
        (&named, None),
        (&named, Some(stranger.pem())),
        (&numbered, Some(ca.pem())),
        (&format!("{named}#insecure"), None),
    ] {
        // It has tried once when it is opened.
        assert!(!open(url, roots).await.is_up(), "{url} {roots:?}");
    }
}
