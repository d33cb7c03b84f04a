//! Ticks and status to publish, and private servers to publish them on.
//! It must not know what is tested.

use broker::{Broker, Options};
use lapin::{Channel, Connection, ConnectionProperties};
use market::{Flags, Pair, Price, Sequence, Tick, TickBatch, Timestamp, VenueId, VenueStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use testkit::Port;
use testkit::servers::{RabbitMq, TestCa};

/// A tick at a time, with the sides named by letters: `l`, `b`, `a`.
pub fn tick(pair: &str, at: i64, sides: &str) -> Tick {
    let price = |side: char| sides.contains(side).then(|| Price::parse(&at.to_string()).unwrap());
    Tick {
        pair: Pair::parse(pair).unwrap(),
        symbol: pair.into(),
        last: price('l'),
        bid: price('b'),
        ask: price('a'),
        venue_time: Some(Timestamp::from_millis(at)),
        received_at: Timestamp::from_millis(at),
        sequence: Sequence::new("1"),
        flags: Flags::NONE,
    }
}

/// What one venue says in one go.
pub fn batch(venue: &str, ticks: Vec<Tick>) -> TickBatch {
    let venue = VenueId::parse(venue).unwrap();
    TickBatch { v: TickBatch::VERSION, venue, sent_at: Timestamp::from_millis(1), ticks }
}

/// How a venue's feeds are doing.
pub fn status(venue: &str, collector: &str, at: i64) -> VenueStatus {
    VenueStatus {
        v: 1,
        venue: VenueId::parse(venue).unwrap(),
        collector: collector.into(),
        sent_at: Timestamp::from_millis(at),
        connections: vec![],
        rows: vec![],
        pairs: vec![],
    }
}

/// Everything here happens at once, or the test fails; nothing waits for luck.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing came within 10 s")
}

/// The server for tests that leave it alive. It takes some seconds to start, so that all of them share it.
pub fn shared() -> RabbitMq {
    encrypted().server.clone()
}

/// The same server, and how it is reached by TLS.
pub struct Encrypted {
    pub server: RabbitMq,
    pub port: u16,
    pub ca: TestCa,
    _port: Port,
}

/// See [`shared`].
pub fn encrypted() -> &'static Encrypted {
    static SERVER: OnceLock<Encrypted> = OnceLock::new();
    SERVER.get_or_init(|| {
        let (port, ca) = (Port::free().unwrap(), TestCa::new().unwrap());
        let lines = [
            format!("listeners.ssl.1 = 127.0.0.1:{}", port.number),
            format!("ssl_options.cacertfile = {}", ca.ca_file().display()),
            format!("ssl_options.certfile = {}", ca.certificate_file().display()),
            format!("ssl_options.keyfile = {}", ca.key_file().display()),
            "ssl_options.verify = verify_none".to_owned(),
        ];
        let server = RabbitMq::start_with(&lines.each_ref().map(String::as_str)).unwrap();
        // It opens this port after the plain one, by which it is seen to have started.
        let opened = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            std::net::TcpStream::connect(("127.0.0.1", port.number)).is_ok()
        });
        assert!(opened, "the encrypted port did not open");
        Encrypted { server, port: port.number, ca, _port: port }
    })
}

/// A prefix that nobody else has.
pub fn prefix() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A broker on a server, for one test alone.
pub async fn broker(server: &RabbitMq) -> Arc<dyn Broker> {
    broker_named(server, &prefix()).await
}

/// A broker on a server, with a prefix.
pub async fn broker_named(server: &RabbitMq, prefix: &str) -> Arc<dyn Broker> {
    let options = Options { prefix: prefix.to_owned(), ..Options::default() };
    broker::open_with(&server.url(), &options).await.unwrap()
}

/// What anyone else would connect with.
pub async fn channel(server: &RabbitMq) -> (Connection, Channel) {
    let connection = Connection::connect(&server.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}
