//! A store in a file, messages in it, and the loop that sends them.
//! It must not know what a test is about.

use alerts::{Sender, Sending, WebhookSender, WebhookSettings, send_outbox};
use async_trait::async_trait;
use clock::Clock;
use guard::{Resolver, SystemResolver};
use market::Timestamp;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use store::{Message, MessageFilter, MessageState, NewMessage, Outbox, Seed, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The tests share two cores with all others.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often the loop looks: messages that wait are taken soon.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

pub struct Lab {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    _folder: tempfile::TempDir,
}

/// The loop, running.
pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the loop ends").unwrap();
    }

    /// As if the process had been killed: nothing of it happens any more.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Names that mean what a test says.
pub struct Names(pub Vec<(&'static str, &'static str)>);

#[async_trait]
impl Resolver for Names {
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let known = self.0.iter().filter(|(name, _)| *name == host);
        Ok(known.map(|(_, ip)| SocketAddr::new(ip.parse().unwrap(), port)).collect())
    }
}

impl Lab {
    pub async fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("rates.db").display());
        let store = store::open(&url, Seed::default()).await.unwrap();
        Lab { store, clock: Clock::system(), _folder: folder }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends what is in a channel with this sender.
    pub fn run(&self, channel: &'static str, sender: Arc<dyn Sender>) -> Running {
        self.run_on(self.store.clone(), channel, sender)
    }

    pub fn run_on(&self, outbox: Arc<dyn Outbox>, channel: &'static str, sender: Arc<dyn Sender>) -> Running {
        self.run_as(Sending { look_every: LOOK_EVERY, ..Sending::new(channel) }, outbox, sender)
    }

    pub fn run_as(&self, sending: Sending, outbox: Arc<dyn Outbox>, sender: Arc<dyn Sender>) -> Running {
        let stop = CancellationToken::new();
        let task = tokio::spawn(send_outbox(outbox, sender, self.clock, sending, stop.clone()));
        Running { stop, task }
    }

    /// A sender that may speak to this machine.
    pub fn hooks(&self) -> Arc<WebhookSender> {
        self.hooks_with(&["127.0.0.0/8"], Arc::new(SystemResolver))
    }

    pub fn hooks_with(&self, allow: &[&str], resolver: Arc<dyn Resolver>) -> Arc<WebhookSender> {
        let settings = WebhookSettings {
            allow_private: allow.iter().map(|net| net.parse().unwrap()).collect(),
            timeout: Duration::from_secs(2),
            retry_first: Duration::from_millis(50),
            ..WebhookSettings::default()
        };
        Arc::new(WebhookSender::new(self.store.clone(), self.clock, settings, resolver).unwrap())
    }

    /// A webhook of that address; its target.
    pub async fn hook(&self, url: &str) -> String {
        let hook = self.store.put_webhook("key:1", url, Some(SECRET), "", 99, self.now()).await.unwrap();
        format!("webhook:{}", hook.unwrap().id)
    }

    /// Writes messages of these bodies; their ids.
    pub async fn put(&self, target: &str, bodies: &[&str]) {
        let messages: Vec<_> = bodies.iter().map(|body| NewMessage::new(target, "fired", *body)).collect();
        self.store.put_messages(&messages, None, self.now()).await.unwrap();
    }

    /// Every message, the oldest first.
    pub async fn all(&self) -> Vec<Message> {
        let mut all = self.store.messages(&MessageFilter::default(), 1_000).await.unwrap();
        all.reverse();
        all
    }

    /// Waits until all messages are in a state from which nothing comes any more.
    pub async fn settled(&self) -> Vec<Message> {
        let is_settled = |message: &Message| matches!(message.state, MessageState::Sent | MessageState::Dead);
        let settled = async {
            loop {
                let all = self.all().await;
                if all.iter().all(is_settled) {
                    return all;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, settled).await {
            Ok(all) => all,
            Err(_) => panic!("never settled: {:?}", self.all().await),
        }
    }
}

/// A secret that no log may show.
pub const SECRET: &str = "canary-secret-of-a-webhook";
