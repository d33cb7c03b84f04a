//! A store that ends the process, with SIGKILL, before, during or after a call on behalf of one alert.
//! It must not change what a call does.

use crate::{
    child::Orders,
    receiver::{self, Received},
};
use alerts::{Sender, Start};
use async_trait::async_trait;
use market::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::{
    AlertChange, AlertChanged, AlertChanges, AlertProgress, AlertRow, Alerts, Delivery, Fire, Message,
    MessageFilter, NewAlert, NewMessage, Outbox, OutboxDepth, Outcome, Settlement, Store, StoreError,
};
use tokio::sync::watch;

/// Where to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Point {
    /// It is known that the alert fires, and nothing is written.
    BeforeIntent,
    /// Its transaction is on the way: before its commit or after it, as it comes.
    DuringIntent,
    /// The alert has fired and its message stands in the outbox.
    AfterIntent,
    /// The message was taken, with those before and after it, and is not sent.
    AfterTake,
    /// It is written that it may have been sent, and it is not.
    AfterStart,
    /// It was sent, and that is not written.
    AfterSend,
    /// That is being written.
    BeforeCommit,
    /// That is written.
    AfterCommit,
}

impl Point {
    pub const ALL: [Point; 8] = [
        Point::BeforeIntent,
        Point::DuringIntent,
        Point::AfterIntent,
        Point::AfterTake,
        Point::AfterStart,
        Point::AfterSend,
        Point::BeforeCommit,
        Point::AfterCommit,
    ];
}

pub struct Deadly {
    store: Arc<dyn Store>,
    receiver: String,
    kill: Option<(Point, i64)>,
    /// Whether the message of that alert was sent and is not settled.
    is_sent: AtomicBool,
}

impl Deadly {
    pub fn new(store: Arc<dyn Store>, orders: &Orders) -> Deadly {
        Deadly {
            store,
            receiver: orders.receiver.clone(),
            kill: orders.kill,
            is_sent: AtomicBool::new(false),
        }
    }

    fn is_here(&self, point: Point, mut alerts: impl Iterator<Item = i64>) -> bool {
        self.kill.is_some_and(|(at, id)| at == point && alerts.any(|other| other == id))
    }

    async fn pass(&self, point: Point, alerts: impl Iterator<Item = i64>) {
        if self.is_here(point, alerts) {
            die();
            std::future::pending::<()>().await;
        }
    }

    /// Dies within the next three milliseconds, whatever happens meanwhile.
    fn die_soon(&self, point: Point, alerts: impl Iterator<Item = i64>) -> bool {
        let is_here = self.is_here(point, alerts);
        if is_here {
            std::thread::spawn(|| {
                std::thread::sleep(Duration::from_micros(fastrand::u64(0..3_000)));
                die();
            });
        }
        is_here
    }
}

/// Sends over a socket, and dies before or after it.
#[async_trait]
impl Sender for Deadly {
    async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome> {
        let message = &group[0];
        let alert_id = message.alert_id.expect("of an alert");
        let fire_seq = message.fire_seq.expect("of a firing");
        self.pass(Point::AfterTake, [alert_id].into_iter()).await;
        if !start.first(1).await {
            return Vec::new();
        }
        self.pass(Point::AfterStart, [alert_id].into_iter()).await;
        let received = Received { alert_id, fire_seq, is_repeat: message.is_repeat };
        receiver::send(&self.receiver, &received).await.expect("the receiver");
        self.pass(Point::AfterSend, [alert_id].into_iter()).await;
        if self.kill.is_some_and(|(_, id)| id == alert_id) {
            self.is_sent.store(true, Ordering::SeqCst);
        }
        vec![Outcome::Sent]
    }
}

fn die() {
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::KILL).expect("a signal");
}

