//! What a life in paused time needs: streams over bytes in memory, and requests during which time stands still.
//! It must not know venues.

use crate::stage::Cast;
use async_trait::async_trait;
use collector::{Bytes, Resolver, Settings, Wire};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// So many bytes may be on their way.
const BUFFER: usize = 256 << 10;
/// A request that takes longer has failed, whatever time it is.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// The product's settings, but for what would only be repeated all day.
pub fn settings(names: Arc<Names>, wire: Arc<Memory>) -> Settings {
    let mut settings = Settings::new("day");
    settings.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
    settings.resolver = Arc::new(Holding(names));
    settings.wire = wire;
    settings.timing.look_every = Duration::from_secs(5);
    settings.timing.status_every = Duration::from_secs(60);
    settings
}

/// Streams in memory: a byte written is there, and no clock moves.
pub struct Memory {
    cast: Arc<Cast>,
    tries: AtomicUsize,
}

impl Memory {
    pub fn new(cast: Arc<Cast>) -> Memory {
        Memory { cast, tries: AtomicUsize::new(0) }
    }

    /// How often somebody tried to connect.
    pub fn tries(&self) -> usize {
        self.tries.load(Relaxed)
    }
}

#[async_trait]
impl Wire for Memory {
    async fn connect(&self, _: SocketAddr) -> io::Result<Box<dyn Bytes>> {
        self.tries.fetch_add(1, Relaxed);
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        match self.cast.server.join(theirs) {
            true => Ok(Box::new(ours)),
            false => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

/// Requests on their way, over real sockets. A runtime whose time is paused moves it only while no blocking task runs:
/// one runs from the look-up of a name until the venue saw the client close the connection.
#[derive(Default)]
pub struct Names {
    over: Mutex<usize>,
    changed: Condvar,
    tries: AtomicUsize,
}

impl Names {
    /// A request and its answer are over.
    pub fn is_over(&self) {
        *self.over.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    /// How many requests were begun.
    pub fn tries(&self) -> usize {
        self.tries.load(Relaxed)
    }

    fn wait(&self) {
        let over = self.over.lock().unwrap();
        let (mut over, _) = self.changed.wait_timeout_while(over, REQUEST_MAX, |over| *over == 0).unwrap();
        *over = over.saturating_sub(1);
    }
}

struct Holding(Arc<Names>);

#[async_trait]
impl Resolver for Holding {
    async fn addresses(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        // Requests leave the port open; streams, which need no time, do not.
        if port == 0 {
            let names = self.0.clone();
            names.tries.fetch_add(1, Relaxed);
            drop(tokio::task::spawn_blocking(move || names.wait()));
        }
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }
}
