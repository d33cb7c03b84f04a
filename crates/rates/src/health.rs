//! What the probes are told without waiting: how each dependency is, and which venues rows may name.
//! It must not know what is done with either.

use crate::{fatal::Tasks, reread::reread};
use api::Check;
use broker::{Broker, BrokerHealth};
use cache::Cache;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use store::{Store, VenueFile};
use tokio::sync::watch;

/// How often the store is asked.
const PING_EVERY: Duration = Duration::from_secs(1);

/// A store that does not answer within this is down.
const PING_WITHIN: Duration = Duration::from_secs(2);

/// How the dependencies are.
pub struct Health {
    is_store_up: Arc<AtomicBool>,
    broker: Arc<dyn Broker>,
    cache: Arc<dyn Cache>,
}

impl Health {
    /// Begins to ask the store every second.
    pub fn watch(
        tasks: &Tasks,
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        cache: Arc<dyn Cache>,
    ) -> Health {
        let is_store_up = Arc::new(AtomicBool::new(false));
        tasks.run(ping(store, is_store_up.clone()));
        Health { is_store_up, broker, cache }
    }

    /// One word for each.
    pub fn checks(&self) -> Vec<Check> {
        let word = |is_up| if is_up { "ok" } else { "down" };
        vec![
            ("store".to_owned(), word(self.is_store_up.load(Relaxed))),
            ("broker".to_owned(), word(self.broker.health() == BrokerHealth::Up)),
            ("cache".to_owned(), word(self.cache.is_up())),
        ]
    }
}

async fn ping(store: Arc<dyn Store>, is_up: Arc<AtomicBool>) {
    let mut changes = store.changes();
    // At the start whoever opens the store says how that goes.
    let mut was_up = None;
    loop {
        let now_up = matches!(tokio::time::timeout(PING_WITHIN, store.ping()).await, Ok(Ok(())));
        is_up.store(now_up, Relaxed);
        if was_up == Some(true) && !now_up {
            tracing::warn!("the store does not answer; rates go on, changes to what is tracked wait");
        }
        if was_up == Some(false) && now_up {
            tracing::info!("the store answers");
        }
        if now_up || was_up.is_some() {
            was_up = Some(now_up);
        }
        // A change tells that it has just been opened; without one, a second is soon enough.
        tokio::select! {
            () = tokio::time::sleep(PING_EVERY) => {}
            Ok(()) = changes.changed(), if !now_up => {}
        }
    }
}

/// The names that rows may use: those built in, and those of the store as they change.
pub fn known_venues(
    tasks: &Tasks,
    builtin: BTreeSet<String>,
    store: Arc<dyn Store>,
) -> watch::Receiver<BTreeSet<String>> {
    let (known, reader) = watch::channel(builtin.clone());
    tasks.run(async move {
        let apply = |files: Vec<VenueFile>| {
            known.send_replace(files.into_iter().map(|file| file.name).chain(builtin.clone()).collect());
        };
        reread(store.changes(), || store.venue_files(), apply).await;
    });
    reader
}