#[async_trait]
impl Alerts for Deadly {
    async fn fire(&self, firings: &[Fire], now: Timestamp) -> Result<Vec<bool>, StoreError> {
        let alerts = || firings.iter().map(|fire| fire.alert_id);
        self.pass(Point::BeforeIntent, alerts()).await;
        let dies = self.die_soon(Point::DuringIntent, alerts());
        let fired = self.store.fire(firings, now).await?;
        if dies {
            std::future::pending::<()>().await;
        }
        self.pass(Point::AfterIntent, alerts()).await;
        Ok(fired)
    }
    async fn add_alert(&self, a: &NewAlert, most: usize, now: Timestamp) -> Result<Option<i64>, StoreError> {
        self.store.add_alert(a, most, now).await
    }
    async fn deliveries(&self, alert_id: i64, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.store.deliveries(alert_id, limit).await
    }
    async fn alert(&self, id: i64) -> Result<Option<AlertRow>, StoreError> {
        self.store.alert(id).await
    }
    async fn undelivered(&self, owner: &str) -> Result<Vec<Delivery>, StoreError> {
        self.store.undelivered(owner).await
    }
    async fn alerts_of(&self, owner: &str) -> Result<Vec<AlertRow>, StoreError> {
        self.store.alerts_of(owner).await
    }
    async fn alerts_page(
        &self,
        after: i64,
        only_open: bool,
        most: usize,
    ) -> Result<Vec<AlertRow>, StoreError> {
        self.store.alerts_page(after, only_open, most).await
    }
    async fn change_alert(
        &self,
        owner: &str,
        id: i64,
        change: &AlertChange,
        most: usize,
        now: Timestamp,
    ) -> Result<AlertChanged, StoreError> {
        self.store.change_alert(owner, id, change, most, now).await
    }
    async fn remove_alert(&self, owner: &str, id: i64) -> Result<bool, StoreError> {
        self.store.remove_alert(owner, id).await
    }
    async fn save_progress(&self, progress: &[AlertProgress]) -> Result<(), StoreError> {
        self.store.save_progress(progress).await
    }
    async fn alert_cursor(&self) -> Result<i64, StoreError> {
        self.store.alert_cursor().await
    }
    async fn alert_changes(&self, cursor: i64, most: usize) -> Result<AlertChanges, StoreError> {
        self.store.alert_changes(cursor, most).await
    }
    fn alert_notices(&self) -> watch::Receiver<u64> {
        self.store.alert_notices()
    }
    async fn prune_alerts(&self, closed_before: Timestamp) -> Result<u64, StoreError> {
        self.store.prune_alerts(closed_before).await
    }
}

#[async_trait]
impl Outbox for Deadly {
    async fn start_messages(&self, messages: &[(i64, i64)], now: Timestamp) -> Result<bool, StoreError> {
        self.store.start_messages(messages, now).await
    }
    async fn settle_messages(&self, settlements: &[Settlement], now: Timestamp) -> Result<(), StoreError> {
        let killed = || self.kill.iter().map(|(_, id)| *id).filter(|_| self.is_sent.load(Ordering::SeqCst));
        let dies = self.die_soon(Point::BeforeCommit, killed());
        self.store.settle_messages(settlements, now).await?;
        if dies {
            std::future::pending::<()>().await;
        }
        self.pass(Point::AfterCommit, killed()).await;
        Ok(())
    }
    async fn put_messages(
        &self,
        messages: &[NewMessage],
        state: Option<(&str, &str)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.put_messages(messages, state, now).await
    }
    async fn take_messages(
        &self,
        channel: &str,
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<Message>, StoreError> {
        self.store.take_messages(channel, most, now).await
    }
    async fn reclaim_messages(
        &self,
        channel: &str,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.store.reclaim_messages(channel, before, now).await
    }
    async fn release_messages(&self, target: &str, now: Timestamp) -> Result<u64, StoreError> {
        self.store.release_messages(target, now).await
    }
    async fn messages(&self, filter: &MessageFilter, most: usize) -> Result<Vec<Message>, StoreError> {
        self.store.messages(filter, most).await
    }
    async fn revive_message(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        self.store.revive_message(id, now).await
    }
    async fn outbox_depth(&self) -> Result<Vec<OutboxDepth>, StoreError> {
        self.store.outbox_depth().await
    }
    async fn messages_due(&self, channel: &str, priority: i64, now: Timestamp) -> Result<i64, StoreError> {
        self.store.messages_due(channel, priority, now).await
    }
    async fn prune_messages(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.store.prune_messages(before).await
    }
    fn outbox_notices(&self) -> watch::Receiver<u64> {
        self.store.outbox_notices()
    }
}
