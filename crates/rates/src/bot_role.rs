//! The role `bot`: the watch over alerts, the senders of the outbox, subscriptions, and Telegram where there is a token;
//! all of it in one process at a time. It must not know what an alert waits for, nor what Telegram is told.

use crate::{
    config::Config,
    exit::{Exit, Failure},
    secret::Secret,
};
use alerts::{WebhookSender, WebhookSettings};
use board::Board;
use bot::{
    Client, Conversation, ConversationParts, Holding, Household, LogLines, PAST_WITHIN, Pace, Polling,
    Throttle, Transport, Updates, Webhook,
};
use clock::Clock;
use guard::SystemResolver;
use market::VenueId;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::Store;
use tokio_util::sync::CancellationToken;
use venue::Venue;

/// How long a call to the Bot API may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Telegram, as it is configured.
#[derive(Clone)]
pub struct Telegram {
    client: Client,
    updates: Updates,
    admins: Vec<i64>,
}

impl Telegram {
    /// Reads the configuration; `None` without a token.
    pub fn of(config: &Config) -> Result<Option<Telegram>, Failure> {
        let Some(token) = &config.bot.token else { return Ok(None) };
        let wrong =
            |key: &str, error: &dyn std::error::Error| Failure::say(Exit::Config, format!("{key}: {error}"));
        let url = config.bot.api_url.as_deref().unwrap_or(bot::API_URL);
        let client = Client::new(url, token, CALL_TIMEOUT, Throttle::new(Pace::TELEGRAM))
            .map_err(|error| wrong("bot.api_url (TELEGRAM_API_URL)", &error))?;
        let updates = match &config.bot.webhook_url {
            None => Updates::Polled(Polling::default()),
            Some(url) => {
                let secret = config.bot.webhook_secret.as_ref().map(Secret::reveal);
                Updates::Brought(Webhook::new(url, secret, token).map_err(|error| match error {
                    bot::WebhookError::Address => wrong("bot.webhook_url", &error),
                    bot::WebhookError::Secret => wrong("bot.webhook_secret", &error),
                })?)
            }
        };
        Ok(Some(Telegram { client, updates, admins: config.bot.admins.clone() }))
    }

    /// What HTTP has to serve for it.
    pub fn routes(&self) -> axum::Router {
        match &self.updates {
            Updates::Brought(webhook) => webhook.routes(),
            Updates::Polled(_) => axum::Router::new(),
        }
    }
}

/// What the role works with.
#[derive(Clone)]
pub struct BotRole {
    /// The rates.
    pub board: Arc<Board>,
    /// Alerts, chats, the outbox.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// The venues, for their names.
    pub venues: Arc<BTreeMap<VenueId, String>>,
    /// `None` = off.
    pub telegram: Option<Telegram>,
    /// How webhooks are called.
    pub webhooks: WebhookSettings,
    /// Whether this process serves the interface, too.
    pub has_api: bool,
    /// The newest lines of the log.
    pub log_lines: LogLines,
}

/// The venues' names.
pub fn titles(venues: &[Arc<Venue>]) -> Arc<BTreeMap<VenueId, String>> {
    Arc::new(venues.iter().map(|venue| (venue.id().clone(), venue.title().to_owned())).collect())
}

impl BotRole {
    /// Runs until `stop`, whenever this process holds the lease.
    pub async fn run(self, lease: String, stop: CancellationToken) {
        if self.telegram.is_none() {
            tracing::info!(
                "telegram is off: no TELEGRAM_BOT_TOKEN; alerts are watched, and sent to webhooks"
            );
        }
        let holding = Holding::new(lease, format!("bot-{:08x}", fastrand::u32(..)));
        bot::stand_by(&*self.store, &holding, &stop, |token| self.clone().work(token)).await;
    }

    async fn work(self, stop: CancellationToken) {
        let watch = alerts::Parts::new(&self.store, self.board.clone(), self.clock);
        tokio::join!(
            alerts::run(watch, alerts::Settings::default(), stop.clone()),
            bot::run_subscriptions(self.store.clone(), self.clock, stop.clone()),
            alerts::upkeep(self.store.clone(), self.clock, stop.clone()),
            self.call_webhooks(&stop),
            self.talk(&stop),
        );
    }

    /// What alerts tell programs.
    async fn call_webhooks(&self, stop: &CancellationToken) {
        match WebhookSender::new(
            self.store.clone(),
            self.clock,
            self.webhooks.clone(),
            Arc::new(SystemResolver),
        ) {
            Ok(sender) => self.send("webhook", Arc::new(sender), stop).await,
            Err(error) => {
                tracing::error!("webhooks are off: {error}");
                stop.cancelled().await;
            }
        }
    }

    async fn send(&self, channel: &'static str, sender: Arc<dyn alerts::Sender>, stop: &CancellationToken) {
        let sending = alerts::Sending::new(channel);
        alerts::send_outbox(self.store.clone(), sender, self.clock, sending, stop.clone()).await;
    }

    /// Telegram: who we are, then the conversation and the sender.
    async fn talk(&self, stop: &CancellationToken) {
        let Some(telegram) = &self.telegram else { return stop.cancelled().await };
        let client = telegram.client.clone();
        let Some(me) = bot::introduce(&client, stop).await else { return };
        let house = Household::new(client.clone(), self.store.clone(), self.clock, self.log_lines.clone());
        if self.has_api {
            house.note_api();
        }
        let venues = self.venues.clone();
        let talk = Conversation::new(ConversationParts {
            board: self.board.clone(),
            store: self.store.clone(),
            clock: self.clock,
            admins: telegram.admins.clone(),
            bot_name: me.name.clone(),
            venue_name: Arc::new(move |venue| venues.get(venue).cloned()),
            house: house.clone(),
            past_within: PAST_WITHIN,
        });
        let transport = Transport {
            client,
            store: self.store.clone(),
            talk: Arc::new(talk),
            household: house,
            clock: self.clock,
        };
        let sender = Arc::new(transport.sender());
        tokio::join!(
            bot::run(transport, me, telegram.updates.clone(), stop.clone()),
            self.send("chat", sender, stop),
        );
    }
}
